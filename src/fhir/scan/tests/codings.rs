//! Codings, which labels hang on: the scan against a tree that serde_json builds, over random resources.

use serde_json::{Value, json};

use crate::base::random::{Random, SeededRandom};
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::{RawResource, scan_bundle, scan_resource};

/// Some JSON, with the words and signs that a pass over bytes could stumble on.
fn some(random: &dyn Random, depth: u8) -> Value {
    let below = |limit: u8| {
        let mut byte = [0];
        random.fill(&mut byte);
        byte[0] % limit
    };
    const KEYS: [&str; 6] = ["meta", "security", "code", "system", "x", "co\u{e9}de"];
    const TEXTS: [&str; 7] = ["a", "", "b\"}]{[", "\\", "\\\"code\\\":", "code", "\u{e9}\n:"];
    match if depth == 0 { 9 } else { below(12) } {
        0..=4 => {
            let members = (0..below(5)).map(|_| (KEYS[usize::from(below(6))].to_owned(), some(random, depth - 1)));
            Value::Object(members.collect())
        }
        5..=7 => (0..below(4)).map(|_| some(random, depth - 1)).collect(),
        8 => json!(-1.5),
        _ => json!(TEXTS[usize::from(below(7))]),
    }
}

type Found = (Option<String>, String, bool);

fn by_tree(value: &Value, (in_meta, in_security): (bool, bool), found: &mut Vec<Found>) {
    match value {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
            if let Some(code) = text("code").filter(|_| in_security || text("system").is_some()) {
                found.push((text("system"), code, in_security));
            }
            for (key, member) in members {
                let within = (key == "meta", in_security || (in_meta && key == "security"));
                by_tree(member, within, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| by_tree(item, (in_meta, in_security), found)),
        _ => {}
    }
}

fn by_scan(raw: &RawResource) -> Vec<Found> {
    let text = |text: super::TextSpan| text.text(&raw.bytes).unwrap().into_owned();
    let coding = |coding: &super::CodingSpan| (coding.system.map(text), text(coding.code), coding.in_security);
    raw.facts.codings.iter().map(coding).collect()
}

/// As a resource, below one, in one contained (of a known type and of another), and in an entry of a page.
#[test]
fn the_one_pass_finds_the_codings_that_a_tree_finds() {
    let knowledge = Knowledge::embedded().unwrap();
    let random = SeededRandom::new(31);
    let (mut codes, mut secured) = (0, 0);
    for case in 0..10_000 {
        let mut resource = json!({"resourceType": "Observation"});
        let inside = some(&random, 6);
        match (&inside, case % 4) {
            (Value::Object(members), 0) => resource.as_object_mut().unwrap().extend(members.clone()),
            (Value::Object(members), 1) => {
                let mut contained = json!({"resourceType": if case % 8 == 1 { "Condition" } else { "Basic" }});
                contained.as_object_mut().unwrap().extend(members.clone());
                resource["contained"] = json!([contained]);
            }
            _ => resource["x"] = inside,
        }
        let mut expected = Vec::new();
        by_tree(&resource, (false, false), &mut expected);
        let pretty = case % 3 == 0;
        let write =
            |value: &Value| if pretty { serde_json::to_string_pretty(value).unwrap() } else { value.to_string() };
        let mut found = by_scan(&scan_resource(write(&resource).into(), knowledge).unwrap());
        let page = json!({"resourceType": "Bundle", "meta": {"security": [{"code": "R"}]}, "entry": [
            {"fullUrl": "urn:x", "resource": resource}]});
        let page = scan_bundle(write(&page).into(), knowledge).unwrap();
        let mut paged = by_scan(&page.entries.first().unwrap().resource);
        codes += expected.len();
        secured += expected.iter().filter(|(.., in_security)| *in_security).count();
        expected.sort();
        found.sort();
        paged.sort();
        assert_eq!((&found, &paged), (&expected, &expected), "{resource}");
    }
    assert!(codes > 500 && secured > 100, "{codes} {secured}");
}
