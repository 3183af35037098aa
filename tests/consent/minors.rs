//! The scenarios over HTTP: small children, teenagers, and who acts for them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use chartgate::identity::GrantBasis;

use super::family::*;
use super::surfaces::{seen, seen_at_one};
use crate::support::world::{EVERYTHING, in_both_worlds};

in_both_worlds!(
    a_parent_sees_a_small_child,
    whoever_has_no_grant_finds_nothing,
    what_a_clinician_keeps_from_parents_is_not_there,
    a_custody_order_takes_address_and_place,
    whoever_a_court_keeps_out_is_out,
    a_parent_sees_of_a_teenager_what_is_listed,
    of_a_bill_amount_and_date_are_left,
    a_teenager_sees_everything,
    assent_opens_and_its_end_closes_at_once,
    each_practice_decides_by_its_own_policy,
    without_rules_proxies_see_nothing_and_people_their_own,
    at_eighteen_parents_are_out,
);

async fn a_parent_sees_a_small_child() {
    let world = family(confidential("ana-one")).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    let token = token(&world, "gil", "ana").await;
    assert_eq!(
        seen_at_one(&world, &token, "ana", "Observation").await,
        ["height", "lab", "misc", "old", "pcr", "weight"]
    );
    assert_eq!(seen(&world, &token, "ana", "MedicationRequest").await.len(), 3);
    let told = world.get("/fhir/Observation", &token).await.outcomes();
    assert_eq!(told, ["suppressed: Some information may not be shown because of privacy rules."]);
    // Whose record it is tells nobody anything.
    let own = world.token("ana").await;
    assert!(world.get("/fhir/Observation", &own).await.outcomes().is_empty());
}

async fn whoever_has_no_grant_finds_nothing() {
    let world = family(Vec::new()).await;
    let own = world.token("eve").await;
    let ana = world.person("ana").id;
    let one = &world.practice("one").source;
    for target in [format!("Patient/{ana}"), format!("Observation/{one}.ana-one-lab"), format!("Patient/{one}.ana-one")]
    {
        let (theirs, nobody) =
            (world.get(&format!("/fhir/{target}"), &own).await, world.get("/fhir/Patient/none", &own).await);
        assert_eq!((theirs.status, theirs.text), (404, nobody.text), "{target}");
    }
    assert!(world.get(&format!("/fhir/Observation?patient={ana}"), &own).await.matches().is_empty());
}

async fn what_a_clinician_keeps_from_parents_is_not_there() {
    let security = |code: &str, system: &str| json!({"meta": {"security": [{"system": system, "code": code}]}});
    let ours = "https://chartgate.example/fhir/CodeSystem/sensitivity";
    let confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    let lab = |id: &str, more| observation(id, "ana-one", "laboratory", concept(LOINC, "4548-4"), more);
    let more = vec![
        lab("ana-one-kept", security("parent-restricted", ours)),
        lab("ana-one-r", security("R", confidentiality)),
        lab("ana-one-n", security("N", confidentiality)),
    ];
    let world = family(more).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    let flag =
        json!({"flag": {"source": world.practice("one").source, "resource_type": "Observation", "id": "ana-one-lab"}});
    let rule = lay_down(&world, "ana", flag).await;
    let parent = token(&world, "gil", "ana").await;
    assert_eq!(seen_at_one(&world, &parent, "ana", "Observation").await, ["height", "misc", "n", "old"]);
    assert_eq!(seen_at_one(&world, &world.token("ana").await, "ana", "Observation").await.len(), 7);
    lift(&world, rule).await;
    assert_eq!(seen_at_one(&world, &parent, "ana", "Observation").await, ["height", "lab", "misc", "n", "old"]);
}

async fn a_custody_order_takes_address_and_place() {
    let drug = json!({"resourceType": "MedicationRequest", "id": "ana-one-drug", "status": "active", "intent": "order",
        "medicationCodeableConcept": {"text": "Drops"}, "subject": {"reference": "Patient/ana-one"},
        "dispenseRequest": {"numberOfRepeatsAllowed": 3, "quantity": {"value": 30.0},
            "performer": {"display": "Pharmacy in Elm Street"}}});
    let world = family(vec![drug]).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    grant(&world, "hana", "ana", GrantBasis::Parent, Value::Null).await;
    let against = world.account("gil").await;
    for effect in ["records-only", "no-contact-data"] {
        let rule = lay_down(&world, "ana", json!({"restriction": {"against": against, "effect": effect}})).await;
        let (gil, hana) = (token(&world, "gil", "ana").await, token(&world, "hana", "ana").await);
        let one = &world.practice("one").source;
        for target in [
            "/fhir/Patient".to_owned(),
            format!("/fhir/Patient/{}", world.person("ana").id),
            format!("/fhir/Patient/{one}.ana-one"),
            "/fhir/Appointment".to_owned(),
            format!("/fhir/Appointment/{one}.ana-one-next"),
            format!("/fhir/Patient/{}/$everything", world.person("ana").id),
        ] {
            let (his, hers) = (world.get(&target, &gil).await, world.get(&target, &hana).await);
            assert_eq!((his.status, hers.status), (200, 200), "{target}: {}", his.text);
            for secret in ["555-0142", "Northfield", "Elm Street"] {
                assert!(!his.text.contains(secret), "{effect} {target}: {secret} in {}", his.text);
            }
            let place = ["Northfield", "Elm Street"].iter().any(|secret| hers.text.contains(secret));
            assert!(place, "{target}: she sees it");
        }
        // Of a prescription the pharmacy goes, and what there is of the drug stays.
        let drugs = "/fhir/MedicationRequest?status=active";
        let [his, hers] = [world.get(drugs, &gil).await.matches(), world.get(drugs, &hana).await.matches()]
            .map(|drugs| drugs.iter().find(|drug| drug["id"] == format!("{one}.ana-one-drug")).unwrap().clone());
        assert_eq!(his["dispenseRequest"], json!({"numberOfRepeatsAllowed": 3, "quantity": {"value": 30.0}}));
        assert_eq!(hers["dispenseRequest"]["performer"]["display"], "Pharmacy in Elm Street");
        // What is not shown is not searched.
        let city = world.get("/fhir/Patient?address-city=Northfield", &gil).await;
        assert!(city.matches().is_empty());
        lift(&world, rule).await;
    }
}

async fn whoever_a_court_keeps_out_is_out() {
    let world = family(Vec::new()).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    let before = token(&world, "gil", "ana").await;
    assert_eq!(world.get("/fhir/Observation", &before).await.status, 200);
    let against = world.account("gil").await;
    lay_down(&world, "ana", json!({"restriction": {"against": against, "effect": "none"}})).await;
    assert_eq!(world.get("/fhir/Observation", &before).await.status, 401, "the token from before");
    let mut browser = world.browser("gil").await;
    let home = browser.get("/").await;
    assert!(home.status == 200 && !home.body.contains("ana-one"), "{}", home.body);
}

async fn a_parent_sees_of_a_teenager_what_is_listed() {
    let world = family(confidential("ben-one")).await;
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let token = token(&world, "gil", "ben").await;
    for (kind, expected) in [
        ("Observation", vec!["height"]),
        ("Immunization", vec!["mmr"]),
        ("Encounter", vec!["visit"]),
        ("Appointment", vec!["next"]),
        ("MedicationRequest", vec![]),
        ("Condition", vec![]),
        ("DocumentReference", vec![]),
        ("Provenance", vec![]),
        ("Invoice", vec!["bill"]),
    ] {
        assert_eq!(seen_at_one(&world, &token, "ben", kind).await, expected, "{kind}");
    }
    let visit = world.get("/fhir/Encounter", &token).await;
    assert!(!visit.text.contains("something private"), "{}", visit.text);
    assert!(visit.text.contains("2025-06-01"));
    assert!(world.get("/fhir/Encounter?reason-code:text=something", &token).await.matches().is_empty());
}

async fn of_a_bill_amount_and_date_are_left() {
    let mut bill = chart("ben-one").pop().unwrap();
    merge(
        &mut bill,
        json!({"id": "ben-one-secret", "meta": {"security": [{"code": "STD"}]}, "account": {"reference": "Account/x"}}),
    );
    let world = family([confidential("ben-one"), vec![bill]].concat()).await;
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let token = token(&world, "gil", "ben").await;
    assert_eq!(seen_at_one(&world, &token, "ben", "Invoice").await, ["bill", "secret"]);
    for bill in world.get("/fhir/Invoice", &token).await.matches() {
        let names: BTreeSet<&str> = bill.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(
            names.is_subset(&BTreeSet::from(["resourceType", "id", "meta", "status", "subject", "date", "totalGross"])),
            "{names:?}"
        );
        assert_eq!(bill["totalGross"]["value"].to_string(), "40.0");
        assert!(bill["meta"].get("security").is_none());
    }
}

async fn a_teenager_sees_everything() {
    let world = family(confidential("ben-one")).await;
    let token = world.token("ben").await;
    assert_eq!(seen_at_one(&world, &token, "ben", "Observation").await.len(), 6);
    assert_eq!(seen_at_one(&world, &token, "ben", "Condition").await, ["std"]);
    assert_eq!(seen_at_one(&world, &token, "ben", "Provenance").await, ["source"]);
}

async fn assent_opens_and_its_end_closes_at_once() {
    let phq = observation("ben-one-phq", "ben-one", "survey", concept(LOINC, "44261-6"), json!({}));
    let world = family([confidential("ben-one"), vec![phq]].concat()).await;
    let id = grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    // The token is from before; what it opens is decided when it is used.
    let token = token(&world, "gil", "ben").await;
    let look = || seen_at_one(&world, &token, "ben", "Observation");
    assert_eq!(look().await, ["height"]);
    let assent = |labels: Value| json!({"assent": {"grant": id, "labels": labels}});
    let plain = lay_down(&world, "ben", assent(json!([]))).await;
    assert_eq!(look().await, ["height", "lab", "misc", "old"]);
    let more = lay_down(&world, "ben", assent(json!(["MH"]))).await;
    assert_eq!(look().await, ["height", "lab", "misc", "old", "phq"]);
    lift(&world, more).await;
    assert_eq!(look().await, ["height", "lab", "misc", "old"]);
    lift(&world, plain).await;
    assert_eq!(look().await, ["height"]);
}

async fn each_practice_decides_by_its_own_policy() {
    let world = family(Vec::new()).await;
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    choose(&world, "one", "us-ca", "America/Los_Angeles").await;
    choose(&world, "two", "us-wa", "America/Los_Angeles").await;
    let token = token(&world, "gil", "ben").await;
    assert_eq!(seen(&world, &token, "ben", "Observation").await, BTreeSet::from(["ben-two-height".to_owned()]));
    let meds = seen(&world, &token, "ben", "MedicationRequest").await;
    assert_eq!(meds, BTreeSet::from(["ben-two-inhaler".to_owned()]));
    choose(&world, "one", "us-tx", "America/Chicago").await;
    assert_eq!(seen_at_one(&world, &token, "ben", "Observation").await, ["height", "lab", "misc", "old"]);
}

async fn without_rules_proxies_see_nothing_and_people_their_own() {
    let world = family(Vec::new()).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    choose(&world, "one", "no such policy", "UTC").await;
    let parent = token(&world, "gil", "ana").await;
    let found = seen(&world, &parent, "ana", "Observation").await;
    assert!(found.len() == 4 && found.iter().all(|id| id.contains("-two-")), "{found:?}");
    assert_eq!(seen(&world, &world.token("ana").await, "ana", "Observation").await.len(), 8);
}

async fn at_eighteen_parents_are_out() {
    let world = family(Vec::new()).await;
    let scope = json!({"level": "manage", "guarantor": true});
    grant(&world, "hana", "cy", GrantBasis::Parent, scope).await;
    grant(&world, "hana", "dee", GrantBasis::Parent, Value::Null).await;
    let (cy, dee) = (token(&world, "hana", "cy").await, token(&world, "hana", "dee").await);
    assert_eq!(seen_at_one(&world, &cy, "cy", "Observation").await, ["height"]);
    assert!(seen(&world, &dee, "dee", "Observation").await.is_empty());
    assert!(world.get("/fhir/Patient", &dee).await.matches().is_empty());
    assert_eq!(world.get(&format!("/fhir/Patient/{}", world.person("dee").id), &dee).await.status, 404);
    // The day after, Cy is of age as well; who pays the bills sees them.
    world.clock.advance(DAY);
    let cy = world.token_for("hana", "cy", "later", EVERYTHING).await;
    assert!(seen(&world, &cy, "cy", "Observation").await.is_empty());
    assert_eq!(seen_at_one(&world, &cy, "cy", "Invoice").await, ["bill"]);
}
