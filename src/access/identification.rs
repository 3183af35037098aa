use crate::identity::{StaffAct, StaffMember};
use crate::organization::SourceKey;

/// Leave to look at Patients of an organization's own sources in order to tell who somebody is: at the desk, for a claim,
/// or to see whether a link still leads to whom it was made for. Nothing of the record beside the Patient is read by it,
/// and nothing read by it leaves the gateway but to staff.
#[derive(Clone, Debug)]
pub struct Identification {
    sources: Vec<SourceKey>,
    purpose: &'static str,
}

impl Identification {
    /// By staff, if one of their roles covers it. `sources` are those of their organization.
    #[must_use]
    pub fn by_staff(member: &StaffMember, sources: Vec<SourceKey>) -> Option<Self> {
        member.may(StaffAct::FindPatient).then_some(Self { sources, purpose: "desk" })
    }

    /// For what somebody says of themselves; the answer goes to nobody.
    #[must_use]
    pub const fn for_claim(sources: Vec<SourceKey>) -> Self {
        Self { sources, purpose: "claim" }
    }

    /// For a link, or a code that is about to become one.
    #[must_use]
    pub fn for_link(source: SourceKey) -> Self {
        Self { sources: vec![source], purpose: "link" }
    }

    /// Whether a source may be asked.
    #[must_use]
    pub fn covers(&self, source: SourceKey) -> bool {
        self.sources.contains(&source)
    }

    /// The sources that may be asked.
    #[must_use]
    pub fn sources(&self) -> &[SourceKey] {
        &self.sources
    }

    /// What for, in a word.
    #[must_use]
    pub const fn purpose(&self) -> &'static str {
        self.purpose
    }
}
