//! The family of the scenarios at two practices, and what is laid down about them.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};

use chartgate::base::clock::Clock;
use chartgate::base::id::{ConsentRuleId, GrantId};
use chartgate::base::random::SystemRandom;
use chartgate::config::Limits;
use chartgate::consent::{GrantScope, RuleKind};
use chartgate::identity::{GrantBasis, Period, StatusReason};
use chartgate::practice::{self, NewGrant, NewRule};
use chartgate::storage::consent::PolicyChoice;
use chartgate::storage::{grants, organizations};

use crate::support::world::{EVERYTHING, PersonSpec, PracticeSpec, World};

pub(super) static RANDOM: LazyLock<SystemRandom> = LazyLock::new(SystemRandom::default);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const SCT: &str = "http://snomed.info/sct";
pub(super) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(super) const NUCC: &str = "http://nucc.org/provider-taxonomy";

pub(super) fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

pub(super) fn patient(id: &str, born: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": "Hale", "given": [id]}], "birthDate": born,
        "identifier": [{"type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MR"), "system": "urn:mrn",
            "value": format!("MRN-{id}")}],
        "telecom": [{"system": "phone", "value": "555-0142"}], "address": [{"city": "Northfield"}]})
}

pub(super) fn of(patient: &str) -> Value {
    json!({"reference": format!("Patient/{patient}")})
}

pub(super) fn observation(id: &str, patient: &str, category: &str, code: Value, more: Value) -> Value {
    let mut resource = json!({"resourceType": "Observation", "id": id, "status": "final", "subject": of(patient),
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", category)], "effectiveDateTime": "2025-06-01"});
    resource["code"] = code;
    merge(&mut resource, more);
    resource
}

pub(super) fn encounter(id: &str, patient: &str, service: Value) -> Value {
    let mut resource = json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
        "subject": of(patient), "reasonCode": [{"text": "something private"}],
        "period": {"start": "2025-06-01", "end": "2025-06-01"}});
    resource["serviceType"] = service;
    resource
}

pub(super) fn merge(resource: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("no object") };
    for (name, value) in more {
        resource[name] = value;
    }
}

pub(super) fn in_visit(id: &str) -> Value {
    json!({"encounter": {"reference": format!("Encounter/{id}")}})
}

/// What everybody has: a result, a vital sign, a vaccination, a visit with what hangs on it, a prescription, a bill.
pub(super) fn chart(patient: &str) -> Vec<Value> {
    let id = |name: &str| format!("{patient}-{name}");
    vec![
        observation(&id("lab"), patient, "laboratory", concept(LOINC, "4548-4"), json!({})),
        observation(&id("misc"), patient, "laboratory", json!({"text": "misc panel"}), json!({})),
        observation(&id("height"), patient, "vital-signs", concept(LOINC, "8302-2"), in_visit(&id("visit"))),
        observation(
            &id("old"),
            patient,
            "laboratory",
            concept(LOINC, "2345-7"),
            json!({"effectiveDateTime": "2019-03-03"}),
        ),
        json!({"resourceType": "Immunization", "id": id("mmr"), "status": "completed", "patient": of(patient),
            "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "03"), "occurrenceDateTime": "2025-06-01"}),
        encounter(&id("visit"), patient, concept(NUCC, "208000000X")),
        json!({"resourceType": "Appointment", "id": id("next"), "status": "booked", "start": "2026-12-01T09:00:00Z",
            "end": "2026-12-01T09:30:00Z", "serviceType": [concept(NUCC, "208000000X")], "description": "at Elm Street",
            "participant": [{"actor": of(patient), "status": "accepted"},
                {"actor": {"reference": "Location/elm", "display": "Elm Street"}, "status": "accepted"}]}),
        json!({"resourceType": "MedicationRequest", "id": id("inhaler"), "status": "active", "intent": "order",
            "subject": of(patient), "medicationCodeableConcept": concept(RXNORM, "435"), "authoredOn": "2025-06-01"}),
        json!({"resourceType": "Invoice", "id": id("bill"), "status": "issued", "subject": of(patient),
            "date": "2025-06-02", "totalGross": {"value": 40.00, "currency": "USD"}, "note": [{"text": "for what"}],
            "lineItem": [{"chargeItemCodeableConcept": {"text": "for what"}}]}),
    ]
}

/// What a teenager's parents must not know of.
pub(super) fn confidential(patient: &str) -> Vec<Value> {
    let id = |name: &str| format!("{patient}-{name}");
    let clinic = id("clinic");
    vec![
        observation(&id("pcr"), patient, "laboratory", concept(LOINC, "21613-5"), json!({})),
        encounter(&clinic, patient, concept(NUCC, "2080A0000X")),
        observation(&id("weight"), patient, "vital-signs", concept(LOINC, "29463-7"), in_visit(&clinic)),
        json!({"resourceType": "MedicationRequest", "id": id("pill"), "status": "active", "intent": "order",
            "subject": of(patient), "medicationCodeableConcept": concept(RXNORM, "831533")}),
        json!({"resourceType": "Condition", "id": id("std"), "subject": of(patient), "code": concept(SCT, "240589008")}),
        json!({"resourceType": "DocumentReference", "id": id("note"), "status": "current", "subject": of(patient),
            "type": concept(LOINC, "11506-3"), "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
            "context": {"encounter": [{"reference": format!("Encounter/{clinic}")}]}}),
        json!({"resourceType": "Immunization", "id": id("hpv"), "status": "completed", "patient": of(patient),
            "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "165"), "occurrenceDateTime": "2025-06-01"}),
        json!({"resourceType": "Immunization", "id": id("flu"), "status": "completed", "patient": of(patient),
            "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "141"), "occurrenceDateTime": "2025-06-01",
            "encounter": {"reference": format!("Encounter/{clinic}")}}),
        json!({"resourceType": "Appointment", "id": id("again"), "status": "booked", "start": "2026-12-02T09:00:00Z",
            "end": "2026-12-02T09:30:00Z", "serviceType": [concept(NUCC, "2080A0000X")],
            "participant": [{"actor": of(patient), "status": "accepted"}]}),
        json!({"resourceType": "Provenance", "id": id("source"), "recorded": "2025-06-01T00:00:00Z",
            "target": [{"reference": format!("Observation/{}", id("pcr"))}],
            "agent": [{"who": {"display": "Adolescent clinic"}}]}),
    ]
}

pub(super) const PEOPLE: [(&str, &str); 6] = [
    ("ana", "2018-01-15"),
    ("ben", "2012-01-15"),
    ("cy", "2008-09-16"),
    ("dee", "2008-09-15"),
    ("eve", "1981-03-03"),
    ("fay", "1944-02-01"),
];

/// The family at two practices; `more` is added to the first one.
pub(super) async fn family(more: Vec<Value>) -> World {
    let at_both = PEOPLE.map(|(name, born)| (name, [born, born]));
    household(&at_both, more).await
}

/// People with their birth dates as the charts of each of two practices have them, and grown people without charts.
pub(super) async fn household(people: &[(&str, [&str; 2])], more: Vec<Value>) -> World {
    let folder = |practice: &str, at: usize| -> Vec<Value> {
        people
            .iter()
            .flat_map(|(name, born)| {
                let id = format!("{name}-{practice}");
                [vec![patient(&id, born[at])], chart(&id)].concat()
            })
            .chain([json!({"resourceType": "Location", "id": "elm", "name": "Elm Street"})])
            .collect()
    };
    let practice = |key: &str, resources| PracticeSpec {
        key: key.to_owned(),
        name: format!("Practice {key}"),
        vendor: "plain-r4".to_owned(),
        resources,
    };
    let practices = vec![practice("one", [folder("one", 0), more].concat()), practice("two", folder("two", 1))];
    let linked = people.iter().map(|(name, _)| PersonSpec {
        key: (*name).to_owned(),
        links: ["one", "two"].map(|practice| (practice.to_owned(), format!("{name}-{practice}"))).into(),
    });
    let grown = ["gil", "hana", "ike", "jo", "kit", "lou"].map(World::nobody);
    World::start(practices, linked.chain(grown).collect(), Limits::default()).await
}

pub(super) async fn grant(world: &World, holder: &str, person: &str, basis: GrantBasis, scope: Value) -> GrantId {
    let new = NewGrant { account: world.account(holder).await, person: world.person(person).id, basis };
    let (acts, now) = (&world.app.acts, world.clock.now());
    let id = practice::grant(acts, &*RANDOM, now, new).await.unwrap();
    if !scope.is_null() {
        limit(world, id, scope).await;
    }
    id
}

pub(super) async fn limit(world: &World, grant: GrantId, scope: Value) {
    let scope: GrantScope = serde_json::from_value(scope).unwrap();
    practice::limit_grant(&world.app.acts, &*RANDOM, world.clock.now(), grant, scope).await.unwrap();
}

pub(super) async fn lay_down(world: &World, person: &str, kind: Value) -> ConsentRuleId {
    let kind: RuleKind = serde_json::from_value(kind).unwrap();
    let now = world.clock.now();
    let period = Period { from: now, until: None };
    let new = NewRule { person: world.person(person).id, kind, period, evidence: "Provenance/1".to_owned(), by: None };
    practice::lay_down(&world.app.acts, &*RANDOM, now, new).await.unwrap()
}

pub(super) async fn lift(world: &World, rule: ConsentRuleId) {
    practice::lift(&world.app.acts, &*RANDOM, world.clock.now(), (rule, None), StatusReason::PatientRequest)
        .await
        .unwrap();
}

pub(super) fn token<'w>(world: &'w World, holder: &'w str, person: &'w str) -> impl Future<Output = String> + 'w {
    world.token_for(holder, person, "app", EVERYTHING)
}

pub(super) async fn practice_end(world: &World, holder: &str, person: &str) {
    end_for(world, holder, person, StatusReason::PatientRequest).await;
}

/// Ends what somebody may do for a person.
pub(super) async fn end_for(world: &World, holder: &str, person: &str, reason: StatusReason) {
    let account = world.account(holder).await;
    let all = grants::of_person(&world.app.db, world.person(person).id).await.unwrap();
    let id = all.into_iter().find(|grant| grant.account == account).unwrap().id;
    let now = world.clock.now();
    world.app.db.write(move |tx| Box::pin(grants::end(tx, id, now, reason))).await.unwrap();
}

pub(super) async fn choose(world: &World, practice: &str, policy: &str, time_zone: &str) {
    let all = organizations::all(&world.app.db).await.unwrap();
    let id = all.iter().find(|organization| organization.name == format!("Practice {practice}")).unwrap().id;
    let choice = PolicyChoice { policy: policy.to_owned(), time_zone: time_zone.to_owned() };
    practice::adopt_consent_policy(&world.app.acts, &*RANDOM, world.clock.now(), id, choice).await.unwrap();
    // Sources are looked at twice a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}
