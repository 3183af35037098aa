//! Data that other projects made, when the folder is there, is served just as our own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use chartgate::config::Limits;

use super::record::{check_record, leaks, searchable};
use crate::support::world::{PersonSpec, PracticeSpec, World, pairs, run};

/// `../shared/data`, or `CHARTGATE_SHARED/data`; `None`, said aloud, when neither is there.
pub(super) fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("CHARTGATE_SHARED").map_or(beside, PathBuf::from).join("data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// The resources of a transaction Bundle, its `urn:uuid:` references resolved.
pub(super) fn bundle(path: &Path) -> Vec<Value> {
    let bundle: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    let mut places = BTreeMap::new();
    for entry in entries {
        let resource = &entry["resource"];
        let place = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        places.insert(entry["fullUrl"].as_str().unwrap_or_default().to_owned(), place);
    }
    entries.iter().map(|entry| resolved(&entry["resource"], &places)).collect()
}

fn resolved(value: &Value, places: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(places.get(text).unwrap_or(text).clone()),
        Value::Array(items) => items.iter().map(|item| resolved(item, places)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), resolved(member, places))).collect()
        }
        other => other.clone(),
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn practice(key: &str, resources: Vec<Value>) -> PracticeSpec {
    PracticeSpec { key: key.to_owned(), name: format!("Practice {key}"), vendor: "generic".to_owned(), resources }
}

fn patient_in(resources: &[Value]) -> String {
    let patient = resources.iter().find(|resource| resource["resourceType"] == "Patient").unwrap();
    patient["id"].as_str().unwrap().to_owned()
}

#[test]
fn two_inferno_patients_at_two_sources_are_one_whole_person() {
    let Some(data) = shared() else { return };
    run(async {
        let first = bundle(&data.join("inferno/uscore_bundle_patient_85.json"));
        let second = bundle(&data.join("inferno/uscore_bundle_patient_355.json"));
        let count = first.len() + second.len();
        assert_eq!(count, 267 + 473);
        let links = vec![("one".to_owned(), patient_in(&first)), ("two".to_owned(), patient_in(&second))];
        let persons = vec![PersonSpec { key: "tester".to_owned(), links }];
        let world =
            World::start(vec![practice("one", first), practice("two", second)], persons, Limits::default()).await;
        let shown = check_record(&world, "tester").await;
        let total: usize = shown.values().map(Vec::len).sum();
        // Two Patients are one; everything else of the two files is hers or shared, or hangs on nothing of hers.
        assert!(total + 1 >= count - 8, "{total} of {count}");
        for (resource_type, resources) in &shown {
            assert!(leaks(&world, "tester", &serde_json::to_string(resources).unwrap()).is_empty(), "{resource_type}");
        }
    });
}

#[test]
fn a_provenance_of_hundreds_of_targets_comes_with_any_of_them_in_few_calls() {
    let Some(data) = shared() else { return };
    run(async {
        for vendor in ["generic", "epic-like"] {
            let records = bundle(&data.join("inferno/uscore_bundle_patient_355.json"));
            let links = vec![("one".to_owned(), patient_in(&records))];
            let persons = vec![PersonSpec { key: "tester".to_owned(), links }];
            let practice = PracticeSpec { vendor: vendor.to_owned(), ..practice("one", records) };
            let world = World::start(vec![practice], persons, Limits::default()).await;
            let token = world.token("tester").await;
            world.forget_upstream();
            let whole = world.search("Provenance", &[], &token).await;
            let found = whole.matches();
            let counts = |targets: &Value| {
                let all = targets["target"].as_array().unwrap();
                (all.len(), all.iter().filter(|target| target.get("reference").is_some()).count())
            };
            assert!(found.iter().any(|provenance| counts(provenance).0 == 471), "{vendor}");
            for request in world.practices[0].requests.all() {
                let is_confined = request.query.iter().any(|(name, _)| ["patient", "target"].contains(&name.as_str()));
                let by_id = request.query.iter().any(|(name, _)| name == "_id");
                assert!(is_confined || by_id || !request.path.ends_with("Provenance"), "{:?}", request.query);
            }
            for resource_type in ["Observation", "Condition", "Encounter", "Patient"] {
                world.forget_upstream();
                let query = pairs(&[("_count", "5"), ("_revinclude", "Provenance:target")]);
                let answer = world.search(resource_type, &query, &token).await;
                assert_eq!(answer.outcomes(), Vec::<String>::new());
                let included = answer.entries("include");
                assert_eq!(included.len(), 1, "{vendor} {resource_type}");
                let provenance = &included[0]["resource"];
                assert!(found.contains(provenance), "{vendor} {resource_type}: the same as when it is searched for");
                let (all, shown) = counts(provenance);
                assert!(all == 471 && shown > 400, "{shown} of {all}");
                let calls = world.upstream_counts()[0];
                assert!(calls <= 60, "{vendor} {resource_type}: {calls} calls");
            }
        }
    });
}

#[test]
fn synthea_families_are_served_whole_and_apart() {
    let Some(data) = shared() else { return };
    run(async {
        let file = |name: &str| lines(&data.join("synthea-r4").join(name));
        let (child, father, mother) =
            (file("00-family-child.ndjson"), file("01-family-adult.ndjson"), file("03-family-adult.ndjson"));
        let (elder, elders) = (file("21-elder.ndjson"), file("22-elder-imaging.ndjson"));
        let person = |key: &str, links: &[(&str, &Vec<Value>)]| PersonSpec {
            key: key.to_owned(),
            links: links.iter().map(|(practice, records)| ((*practice).to_owned(), patient_in(records))).collect(),
        };
        let persons = vec![
            person("child", &[("one", &child)]),
            person("adult", &[("one", &father), ("two", &mother)]),
            person("elder", &[("two", &elders), ("one", &elder)]),
        ];
        let practices =
            vec![practice("one", [child, father, elder].concat()), practice("two", [mother, elders].concat())];
        let world = World::start(practices, persons, Limits::default()).await;
        for key in ["child", "adult", "elder"] {
            let shown = check_record(&world, key).await;
            assert!(shown["Observation"].len() > 10, "{key}");
            for resources in shown.values() {
                assert!(leaks(&world, key, &serde_json::to_string(resources).unwrap()).is_empty(), "{key}");
            }
        }
        // Dangling references are left as references to nothing, and nothing fails over them.
        let token = world.token("adult").await;
        for resource_type in searchable() {
            let answer = world.search(resource_type, &pairs(&[("_count", "3")]), &token).await;
            assert_eq!((answer.status, answer.outcomes()), (200, Vec::new()), "{resource_type}");
        }
    });
}
