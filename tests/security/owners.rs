//! What is visible through something else.

use chartgate::gateway::Refusal;
use serde_json::{Value, json};

use super::hostile::{CANARY, OTHER, OWN, World, ids, observation};

fn category(code: &str) -> Value {
    json!({"category": [{"coding": [{"code": code}]}]})
}

#[tokio::test]
async fn f11_provenance_of_a_withheld_observation_is_withheld() {
    let world = World::start().await;
    let (laboratory, vital) =
        (observation("lab", &category("laboratory")), observation("vital", &category("vital-signs")));
    world.finds("Observation", &[laboratory, vital]);
    let about = |id: &str, target: &str| json!({"resourceType": "Provenance", "id": id, "target": [{"reference": format!("Observation/{target}")}]});
    for resource in [about("p1", "lab"), about("p2", "vital")] {
        world.holds(&resource);
    }
    let read = async |scopes: &str, id: &str| world.read_with(scopes, "Provenance", &world.id(id)).await;
    let granular = "patient/Provenance.rs patient/Observation.rs?category=laboratory";
    assert!(read(granular, "p1").await.is_ok());
    assert_eq!(read(granular, "p2").await, Err(Refusal::NotFound));
    // Without the owner's scope the caller sees no owner at all.
    assert_eq!(read("patient/Provenance.rs", "p1").await, Err(Refusal::NotFound));
    assert!(read("patient/Provenance.rs patient/Observation.r", "p2").await.is_ok());
}

#[tokio::test]
async fn f27_a_medication_needs_the_scope_of_what_prescribes_it() {
    let world = World::start().await;
    let subject = json!({"reference": format!("Patient/{OWN}")});
    world.finds(
        "MedicationRequest",
        &[json!({
            "resourceType": "MedicationRequest", "id": "r1", "subject": subject,
            "medicationReference": {"reference": "Medication/m1"},
        })],
    );
    let medication = json!({"resourceType": "Medication", "id": "m1", "code": {"text": "Lithium"}});
    world.holds(&medication);
    world.finds("Medication", &[medication]);
    let both = "patient/Medication.rs patient/MedicationRequest.rs";
    assert!(world.read_with(both, "Medication", &world.id("m1")).await.is_ok());
    assert_eq!(ids(&world.search_with(both, "Medication", &[]).await.unwrap()), ["m1"]);
    let alone = "patient/Medication.rs";
    assert_eq!(world.read_with(alone, "Medication", &world.id("m1")).await, Err(Refusal::NotFound));
    assert_eq!(ids(&world.search_with(alone, "Medication", &[]).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn f26_a_binary_needs_a_document_that_is_seen_and_still_has_it() {
    let world = World::start().await;
    let document = |url: &str| {
        json!({
            "resourceType": "DocumentReference", "id": "d1", "status": "current",
            "subject": {"reference": format!("Patient/{OWN}")},
            "content": [{"attachment": {"url": url}}],
        })
    };
    world.holds(&document("Binary/b1"));
    world.holds(&json!({"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": "QQ=="}));
    let shown: Value = serde_json::from_str(&world.read("DocumentReference", "d1").await.unwrap()).unwrap();
    let url = shown["content"][0]["attachment"]["url"].as_str().unwrap().to_owned();
    let id = url.rsplit('/').next().unwrap();
    assert!(world.read_with("patient/*.rs", "Binary", id).await.is_ok());
    assert_eq!(world.read_with("patient/Binary.rs", "Binary", id).await, Err(Refusal::NotFound), "no document is seen");
    world.holds(&document("Binary/b2"));
    assert_eq!(world.read_with("patient/*.rs", "Binary", id).await, Err(Refusal::NotFound), "it was taken off");
}

#[tokio::test]
async fn f28_a_settlement_shows_only_if_every_detail_is_the_persons() {
    let world = World::start().await;
    let invoice = json!({
        "resourceType": "Invoice", "id": "i1", "status": "issued",
        "subject": {"reference": format!("Patient/{OWN}")},
    });
    world.finds("Invoice", std::slice::from_ref(&invoice));
    let mine = json!({"request": {"reference": "Invoice/i1"}, "amount": {"value": 1}});
    let unknown = json!({"payee": {"display": CANARY}, "amount": {"value": 2}});
    let logical = json!({"request": {"identifier": {"value": OTHER}}, "amount": {"value": 2}});
    for (details, is_shown) in [
        (json!([mine.clone()]), true),
        (json!([mine.clone(), mine.clone()]), true),
        (json!([mine.clone(), unknown]), false),
        (json!([mine, logical]), false),
        (json!([]), false),
    ] {
        world.holds(&json!({"resourceType": "PaymentReconciliation", "id": "p1", "detail": details.clone()}));
        assert_eq!(world.read("PaymentReconciliation", "p1").await.is_ok(), is_shown, "{details}");
    }
}
