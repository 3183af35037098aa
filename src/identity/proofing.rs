use std::time::Duration;

use super::{Assurance, Demographics, named};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, OrganizationId, ProofingId};
use crate::base::source_key::SourceKey;

/// What staff saw holds for so long (portal design, 2.6).
pub const PROOFING_HOLDS: Duration = Duration::from_secs(365 * 86_400);

named! {
    /// Which paper was shown (HL7 v2 table 0203 where it has a code).
    Document {
        /// Driver's licence.
        DriversLicence = "DL",
        /// Passport.
        Passport = "PPN",
        /// A state's identity card.
        StateCard = "NI",
        /// Permanent resident card.
        ResidentCard = "PRC",
        /// Military identity card.
        Military = "MI",
        /// Birth certificate.
        BirthCertificate = "BCT",
        /// Nothing: somebody of the clinic knows the person.
        KnownToClinic = "known",
    }
}

impl Document {
    /// What people call it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::DriversLicence => "Driver's licence",
            Self::Passport => "Passport",
            Self::StateCard => "State identity card",
            Self::ResidentCard => "Permanent resident card",
            Self::Military => "Military identity card",
            Self::BirthCertificate => "Birth certificate",
            Self::KnownToClinic => "No paper: known to the clinic",
        }
    }
}

/// That somebody was seen in person, with what they showed. No number and no picture of a paper.
#[derive(Clone, Debug)]
pub struct Proofing {
    /// Its id.
    pub id: ProofingId,
    /// Where.
    pub organization: OrganizationId,
    /// Whose chart: the source,
    pub source: SourceKey,
    /// and the id of the Patient there.
    pub patient: String,
    /// Who the chart was about then.
    pub demographics: Demographics,
    /// Who looked; none for the operator.
    pub verified_by: Option<AccountId>,
    /// A second one who knows the person, where there was no paper.
    pub attested_by: Option<AccountId>,
    /// What was shown.
    pub document: Document,
    /// Who issued the paper.
    pub issuer: Option<String>,
    /// The month in which the paper ends, `YYYY-MM`.
    pub document_expires: Option<String>,
    /// Whether the picture was held against the face.
    pub photo_compared: bool,
    /// When.
    pub recorded: Instant,
}

impl Proofing {
    /// Until when it holds.
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        self.recorded.plus(PROOFING_HOLDS)
    }

    /// How sure one is of somebody who was verified so: without a paper known people are taken at a second word, and a
    /// paper whose picture nobody compared is less than one (portal design, 2.6).
    #[must_use]
    pub const fn assurance(&self) -> Assurance {
        match (self.document, self.photo_compared) {
            (Document::KnownToClinic, _) => Assurance::Claimed,
            (Document::BirthCertificate, _) | (_, false) => Assurance::Ial1,
            (_, true) => Assurance::Ial2,
        }
    }
}
