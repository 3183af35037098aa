use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::clock::Instant;
use crate::base::id::{LinkId, PersonId};
use crate::base::source_key::SourceKey;

use super::named;

/// A person's chart at a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Whose chart.
    pub person: PersonId,
    /// Where.
    pub source: SourceKey,
    /// The chart: the id of the Patient at the source.
    pub patient: String,
    /// Order among the person's links; the lowest is the primary one, whose demographics are the person's.
    pub rank: i64,
    /// How it came about.
    pub method: LinkMethod,
    /// How sure we are that the person is the patient.
    pub assurance: Assurance,
    /// Who the chart was about when it was linked: if that changes, the id was reused or charts were merged.
    pub demographics: Option<Demographics>,
    /// When it was made.
    pub linked: Instant,
    /// Whether data flows.
    pub state: LinkState,
}

/// Whether data flows through a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It does.
    Active,
    /// It does not until staff decide.
    Frozen {
        /// Since when.
        at: Instant,
        /// Why, as a code.
        reason: String,
    },
    /// It never will again.
    Ended {
        /// Since when.
        at: Instant,
        /// Why, as a code.
        reason: String,
    },
}

impl LinkState {
    /// Whether data flows.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }
}

named! {
    /// How a link came about.
    LinkMethod {
        /// A person redeemed an activation code.
        ActivationCode = "activation-code",
        /// Staff saw the person and the papers.
        Desk = "desk",
        /// The person claimed it and answered at the contact on file.
        ClaimAndContact = "claim-and-contact",
        /// An identity provider vouched for the person.
        IdentityProvider = "identity-provider",
        /// Staff decided a claim.
        StaffDecision = "staff-decision",
        /// The operator's own data: demo, import.
        Operator = "operator",
    }
}

named! {
    /// How sure we are that the person is the patient, in rising order.
    Assurance {
        /// Claimed, and confirmed at the contact on file: data of that organization only.
        Claimed = "claimed",
        /// Known to the clinic, without papers.
        Ial1 = "ial1",
        /// Papers or an identity provider at that level (NIST SP 800-63A).
        Ial2 = "ial2",
        /// Papers seen in presence, under supervision (NIST SP 800-63A).
        Ial3 = "ial3",
    }
}

/// Who a chart was about when it was linked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demographics {
    /// Family name as the source wrote it.
    pub family: String,
    /// Given names as the source wrote them.
    pub given: Vec<String>,
    /// FHIR `date`, possibly partial.
    pub birth_date: String,
}

impl fmt::Debug for Demographics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Demographics(…)")
    }
}

// The id of a chart is as telling as a name to whoever knows the EHR.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("id", &self.id)
            .field("person", &self.person)
            .field("source", &self.source)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
