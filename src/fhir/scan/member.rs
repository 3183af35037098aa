//! The members of an object that is being walked, and what their names mean wherever they stand.

use super::lexer::Text;
use crate::fhir::shape::{mask_bit, name_hash};

/// The most members one object may have: no FHIR type comes near it, and it bounds the search for a key met twice.
pub(super) const MAX_MEMBERS: usize = 256;

/// An object being walked.
pub(super) struct Frame {
    /// Where this object's keys begin in the list of all open objects' keys.
    pub(super) floor: usize,
    /// One bit for each key's hash.
    pub(super) mask: u64,
    /// How many have been met.
    pub(super) members: usize,
}

/// A member's key, its quotes and colon taken.
pub(super) struct Key<'a> {
    pub(super) text: Text<'a>,
    pub(super) hash: u64,
    /// No member stands before it in the object.
    pub(super) first: bool,
}

impl Key<'_> {
    /// Where the member begins: at its key's opening quote.
    #[inline(always)]
    pub(super) fn start(&self) -> u32 {
        self.text.start.wrapping_sub(1)
    }
}

/// A key of an object that is still open.
pub(super) struct SeenKey {
    pub(super) hash: u64,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What a member's name means wherever it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    None,
    Meta,
    Security,
    System,
    Code,
    Reference,
    Display,
    Identifier,
    Type,
    Patient,
    ResourceType,
    Div,
}

impl Role {
    const NAMES: [(&'static [u8], Self); 14] = [
        (b"meta", Self::Meta),
        (b"security", Self::Security),
        (b"system", Self::System),
        (b"code", Self::Code),
        (b"reference", Self::Reference),
        (b"display", Self::Display),
        (b"identifier", Self::Identifier),
        (b"type", Self::Type),
        (b"patient", Self::Patient),
        (b"subject", Self::Patient),
        (b"beneficiary", Self::Patient),
        (b"sourcePatientInfo", Self::Patient),
        (b"resourceType", Self::ResourceType),
        (b"div", Self::Div),
    ];

    /// One bit for each name's hash: most other names are turned away by it.
    const MASK: u64 = {
        let (mut mask, mut rest) = (0, Self::NAMES.as_slice());
        while let Some(((name, _), others)) = rest.split_first() {
            mask |= mask_bit(name_hash(name));
            rest = others;
        }
        mask
    };

    #[inline(always)]
    pub(super) fn of(key: &Key<'_>) -> Self {
        if Self::MASK & mask_bit(key.hash) == 0 { Self::None } else { Self::named(key.text.content) }
    }

    #[inline(always)]
    fn named(name: &[u8]) -> Self {
        Self::NAMES.iter().find(|(known, _)| *known == name).map_or(Self::None, |(_, role)| *role)
    }
}
