//! Includes against an EHR that sends more than it was asked for, and other people's.

use serde_json::{Value, json};

use super::hostile::{CANARY, OTHER, OWN, Reply, World, ids, observation, outcomes};

fn included(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let of_mode = entries.iter().filter(|entry| entry["search"]["mode"] == "include");
    of_mode
        .map(|entry| {
            let resource = &entry["resource"];
            let id = resource["id"].as_str().unwrap();
            format!("{}/{}", resource["resourceType"].as_str().unwrap(), id.split_once('.').map_or(id, |(_, id)| id))
        })
        .collect()
}

fn provenance(id: &str, targets: &[&str]) -> Value {
    let targets: Vec<Value> = targets.iter().map(|target| json!({"reference": target})).collect();
    json!({
        "resourceType": "Provenance", "id": id, "target": targets, "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/d"}}],
    })
}

/// The references that a Provenance in an answer still has.
fn targets(bundle: &Value, id: &str) -> Vec<Value> {
    let entries = bundle["entry"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["resource"]["id"].as_str().is_some_and(|text| text.ends_with(id)));
    entry.unwrap()["resource"]["target"].as_array().unwrap().iter().map(|target| target["reference"].clone()).collect()
}

fn others(id: &str) -> Value {
    let mut resource = observation(id, &json!({"note": [{"text": CANARY}]}));
    resource["subject"]["reference"] = format!("Patient/{OTHER}").into();
    resource
}

#[tokio::test]
async fn f05_provenance_is_shown_with_the_targets_that_are_the_persons() {
    for vendor in ["generic", "epic-like"] {
        let world = World::of_vendor(vendor).await;
        let found = [
            provenance("own", &["Observation/o1"]),
            provenance("mixed", &["Observation/o1", "Observation/theirs", "Observation/o2"]),
            provenance("twice", &["Observation/o2", "Observation/o1"]),
            provenance("theirs", &["Observation/theirs"]),
            provenance("elsewhere", &["Observation/o3"]),
            provenance("people", &["Patient/pat-b", "Practitioner/d"]),
        ];
        let matched = [observation("o1", &json!({})), observation("o2", &json!({}))];
        let mut entries: Vec<Value> = matched.iter().map(|one| json!({"resource": one})).collect();
        if vendor == "epic-like" {
            let along = found.iter().chain([&found[0]]).cloned().chain([others("o9")]);
            entries.extend(along.map(|one| json!({"resource": one, "search": {"mode": "include"}})));
        }
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": 2, "entry": entries});
        world.replies("Observation", Reply::json(&bundle));
        let sent: Vec<Value> = if vendor == "generic" { found.to_vec() } else { Vec::new() };
        world.finds("Provenance", &sent);
        let shown = world.search("Observation", &[("_revinclude", "Provenance:target")]).await;
        assert_eq!(ids(&shown), ["o1", "o2"], "{vendor}");
        assert_eq!(included(&shown), ["Provenance/own", "Provenance/mixed", "Provenance/twice"], "{vendor}");
        assert_eq!(outcomes(&shown), Vec::<String>::new());
        let id = |upstream: &str| Value::from(format!("Observation/{}", world.id(upstream)));
        assert_eq!(targets(&shown, ".mixed"), [id("o1"), Value::Null, id("o2")], "{vendor}");
        let text = shown.to_string();
        assert!(!text.contains(CANARY) && !text.contains("theirs") && !text.contains(OTHER), "{vendor}: {text}");
        let asked = world.asked();
        assert_eq!(asked.iter().any(|path| path.contains("_revinclude")), vendor == "epic-like", "{asked:?}");
        assert_eq!(asked.iter().any(|path| path.starts_with("Provenance")), vendor == "generic", "{asked:?}");
    }
}

#[tokio::test]
async fn f04_whatever_lies_behind_a_reference_is_the_persons_or_nobodys() {
    let world = World::start().await;
    let member = |reference: &str| json!({"member": {"reference": reference}});
    let team = |id: &str, members: &[&str]| {
        json!({
            "resourceType": "CareTeam", "id": id, "subject": {"reference": format!("Patient/{OWN}")},
            "participant": members.iter().map(|reference| member(reference)).collect::<Vec<_>>(),
        })
    };
    let members = [
        "RelatedPerson/mine",
        "RelatedPerson/theirs",
        "RelatedPerson/gone",
        "Patient/pat-a",
        "Patient/pat-b",
        "Practitioner/d",
        "https://elsewhere.example/fhir/Practitioner/x",
        "CareTeam/t1",
        "CareTeam/t2",
        "CareTeam/theirs",
        "#inside",
        "Practitioner/d",
    ];
    world.finds("CareTeam", &[team("t1", &members), team("t2", &["Practitioner/d"])]);
    let related = |id: &str, patient: &str| json!({"resourceType": "RelatedPerson", "id": id, "patient": {"reference": format!("Patient/{patient}")}, "name": [{"text": id}]});
    world.finds("RelatedPerson", &[related("mine", OWN), related("theirs", OTHER), related("unasked", OWN)]);
    world.finds(
        "Practitioner",
        &[json!({"resourceType": "Practitioner", "id": "d"}), json!({"resourceType": "Practitioner", "id": "e"})],
    );
    let shown = world.search("CareTeam", &[("_include", "CareTeam:participant")]).await;
    assert_eq!(ids(&shown), ["t1", "t2"]);
    let mut found = included(&shown);
    found.sort();
    let person = format!("Patient/{}", world.person);
    let mut wanted = vec![person, "Practitioner/d".to_owned(), "RelatedPerson/mine".to_owned()];
    wanted.sort();
    assert_eq!(found, wanted);
    let text = shown.to_string();
    assert!(!text.contains(CANARY) && !text.contains("unasked") && !text.contains(OTHER), "{text}");
    assert!(world.asked().iter().all(|path| !path.contains("elsewhere") && !path.contains(OTHER)));
}

#[tokio::test]
async fn f11_a_granular_scope_holds_for_what_is_included() {
    let world = World::start().await;
    let category = |code: &str| json!({"category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": code}]}]});
    let (shown, hidden) = (observation("o1", &category("vital-signs")), observation("o2", &category("laboratory")));
    world.finds("Observation", &[shown, hidden]);
    world.finds(
        "Provenance",
        &[provenance("p1", &["Observation/o1", "Observation/o2"]), provenance("p2", &["Observation/o2"])],
    );
    let scopes = "patient/Provenance.rs \
        patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs";
    let answer = world.search_with(scopes, "Observation", &[("_revinclude", "Provenance:target")]).await.unwrap();
    assert_eq!(ids(&answer), ["o1"]);
    assert_eq!(included(&answer), ["Provenance/p1"]);
    assert_eq!(targets(&answer, ".p1"), [Value::from(format!("Observation/{}", world.id("o1"))), Value::Null]);
    assert!(!answer.to_string().contains("o2"));
}

#[tokio::test]
async fn r01_a_source_that_does_not_answer_for_an_include_is_named_and_its_matches_stay() {
    let world = World::start().await;
    world.finds("Observation", &[observation("o1", &json!({}))]);
    world.replies("Provenance", Reply::status(500));
    let shown = world.search("Observation", &[("_revinclude", "Provenance:target")]).await;
    assert_eq!(ids(&shown), ["o1"]);
    assert_eq!(included(&shown), [""; 0]);
    assert_eq!(outcomes(&shown).len(), 1);
    assert!(outcomes(&shown)[0].starts_with("Practice X "), "{:?}", outcomes(&shown));
}

#[tokio::test]
async fn u14_what_an_ehr_includes_unasked_is_not_shown() {
    let world = World::of_vendor("epic-like").await;
    let entries = [
        json!({"resource": observation("o1", &json!({}))}),
        json!({"resource": provenance("p1", &["Observation/o1"]), "search": {"mode": "include"}}),
        json!({"resource": observation("o2", &json!({})), "search": {"mode": "include"}}),
        json!({"resource": others("o3"), "search": {"mode": "include"}}),
    ];
    world
        .replies("Observation", Reply::json(&json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})));
    for query in [&[][..], &[("_sort", "date")]] {
        let shown = world.search("Observation", query).await;
        assert_eq!(ids(&shown), ["o1"]);
        assert_eq!(included(&shown), [""; 0]);
    }
}
