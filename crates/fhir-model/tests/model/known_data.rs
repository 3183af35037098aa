//! Data that others hold for valid R4: none of it may be refused. The project's own fixtures always, and the public
//! example sets where they are at hand (`../shared/data`, or below CHARTGATE_SHARED).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A Period has `end`, not `stop`: one Observation of these sets is wrong, alone and in its Bundle.
const MISTAKES: [&str; 2] = ["Bundle.entry[266].resource.effectivePeriod.stop ", "Observation.effectivePeriod.stop "];

/// The resources of a file, with their types. The entries of a Bundle follow it, each on its own.
fn resources_of(path: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    for document in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        // The tree keeps the spelling of numbers and the order of members.
        let document = document.unwrap();
        let entries = document["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]);
        for resource in std::iter::once(&document).chain(entries) {
            if let Some(resource_type) = resource["resourceType"].as_str() {
                found.push((resource_type.to_owned(), resource.to_string()));
            }
        }
    }
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "ndjson" || extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// How many resources were accepted, and how often each problem was found.
fn check(folder: &Path) -> (usize, BTreeMap<String, usize>) {
    let (mut accepted, mut problems) = (0, BTreeMap::new());
    for (resource_type, text) in files_below(folder).iter().flat_map(|path| resources_of(path)) {
        match fhir_model::validate(text.as_bytes(), &[&resource_type]) {
            Ok(_) => accepted += 1,
            // Larger than what may be written; such resources are only read.
            Err(_) if text.len() > fhir_model::MAX_BYTES => {}
            Err(found) => {
                for problem in found {
                    let id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap_or("-").to_owned();
                    let place = format!("{} {} ({resource_type}/{id})", problem.expression, problem.details);
                    *problems.entry(place).or_default() += 1;
                }
            }
        }
    }
    (accepted, problems)
}

#[test]
fn our_own_fixtures_are_accepted() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for practice in ["family-practice", "cardiology-clinic"] {
        let (accepted, problems) = check(&fixtures.join(practice));
        assert_eq!(problems, BTreeMap::new());
        assert!(accepted > 100, "{practice}: {accepted} resources");
    }
}

#[test]
fn public_examples_are_accepted() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let data = std::env::var_os("CHARTGATE_SHARED").map_or(beside, PathBuf::from).join("data");
    if !data.is_dir() {
        println!("skipped: no data at {}", data.display());
        return;
    }
    for set in ["us-core-6.1.0-examples", "hl7-r4-examples", "inferno", "synthea-r4"] {
        let (accepted, mut problems) = check(&data.join(set));
        println!("{set}: {accepted} resources accepted");
        problems.retain(|problem, _| !MISTAKES.iter().any(|known| problem.starts_with(known)));
        assert_eq!(problems, BTreeMap::new(), "{set}");
        assert!(accepted > 100, "{set}: {accepted} resources");
    }
}
