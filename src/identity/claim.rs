use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::clock::Instant;
use crate::base::id::{AccountId, ClaimId, OrganizationId};
use crate::base::source_key::SourceKey;

/// Wrong one-time codes until a claim goes to staff.
pub const MOST_WRONG_CODES: i64 = 5;

/// What somebody says of themselves to be linked to their chart. It starts a link and never finishes one: what comes
/// back from the contact on file does, or staff.
#[derive(Clone)]
pub struct Claim {
    /// Its id.
    pub id: ClaimId,
    /// Who says so.
    pub account: AccountId,
    /// Where the chart is said to be.
    pub organization: OrganizationId,
    /// What they say.
    pub said: Said,
    /// When.
    pub made: Instant,
    /// The chart that it matches, where one does: the source and the Patient's id there.
    pub chart: Option<(SourceKey, String)>,
    /// Why staff must look at it, as codes.
    pub reasons: Vec<String>,
    /// Wrong one-time codes so far.
    pub wrong_codes: i64,
    /// How it stands.
    pub state: ClaimState,
}

/// What somebody says of themselves.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// FHIR `date`, whole.
    pub birth_date: String,
    /// The number of the record, or of an account that is printed on a bill.
    pub number: String,
}

/// How a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// It was not looked at yet.
    Open,
    /// A one-time code went to the contact on file.
    CodeSent {
        /// Until when the code holds.
        until: Instant,
    },
    /// Staff must decide.
    Queued,
    /// It became a link.
    Accepted {
        /// When.
        at: Instant,
        /// By whom; none for the contact on file.
        by: Option<AccountId>,
    },
    /// Staff refused it.
    Refused {
        /// When.
        at: Instant,
        /// By whom.
        by: AccountId,
    },
    /// Whoever made it took it back, or made another.
    Withdrawn {
        /// When.
        at: Instant,
    },
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(…)")
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}
