//! Local codes get their meanings before anything is decided or searched by codes.

use chartgate::config::{Limits, SourceView};
use serde_json::{Value, json};

use super::hostile::{World, ids, observation};

const TABLE: &str = r#"
[[map]]
system = "urn:lab"
target = "http://loinc.org"
[map.codes]
GLU = { code = "2345-7", display = "Glucose" }
"#;

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.toml");
    std::fs::write(&path, TABLE).unwrap();
    let world = World::configured(Limits::default(), SourceView::Patient, "standard", |config| {
        config.terminology_files = vec![path.clone()];
    });
    let world = world.await;
    let coded = |id: &str, system: &str, code: &str| {
        observation(id, &json!({"code": {"coding": [{"system": system, "code": code}]}, "valueInteger": 1}))
    };
    let held = [
        coded("local", "urn:lab", "GLU"),
        coded("other", "urn:lab", "HGB"),
        coded("loinc", "http://loinc.org", "2345-7"),
    ];
    world.finds("Observation", &held);
    held.iter().for_each(|resource| world.holds(resource));
    world
}

#[tokio::test]
async fn a_search_by_meaning_finds_local_codes_and_does_not_send_what_the_ehr_cannot_know() {
    let world = world().await;
    let found = world.search("Observation", &[("code", "http://loinc.org|2345-7")]).await;
    assert_eq!(ids(&found), ["local", "loinc"]);
    assert!(world.asked().iter().all(|asked| !asked.contains("code=")), "the EHR would have left one out");
    assert_eq!(ids(&world.search("Observation", &[("code", "urn:lab|GLU")]).await), ["local"]);
    assert!(world.asked().iter().any(|asked| asked.contains("code=")), "its own codes it knows");
    assert_eq!(ids(&world.search("Observation", &[("code:not", "2345-7")]).await), ["other"]);
}

#[tokio::test]
async fn what_was_added_is_marked_and_what_was_there_stays() {
    let world = world().await;
    let read: Value = serde_json::from_str(&world.read("Observation", "local").await.unwrap()).unwrap();
    let codings = read["code"]["coding"].as_array().unwrap();
    assert_eq!(codings[0], json!({"system": "urn:lab", "code": "GLU"}));
    assert_eq!(codings[1]["code"], "2345-7");
    assert_eq!(codings[1]["userSelected"], false);
    assert!(codings[1]["extension"][0]["url"].as_str().unwrap().ends_with("/mapped-coding"));
    let untouched: Value = serde_json::from_str(&world.read("Observation", "other").await.unwrap()).unwrap();
    assert_eq!(untouched["code"]["coding"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_granular_scope_covers_what_a_local_code_means() {
    let world = world().await;
    let scope = "patient/Observation.rs?code=http://loinc.org|2345-7";
    let found = world.search_with(scope, "Observation", &[]).await.unwrap();
    assert_eq!(ids(&found), ["local", "loinc"]);
    assert!(world.read_with(scope, "Observation", &world.id("local")).await.is_ok());
    assert!(world.read_with(scope, "Observation", &world.id("other")).await.is_err());
}
