//! Parts of a resource that a proxy does not see. They are cut out of its bytes before anything else looks at it, so that
//! they are not searched, sorted or counted by either.

use super::lens::Shown;
use crate::fhir::ResourceType;
use crate::fhir::edits::{EditError, Edits};
use crate::fhir::scan::RawResource;
use crate::fhir::search::fragment::Fragment;

/// The elements that stay of an outline: when, where and how much. `None` for a type that has none: what it is for is
/// all that it says.
pub(super) const fn outline(resource_type: ResourceType) -> Option<&'static [&'static str]> {
    match resource_type {
        ResourceType::Encounter => Some(&["status", "class", "serviceType", "subject", "period", "serviceProvider"]),
        ResourceType::Appointment => Some(&["status", "serviceType", "start", "end", "participant"]),
        ResourceType::Invoice => Some(&["status", "subject", "date", "totalNet", "totalGross"]),
        ResourceType::Account => Some(&["status", "subject"]),
        ResourceType::Coverage => Some(&[
            "status",
            "type",
            "subscriberId",
            "beneficiary",
            "relationship",
            "period",
            "payor",
            "class",
            "order",
            "network",
        ]),
        ResourceType::PaymentNotice => Some(&["status", "request", "created", "paymentDate", "amount", "recipient"]),
        _ => None,
    }
}

/// The elements that say how or where to find somebody.
#[must_use]
pub const fn without_contacts(resource_type: ResourceType) -> &'static [&'static str] {
    match resource_type {
        ResourceType::Patient => &["telecom", "address", "contact", "text", "contained"],
        ResourceType::RelatedPerson => &["telecom", "address", "text", "contained"],
        ResourceType::Appointment => &[
            "description",
            "comment",
            "patientInstruction",
            "slot",
            "supportingInformation",
            "text",
            "contained",
            "participant",
        ],
        ResourceType::Encounter => &["location", "hospitalization", "serviceProvider", "text", "contained"],
        // The pharmacy is in a place, as the one that hands the drug out is.
        ResourceType::MedicationRequest => &["dispenseRequest", "text", "contained"],
        ResourceType::Device => &["location", "text", "contained"],
        ResourceType::ServiceRequest => &["locationCode", "locationReference", "text", "contained"],
        ResourceType::Immunization | ResourceType::Procedure | ResourceType::Task => &["location", "text", "contained"],
        ResourceType::MedicationDispense => &["location", "destination", "receiver", "text", "contained"],
        ResourceType::Coverage => &["subscriberId", "policyHolder", "text", "contained"],
        _ => &[],
    }
}

/// What is left of a resource; `None` when all of it is.
///
/// # Errors
/// When the cuts contradict each other: then it is not shown.
pub fn redacted(raw: &RawResource, shown: Shown) -> Result<Option<Vec<u8>>, EditError> {
    let resource_type = raw.facts.resource_type;
    let mut edits = Edits::new();
    for member in &raw.facts.members {
        let key = member.key.of(&raw.bytes);
        // `_name` explains or extends `name` (FHIR R4 json.html).
        let name = key.strip_prefix(b"_").unwrap_or(key);
        let is_in = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        let is_hidden = shown.hides_contacts && is_in(without_contacts(resource_type));
        let is_beyond =
            shown.is_outline && !is_in(&["resourceType", "id", "meta"]) && !outline(resource_type).is_some_and(is_in);
        if name == b"participant" && (is_hidden || shown.is_outline) {
            match patients(Fragment::new(member.value.of(&raw.bytes))) {
                Some(kept) => edits.replace(member.value, &kept),
                None => edits.cut(member.span()),
            }
        } else if is_hidden || is_beyond {
            edits.cut(member.span());
        } else if key == b"meta" && shown.is_outline {
            edits.replace(member.value, &plain_meta(Fragment::new(member.value.of(&raw.bytes))));
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(raw.bytes.len());
    edits.apply(&raw.bytes, &mut out)?;
    Ok(Some(out))
}

/// The participants of an appointment that are patients; the others are in a place.
fn patients(participants: Fragment<'_>) -> Option<Vec<u8>> {
    let is_patient = |participant: &Fragment<'_>| {
        let reference = participant.get("actor").and_then(|actor| actor.text_of("reference"));
        reference.is_some_and(|text| text.starts_with("Patient/") || text.contains("/Patient/"))
    };
    let kept: Vec<&[u8]> = participants.each().filter(is_patient).map(Fragment::bytes).collect();
    (!kept.is_empty()).then(|| [b"[".as_slice(), &kept.join(&b','), b"]"].concat())
}

/// Version and time alone: labels, tags and profiles say what it was about.
fn plain_meta(meta: Fragment<'_>) -> Vec<u8> {
    let kept = ["versionId", "lastUpdated"].into_iter().filter_map(|name| {
        let value = meta.get(name).filter(|value| value.text().is_some())?;
        Some([b"\"".as_slice(), name.as_bytes(), b"\":", value.bytes()].concat())
    });
    let kept: Vec<Vec<u8>> = kept.collect();
    [b"{".as_slice(), &kept.join(&b','), b"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::knowledge::Knowledge;
    use crate::fhir::scan::scan_resource;

    fn left(text: &str, shown: Shown) -> serde_json::Value {
        let raw = scan_resource(text.to_owned().into(), Knowledge::embedded().unwrap()).unwrap();
        serde_json::from_slice(&redacted(&raw, shown).unwrap().unwrap_or_else(|| raw.bytes.to_vec())).unwrap()
    }

    #[test]
    fn an_outline_says_when_and_where_and_no_more() {
        let text = r#"{"resourceType":"Encounter","id":"e","meta":{"versionId":"1","security":[{"code":"STD"}],
            "lastUpdated":"2026-01-01T00:00:00Z"},"status":"finished","_status":{"id":"x"},"reasonCode":[{"text":"why"}],
            "class":{"code":"AMB"},"subject":{"reference":"Patient/1"},"period":{"start":"2026-01-01"}}"#;
        let left = left(text, Shown { is_outline: true, hides_contacts: false });
        assert_eq!(
            left,
            serde_json::json!({"resourceType": "Encounter", "id": "e",
                "meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}, "status": "finished",
                "_status": {"id": "x"}, "class": {"code": "AMB"}, "subject": {"reference": "Patient/1"},
                "period": {"start": "2026-01-01"}})
        );
    }

    #[test]
    fn contact_data_and_places_go() {
        let hidden = Shown { is_outline: false, hides_contacts: true };
        let patient = r#"{"resourceType":"Patient","id":"1","telecom":[{"value":"555"}],"_telecom":[{"id":"1"}],
            "address":[{"city":"X"}],"contact":[{"name":{"text":"Y"}}],"text":{"status":"generated","div":"555"},
            "birthDate":"2018-01-01"}"#;
        assert_eq!(
            left(patient, hidden),
            serde_json::json!({"resourceType": "Patient", "id": "1", "birthDate": "2018-01-01"})
        );
        let appointment = r#"{"resourceType":"Appointment","id":"1","status":"booked","start":"2026-01-01T00:00:00Z",
            "comment":"at the lake","participant":[{"actor":{"reference":"Location/9"}},
            {"actor":{"reference":"Patient/1"},"status":"accepted"}]}"#;
        assert_eq!(
            left(appointment, hidden),
            serde_json::json!({"resourceType": "Appointment", "id": "1", "status": "booked",
                "start": "2026-01-01T00:00:00Z",
                "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}]})
        );
    }
}
