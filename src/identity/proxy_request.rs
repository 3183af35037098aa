use super::{Demographics, GrantBasis, ProxyDraft, StatusReason, named};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, InvitationId, OrganizationId, PersonId, ProofingId, ProxyRequestId};
use crate::base::source_key::SourceKey;

named! {
    /// Who asks that somebody may act for somebody else.
    RequestOrigin {
        /// Whose record it is, from their own account.
        Patient = "patient",
        /// Somebody with a document.
        Document = "document",
        /// Somebody at the desk.
        Desk = "desk",
    }
}

named! {
    /// How a request stands.
    RequestState {
        /// It waits for staff.
        Waiting = "waiting",
        /// One of the staff approved it, and it takes two.
        Approved = "approved",
        /// There is a code for it.
        Issued = "issued",
        /// Staff refused it.
        Refused = "refused",
        /// Whoever asked took it back.
        Withdrawn = "withdrawn",
    }
}

impl RequestState {
    /// Whether staff have something to decide.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Approved)
    }
}

/// That somebody is to act for somebody else.
#[derive(Clone, Debug)]
pub struct ProxyRequest {
    /// Its id.
    pub id: ProxyRequestId,
    /// Whose staff decide.
    pub organization: OrganizationId,
    /// Who asked.
    pub origin: RequestOrigin,
    /// From which account.
    pub asked_by: AccountId,
    /// When.
    pub asked: Instant,
    /// Whose record, where that is known here.
    pub person: Option<PersonId>,
    /// Which chart, once it is known.
    pub chart: Option<(SourceKey, String)>,
    /// Who the patient is, as whoever asks says.
    pub said: Demographics,
    /// Who is to act, and how far.
    pub draft: ProxyDraft,
    /// The paper that was named.
    pub document: Option<String>,
    /// The record of what staff saw.
    pub proofing: Option<ProofingId>,
    /// Why the patient is not told, where telling them would harm.
    pub silent: Option<String>,
    /// Who of the staff approved first, and when.
    pub approved: Option<(AccountId, Instant)>,
    /// How it stands.
    pub state: RequestState,
    /// When that was decided.
    pub decided: Option<Instant>,
    /// Why it was refused.
    pub reason: Option<StatusReason>,
    /// What staff wrote beside that.
    pub note: Option<String>,
    /// The code that came of it.
    pub invitation: Option<InvitationId>,
}

/// Whether two of the staff must agree: where a document or a clinician takes the place of the patient's own word (portal
/// design, 2.5).
#[must_use]
pub const fn takes_two(basis: GrantBasis) -> bool {
    matches!(
        basis,
        GrantBasis::GuardianAdult
            | GrantBasis::HealthCarePowerOfAttorney
            | GrantBasis::BestInterest
            | GrantBasis::Executor
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, from the portal design: court order, power of attorney, best interest; and an estate, by a document too.
    #[test]
    fn two_decide_what_rests_on_a_document_or_a_clinician() {
        let two: Vec<&str> = GrantBasis::ALL.iter().filter(|basis| takes_two(**basis)).map(|b| b.as_str()).collect();
        assert_eq!(two, ["guardian-adult", "hcpoa", "best-interest", "executor"]);
    }
}
