use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Assurance, Demographics, GrantBasis, Proofing, named};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, InvitationId, LinkId, OrganizationId, PersonId, ProofingId};
use crate::base::source_key::SourceKey;

const DAY: Duration = Duration::from_secs(86_400);

/// Wrong answers to what is asked beside a code, until it is locked (portal design, 2.2).
pub const MOST_WRONG_ANSWERS: i64 = 5;
/// An expired code is exchanged for a new one for so long after its end (portal design, 2.3).
const EXCHANGED_FOR: Duration = Duration::from_secs(90 * 86_400);
/// A slip that shows that its bearer was at a desk was handed over within this time of the proofing,
const HANDED_OVER: Duration = Duration::from_secs(600);
/// and is used within this time of it.
const SHOWS_FOR: Duration = Duration::from_secs(48 * 3_600);
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

    /// Whether it shows that its bearer was seen in person a short time ago, with a paper and its picture (portal design, 2.8:
    /// proofing anew at the desk): the patient's own slip, handed over right then.
    #[must_use]
    pub fn shows_presence(&self, seen: &Proofing, now: Instant) -> bool {
        self.is_open(now)
            && self.channel == Channel::Slip
            && self.proxy.is_none()
            && self.proofing == Some(seen.id)
            && (self.source, &self.patient) == (seen.source, &seen.patient)
            && [self.assurance, seen.assurance()].iter().all(|sure| matches!(sure, Assurance::Ial2 | Assurance::Ial3))
            && self.issued >= seen.recorded
            && self.issued.since(seen.recorded) <= HANDED_OVER
            && now.since(seen.recorded) <= SHOWS_FOR
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SeededRandom;
    use crate::identity::Document;

    const MINUTE: Duration = Duration::from_secs(60);
    const SEEN: Instant = Instant::from_micros(1_795_305_600_000_000);

    fn slip() -> (Proofing, Invitation) {
        let random = SeededRandom::new(4);
        let demographics = Demographics {
            family: "Okafor".to_owned(),
            given: vec!["Daniel".to_owned()],
            birth_date: "1991-04-14".to_owned(),
        };
        let seen = Proofing {
            id: ProofingId::mint(&random),
            organization: OrganizationId::mint(&random),
            source: SourceKey::mint(&random),
            patient: "p1".to_owned(),
            demographics: demographics.clone(),
            verified_by: Some(AccountId::mint(&random)),
            attested_by: None,
            document: Document::DriversLicence,
            issuer: None,
            document_expires: None,
            photo_compared: true,
            recorded: SEEN,
        };
        let id = InvitationId::mint(&random);
        let slip = Invitation {
            id,
            handle: "AAAA".to_owned(),
            organization: seen.organization,
            source: seen.source,
            patient: seen.patient.clone(),
            demographics,
            proxy: None,
            channel: Channel::Slip,
            contact: None,
            proofing: Some(seen.id),
            assurance: seen.assurance(),
            issued_by: seen.verified_by,
            issued: SEEN,
            expires: SEEN.plus(Channel::Slip.validity()),
            root: id,
            wrong_answers: 0,
            state: InvitationState::Issued,
        };
        (seen, slip)
    }

    /// Rule (portal design, 2.8): proofing anew at the desk. The slip is handed over at most ten minutes after it and used
    /// within 48 hours of it; the proofing is one of IAL2; everything else is some other code.
    #[test]
    fn a_slip_shows_presence_where_everything_is_as_it_must_be() {
        type Change = fn(&mut Proofing, &mut Invitation);
        let (seen, good) = slip();
        assert!(good.shows_presence(&seen, SEEN));
        assert!(good.shows_presence(&seen, SEEN.plus(48 * 60 * MINUTE)));
        assert!(!good.shows_presence(&seen, SEEN.plus(48 * 60 * MINUTE + MINUTE)), "too late");
        let late = Invitation { issued: SEEN.plus(10 * MINUTE), ..good.clone() };
        assert!(late.shows_presence(&seen, SEEN.plus(11 * MINUTE)));
        let changes: [(&str, Change); 11] = [
            ("handed over later", |_, slip| slip.issued = SEEN.plus(11 * MINUTE)),
            ("handed over before", |_, slip| slip.issued = SEEN.minus(MINUTE)),
            ("sent", |_, slip| slip.channel = Channel::Email),
            ("by post", |_, slip| slip.channel = Channel::Post),
            ("ended", |_, slip| slip.state = InvitationState::Superseded { at: SEEN }),
            ("another proofing", |seen, _| seen.id = ProofingId::mint(&SeededRandom::new(9))),
            ("another chart", |seen, _| seen.patient = "p2".to_owned()),
            ("no picture compared", |seen, _| seen.photo_compared = false),
            ("no paper", |seen, _| seen.document = Document::KnownToClinic),
            ("less sure", |_, slip| slip.assurance = Assurance::Ial1),
            ("for somebody else", |_, slip| {
                slip.proxy = Some(ProxyDraft {
                    basis: "parent".to_owned(),
                    family: "Okafor".to_owned(),
                    given: "Ada".to_owned(),
                    birth_date: None,
                    until: None,
                    scope: None,
                    person: None,
                    is_own_word: false,
                    sources: None,
                });
            }),
        ];
        for (what, change) in changes {
            let (mut seen, mut slip) = slip();
            change(&mut seen, &mut slip);
            assert!(!slip.shows_presence(&seen, SEEN.plus(20 * MINUTE)), "{what}");
        }
    }
}
