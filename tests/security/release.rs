//! A source that gives more than its patient may see: what the terms of release hold back shows nowhere.

use chartgate::config::{Limits, SourceView};
use chartgate::gateway::Refusal;
use serde_json::{Value, json};

use super::hostile::{OWN, World, ids, observation, outcomes};

const LABELS: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// Every Observation that the EHR holds; the two that the standard policy shows come first.
fn held() -> Vec<Value> {
    vec![
        observation("final", &json!({"status": "final"})),
        observation("normal", &json!({"meta": {"security": [{"system": LABELS, "code": "N"}]}})),
        observation("preliminary", &json!({"status": "preliminary", "issued": "2026-09-01T00:00:00Z"})),
        observation("registered", &json!({"status": "registered"})),
        observation("unreadable", &json!({"status": null})),
        observation("restricted", &json!({"meta": {"security": [{"system": LABELS, "code": "R"}]}})),
        observation("very", &json!({"meta": {"security": [{"code": "V"}]}})),
    ]
}

async fn world(view: SourceView, policy: &str) -> World {
    let world = World::with(Limits::default(), view, policy).await;
    world.finds("Observation", &held());
    held().iter().for_each(|resource| world.holds(resource));
    world
}

#[tokio::test]
async fn what_waits_for_release_is_not_found_read_or_counted() {
    let world = world(SourceView::System, "standard").await;
    for query in [vec![], vec![("_total", "accurate")], vec![("_sort", "date")]] {
        let found = world.search("Observation", &query).await;
        assert_eq!(ids(&found), ["final", "normal"], "{query:?}");
        assert!(found.get("total").is_none_or(|total| total == 2), "{found}");
        assert_eq!(outcomes(&found), [""; 0], "what is hidden is not there");
    }
    assert_eq!(world.search("Observation", &[("_total", "accurate")]).await["total"], 2);
    assert_eq!(world.search("Observation", &[("_summary", "count")]).await["total"], 2);
    assert_eq!(ids(&world.search("Observation", &[("status", "preliminary")]).await), [""; 0]);
    for resource in held() {
        let id = resource["id"].as_str().unwrap();
        let read = world.read("Observation", id).await;
        let is_shown = ["final", "normal"].contains(&id);
        assert_eq!(read.is_ok(), is_shown, "{id}");
        if let Err(refusal) = read {
            assert_eq!(refusal, Refusal::NotFound, "{id}");
        }
    }
}

#[tokio::test]
async fn what_the_patient_sees_at_the_practice_is_shown_as_it_comes() {
    let world = world(SourceView::Patient, "standard").await;
    assert_eq!(ids(&world.search("Observation", &[]).await).len(), held().len());
}

#[tokio::test]
async fn a_practice_may_choose_other_terms() {
    let world = world(SourceView::System, "after-three-days").await;
    // Preliminary for two weeks; the others have no time to wait from.
    assert_eq!(ids(&world.search("Observation", &[]).await), ["final", "normal", "preliminary"]);
    assert!(world.read("Observation", "preliminary").await.is_ok());
    assert_eq!(world.read("Observation", "restricted").await.unwrap_err(), Refusal::NotFound);
}

#[tokio::test]
async fn what_hangs_on_a_result_that_waits_is_as_hidden_as_it_is() {
    let world = World::with(Limits::default(), SourceView::System, "standard").await;
    let prescription = |id: &str, label: &str| {
        json!({"resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
            "meta": {"security": [{"system": LABELS, "code": label}]},
            "subject": {"reference": format!("Patient/{OWN}")},
            "medicationReference": {"reference": format!("Medication/of-{id}")}})
    };
    world.finds("MedicationRequest", &[prescription("a", "N"), prescription("b", "R")]);
    let medication = |id: &str| json!({"resourceType": "Medication", "id": id, "code": {"text": "x"}});
    world.finds("Medication", &[medication("of-a"), medication("of-b")]);
    world.holds(&medication("of-a"));
    world.holds(&medication("of-b"));
    assert_eq!(ids(&world.search("Medication", &[]).await), ["of-a"]);
    assert!(world.read("Medication", "of-a").await.is_ok());
    assert_eq!(world.read("Medication", "of-b").await.unwrap_err(), Refusal::NotFound);
}
