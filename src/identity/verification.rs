//! What staff saw, as FHIR says it: a Provenance of who looked at what, and a VerificationResult of what it is worth (portal
//! design, 2.6). No number and no picture of a paper; of the staff, no name.

use serde_json::{Value, json};

use super::{Assurance, Document, Proofing};
use crate::base::id::{LinkId, PersonId};

/// Levels of identity assurance as SMART Health Cards code them.
const LEVELS: &str = "https://smarthealth.cards/ial";
/// Kinds of identifiers (HL7 v2 table 0203).
const PAPERS: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// How it was validated.
const VALIDATION: &str = "http://terminology.hl7.org/CodeSystem/validation-type";

/// A proofing of a chart, as the person sees it.
#[derive(Clone, Debug)]
pub struct Verification {
    /// What staff wrote down.
    pub proofing: Proofing,
    /// The person.
    pub person: PersonId,
    /// The link that came of it.
    pub link: LinkId,
    /// The organization's name.
    pub organization: String,
    /// Whether it still holds.
    pub holds: bool,
}

impl Verification {
    const fn level(&self) -> &'static str {
        match self.proofing.assurance() {
            Assurance::Claimed => "IAL1.2",
            Assurance::Ial1 => "IAL1.4",
            Assurance::Ial2 => "IAL2",
            Assurance::Ial3 => "IAL3",
        }
    }

    fn process(&self) -> Vec<Value> {
        let text = match (self.proofing.document, self.proofing.photo_compared) {
            (Document::KnownToClinic, _) => "Known to the clinic, attested by a second colleague (IDIAL1.5)",
            (_, false) => "Paper seen in person, picture not compared (IDIAL1.5)",
            (Document::BirthCertificate, true) => "Paper without a picture seen in person (IDIAL1.5)",
            (_, true) => "Paper with picture seen in person and compared (IDIAL1.8)",
        };
        vec![json!({ "text": text })]
    }

    fn staff(&self) -> Value {
        json!({"display": format!("Staff of {}", self.organization)})
    }

    /// Who looked, for whom, where, when, at what.
    #[must_use]
    pub fn provenance(&self) -> Value {
        let Proofing { id, recorded, document, issuer, document_expires, attested_by, .. } = &self.proofing;
        let organization = json!({"display": self.organization});
        let role = |code: &str| json!({"text": code});
        let mut agents = vec![
            json!({"type": role("verifier"), "who": self.staff(), "onBehalfOf": organization}),
            json!({"type": role("verified"), "who": {"reference": format!("Patient/{}", self.person)}}),
        ];
        if attested_by.is_some() {
            agents.push(json!({"type": role("attester"), "who": self.staff(), "onBehalfOf": organization}));
        }
        let mut what = json!({"type": {"text": document.words()}});
        if let Some(members) = what.as_object_mut() {
            if *document != Document::KnownToClinic {
                let coding = json!([{"system": PAPERS, "code": document.as_str()}]);
                members.insert("type".to_owned(), json!({"coding": coding, "text": document.words()}));
            }
            if let Some(issuer) = issuer {
                members.insert("assigner".to_owned(), json!({ "display": issuer }));
            }
            if let Some(month) = document_expires {
                members.insert("period".to_owned(), json!({ "end": month }));
            }
        }
        json!({
            "resourceType": "Provenance",
            "id": format!("proofing-{id}"),
            "target": [
                {"reference": format!("Patient/{}", self.person)},
                {"reference": format!("Person/{}", self.link)},
            ],
            "occurredDateTime": recorded.to_fhir(),
            "recorded": recorded.to_fhir(),
            "activity": {"text": "Identity proofing in person"},
            "location": {"display": self.organization},
            "agent": agents,
            "entity": [{"role": "source", "what": {"identifier": what}}],
        })
    }

    /// What it is worth, and until when.
    #[must_use]
    pub fn result(&self) -> Value {
        let proofing = &self.proofing;
        let day = |at: crate::base::clock::Instant| at.to_fhir().chars().take(10).collect::<String>();
        json!({
            "resourceType": "VerificationResult",
            "id": format!("proofing-{}", proofing.id),
            "meta": {"tag": [{"system": LEVELS, "code": self.level()}]},
            "target": [{"reference": format!("Patient/{}", self.person)}],
            "targetLocation": ["name", "birthDate"],
            "status": if self.holds { "validated" } else { "req-revalid" },
            "statusDate": proofing.recorded.to_fhir(),
            "validationType": {"coding": [{"system": VALIDATION, "code": "primary"}]},
            "validationProcess": self.process(),
            "lastPerformed": proofing.recorded.to_fhir(),
            "nextScheduled": day(proofing.valid_until()),
            "attestation": {"who": self.staff(), "date": day(proofing.recorded)},
        })
    }
}
