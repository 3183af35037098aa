//! Valid documents with bytes flipped, cut out, doubled and exchanged: nothing panics, and nothing passes that
//! serde_json or the naive reading refuses. The seed is fixed: every run tries the same documents.

use bytes::Bytes;

use super::model;
use super::property::{Choices, assert_agrees};
use super::shapes;
use crate::fhir::scan::{mentions, scan_bundle, scan_outcome, scan_resource, strings_that_mention, unescape};

const SEEDS: &[&str] = &[
    r##"{"resourceType":"Observation","id":"o1","meta":{"versionId":"7","security":[{"code":"R"}]},"status":"final",
        "contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"Patient/1","display":"A \"B\" \u00e9\ud83d\ude00"},
        "code":{"coding":[{"code":"1"},{"code":"2"}]},"valueQuantity":{"value":-1.50e+3},"extension":[{"valueReference":{"reference":"#p"}}]}"##,
    r#"{"id":"a","participant":[{"actor":{"reference":"Patient/1"}},null,{"actor":[]}],"resourceType":"Appointment","a":[true,false,null,0]}"#,
    r#"{"resourceType":"Bundle","type":"searchset","total":2,"link":[{"relation":"next","url":"https:\/\/ehr.example\/n"}],"entry":[
        {"fullUrl":"https://ehr.example/Observation/o1","resource":{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/1"}},"search":{"mode":"match"}},
        {"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"timeout"}]},"search":{"mode":"outcome"}}]}"#,
];
const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0065",
    "\\ud800",
    "null",
    "1",
    " ",
    "\n",
    "\u{e9}",
    "\"id\":\"x\",",
    "\"resourceType\":\"Patient\",",
    "\"reference\":",
    "\"contained\":[",
    "{}",
    "[]",
    "-",
    "0",
    "e",
    ".",
];

fn mutate(bytes: &mut Vec<u8>, choices: &mut Choices) {
    let length = bytes.len() as u64;
    let place = choices.below(length) as usize;
    let end = (place + choices.below(24) as usize).min(bytes.len());
    match choices.below(6) {
        0 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << choices.below(8);
            }
        }
        1 => drop(bytes.drain(place..end)),
        2 => {
            let piece = bytes[place..end].to_vec();
            let target = choices.below(length) as usize;
            bytes.splice(target..target, piece);
        }
        3 => bytes.truncate(place.max(1)),
        _ => {
            let token = TOKENS[choices.below(TOKENS.len() as u64) as usize];
            bytes.splice(place..if choices.below(2) == 0 { place } else { end }, token.bytes());
        }
    }
}

#[test]
fn mutated_documents_neither_panic_nor_pass() {
    const PATHS: &[&str] = &[
        "subject",
        "subject.reference",
        "code.coding.code",
        "participant.actor",
        "extension.valueReference.reference",
        "status",
        "meta.security",
    ];
    let shapes = shapes(PATHS, &[]);
    let mut choices = Choices(20_240_229);
    let (mut accepted, mut parsed) = (0, 0);
    for round in 0..24_000_usize {
        let mut bytes = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..=choices.below(3) {
            if !bytes.is_empty() {
                mutate(&mut bytes, &mut choices);
            }
        }
        let tree = model::tree(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        parsed += usize::from(tree.is_some());
        match (scan_resource(Bytes::from(bytes.clone()), &shapes), &tree) {
            (Ok(scanned), Some(tree)) => {
                assert!(!model::is_refused(tree), "accepted against the rules: {text}");
                assert_agrees(&scanned.bytes, &scanned.facts, tree);
                accepted += 1;
            }
            (Ok(_), None) => panic!("accepted what is not JSON: {text}"),
            (Err(error), Some(tree)) => assert!(model::is_refused(tree), "refused without a rule ({error}): {text}"),
            (Err(_), None) => {}
        }
        let page = scan_bundle(Bytes::from(bytes.clone()), &shapes);
        assert!(page.is_err() || tree.is_some(), "accepted what is not JSON: {text}");
        for entry in page.into_iter().flat_map(|page| page.entries) {
            let tree = model::tree(&entry.resource.bytes).expect("a resource of a page is JSON");
            assert!(!model::is_refused(&tree), "accepted against the rules: {text}");
            assert_agrees(&entry.resource.bytes, &entry.resource.facts, &tree);
        }
        assert!(scan_outcome(&bytes).is_err() || tree.is_some(), "accepted what is not JSON: {text}");
        let found = strings_that_mention(&bytes, "ehr.example");
        if let (Ok(found), Some(tree)) = (&found, &tree) {
            assert_eq!(!found.is_empty(), model::mentions(tree, "ehr.example"), "{text}");
            assert_eq!(mentions(&bytes, "ehr.example"), !found.is_empty(), "{text}");
        }
        let _ = unescape(&bytes);
    }
    // The mutations are no use if they break everything or nothing.
    assert!(accepted > 500 && parsed > accepted, "{accepted} accepted of {parsed} parsed");
}
