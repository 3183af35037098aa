//! What two practices both hold: marked and linked, never dropped, with the reason, so that a wrong match does no harm.
//!
//! Two resources are taken for the same where they come from different sources and have the same business identifier, or
//! the same code, time and value. A key that occurs twice at one source tells nothing (the number of an order stands on
//! each of its results).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::fhir::ResourceType;
use crate::fhir::search::fragment::Fragment;
use crate::organization::SourceKey;

/// Says of which other resource this one is probably a copy, and by what.
pub(super) const EXTENSION: &str = "https://chartgate.example/fhir/StructureDefinition/possible-duplicate";

/// A resource that a page shows.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// Its place among all.
    pub(super) at: usize,
    pub(super) source: SourceKey,
    /// Its id at the gateway.
    pub(super) id: &'a str,
    pub(super) resource: Fragment<'a>,
}

/// By what two resources are taken for the same. The first is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// The same `identifier.system` and `.value`.
    Identifier,
    /// The same code, the same time, and the same value where the type has one.
    Content,
}

impl Evidence {
    const fn code(self) -> &'static str {
        match self {
            Self::Identifier => "identifier",
            Self::Content => "content",
        }
    }
}

/// What tells the content of a type: where its code, its time and its value stand.
struct Content {
    code: &'static str,
    times: &'static [&'static str],
    /// Without one there is nothing to compare.
    values: Option<&'static [&'static str]>,
}

fn content_of(kind: ResourceType) -> Option<Content> {
    let (code, times, values): (_, &'static [&'static str], _) = match kind {
        ResourceType::Observation => {
            let values: &[&str] = &[
                "valueQuantity",
                "valueCodeableConcept",
                "valueString",
                "valueInteger",
                "valueBoolean",
                "valueDateTime",
                "component",
            ];
            ("code", &["effectiveDateTime", "effectiveInstant", "effectivePeriod.start"], Some(values))
        }
        ResourceType::Condition => ("code", &["onsetDateTime"], None),
        ResourceType::Immunization => ("vaccineCode", &["occurrenceDateTime"], None),
        ResourceType::MedicationRequest => ("medicationCodeableConcept", &["authoredOn"], None),
        ResourceType::Procedure => ("code", &["performedDateTime", "performedPeriod.start"], None),
        _ => return None,
    };
    Some(Content { code, times, values })
}

/// For each place, the ids of the others with the evidence.
pub(super) fn find<'a>(
    kind: ResourceType,
    candidates: &[Candidate<'a>],
) -> BTreeMap<usize, BTreeMap<&'a str, Evidence>> {
    let mut by_key: BTreeMap<(Evidence, String), Vec<Candidate<'a>>> = BTreeMap::new();
    for candidate in candidates {
        for key in keys(kind, candidate.resource) {
            by_key.entry(key).or_default().push(*candidate);
        }
    }
    let mut found: BTreeMap<usize, BTreeMap<&'a str, Evidence>> = BTreeMap::new();
    for ((evidence, _), same) in by_key {
        // As many as there are sources: each has it once.
        let mut sources: Vec<SourceKey> = same.iter().map(|candidate| candidate.source).collect();
        sources.sort_unstable();
        sources.dedup();
        if sources.len() != same.len() {
            continue;
        }
        for one in &same {
            for other in same.iter().filter(|other| other.at != one.at) {
                // Identifiers come first in the order of keys: the stronger evidence stays.
                found.entry(one.at).or_default().entry(other.id).or_insert(evidence);
            }
        }
    }
    found
}

fn keys(kind: ResourceType, resource: Fragment<'_>) -> Vec<(Evidence, String)> {
    if resource.text_of("status").as_deref() == Some("entered-in-error") {
        return Vec::new();
    }
    let mut keys = Vec::new();
    for identifier in resource.get("identifier").into_iter().flat_map(Fragment::each) {
        // Without a system it is anybody's number.
        if let (Some(system), Some(value)) = (identifier.text_of("system"), identifier.text_of("value")) {
            keys.push((Evidence::Identifier, format!("{system}|{value}")));
        }
    }
    if let Some(content) = content_of(kind) {
        let (time, value) = (time_of(&content, resource), value_of(&content, resource));
        if let (Some(time), Some(value)) = (time, value) {
            for code in codings(resource.get(content.code)) {
                keys.push((Evidence::Content, format!("{code}\n{time}\n{value}")));
            }
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

/// `system|code` of each coding with a system.
fn codings(concept: Option<Fragment<'_>>) -> Vec<String> {
    let codings = concept.and_then(|concept| concept.get("coding")).into_iter().flat_map(Fragment::each);
    let mut found: Vec<String> = codings
        .filter_map(|coding| Some(format!("{}|{}", coding.text_of("system")?, coding.text_of("code")?)))
        .collect();
    found.sort();
    found
}

/// The time, instants in one form; a day and an instant of that day are not the same.
fn time_of(content: &Content, resource: Fragment<'_>) -> Option<String> {
    let mut found = None;
    for path in content.times {
        resource.at(path, &mut |time| {
            found = found.take().or_else(|| time.text().map(|text| text.into_owned()));
        });
    }
    let text = found?;
    Some(text.parse::<Timestamp>().map_or(text, |instant| instant.to_string()))
}

/// The value in one form; empty for a type that has none.
fn value_of(content: &Content, resource: Fragment<'_>) -> Option<String> {
    let Some(names) = content.values else { return Some(String::new()) };
    let (name, value) = names.iter().find_map(|name| Some((*name, resource.get(name)?)))?;
    let plain = match name {
        "valueQuantity" => quantity(value)?,
        "valueCodeableConcept" => concept(value)?,
        "component" => components(value)?,
        _ => String::from_utf8_lossy(value.bytes()).into_owned(),
    };
    Some(format!("{name} {plain}"))
}

fn quantity(value: Fragment<'_>) -> Option<String> {
    let number = value.get("value")?.number()?;
    let unit = value.text_of("code").or_else(|| value.text_of("unit"))?;
    let comparator = value.text_of("comparator").unwrap_or_default();
    Some(format!("{comparator}{} {unit}", canonical(number)))
}

/// 7.0 and 7 are one number, however they are spelt.
fn canonical(number: &str) -> String {
    if number.contains(['e', 'E']) || !number.contains('.') {
        return number.to_owned();
    }
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn concept(value: Fragment<'_>) -> Option<String> {
    let codes = codings(Some(value));
    if codes.is_empty() { value.text_of("text").map(|text| text.into_owned()) } else { Some(codes.join(" ")) }
}

/// Each component's code and value, all of them: half a blood pressure is not the same as a whole one.
fn components(list: Fragment<'_>) -> Option<String> {
    let mut all = Vec::new();
    for component in list.each() {
        let code = codings(component.get("code")).join(" ");
        let value = match component.get("valueQuantity") {
            Some(value) => quantity(value)?,
            None => concept(component.get("valueCodeableConcept")?)?,
        };
        if code.is_empty() {
            return None;
        }
        all.push(format!("{code}={value}"));
    }
    all.sort();
    (!all.is_empty()).then(|| all.join(";"))
}

/// The resource with an extension for each of the others.
pub(super) fn mark(resource: &[u8], kind: ResourceType, others: &BTreeMap<&str, Evidence>) -> Vec<u8> {
    let view = Fragment::new(resource);
    let marks = others.iter().map(|(id, evidence)| {
        serde_json::json!({"url": EXTENSION, "extension": [
            {"url": "of", "valueReference": {"reference": format!("{kind}/{id}")}},
            {"url": "evidence", "valueCode": evidence.code()},
        ]})
        .to_string()
    });
    let present = view.get("extension").into_iter().flat_map(Fragment::each);
    let all: Vec<String> =
        present.map(|item| String::from_utf8_lossy(item.bytes()).into_owned()).chain(marks).collect();
    let mut out = Vec::with_capacity(resource.len().saturating_add(all.len().saturating_mul(200)));
    let mut before = b'{';
    for (name, value) in view.members().filter(|(name, _)| *name != b"extension") {
        out.push(before);
        before = b',';
        out.push(b'"');
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value.bytes());
    }
    out.push(before);
    out.extend_from_slice(format!("\"extension\":[{}]}}", all.join(",")).as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lab(code: &str, time: &str, value: &Value) -> Value {
        json!({"resourceType": "Observation", "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "effectiveDateTime": time, "valueQuantity": value})
    }

    /// The evidence between the first two of these, from two sources.
    fn between(kind: ResourceType, one: &Value, other: &Value) -> Option<Evidence> {
        let (one, other) = (one.to_string(), other.to_string());
        let candidates = [(0, "aaaa", "aaaa.1", &one), (1, "bbbb", "bbbb.1", &other)].map(|(at, source, id, text)| {
            Candidate { at, source: source.parse().unwrap(), id, resource: Fragment::new(text.as_bytes()) }
        });
        let found = find(kind, &candidates);
        let forth = found.get(&0).and_then(|others| others.get("bbbb.1").copied());
        let back = found.get(&1).and_then(|others| others.get("aaaa.1").copied());
        assert_eq!(forth, back, "each names the other");
        forth
    }

    #[test]
    fn the_same_result_is_known_by_code_time_and_value() {
        let kind = ResourceType::Observation;
        let base = lab("2345-7", "2026-03-01T08:00:00-05:00", &json!({"value": 98, "code": "mg/dL"}));
        let same = [
            lab("2345-7", "2026-03-01T13:00:00Z", &json!({"value": 98.0, "unit": "milligrams", "code": "mg/dL"})),
            lab("2345-7", "2026-03-01T08:00:00-05:00", &json!({"value": 98.00, "unit": "mg/dL"})),
        ];
        for other in &same {
            assert_eq!(between(kind, &base, other), Some(Evidence::Content), "{other}");
        }
        let different = [
            lab("2345-7", "2026-03-01", &json!({"value": 98, "code": "mg/dL"})),
            lab("2345-7", "2026-03-01T08:01:00-05:00", &json!({"value": 98, "code": "mg/dL"})),
            lab("2345-7", "2026-03-01T08:00:00-05:00", &json!({"value": 99, "code": "mg/dL"})),
            lab("2345-7", "2026-03-01T08:00:00-05:00", &json!({"value": 98, "code": "mmol/L"})),
            lab("2345-7", "2026-03-01T08:00:00-05:00", &json!({"value": 98})),
            lab("2339-0", "2026-03-01T08:00:00-05:00", &json!({"value": 98, "code": "mg/dL"})),
        ];
        for other in &different {
            assert_eq!(between(kind, &base, other), None, "{other}");
        }
        let mut wrong = base.clone();
        wrong["status"] = "entered-in-error".into();
        assert_eq!(between(kind, &base, &wrong), None);
    }

    #[test]
    fn an_identifier_needs_a_system_and_is_stronger_than_content() {
        let with = |identifier: Value| json!({"resourceType": "Device", "identifier": [identifier]});
        let kind = ResourceType::Device;
        let one = with(json!({"system": "urn:x", "value": "1"}));
        assert_eq!(between(kind, &one, &one), Some(Evidence::Identifier));
        assert_eq!(between(kind, &one, &with(json!({"system": "urn:y", "value": "1"}))), None);
        let bare = with(json!({"value": "1"}));
        assert_eq!(between(kind, &bare, &bare), None);
        let mut result = lab("1-8", "2026-03-01T08:00:00Z", &json!({"value": 1, "code": "1"}));
        result["identifier"] = json!([{"system": "urn:x", "value": "1"}]);
        assert_eq!(between(ResourceType::Observation, &result, &result), Some(Evidence::Identifier));
    }

    #[test]
    fn what_one_source_holds_twice_tells_nothing() {
        let text = json!({"identifier": [{"system": "urn:order", "value": "7"}]}).to_string();
        let candidate = |at: usize, source: &str, id: &'static str| Candidate {
            at,
            source: source.parse().unwrap(),
            id,
            resource: Fragment::new(text.as_bytes()),
        };
        let kind = ResourceType::Observation;
        assert!(find(kind, &[candidate(0, "aaaa", "a"), candidate(1, "aaaa", "b")]).is_empty());
        let three = [candidate(0, "aaaa", "a"), candidate(1, "aaaa", "b"), candidate(2, "bbbb", "c")];
        assert!(find(kind, &three).is_empty());
        let sources = [candidate(0, "aaaa", "a"), candidate(1, "bbbb", "b"), candidate(2, "cccc", "c")];
        assert_eq!(find(kind, &sources).values().map(BTreeMap::len).sum::<usize>(), 6);
    }

    #[test]
    fn a_mark_is_added_to_the_resource_and_changes_nothing_else() {
        let others = BTreeMap::from([("bbbb.1", Evidence::Content)]);
        let whole: Value =
            json!({"resourceType": "Observation", "id": "aaaa.1", "extension": [{"url": "urn:x"}], "n": 1.50});
        let marked: Value =
            serde_json::from_slice(&mark(whole.to_string().as_bytes(), ResourceType::Observation, &others)).unwrap();
        assert_eq!(marked["extension"][0], json!({"url": "urn:x"}));
        assert_eq!(
            marked["extension"][1],
            json!({"url": EXTENSION, "extension": [
                {"url": "of", "valueReference": {"reference": "Observation/bbbb.1"}},
                {"url": "evidence", "valueCode": "content"},
            ]})
        );
        let mut rest = marked.clone();
        rest["extension"] = whole["extension"].clone();
        assert_eq!(rest, whole);
        let bare = mark(br#"{"resourceType":"Observation","id":"x"}"#, ResourceType::Observation, &others);
        assert_eq!(serde_json::from_slice::<Value>(&bare).unwrap()["extension"].as_array().unwrap().len(), 1);
    }
}
