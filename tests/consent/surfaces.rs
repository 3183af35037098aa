//! The scenarios over HTTP: whatever is seen by one way is seen by all, and by no other.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};

use chartgate::base::clock::Clock;
use chartgate::base::id::{ConsentRuleId, GrantId};
use chartgate::base::random::SystemRandom;
use chartgate::config::Limits;
use chartgate::consent::{GrantScope, RuleKind};
use chartgate::identity::{GrantBasis, GrantState, Period, StatusReason};
use chartgate::practice::{self, NewGrant, NewRule};
use chartgate::storage::consent::PolicyChoice;
use chartgate::storage::{StorageError, audit, grants, organizations};

use crate::fhir::record_pages::{pages, shown};
use crate::support::http::Client as Browser;
use crate::support::world::{EVERYTHING, PersonSpec, PracticeSpec, Reply, World, in_both_worlds};

static RANDOM: LazyLock<SystemRandom> = LazyLock::new(SystemRandom::default);
in_both_worlds!(
    a_parent_sees_a_small_child,
    whoever_has_no_grant_finds_nothing,
    a_practice_that_the_grant_leaves_out_is_not_asked,
    what_a_clinician_keeps_from_parents_is_not_there,
    a_custody_order_takes_address_and_place,
    whoever_a_court_keeps_out_is_out,
    a_parent_sees_of_a_teenager_what_is_listed,
    of_a_bill_amount_and_date_are_left,
    a_teenager_sees_everything,
    f11_i18_hidden_things_leave_no_trace,
    assent_opens_and_its_end_closes_at_once,
    each_practice_decides_by_its_own_policy,
    without_rules_proxies_see_nothing_and_people_their_own,
    at_eighteen_parents_are_out,
    a_grant_may_be_for_some_years_of_results,
    a_grant_ends_on_its_day,
    what_a_patient_leaves_out_is_not_there,
    what_becomes_sensitive_is_hidden_within_seconds,
    a_visit_that_cannot_be_told_counts_as_one_that_is_hidden,
    a_hold_is_about_data_not_about_who_looks,
    a_power_of_attorney_springs_and_lapses,
    i16_a_grant_that_ends_is_dead_everywhere,
    after_a_death_nobody_reads_but_the_executor,
    an_app_for_a_proxy_stays_with_the_person,
);

pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const SCT: &str = "http://snomed.info/sct";
pub(super) const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
pub(super) const NUCC: &str = "http://nucc.org/provider-taxonomy";
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

pub(super) fn patient(id: &str, born: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": "Hale", "given": [id]}], "birthDate": born,
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

fn in_visit(id: &str) -> Value {
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

const PEOPLE: [(&str, &str); 6] = [
    ("ana", "2018-01-15"),
    ("ben", "2012-01-15"),
    ("cy", "2008-09-16"),
    ("dee", "2008-09-15"),
    ("eve", "1981-03-03"),
    ("fay", "1944-02-01"),
];

/// The family at two practices; `more` is added to the first one.
pub(super) async fn family(more: Vec<Value>) -> World {
    let folder = |practice: &str| -> Vec<Value> {
        PEOPLE
            .iter()
            .flat_map(|(name, born)| {
                let id = format!("{name}-{practice}");
                [vec![patient(&id, born)], chart(&id)].concat()
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
    let practices = vec![practice("one", [folder("one"), more].concat()), practice("two", folder("two"))];
    let linked = PEOPLE.iter().map(|(name, _)| PersonSpec {
        key: (*name).to_owned(),
        links: ["one", "two"].map(|practice| (practice.to_owned(), format!("{name}-{practice}"))).into(),
    });
    let grown = ["gil", "hana", "ike", "jo"].map(|name| PersonSpec { key: name.to_owned(), links: Vec::new() });
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

async fn limit(world: &World, grant: GrantId, scope: Value) {
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

async fn lift(world: &World, rule: ConsentRuleId) {
    practice::lift(&world.app.acts, &*RANDOM, world.clock.now(), (rule, None), StatusReason::PatientRequest)
        .await
        .unwrap();
}

pub(super) fn token<'w>(world: &'w World, holder: &'w str, person: &'w str) -> impl Future<Output = String> + 'w {
    world.token_for(holder, person, "app", EVERYTHING)
}

fn upstream_ids(resources: &[Value], kind: &str) -> BTreeSet<String> {
    let ids = resources.iter().filter(|resource| resource["resourceType"] == kind);
    ids.map(|resource| resource["id"].as_str().unwrap().split_once('.').map_or("merged", |(_, id)| id).to_owned())
        .collect()
}

fn resources(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.into_iter().filter(|e| e["search"]["mode"] != "outcome").map(|e| e["resource"].clone()).collect()
}

pub(super) async fn batch(world: &World, token: &str, url: &str) -> Value {
    let bundle =
        json!({"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": url}}]});
    let headers = [("content-type", "application/fhir+json")];
    world.send("POST", "/fhir", Some(token), &headers, &bundle.to_string()).await.json()["entry"][0].clone()
}

/// The part of the record in pages that holds a type.
fn part(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Observation" => "findings",
        "Immunization" => "immunizations",
        "Encounter" => "visits",
        "Appointment" => "appointments",
        "MedicationRequest" => "medications",
        "Condition" => "conditions",
        "DocumentReference" => "documents",
        "Invoice" => "bills",
        _ => return None,
    })
}

/// The same in pages, to whoever the token was given by. Where there is nothing for them there is no page.
async fn on_pages(world: &World, token: &str, person: &str, kind: &str) -> Option<BTreeSet<String>> {
    let part = part(kind)?;
    let mut browser = world.browser_of(token).await;
    let address = format!("/record/{part}?person={}", world.person(person).id);
    if browser.get(&address).await.status == 404 {
        return Some(BTreeSet::new());
    }
    let found = shown(&pages(world, &mut browser, person, part).await, part);
    Some(found.iter().map(|id| id.split_once('.').unwrap().1.to_owned()).collect())
}

/// The same by what leads to it: every Provenance here speaks of an observation.
async fn included(world: &World, token: &str, kind: &str) -> Option<BTreeSet<String>> {
    if kind != "Provenance" {
        return None;
    }
    let answer = world.get("/fhir/Observation?_revinclude=Provenance:target", token).await;
    let entries: Vec<Value> = answer.entries("include").into_iter().map(|entry| entry["resource"].clone()).collect();
    Some(upstream_ids(&entries, kind))
}

/// What a caller sees of one type, found out in every way there is; all of them must agree.
pub(super) async fn seen(world: &World, token: &str, person: &str, kind: &str) -> BTreeSet<String> {
    let got = world.get(&format!("/fhir/{kind}"), token).await;
    let found = upstream_ids(&got.matches(), kind);
    let total = got.json()["total"].as_u64();
    if let Some(total) = total {
        assert_eq!(total, found.len() as u64, "{person} {kind}: total");
    }
    let posted = world.search_by_post(kind, &[], token).await;
    assert_eq!(upstream_ids(&posted.matches(), kind), found, "{person} {kind}: POST");
    let pages = world.pages(&format!("/fhir/{kind}?_count=3"), token).await;
    let paged: Vec<Value> = pages.iter().flat_map(Reply::matches).collect();
    assert_eq!((upstream_ids(&paged, kind), paged.len()), (found.clone(), found.len()), "{person} {kind}: pages");
    let batched = batch(world, token, kind).await;
    assert_eq!(upstream_ids(&resources(&batched["resource"]), kind), found, "{person} {kind}: batch");
    let id = world.person(person).id;
    let everything = world.get(&format!("/fhir/Patient/{id}/$everything?_type={kind}"), token).await;
    assert_eq!(upstream_ids(&resources(&everything.json()), kind), found, "{person} {kind}: $everything");
    let compartment = world.get(&format!("/fhir/Patient/{id}/{kind}"), token).await;
    // What is seen through others is in no compartment.
    if compartment.status == 200 && kind != "Provenance" {
        assert_eq!(upstream_ids(&compartment.matches(), kind), found, "{person} {kind}: compartment");
    }
    assert_eq!(
        on_pages(world, token, person, kind).await.unwrap_or_else(|| found.clone()),
        found,
        "{person} {kind}: pages"
    );
    if let Some(included) = included(world, token, kind).await {
        assert_eq!(included, found, "{person} {kind}: what leads to it");
    }
    for practice in &world.practices {
        for resource in practice.resources.iter().filter(|resource| resource["resourceType"] == kind) {
            let upstream = resource["id"].as_str().unwrap();
            let place = format!("{kind}/{}.{upstream}", practice.source);
            let expected = if found.contains(upstream) { 200 } else { 404 };
            // Of others nothing is found; of the person's own, every way must agree.
            let is_own = upstream.starts_with(person);
            let ways = [place.clone(), format!("{place}/_history")];
            for way in ways.into_iter().take(if is_own { 2 } else { 1 }) {
                let status = world.get(&format!("/fhir/{way}"), token).await.status;
                assert_eq!(status, expected, "{person}: read of {way}");
            }
            if !is_own {
                continue;
            }
            let status = batch(world, token, &place).await["response"]["status"].as_str().unwrap().to_owned();
            assert!(status.starts_with(&expected.to_string()), "{person}: batched read of {place}: {status}");
        }
    }
    found
}

/// The same, by the last part of the ids at the first practice.
pub(super) async fn seen_at_one(world: &World, token: &str, person: &str, kind: &str) -> Vec<String> {
    let found = seen(world, token, person, kind).await;
    let prefix = format!("{person}-one-");
    found.iter().filter_map(|id| id.strip_prefix(&prefix)).map(str::to_owned).collect()
}

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

async fn a_practice_that_the_grant_leaves_out_is_not_asked() {
    let world = family(Vec::new()).await;
    let organization = |name: &'static str| {
        let world = &world;
        async move {
            let all = organizations::all(&world.app.db).await.unwrap();
            all.into_iter().find(|organization| organization.name == name).unwrap().id
        }
    };
    let two = organization("Practice two").await;
    let scope = json!({"level": "manage", "organizations": [organization("Practice one").await]});
    grant(&world, "gil", "ana", GrantBasis::Parent, scope).await;
    let left_out = json!({"level": "view", "actions": ["connect-app"], "without_organizations": [two]});
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, left_out).await;
    for (holder, person) in [("gil", "ana"), ("ike", "eve")] {
        let token = token(&world, holder, person).await;
        world.forget_upstream();
        let found = seen(&world, &token, person, "Observation").await;
        assert!(found.len() == 4 && found.iter().all(|id| id.contains("-one-")), "{found:?}");
        assert_eq!(world.upstream_counts()[1], 0, "the second practice is not asked");
        let patient = world.get("/fhir/Patient", &token).await.matches();
        assert!(patient.len() == 1 && patient[0]["link"].as_array().unwrap().len() == 1, "{patient:?}");
    }
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

/// Everything that tells nothing of a world that it is, and nothing of its hidden items either.
pub(super) fn comparable(world: &World, reply: &Reply) -> String {
    let mut text = format!("{} {}", reply.status, reply.text.replace(&world.issuer, "issuer"));
    for (name, person) in &world.persons {
        text = text.replace(&person.id.to_string(), name);
    }
    for practice in &world.practices {
        text = text.replace(&practice.source, &practice.key);
    }
    let names: BTreeSet<&str> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    // The id of a Bundle is drawn; links to further pages are sealed.
    let mut lines: Vec<&str> =
        text.split(',').filter(|part| !part.starts_with("\"id\":\"") || part.len() < 40).collect();
    lines.retain(|part| !part.contains("_page=") && !part.contains("page="));
    format!("{names:?} {}", lines.join(","))
}

/// A parent of a teenager: two worlds that differ in confidential care alone give the same answers.
async fn f11_i18_hidden_things_leave_no_trace() {
    let (with, without) = (family(confidential("ben-one")).await, family(Vec::new()).await);
    for world in [&with, &without] {
        grant(world, "gil", "ben", GrantBasis::Parent, Value::Null).await;
    }
    let (a, b) = (token(&with, "gil", "ben").await, token(&without, "gil", "ben").await);
    let mut targets: Vec<String> = Vec::new();
    for query in [
        "Observation",
        "Observation?code=http://loinc.org|21613-5",
        "Observation?_summary=count",
        "Observation?_total=accurate",
        "Observation?_count=0",
        "Observation?_sort=-date&_count=1",
        "Observation?_lastUpdated=gt2020-01-01",
        "Observation?category=laboratory",
        "Observation?category=vital-signs",
        "Observation?_include=Observation:encounter",
        "Observation?_revinclude=Provenance:target",
        "Observation?encounter=Encounter/none",
        "Encounter",
        "Encounter?_count=1",
        "Encounter?date=2025-06-01",
        "MedicationRequest",
        "MedicationRequest?code=http://www.nlm.nih.gov/research/umls/rxnorm|831533",
        "Condition",
        "DocumentReference",
        "Immunization",
        "Immunization?_count=1",
        "Appointment?_sort=date&_count=1",
        "Provenance",
        "Invoice",
        "Patient",
        "Practitioner",
        "Communication",
        "DiagnosticReport",
    ] {
        targets.push(query.to_owned());
    }
    let hidden = confidential("ben-one");
    for resource in &hidden {
        let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        for more in ["", "/_history", "/_history/1"] {
            targets.push(format!("{kind}/KEY.{id}{more}"));
        }
    }
    targets.extend(["Patient/PERSON", "Patient/PERSON/$everything", "Patient/PERSON/Observation"].map(str::to_owned));
    let mut compared = 0;
    for target in &targets {
        let ask = |world: &World| {
            let (key, person) = (&world.practice("one").source, world.person("ben").id.to_string());
            format!("/fhir/{}", target.replace("KEY", key).replace("PERSON", &person))
        };
        let (left, right) = (with.get(&ask(&with), &a).await, without.get(&ask(&without), &b).await);
        assert_eq!(comparable(&with, &left), comparable(&without, &right), "{target}");
        let etags = [&left, &right].map(|reply| reply.header("etag").map(str::len));
        assert_eq!(etags[0], etags[1], "{target}: ETag");
        for secret in ["pcr", "clinic", "2080A0000X", "831533", "21613-5\"", "240589008"] {
            assert!(
                target.contains("21613")
                    || target.contains("831533")
                    || target.contains("KEY")
                    || !left.text.contains(secret),
                "{target}: {secret}"
            );
        }
        compared += 1;
    }
    assert!(compared > 50);
    // The teenager sees that there was something to hide.
    let own = with.token("ben").await;
    assert_eq!(with.get("/fhir/Observation?code=http://loinc.org|21613-5", &own).await.ids().len(), 1);
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

async fn choose(world: &World, practice: &str, policy: &str, time_zone: &str) {
    let all = organizations::all(&world.app.db).await.unwrap();
    let id = all.iter().find(|organization| organization.name == format!("Practice {practice}")).unwrap().id;
    let choice = PolicyChoice { policy: policy.to_owned(), time_zone: time_zone.to_owned() };
    practice::adopt_consent_policy(&world.app.acts, &*RANDOM, world.clock.now(), id, choice).await.unwrap();
    // Sources are looked at twice a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
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

async fn a_grant_may_be_for_some_years_of_results() {
    let world = family(Vec::new()).await;
    let scope = json!({"level": "view", "actions": ["connect-app"], "categories": ["results"], "data_period": {"from": "2024-01-01", "until": "2025-12-31"}});
    grant(&world, "hana", "dee", GrantBasis::PatientConsent, scope).await;
    let token = token(&world, "hana", "dee").await;
    assert_eq!(seen_at_one(&world, &token, "dee", "Observation").await, ["lab", "misc"]);
    for kind in ["Encounter", "MedicationRequest", "Invoice", "Immunization"] {
        assert!(seen(&world, &token, "dee", kind).await.is_empty(), "{kind}");
    }
}

async fn a_grant_ends_on_its_day() {
    let world = family(Vec::new()).await;
    let id = grant(&world, "hana", "dee", GrantBasis::PatientConsent, Value::Null).await;
    let now = world.clock.now();
    let review =
        json!({"level": "view", "actions": ["connect-app"], "review_by": now.plus(Duration::from_secs(600)).micros()});
    limit(&world, id, review).await;
    let day = now.plus(Duration::from_secs(600));
    let (account, person) = (world.account("ike").await, world.person("dee").id);
    let new = NewGrant { account, person, basis: GrantBasis::PatientConsent };
    practice::grant_until(&world.app.acts, &*RANDOM, now, new, Some(day)).await.unwrap();
    let token = token(&world, "hana", "dee").await;
    assert_eq!(seen(&world, &token, "dee", "Observation").await.len(), 8);
    let mut dee = world.browser("dee").await;
    let gone = async |dee: &mut Browser| dee.get("/api/v1/people").await.json()["gone"].clone();
    assert_eq!(gone(&mut dee).await, json!([]));
    world.clock.advance(Duration::from_secs(600));
    let after = world.get("/fhir/Observation", &token).await;
    assert!(after.status == 401 || after.matches().is_empty(), "{}", after.text);
    // What is over stands in her list with its reason; what waits for a review is not over.
    let gone = gone(&mut dee).await;
    assert_eq!(gone.as_array().unwrap().len(), 1, "{gone}");
    assert_eq!((&gone[0]["name"], &gone[0]["reason"]), (&json!("ike"), &json!("ROLE_DEACTIVATED_END_DATE_REACHED")));
    assert_eq!(gone[0]["at"], json!(day.to_fhir()));
}

async fn what_a_patient_leaves_out_is_not_there() {
    let art = json!({"resourceType": "MedicationRequest", "id": "eve-one-art", "status": "active", "intent": "order",
        "subject": of("eve-one"), "medicationCodeableConcept": concept(RXNORM, "276237")});
    let by_reference = json!({"resourceType": "MedicationRequest", "id": "eve-one-ref", "status": "active",
        "intent": "order", "subject": of("eve-one"), "medicationReference": {"reference": "Medication/truvada"}});
    let medication = json!({"resourceType": "Medication", "id": "truvada", "code": concept(RXNORM, "276237")});
    let visit = encounter("eve-one-hiv", "eve-one", concept(SCT, "86406008"));
    let tied = observation("eve-one-cd4", "eve-one", "laboratory", concept(LOINC, "2345-7"), in_visit("eve-one-hiv"));
    let world = family(vec![art, by_reference, medication, visit, tied]).await;
    let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["HIV"]}});
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, scope).await;
    let token = token(&world, "ike", "eve").await;
    assert_eq!(seen_at_one(&world, &token, "eve", "MedicationRequest").await, ["inhaler"]);
    assert_eq!(seen_at_one(&world, &token, "eve", "Observation").await, ["height", "lab", "misc", "old"]);
    assert_eq!(seen_at_one(&world, &token, "eve", "Encounter").await, ["visit"]);
    let own = world.token("eve").await;
    assert_eq!(seen_at_one(&world, &own, "eve", "MedicationRequest").await, ["art", "inhaler", "ref"]);
}

/// Portal design, 3.3 step 7: who sees some of a record because of what it says must not see what may hang on the rest.
async fn a_visit_that_cannot_be_told_counts_as_one_that_is_hidden() {
    let visit = json!({"reference": "Encounter/eve-one-visit"});
    let tied = |id: &str, more: Value| {
        observation(&format!("eve-one-{id}"), "eve-one", "laboratory", concept(LOINC, "4548-4"), more)
    };
    let more = vec![
        tied("known", json!({"encounter": visit})),
        tied("said", json!({"encounter": {"display": "the clinic"}})),
        tied("numbered", json!({"encounter": {"identifier": {"value": "7"}}})),
        tied("unknown", json!({"encounter": {"reference": "Encounter/none"}})),
        tied("urn", json!({"encounter": {"reference": "urn:uuid:9a2f0a8e-38f1-4e6c-8fd1-6a4d0a5f2a11"}})),
        tied("elsewhere", json!({"encounter": {"reference": "https://other.example/fhir/Encounter/1"}})),
        tied("malformed", json!({"encounter": {"reference": "Encounter/a b"}})),
        tied("listed", json!({"basedOn": [{"reference": "ServiceRequest/none"}]})),
        tied("half", json!({"encounter": visit, "basedOn": [{"display": "an order"}]})),
        // It explains that there is no value.
        tied("absent", json!({"encounter": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}})),
        tied("other", json!({"performer": [{"display": "somebody"}, {"reference": "Practitioner/none"}]})),
    ];
    let world = family(more).await;
    for (sensitivity, hides) in [(json!({"all-but": ["MH"]}), true), (json!("all"), false)] {
        let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": sensitivity});
        let who = if hides { "ike" } else { "hana" };
        grant(&world, who, "eve", GrantBasis::PatientConsent, scope).await;
        let token = token(&world, who, "eve").await;
        let seen = seen_at_one(&world, &token, "eve", "Observation").await;
        for id in ["known", "absent", "other"] {
            assert!(seen.iter().any(|seen| seen == id), "{who}: {id} in {seen:?}");
        }
        for id in ["said", "numbered", "unknown", "urn", "elsewhere", "malformed", "listed", "half"] {
            assert_eq!(seen.iter().any(|seen| seen == id), !hides, "{who}: {id} in {seen:?}");
        }
    }
}

/// A table that makes one code sensitive.
pub(super) const TABLE: &str = "origin = \"x\"\nsystems = [\"http://www.nlm.nih.gov/research/umls/rxnorm\"]\n[[set]]\nlabel = \"MH\"\ncodes = [\"999001\"]";

/// Scenario 67. Old items, and what hangs on them, by every way; nothing that was decided before is served after.
async fn what_becomes_sensitive_is_hidden_within_seconds() {
    let drug = json!({"resourceType": "MedicationRequest", "id": "eve-one-drug", "status": "active", "intent": "order",
        "medicationCodeableConcept": concept(RXNORM, "999001"), "subject": of("eve-one"), "authoredOn": "2019-01-01"});
    let handed = json!({"resourceType": "MedicationDispense", "id": "eve-one-handed", "status": "completed",
        "medicationCodeableConcept": {"text": "Tablets"}, "subject": of("eve-one"),
        "authorizingPrescription": [{"reference": "MedicationRequest/eve-one-drug"}]});
    let world = family(vec![drug, handed]).await;
    let scope = json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["MH"]}});
    let granted = grant(&world, "ike", "eve", GrantBasis::PatientConsent, scope).await;
    let (ike, eve) = (token(&world, "ike", "eve").await, world.token("eve").await);
    let one = world.practice("one").source.clone();
    let (drug, handed) = (
        format!("/fhir/MedicationRequest/{one}.eve-one-drug"),
        format!("/fhir/MedicationDispense/{one}.eve-one-handed"),
    );
    let search = "/fhir/MedicationRequest?_total=accurate";
    let before = world.get(search, &ike).await.json()["total"].as_u64().unwrap();
    let tag = world.get(&drug, &ike).await.header("etag").unwrap().to_owned();
    assert_eq!(world.get(&handed, &ike).await.status, 200);
    let mut browser = world.browser("eve").await;
    let explained = format!("/api/v1/access/explain?grant={granted}&resource=MedicationRequest/{one}.eve-one-drug");
    let version = async |browser: &mut Browser| browser.get(&explained).await.json()["label_tables"].clone();
    let old = version(&mut browser).await;
    assert!(old.as_str().is_some_and(|old| old.len() == 12), "{old}");

    let (acts, now) = (&world.app.acts, world.clock.now());
    let began = std::time::Instant::now();
    practice::put_label_table(acts, &*RANDOM, now, "own".to_owned(), TABLE.to_owned()).await.unwrap();
    while world.get(&drug, &ike).await.status != 404 {
        assert!(began.elapsed() < Duration::from_secs(5), "portal design, 3.8 scenario 67");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("hidden after {:?}", began.elapsed());
    // From here on, by whatever way, at once.
    assert_eq!(world.get(&handed, &ike).await.status, 404, "what hangs on it");
    assert_eq!(world.get(search, &ike).await.json()["total"].as_u64(), Some(before - 1));
    assert!(world.get("/fhir/MedicationRequest?code=999001", &ike).await.matches().is_empty());
    let kept = world.send("GET", &drug, Some(&ike), &[("if-none-match", &tag)], "").await;
    assert_eq!(kept.status, 404, "no leave to go on with what was answered before");
    let everything = world.get(&format!("/fhir/Patient/{}/$everything", world.person("eve").id), &ike).await;
    assert!(everything.status == 200 && !everything.text.contains("eve-one-drug"), "{}", everything.text);
    assert_eq!(world.get(&drug, &eve).await.status, 200, "her own");
    let new = version(&mut browser).await;
    assert_ne!(new, old);
    let holder = world.account("ike").await;
    let looked_at = async || {
        let rows = audit::recent(&world.app.db, 1_000).await.unwrap().into_iter();
        rows.filter(|row| row.account == Some(holder)).filter_map(|row| row.object).collect::<BTreeSet<_>>()
    };
    for version in [old, new] {
        let name = format!("LabelTables/{}", version.as_str().unwrap());
        // Reads are written down a moment after they were answered.
        while !looked_at().await.contains(&name) {
            assert!(began.elapsed() < Duration::from_secs(20), "{name}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    practice::remove_label_table(acts, &*RANDOM, now, "own".to_owned()).await.unwrap();
    let missing = practice::remove_label_table(acts, &*RANDOM, now, "own".to_owned()).await;
    assert!(matches!(missing, Err(StorageError::NotFound { .. })));
    let began = std::time::Instant::now();
    while world.get(&drug, &ike).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_hold_is_about_data_not_about_who_looks() {
    let reviewed = observation(
        "eve-one-seen",
        "eve-one",
        "laboratory",
        concept(LOINC, "2345-7"),
        json!({"note": [{"text": "fine"}]}),
    );
    let world = family(vec![reviewed]).await;
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
    let (own, proxy) = (world.token("eve").await, token(&world, "ike", "eve").await);
    let rule = lay_down(&world, "eve", json!({"hold": {"categories": ["results"], "days": null}})).await;
    for token in [&own, &proxy] {
        assert_eq!(seen_at_one(&world, token, "eve", "Observation").await, ["height", "seen"]);
    }
    lift(&world, rule).await;
    assert_eq!(seen_at_one(&world, &own, "eve", "Observation").await.len(), 5);
}

async fn a_power_of_attorney_springs_and_lapses() {
    let world = family(Vec::new()).await;
    let id = grant(
        &world,
        "jo",
        "fay",
        GrantBasis::HealthCarePowerOfAttorney,
        json!({"level": "manage", "springing": true}),
    )
    .await;
    let mut browser = world.browser("jo").await;
    assert!(!browser.get("/").await.body.contains("fay-one"), "not yet in effect");
    let now = world.clock.now();
    let review = now.plus(Duration::from_secs(900)).micros();
    limit(&world, id, json!({"level": "manage", "springing": true, "activated": now.micros(), "review_by": review}))
        .await;
    let token = token(&world, "jo", "fay").await;
    assert_eq!(seen(&world, &token, "fay", "Observation").await.len(), 8);
    world.clock.advance(Duration::from_secs(900));
    let after = world.get("/fhir/Observation", &token).await;
    assert!(after.status == 401 || after.matches().is_empty(), "{}", after.text);
}

/// In this process at once, in another within a second: for an app's token, on pages, and in the portal API.
async fn i16_a_grant_that_ends_is_dead_everywhere() {
    let world = family(Vec::new()).await;
    let id = grant(&world, "jo", "fay", GrantBasis::HealthCarePowerOfAttorney, Value::Null).await;
    let token = token(&world, "jo", "fay").await;
    let other = world.another_process().await;
    let address = other.strip_prefix("http://").unwrap().strip_suffix("/fhir").unwrap().parse().unwrap();
    let here = world.browser("jo").await;
    let there = Browser { address, ..here.clone() };
    let fay = world.person("fay").id;
    let pages = [format!("/record/findings?person={fay}"), format!("/api/v1/access/history?person={fay}")];
    let ask = async |fhir: &str, browser: &Browser| {
        let request = world.http.get(format!("{fhir}/Observation")).bearer_auth(&token);
        let mut statuses = vec![request.send().await.unwrap().status().as_u16()];
        for page in &pages {
            statuses.push(browser.clone().get(page).await.status);
        }
        statuses
    };
    // Until the other process has the rights of its own cache.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for (fhir, browser) in [(&world.fhir, &here), (&other, &there)] {
        assert_eq!(ask(fhir, browser).await, [200, 200, 200]);
    }
    let state = GrantState::Ended { at: world.clock.now(), reason: StatusReason::PatientRequest };
    let ended: Result<(), StorageError> =
        world.app.db.write(move |tx| Box::pin(async move { grants::set_state(tx, id, &state).await })).await;
    ended.unwrap();
    let committed = std::time::Instant::now();
    assert_eq!(ask(&world.fhir, &here).await, [401, 404, 404]);
    let denied_here = committed.elapsed();
    // Asked by turns, so that each way is looked at by itself.
    let mut denied: [Option<Duration>; 3] = [None; 3];
    while denied.iter().any(Option::is_none) {
        assert!(committed.elapsed() < Duration::from_secs(3), "the other process: {denied:?}");
        let statuses = ask(&other, &there).await;
        for (denied, is_open) in denied.iter_mut().zip(statuses.iter().map(|status| *status == 200)) {
            match denied {
                Some(_) => assert!(!is_open, "denied is denied"),
                None if !is_open => *denied = Some(committed.elapsed()),
                None => {}
            }
        }
    }
    let [app, page, api] = denied.map(Option::unwrap);
    let on = world.database_url();
    let on = on.split(':').next().unwrap();
    println!(
        "from commit to denial, {on}: here {denied_here:?}; in another process app {app:?}, page {page:?}, API {api:?}"
    );
    let late = Duration::from_secs(1);
    assert!(app < late && page < late && api < late, "the other process: {app:?} {page:?} {api:?}");
}

async fn after_a_death_nobody_reads_but_the_executor() {
    let world = family(Vec::new()).await;
    grant(&world, "jo", "fay", GrantBasis::HealthCarePowerOfAttorney, Value::Null).await;
    grant(&world, "hana", "fay", GrantBasis::Executor, Value::Null).await;
    let jo = token(&world, "jo", "fay").await;
    assert_eq!(world.get("/fhir/Observation", &jo).await.status, 200);
    lay_down(&world, "fay", json!("deceased")).await;
    assert_eq!(world.get("/fhir/Observation", &jo).await.status, 401);
    let hana = token(&world, "hana", "fay").await;
    assert_eq!(seen(&world, &hana, "fay", "Observation").await.len(), 8);
}

pub(super) async fn practice_end(world: &World, holder: &str, person: &str) {
    let account = world.account(holder).await;
    let all = grants::of_person(&world.app.db, world.person(person).id).await.unwrap();
    let id = all.into_iter().find(|grant| grant.account == account).unwrap().id;
    let now = world.clock.now();
    world.app.db.write(move |tx| Box::pin(grants::end(tx, id, now, StatusReason::PatientRequest))).await.unwrap();
}

async fn an_app_for_a_proxy_stays_with_the_person() {
    let world = family(Vec::new()).await;
    for person in ["ana", "ben"] {
        grant(&world, "gil", person, GrantBasis::Parent, Value::Null).await;
    }
    let token = token(&world, "gil", "ana").await;
    let ben = world.person("ben").id;
    assert!(world.get(&format!("/fhir/Patient?_id={ben}"), &token).await.matches().is_empty());
    assert_eq!(world.get(&format!("/fhir/Patient/{ben}"), &token).await.status, 404);
    assert!(world.get(&format!("/fhir/Observation?patient={ben}"), &token).await.matches().is_empty());
    // Who the user is: the RelatedPerson that they are to the person, which can be read with the token.
    let scope = "openid fhirUser launch/patient patient/*.rs";
    let token = world.token_for("gil", "ana", "app", scope).await;
    let info = world.get("/oauth/userinfo", &token).await.json();
    let user = info["fhirUser"].as_str().unwrap().to_owned();
    let path = user.strip_prefix(&world.issuer).unwrap_or_else(|| panic!("{user}"));
    assert!(path.starts_with("/fhir/RelatedPerson/self."), "{user}");
    let related = world.get(path, &token).await.json();
    assert_eq!(related["patient"]["reference"], format!("Patient/{}", world.person("ana").id));
    assert_eq!((&related["active"], &related["relationship"][0]["coding"][0]["code"]), (&json!(true), &json!("PRN")));
    // Ana sees it too; it is not there for another child's token, nor for somebody else's, nor without the scope.
    assert_eq!(world.get(path, &world.token("ana").await).await.status, 200);
    let hidden = world.get("/fhir/RelatedPerson/self.00000000-0000-4000-8000-000000000000", &token).await;
    for other in [world.token_for("gil", "ben", "app", EVERYTHING).await, world.token("eve").await] {
        let reply = world.get(path, &other).await;
        assert_eq!((reply.status, reply.without_request_id()), (404, hidden.without_request_id()));
    }
    let narrow = world.token_for("gil", "ana", "app", "launch/patient patient/Observation.rs").await;
    assert_eq!(world.get(path, &narrow).await.status, 403);
    // One's own record: the Patient.
    let own = world.token_for("eve", "eve", "app", scope).await;
    let info = world.get("/oauth/userinfo", &own).await.json();
    assert!(info["fhirUser"].as_str().unwrap().ends_with(&format!("/Patient/{}", world.person("eve").id)));
    // The end of the grant is the end of it all.
    practice_end(&world, "gil", "ana").await;
    assert_eq!(world.get(path, &token).await.status, 401);
    let reply = world.get(path, &world.token("ana").await).await;
    assert_eq!(reply.json()["active"], false);
    // A new grant brings no old app back: it has to be let in again.
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    assert_eq!(world.get(path, &token).await.status, 401);
}
