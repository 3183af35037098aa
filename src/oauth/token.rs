//! Opaque tokens: 256 random bits behind a prefix that tells people and scanners what they found.

use data_encoding::BASE64URL_NOPAD;

use crate::base::clock::Instant;
use crate::base::hash::{hmac_sha256, sha256};
use crate::base::random::Random;
use crate::base::secret::Secret;

/// What a token is for. Each kind is kept in a table of its own, so that none passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Bearer tokens for the FHIR API.
    Access,
    /// Refresh tokens.
    Refresh,
    /// Authorization codes.
    Code,
    /// Client secrets.
    ClientSecret,
    /// Session cookies.
    Session,
    /// Launch values that an app is opened with.
    Launch,
    /// Access tokens of backend services.
    System,
    /// Registration access tokens (RFC 7592).
    Registration,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "cgat_",
            Self::Refresh => "cgrt_",
            Self::Code => "cgac_",
            Self::ClientSecret => "cgcs_",
            Self::Session => "cgss_",
            Self::Launch => "cgla_",
            Self::System => "cgst_",
            Self::Registration => "cgra_",
        }
    }

    /// Mints one.
    #[must_use]
    pub fn mint(self, random: &dyn Random) -> Secret<String> {
        Secret::new(format!("{}{}", self.prefix(), random.token()))
    }

    /// The SHA-256 under which `token` is stored; `None` when it cannot be one of this kind. An access token that says
    /// when it was issued is stored under that second and 224 bits of its hash.
    #[must_use]
    pub fn hash(self, token: &str) -> Option<[u8; 32]> {
        let bits = token.strip_prefix(self.prefix())?;
        if !bits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return None;
        }
        match bits.split_at_checked(ISSUED) {
            _ if bits.len() == RANDOM => Some(sha256(token.as_bytes())),
            Some((issued, random)) if self == Self::Access && random.len() == RANDOM => {
                Some(hash_of(token, &BASE64URL_NOPAD.decode(issued.as_bytes()).ok()?))
            }
            _ => None,
        }
    }
}

fn hash_of(token: &str, issued: &[u8]) -> [u8; 32] {
    let mut hash = sha256(token.as_bytes());
    hash.iter_mut().zip(issued).for_each(|(stored, said)| *stored = *said);
    hash
}

/// Characters of 256 random bits, and of the second in which a token was issued.
const RANDOM: usize = 43;
const ISSUED: usize = 6;

/// Mints an access token that begins with the second it was issued in, and the hash it is stored under: those that are
/// issued together are stored side by side, where random ones would each change a page of their own. Its answer told that
/// second anyway.
#[must_use]
pub fn access_token(random: &dyn Random, issued: Instant) -> (Secret<String>, [u8; 32]) {
    let issued = u32::try_from(issued.seconds()).unwrap_or(u32::MAX).to_be_bytes();
    let token = format!("{}{}{}", TokenKind::Access.prefix(), BASE64URL_NOPAD.encode(&issued), random.token());
    let hash = hash_of(&token, &issued);
    (Secret::new(token), hash)
}

/// The refresh token that follows `token`: derived from it with a key, so that a client whose answer was lost gets the
/// same one again and no second lineage begins.
#[must_use]
pub fn refresh_successor(key: &Secret<[u8; 32]>, token: &str) -> Secret<String> {
    let bits = hmac_sha256(key.expose(), &[token.as_bytes()]);
    Secret::new(format!("{}{}", TokenKind::Refresh.prefix(), BASE64URL_NOPAD.encode(&bits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;

    #[test]
    fn o43_no_kind_of_token_reads_as_another() {
        let random = SeededRandom::new(1);
        let kinds = [
            TokenKind::Access,
            TokenKind::Refresh,
            TokenKind::Code,
            TokenKind::ClientSecret,
            TokenKind::Session,
            TokenKind::Launch,
            TokenKind::System,
            TokenKind::Registration,
        ];
        for made in kinds {
            let token = made.mint(&random);
            for read in kinds {
                assert_eq!(read.hash(token.expose()).is_some(), made == read, "{made:?} as {read:?}");
            }
        }
    }

    #[test]
    fn an_access_token_is_stored_by_its_second_and_nothing_of_it_can_be_changed() {
        let (random, issued) = (SeededRandom::new(1), Instant::from_micros(0x6912_3456 * 1_000_000 + 999_999));
        let (token, hash) = access_token(&random, issued);
        assert_eq!(TokenKind::Access.hash(token.expose()), Some(hash));
        assert_eq!(hash[..4], [0x69, 0x12, 0x34, 0x56]);
        assert_eq!(hash[4..], sha256(token.expose().as_bytes())[4..]);
        for kind in [TokenKind::Refresh, TokenKind::System] {
            assert_eq!(kind.hash(&token.expose().replace("cgat_", kind.prefix())), None, "{kind:?}");
        }
        for at in 5..token.expose().len() {
            let mut other = token.expose().clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(TokenKind::Access.hash(std::str::from_utf8(&other).unwrap()), Some(hash), "{at}");
        }
        let short = &token.expose()[..token.expose().len() - 1];
        assert_eq!(TokenKind::Access.hash(short), None);
        // One from before.
        let plain = TokenKind::Access.mint(&random);
        assert_eq!(TokenKind::Access.hash(plain.expose()), Some(sha256(plain.expose().as_bytes())));
    }

    #[test]
    fn a_successor_is_a_refresh_token_that_only_the_key_can_tell() {
        let (key, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let first = refresh_successor(&key, "cgrt_x");
        assert!(TokenKind::Refresh.hash(first.expose()).is_some());
        assert_eq!(first.expose(), refresh_successor(&key, "cgrt_x").expose());
        assert_ne!(first.expose(), refresh_successor(&other, "cgrt_x").expose());
        assert_ne!(first.expose(), refresh_successor(&key, first.expose()).expose());
    }
}
