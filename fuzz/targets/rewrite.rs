//! From a source's bytes to the gateway's: what is released and written names nobody else and no source, refers to the
//! gateway alone, says nothing that the source did not say, and is JSON.

use bytes::Bytes;
use serde_json::Value;

use super::super::released::{Filter, Released};
use super::setting::{AUTHORITY, GATEWAY, SETTING};
use crate::fhir::scan;

pub(super) fn run(data: &[u8]) {
    let Ok(raw) = scan::scan_resource(Bytes::copy_from_slice(data), SETTING.knowledge) else { return };
    let Some(permit) = SETTING.permit(raw.facts.resource_type) else { return };
    let filter = Filter { knowledge: SETTING.knowledge, permit: &permit, now: SETTING.clock.now() };
    let Some(released) = Released::release(filter, &SETTING.chart, raw, None) else { return };
    let mut rewriter = SETTING.rewriter();
    let id = rewriter.gateway_id(&released);
    let mut out = b"before".to_vec();
    if rewriter.write(&released, &id, &mut out).is_err() {
        return;
    }
    let written = out.strip_prefix(b"before").expect("what stood before stays");
    let shown: Value = serde_json::from_slice(written).expect("JSON");
    let held: Value = serde_json::from_slice(data).expect("JSON");
    if held.get("id").is_some() {
        assert_eq!(shown.get("id").and_then(Value::as_str), Some(id.as_str()));
    }
    let mut said = Vec::new();
    scalars(&held, "", &mut said);
    said.sort_unstable();
    let mut says = Vec::new();
    scalars(&shown, "", &mut says);
    for (key, text) in says {
        assert!(!text.to_ascii_lowercase().contains(AUTHORITY), "{key} names the source: {text}");
        let own = key == "reference" || text.starts_with(GATEWAY) || (key == "id" && text == id);
        if key == "reference" && !text.starts_with('#') {
            assert!(is_own(&text), "{key}: {text}");
        }
        // The masks are the gateway's own words.
        let mask = text.starts_with("http://hl7.org/fhir/StructureDefinition/data-absent-reason")
            || (key == "valueCode" && ["masked", "unsupported"].contains(&text.as_str()));
        assert!(own || mask || said.binary_search(&(key.clone(), text.clone())).is_ok(), "{key} says {text}");
    }
}

/// `Patient/{person}` or `{type}/{source key}.{rest}`.
fn is_own(reference: &str) -> bool {
    let Some((kind, id)) = reference.split_once('/') else { return false };
    let person = SETTING.chart.person.to_string();
    if kind == "Patient" { id == person } else { id.starts_with(&format!("{}.", SETTING.chart.key())) }
}

/// Every string, number and boolean with the key that it stands under.
fn scalars(value: &Value, key: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| scalars(item, key, found)),
        Value::Object(members) => members.iter().for_each(|(key, member)| scalars(member, key, found)),
        Value::String(text) => found.push((key.to_owned(), text.clone())),
        Value::Null => {}
        other => found.push((key.to_owned(), other.to_string())),
    }
}
