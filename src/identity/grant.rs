use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, OrganizationId, PersonId};

use super::{StatusReason, named};

/// An account may act for another person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who acts.
    pub account: AccountId,
    /// For whom.
    pub person: PersonId,
    /// By what right.
    pub basis: GrantBasis,
    /// When it works.
    pub period: Period,
    /// What was seen, as a reference to the record of it.
    pub evidence: String,
    /// When it was written down.
    pub created: Instant,
    /// Whether it works.
    pub state: GrantState,
}

/// From an instant (inclusive) until another (exclusive), or without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first instant of it.
    pub from: Instant,
    /// The first instant after it.
    pub until: Option<Instant>,
}

impl Period {
    /// Whether `at` lies in it.
    #[must_use]
    pub fn covers(&self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// Whether a grant works, apart from its period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// It waits for a decision.
    Pending,
    /// It works.
    Active,
    /// It does not work for now.
    Suspended {
        /// Since when.
        at: Instant,
        /// Why.
        reason: StatusReason,
        /// Whose staff did that, and let it work again.
        by: Option<OrganizationId>,
    },
    /// It never works again.
    Ended {
        /// Since when.
        at: Instant,
        /// Why.
        reason: StatusReason,
    },
}

impl Grant {
    /// Whether it works at `now`: a grant that has not begun, or whose end has come, does not.
    #[must_use]
    pub fn is_active(&self, now: Instant) -> bool {
        matches!(self.state, GrantState::Active) && self.period.covers(now)
    }
}

named! {
    /// By what right an account acts for another person.
    GrantBasis {
        /// Parent of a minor.
        Parent = "parent",
        /// Guardian of a minor.
        GuardianMinor = "guardian-minor",
        /// Guardian of an adult, appointed by a court.
        GuardianAdult = "guardian-adult",
        /// Health care power of attorney.
        HealthCarePowerOfAttorney = "hcpoa",
        /// The patient's own consent.
        PatientConsent = "patient-consent",
        /// A clinician attested that it is in the patient's best interest; for 90 days at most.
        BestInterest = "best-interest",
        /// Foster care or an agency.
        Foster = "foster",
        /// Executor of the estate of one who died.
        Executor = "executor",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_includes_its_start_and_excludes_its_end() {
        let at = Instant::from_micros;
        let period = Period { from: at(10), until: Some(at(20)) };
        assert_eq!([9, 10, 19, 20].map(|t| period.covers(at(t))), [false, true, true, false]);
        assert!(Period { from: at(10), until: None }.covers(at(i64::MAX)));
    }

    #[test]
    fn every_basis_has_its_own_name() {
        for basis in GrantBasis::ALL {
            assert_eq!(GrantBasis::parse(basis.as_str()), Some(*basis));
        }
        assert_eq!(GrantBasis::parse("Parent"), None);
    }
}
