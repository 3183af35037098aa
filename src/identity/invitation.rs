use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Assurance, Demographics, GrantBasis, named};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, InvitationId, LinkId, OrganizationId, PersonId, ProofingId};
use crate::base::source_key::SourceKey;

const DAY: Duration = Duration::from_secs(86_400);

/// Wrong answers to what is asked beside a code, until it is locked (portal design, 2.2).
pub const MOST_WRONG_ANSWERS: i64 = 5;
/// An expired code is exchanged for a new one for so long after its end (portal design, 2.3).
const EXCHANGED_FOR: Duration = Duration::from_secs(90 * 86_400);
/// Codes that somebody may ask for by themselves in a day.
pub const RENEWALS_IN_A_DAY: i64 = 3;
/// Codes that somebody may ask for by themselves in all; then staff must be asked.
pub const RENEWALS: i64 = 10;

named! {
    /// How a code reaches whom it is for.
    Channel {
        /// Printed and handed over.
        Slip = "slip",
        /// By letter.
        Post = "post",
        /// By e-mail.
        Email = "email",
        /// To a phone.
        Sms = "sms",
    }
}

impl Channel {
    /// How long a code holds (portal design, 2.2: the caps of NIST SP 800-63A on confirmation codes).
    #[must_use]
    pub const fn validity(self) -> Duration {
        match self {
            Self::Slip => Duration::from_secs(30 * 86_400),
            Self::Post => Duration::from_secs(21 * 86_400),
            Self::Email => DAY,
            Self::Sms => Duration::from_secs(600),
        }
    }

    /// Whether it is sent from here, to a contact.
    #[must_use]
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Email | Self::Sms)
    }
}

/// What a code of a proxy is good for beside the chart that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyDraft {
    /// By what right they will act, by its name.
    pub basis: String,
    /// The family name as staff wrote it down.
    pub family: String,
    /// The given name.
    pub given: String,
    /// Their own birth date (FHIR `date`), where staff wrote it down.
    pub birth_date: Option<String>,
    /// When the right ends, in microseconds.
    pub until: Option<i64>,
    /// How far it goes, as JSON; as its basis has it where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whose record it is for, where that is known: no other one comes of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// Whether whose record it is gave it, who is of age: then it is not for one practice alone.
    #[serde(default)]
    pub is_own_word: bool,
    /// The sources that the practice had when its staff gave leave, if it became part of another since: the leave was for
    /// these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<BTreeSet<SourceKey>>,
}

impl ProxyDraft {
    /// How long a code for a proxy holds at most (portal design, 2.5).
    #[must_use]
    pub fn validity(&self) -> Duration {
        match GrantBasis::parse(&self.basis) {
            Some(GrantBasis::HealthCarePowerOfAttorney) => 7 * DAY,
            _ => 14 * DAY,
        }
    }
}

/// An activation code, as it is kept: without the code.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The first symbols of the code.
    pub handle: String,
    /// Who handed it out.
    pub organization: OrganizationId,
    /// Where the chart is.
    pub source: SourceKey,
    /// The chart: the id of the Patient at the source.
    pub patient: String,
    /// Whom the chart was about when it was handed out: what is asked beside the code.
    pub demographics: Demographics,
    /// For somebody who acts for the patient; none for the patient.
    pub proxy: Option<ProxyDraft>,
    /// How it was handed over.
    pub channel: Channel,
    /// The e-mail address or phone on file, where new codes may be sent.
    pub contact: Option<String>,
    /// The record of what staff saw.
    pub proofing: Option<ProofingId>,
    /// How sure one is of a link that comes of it.
    pub assurance: Assurance,
    /// Who handed it out; none for the operator.
    pub issued_by: Option<AccountId>,
    /// When.
    pub issued: Instant,
    /// When it stops working.
    pub expires: Instant,
    /// The first of the codes of which each took the place of the one before.
    pub root: InvitationId,
    /// Wrong answers so far.
    pub wrong_answers: i64,
    /// How it stands, its end aside.
    pub state: InvitationState,
}

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// It can be redeemed until it expires.
    Issued,
    /// Somebody gave the right answers and has not confirmed yet.
    Opened {
        /// When first.
        at: Instant,
    },
    /// It was.
    Redeemed {
        /// When.
        at: Instant,
        /// By whom.
        account: AccountId,
        /// What came of it, for a patient's own.
        link: Option<LinkId>,
    },
    /// Somebody ended it.
    Revoked {
        /// When.
        at: Instant,
    },
    /// Too many wrong answers, or not the one it was meant for.
    Locked {
        /// When.
        at: Instant,
    },
    /// A newer code took its place.
    Superseded {
        /// When.
        at: Instant,
    },
}

impl Invitation {
    /// Whether it can be redeemed.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        self.is_unused() && now < self.expires
    }

    /// Whether it could be redeemed but for its end.
    #[must_use]
    pub const fn is_unused(&self) -> bool {
        matches!(self.state, InvitationState::Issued | InvitationState::Opened { .. })
    }

    /// Whether it ended by time alone, and not too long ago to be exchanged.
    #[must_use]
    pub fn is_exchangeable(&self, now: Instant) -> bool {
        self.is_unused() && now >= self.expires && now < self.expires.plus(EXCHANGED_FOR)
    }

    /// How it stands in a word, for staff.
    #[must_use]
    pub fn standing(&self, now: Instant) -> &'static str {
        match self.state {
            InvitationState::Issued | InvitationState::Opened { .. } if now >= self.expires => "expired",
            InvitationState::Issued => "issued",
            InvitationState::Opened { .. } => "opened",
            InvitationState::Redeemed { .. } => "redeemed",
            InvitationState::Revoked { .. } => "revoked",
            InvitationState::Locked { .. } => "locked",
            InvitationState::Superseded { .. } => "superseded",
        }
    }
}
