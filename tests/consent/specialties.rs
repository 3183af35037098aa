//! Who had to do with something says what it was about: the specialties of practitioners, and kinds of places and services
//! (portal design, 3.5 iii).

use serde_json::{Value, json};

use chartgate::identity::GrantBasis;
use chartgate::sandbox::{Fault, FaultKind};

use super::family::*;
use super::surfaces::seen_at_one;
use crate::support::world::{EVERYTHING, World, in_both_worlds};

in_both_worlds!(
    what_a_specialist_did_is_as_sensitive_as_the_specialty,
    who_cannot_be_looked_up_hides_what_names_them_until_they_can,
);

const CVX: &str = "http://hl7.org/fhir/sid/cvx";
const ROLE_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const PSYCHIATRY: &str = "2084P0800X";
const ADDICTION: &str = "207RA0401X";
const PAEDIATRICS: &str = "208000000X";

fn by(reference: &str) -> Value {
    json!({"performer": [{"reference": reference}]})
}

fn role(id: &str, practitioner: &str, specialty: &str) -> Value {
    json!({"resourceType": "PractitionerRole", "id": id, "practitioner": {"reference": format!("Practitioner/{practitioner}")},
        "specialty": [concept(NUCC, specialty)]})
}

/// Those who work at the first practice. What their own resource does not say, a role of theirs does.
fn staff() -> Vec<Value> {
    vec![
        json!({"resourceType": "Practitioner", "id": "gp", "name": [{"family": "Plain"}]}),
        role("gp-role", "gp", PAEDIATRICS),
        json!({"resourceType": "Practitioner", "id": "psy", "name": [{"family": "Soul"}]}),
        role("psy-role", "psy", PSYCHIATRY),
        json!({"resourceType": "Practitioner", "id": "learned",
            "qualification": [{"code": concept(NUCC, PSYCHIATRY)}]}),
        json!({"resourceType": "Practitioner", "id": "third"}),
        role("sud-role", "third", ADDICTION),
        json!({"resourceType": "Location", "id": "ward", "type": [concept(ROLE_CODE, "PSYCHF")]}),
        json!({"resourceType": "Location", "id": "room", "type": [concept(ROLE_CODE, "HOSP")]}),
        json!({"resourceType": "Organization", "id": "center", "name": "Center", "type": [concept(NUCC, "261QM0850X")]}),
    ]
}

/// What each of two people has: the last part of the id says what should become of it.
fn done(of: &str) -> Vec<Value> {
    let id = |name: &str| format!("{of}-{name}");
    let vital = |name: &str, more: Value| observation(&id(name), of, "vital-signs", concept(LOINC, "8302-2"), more);
    let shot = |name: &str, more: Value| {
        let mut resource = json!({"resourceType": "Immunization", "id": id(name), "status": "completed",
            "patient": self::of(of), "vaccineCode": concept(CVX, "03"), "occurrenceDateTime": "2025-06-01"});
        merge(&mut resource, more);
        resource
    };
    let mut consultation = encounter(&id("consultation"), of, concept(NUCC, PAEDIATRICS));
    merge(&mut consultation, json!({"participant": [{"individual": {"reference": "Practitioner/psy"}}]}));
    vec![
        vital("by-gp", by("Practitioner/gp")),
        vital("by-psy", by("Practitioner/psy")),
        vital("by-learned", by("Practitioner/learned")),
        vital("by-sud-role", by("PractitionerRole/sud-role")),
        vital("by-center", by("Organization/center")),
        // Nobody knows them: the codes in the record alone count.
        vital("by-gone", by("Practitioner/gone")),
        vital("by-both", json!({"performer": [{"reference": "Practitioner/gp"}, {"reference": "Practitioner/psy"}]})),
        consultation,
        vital("in-consultation", in_visit(&id("consultation"))),
        shot("shot-ward", json!({"location": {"reference": "Location/ward"}})),
        shot("shot-room", json!({"location": {"reference": "Location/room"}})),
        shot("shot-by-psy", json!({"performer": [{"actor": {"reference": "Practitioner/psy"}}]})),
    ]
}

async fn clinic() -> World {
    family([staff(), done("ben-one"), done("eve-one")].concat()).await
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

async fn vitals(world: &World, token: &str, person: &str) -> Vec<String> {
    let found = sorted(seen_at_one(world, token, person, "Observation").await);
    found.into_iter().filter(|id| id.starts_with("by-") || id.starts_with("in-")).collect()
}

async fn shots(world: &World, token: &str, person: &str) -> Vec<String> {
    let found = sorted(seen_at_one(world, token, person, "Immunization").await);
    found.into_iter().filter(|id| id.starts_with("shot-")).collect()
}

const ALL: [&str; 8] =
    ["by-both", "by-center", "by-gone", "by-gp", "by-learned", "by-psy", "by-sud-role", "in-consultation"];

async fn what_a_specialist_did_is_as_sensitive_as_the_specialty() {
    let world = clinic().await;
    // A teenager's parent sees nothing that is sensitive, nor what hangs on it.
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let gil = token(&world, "gil", "ben").await;
    assert_eq!(vitals(&world, &gil, "ben").await, ["by-gone", "by-gp"]);
    assert_eq!(shots(&world, &gil, "ben").await, ["shot-room"]);
    assert_eq!(seen_at_one(&world, &gil, "ben", "Encounter").await, ["visit"]);
    // Whom somebody lets in but for their mental health: addiction is another topic.
    let but = json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["MH"]}});
    let leave = grant(&world, "ike", "eve", GrantBasis::GuardianAdult, but).await;
    let ike = token(&world, "ike", "eve").await;
    assert_eq!(vitals(&world, &ike, "eve").await, ["by-gone", "by-gp", "by-sud-role"]);
    assert_eq!(shots(&world, &ike, "eve").await, ["shot-room"]);
    // Who may see all sees all, and so do people themselves; nobody is looked up for them.
    grant(&world, "jo", "eve", GrantBasis::GuardianAdult, Value::Null).await;
    let requests = &world.practice("one").requests;
    requests.clear();
    for token in [token(&world, "jo", "eve").await, world.token("eve").await] {
        assert_eq!(vitals(&world, &token, "eve").await, ALL);
        assert_eq!(shots(&world, &token, "eve").await, ["shot-by-psy", "shot-room", "shot-ward"]);
    }
    let asked: Vec<String> = requests.all().into_iter().map(|request| request.path).collect();
    assert!(!asked.is_empty() && asked.iter().all(|target| !target.contains("/Practitioner")), "{asked:?}");
    // Why it is not seen is said in the words of the rule.
    let mut browser = world.browser("eve").await;
    for (name, expected) in [("by-psy", json!("label")), ("by-gp", Value::Null), ("in-consultation", json!("taint"))] {
        let item = format!("Observation/{}.eve-one-{name}", world.practice("one").source);
        let told = browser.get(&format!("/api/v1/access/explain?grant={leave}&resource={item}")).await.json();
        assert_eq!(told["rule"], expected, "{name}: {told}");
    }
}

/// Portal design, 3.3: what cannot be decided is not seen by proxies, and nothing of that is kept.
async fn who_cannot_be_looked_up_hides_what_names_them_until_they_can() {
    let world = clinic().await;
    grant(&world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let faults = &world.practice("one").faults;
    // Roles cannot be had: whoever could have one is not known, places and those named by their role are.
    let gil = world.token_for("gil", "ben", "app", EVERYTHING).await;
    faults.add(Fault::new(FaultKind::Status(500)).for_types(&["PractitionerRole"]));
    assert_eq!(vitals(&world, &gil, "ben").await, Vec::<String>::new());
    assert_eq!(shots(&world, &gil, "ben").await, ["shot-room"]);
    faults.clear();
    assert_eq!(vitals(&world, &gil, "ben").await, ["by-gone", "by-gp"]);
    // Where a practice does not give its directory away, what is in the record itself counts.
    let other = clinic().await;
    grant(&other, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    let refused = Fault::new(FaultKind::Status(403)).for_types(&["Practitioner", "PractitionerRole"]);
    other.practice("one").faults.add(refused);
    let gil = other.token_for("gil", "ben", "app", EVERYTHING).await;
    assert_eq!(
        vitals(&other, &gil, "ben").await,
        ["by-both", "by-gone", "by-gp", "by-learned", "by-psy", "by-sud-role", "in-consultation"]
    );
    assert_eq!(shots(&other, &gil, "ben").await, ["shot-by-psy", "shot-room"]);
}
