//! Parts of a resource that a proxy does not see. They are cut out of its bytes before anything else looks at it, so that
//! they are not searched, sorted or counted by either.

use std::collections::BTreeMap;

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

/// The elements that say how or where to find somebody, by type: what a custody order takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts(BTreeMap<ResourceType, Places>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    /// Dotted paths of elements that go.
    elements: Vec<String>,
    /// Elements whose items go that are not about a patient.
    patients_only: Vec<String>,
}

/// What of a member goes.
enum Going<'c> {
    Nothing,
    All,
    AllButPatients,
    Below(Vec<&'c str>),
}

impl Contacts {
    /// Enters a type. Its narrative and what it contains go in any case: they say in other words where somebody is.
    pub fn add(&mut self, resource_type: ResourceType, elements: Vec<String>, patients_only: Vec<String>) {
        self.0.insert(resource_type, Places { elements, patients_only });
    }

    /// The types of which something goes.
    #[cfg(test)]
    pub(crate) fn types(&self) -> impl Iterator<Item = ResourceType> {
        self.0.keys().copied()
    }

    fn going(&self, resource_type: ResourceType, name: &[u8]) -> Going<'_> {
        let Some(places) = self.0.get(&resource_type) else { return Going::Nothing };
        let is = |element: &String| element.as_bytes() == name;
        if matches!(name, b"text" | b"contained") || places.elements.iter().any(is) {
            return Going::All;
        }
        if places.patients_only.iter().any(is) {
            return Going::AllButPatients;
        }
        let below: Vec<&str> = places
            .elements
            .iter()
            .filter_map(|element| element.split_once('.'))
            .filter(|(first, _)| first.as_bytes() == name)
            .map(|(_, rest)| rest)
            .collect();
        if below.is_empty() { Going::Nothing } else { Going::Below(below) }
    }
}

/// What is left of a resource; `None` when all of it is.
///
/// # Errors
/// When the cuts contradict each other: then it is not shown.
pub fn redacted(raw: &RawResource, shown: Shown, contacts: &Contacts) -> Result<Option<Vec<u8>>, EditError> {
    let resource_type = raw.facts.resource_type;
    let mut edits = Edits::new();
    for member in &raw.facts.members {
        let key = member.key.of(&raw.bytes);
        let name = element_name(key);
        let value = Fragment::new(member.value.of(&raw.bytes));
        let is_in = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name);
        let is_beyond =
            shown.is_outline && !is_in(&["resourceType", "id", "meta"]) && !outline(resource_type).is_some_and(is_in);
        let going = if shown.hides_contacts { contacts.going(resource_type, name) } else { Going::Nothing };
        let left = match going {
            _ if is_beyond => None,
            Going::All => None,
            Going::AllButPatients => patients(value),
            _ if shown.is_outline && name == b"participant" => patients(value),
            Going::Below(paths) => without(value, &paths),
            Going::Nothing if key == b"meta" && shown.is_outline => Some(plain_meta(value)),
            Going::Nothing => continue,
        };
        match left {
            None => edits.cut(member.span()),
            Some(left) if left == value.bytes() => {}
            Some(left) => edits.replace(member.value, &left),
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(raw.bytes.len());
    edits.apply(&raw.bytes, &mut out)?;
    Ok(Some(out))
}

/// `_name` explains or extends `name` (FHIR R4 json.html).
fn element_name(key: &[u8]) -> &[u8] {
    key.strip_prefix(b"_").unwrap_or(key)
}

/// A value without what stands at these dotted paths below it; `None` when nothing is left: FHIR has no empty objects.
fn without(value: Fragment<'_>, paths: &[&str]) -> Option<Vec<u8>> {
    if value.bytes().first() == Some(&b'[') {
        let left: Vec<Vec<u8>> = value.items().filter_map(|item| without(item, paths)).collect();
        return (!left.is_empty()).then(|| [b"[".as_slice(), &left.join(&b','), b"]"].concat());
    }
    if value.bytes().first() != Some(&b'{') {
        return Some(value.bytes().to_vec());
    }
    let mut left: Vec<Vec<u8>> = Vec::new();
    for (key, member) in value.members() {
        let steps = paths.iter().map(|path| path.split_once('.').unwrap_or((path, "")));
        let below: Vec<&str> =
            steps.filter(|(step, _)| step.as_bytes() == element_name(key)).map(|(_, rest)| rest).collect();
        let kept = if below.is_empty() {
            Some(member.bytes().to_vec())
        } else if below.contains(&"") {
            None
        } else {
            without(member, &below)
        };
        left.extend(kept.map(|kept| [b"\"".as_slice(), key, b"\":", &kept].concat()));
    }
    (!left.is_empty()).then(|| [b"{".as_slice(), &left.join(&b','), b"}"].concat())
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
    use serde_json::{Value, json};

    use super::*;
    use crate::fhir::knowledge::Knowledge;
    use crate::fhir::scan::scan_resource;

    fn left(text: &str, shown: Shown) -> Value {
        let mut contacts = Contacts::default();
        let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect();
        contacts.add(ResourceType::Patient, names(&["telecom", "address", "contact"]), Vec::new());
        contacts.add(ResourceType::Appointment, names(&["comment"]), names(&["participant"]));
        contacts.add(ResourceType::CarePlan, names(&["activity.detail.location", "activity.detail.x"]), Vec::new());
        let raw = scan_resource(text.to_owned().into(), Knowledge::embedded().unwrap()).unwrap();
        serde_json::from_slice(&redacted(&raw, shown, &contacts).unwrap().unwrap_or_else(|| raw.bytes.to_vec()))
            .unwrap()
    }

    const HIDDEN: Shown = Shown { is_outline: false, hides_contacts: true };

    #[test]
    fn an_outline_says_when_and_where_and_no_more() {
        let text = r#"{"resourceType":"Encounter","id":"e","meta":{"versionId":"1","security":[{"code":"STD"}],
            "lastUpdated":"2026-01-01T00:00:00Z"},"status":"finished","_status":{"id":"x"},"reasonCode":[{"text":"why"}],
            "class":{"code":"AMB"},"subject":{"reference":"Patient/1"},"period":{"start":"2026-01-01"}}"#;
        let left = left(text, Shown { is_outline: true, hides_contacts: false });
        assert_eq!(
            left,
            json!({"resourceType": "Encounter", "id": "e",
                "meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}, "status": "finished",
                "_status": {"id": "x"}, "class": {"code": "AMB"}, "subject": {"reference": "Patient/1"},
                "period": {"start": "2026-01-01"}})
        );
    }

    /// By hand, portal design 3.4: of visits and bills of a teenager only when, where and how much. No other type has an outline.
    #[test]
    fn what_an_outline_keeps_of_each_type() {
        let rows: [(&str, &[&str]); 6] = [
            ("Encounter", &["status", "class", "serviceType", "subject", "period", "serviceProvider"]),
            ("Appointment", &["status", "serviceType", "start", "end", "participant"]),
            ("Invoice", &["status", "subject", "date", "totalNet", "totalGross"]),
            ("Account", &["status", "subject"]),
            (
                "Coverage",
                &[
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
                ],
            ),
            ("PaymentNotice", &["status", "request", "created", "paymentDate", "amount", "recipient"]),
        ];
        for kind in ResourceType::ALL {
            let expected = rows.iter().find(|(name, _)| *name == kind.as_str()).map(|(_, kept)| *kept);
            assert_eq!(outline(*kind), expected, "{kind:?}");
        }
    }

    /// Where nothing goes, the bytes are those of the source: they are not written anew.
    #[test]
    fn what_loses_nothing_is_not_touched() {
        let mut contacts = Contacts::default();
        contacts.add(ResourceType::Appointment, Vec::new(), vec!["participant".to_owned()]);
        let untouched = |participants: &str| {
            let text = format!(r#"{{"resourceType":"Appointment","id":"1","participant":{participants}}}"#);
            let raw = scan_resource(text.into(), Knowledge::embedded().unwrap()).unwrap();
            redacted(&raw, HIDDEN, &contacts).unwrap().is_none()
        };
        assert!(untouched(r#"[{"actor":{"reference":"Patient/1"}}]"#));
        assert!(!untouched(r#"[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/1"}}]"#));
    }

    #[test]
    fn contact_data_and_places_go() {
        let patient = r#"{"resourceType":"Patient","id":"1","telecom":[{"value":"555"}],"_telecom":[{"id":"1"}],
            "address":[{"city":"X"}],"contact":[{"name":{"text":"Y"}}],"text":{"status":"generated","div":"555"},
            "birthDate":"2018-01-01"}"#;
        assert_eq!(left(patient, HIDDEN), json!({"resourceType": "Patient", "id": "1", "birthDate": "2018-01-01"}));
        let appointment = r#"{"resourceType":"Appointment","id":"1","status":"booked","start":"2026-01-01T00:00:00Z",
            "comment":"at the lake","participant":[{"actor":{"reference":"Location/9"}},
            {"actor":{"reference":"Patient/1"},"status":"accepted"}]}"#;
        let stays = json!([{"actor": {"reference": "Patient/1"}, "status": "accepted"}]);
        assert_eq!(
            left(appointment, HIDDEN),
            json!({"resourceType": "Appointment", "id": "1", "status": "booked", "start": "2026-01-01T00:00:00Z",
                "participant": stays})
        );
        let outline = left(appointment, Shown { is_outline: true, hides_contacts: false });
        assert_eq!(outline["participant"], stays, "an outline names nobody else either");
        let both = left(appointment, Shown { is_outline: true, hides_contacts: true });
        assert_eq!((&both["participant"], both.get("comment")), (&stays, None));
        assert_eq!(left(r#"{"resourceType":"Goal","text":{"div":"X"}}"#, HIDDEN)["text"]["div"], "X", "no row");
    }

    /// What stands beside a nested element stays, byte for byte; what would be left empty goes.
    #[test]
    fn nested_elements_go_alone() {
        let plan = |activity: &str| {
            left(&format!(r#"{{"resourceType":"CarePlan","id":"1","activity":{activity}}}"#), HIDDEN)["activity"]
                .clone()
        };
        let rows = [
            (r#"[{"detail":{"location":{"display":"X"},"status":"done"}}]"#, json!([{"detail": {"status": "done"}}])),
            (
                r#"[{"detail":{"_location":{"id":"a"},"x":[1],"_x":null,"n":1.50}}]"#,
                serde_json::from_str(r#"[{"detail":{"n":1.50}}]"#).unwrap(),
            ),
            (
                r#"[{"detail":{"location":{}}},{"progress":[{"text":"a\"}"}]}]"#,
                json!([{"progress": [{"text": "a\"}"}]}]),
            ),
            (r#"[{"detail":{"location":{}}, "id":"a" }]"#, json!([{"id": "a"}])),
            (r#"[{"detail":{"location":{}}}]"#, Value::Null),
            (r#"{"detail":[{"location":{}},{"status":"done"}]}"#, json!({"detail": [{"status": "done"}]})),
            // Another element of that name is another element.
            (r#"[{"location":"a","detail":"b"}]"#, json!([{"location": "a", "detail": "b"}])),
        ];
        for (activity, expected) in rows {
            assert_eq!(plan(activity), expected, "{activity}");
        }
    }
}
