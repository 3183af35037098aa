//! `mappings/policy/contacts.toml`: what a custody order takes.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::consent::Contacts;
use crate::fhir::ResourceType;

/// A table of contact data that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mappings/policy/contacts.toml: {0}")]
pub struct ContactsError(String);

const EMBEDDED: &str = include_str!("../../mappings/policy/contacts.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    types: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    elements: Vec<String>,
    #[serde(default)]
    patients_only: Vec<String>,
}

/// The table that comes with the binary.
///
/// # Errors
/// [`ContactsError`].
pub fn embedded() -> Result<Contacts, ContactsError> {
    parse(EMBEDDED)
}

fn parse(text: &str) -> Result<Contacts, ContactsError> {
    let file: File = toml::from_str(text).map_err(|error| ContactsError(error.message().to_owned()))?;
    let mut contacts = Contacts::default();
    let mut seen = BTreeSet::new();
    for Row { name, elements, patients_only } in file.types {
        let is_path = |path: &String| {
            path.split('.').all(|step| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        };
        let kind = ResourceType::parse(&name).filter(|kind| seen.insert(*kind));
        let kind = kind.ok_or_else(|| ContactsError(format!("{name} is no type, or stands twice")))?;
        if elements.is_empty() || !elements.iter().chain(&patients_only).all(is_path) {
            return Err(ContactsError(format!("{name} names no element, or something that is none")));
        }
        contacts.add(kind, elements, patients_only);
    }
    Ok(contacts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::consent::{Shown, redacted};
    use crate::fhir::knowledge::Knowledge;
    use crate::fhir::scan::scan_resource;

    /// FHIR R4, written by hand: wherever it says GONE goes, and all else stays.
    fn rows() -> [Value; 14] {
        let there = json!({"reference": "Location/9", "display": "GONE"});
        [
            json!({"resourceType": "Patient", "telecom": [{"value": "GONE"}], "address": [{"city": "GONE"}],
                "contact": [{"name": {"text": "GONE"}}], "name": [{"text": "kept"}], "birthDate": "2018-01-01"}),
            json!({"resourceType": "RelatedPerson", "telecom": [{"value": "GONE"}], "address": [{"city": "GONE"}],
                "name": [{"text": "kept"}]}),
            json!({"resourceType": "Appointment", "description": "GONE", "comment": "GONE", "patientInstruction": "GONE",
                "slot": [there], "supportingInformation": [there], "start": "2026-01-01T00:00:00Z",
                "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]}),
            json!({"resourceType": "Encounter", "location": [{"location": there}], "serviceProvider": there,
                "hospitalization": {"origin": there, "destination": there, "extension": [{"url": "GONE"}],
                    "reAdmission": {"text": "kept"}}, "period": {"start": "2026-01-01"}}),
            json!({"resourceType": "MedicationRequest", "dispenseRequest": {"performer": there,
                "extension": [{"url": "GONE"}], "numberOfRepeatsAllowed": 3, "quantity": {"value": 30.0}},
                "authoredOn": "2026-01-01"}),
            json!({"resourceType": "MedicationDispense", "location": there, "destination": there, "receiver": [there],
                "quantity": {"value": 30.0}}),
            json!({"resourceType": "CarePlan", "activity": [{"detail": {"location": there, "status": "completed"}}],
                "title": "kept"}),
            json!({"resourceType": "Device", "location": there, "serialNumber": "kept"}),
            json!({"resourceType": "ServiceRequest", "locationCode": [{"text": "GONE"}], "locationReference": [there],
                "code": {"text": "kept"}}),
            json!({"resourceType": "Immunization", "location": there, "lotNumber": "kept"}),
            json!({"resourceType": "Procedure", "location": there, "code": {"text": "kept"}}),
            json!({"resourceType": "Provenance", "location": there, "recorded": "2026-01-01T00:00:00Z"}),
            json!({"resourceType": "Task", "location": there, "description": "kept"}),
            json!({"resourceType": "Coverage", "subscriberId": "GONE", "policyHolder": there, "status": "active"}),
        ]
    }

    /// Without what says GONE, and what that leaves empty.
    fn kept(value: &Value) -> Option<Value> {
        match value {
            Value::String(text) => (text != "GONE").then(|| value.clone()),
            Value::Array(items) => {
                let kept: Vec<Value> = items.iter().filter_map(kept).collect();
                (kept.len() == items.len()).then_some(Value::Array(kept))
            }
            Value::Object(members) => {
                let is_reference = members.contains_key("display");
                let left: serde_json::Map<String, Value> =
                    members.iter().filter_map(|(name, member)| Some((name.clone(), kept(member)?))).collect();
                let is_hollow = left.is_empty() || (is_reference && left.len() < members.len());
                (!is_hollow).then_some(Value::Object(left))
            }
            other => Some(other.clone()),
        }
    }

    #[test]
    fn each_row_takes_the_place_and_nothing_else() {
        let contacts = embedded().unwrap();
        let rows = rows();
        for row in &rows {
            let mut told = row.clone();
            told["text"] = json!({"status": "generated", "div": "<div>GONE</div>"});
            told["contained"] = json!([{"resourceType": "Location", "id": "l", "name": "GONE"}]);
            let raw = scan_resource(told.to_string().into(), Knowledge::embedded().unwrap()).unwrap();
            let shown = Shown { is_outline: false, hides_contacts: true };
            let left: Value = serde_json::from_slice(&redacted(&raw, shown, &contacts).unwrap().unwrap()).unwrap();
            assert_eq!(Some(&left), kept(row).as_ref(), "{row}");
            assert!(row.to_string().contains("GONE") && !left.to_string().contains("GONE"), "{left}");
            assert_eq!(redacted(&raw, Shown::default(), &contacts).unwrap(), None, "only by an order");
        }
        let types: BTreeSet<&str> = rows.iter().filter_map(|row| row["resourceType"].as_str()).collect();
        assert_eq!(contacts.types().map(ResourceType::as_str).collect::<BTreeSet<_>>(), types, "a row without a test");
    }

    #[test]
    fn a_table_that_cannot_be_meant_is_refused() {
        assert!(parse("[[type]]\nname = \"Device\"\nelements = [\"location\"]").is_ok());
        for wrong in [
            "[[type]]\nname = \"Dvice\"\nelements = [\"location\"]",
            "[[type]]\nname = \"Device\"\nelements = []",
            "[[type]]\nname = \"Device\"\nelements = [\"a..b\"]",
            "[[type]]\nname = \"Device\"\nelements = [\"\"]",
            "[[type]]\nname = \"Device\"\nelements = [\"a b\"]",
            "[[type]]\nname = \"Device\"\nelement = [\"a\"]",
            "[[type]]\nname = \"Device\"\nelements = [\"a\"]\n[[type]]\nname = \"Device\"\nelements = [\"b\"]",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
