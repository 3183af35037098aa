//! F07, F23, F28: whose a resource is, where its elements disagree. Each line is a resource and whether the person who is
//! `Patient/a` sees it, by hand.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use chartgate::config::Limits;

use super::record::searchable;
use crate::support::world::{PersonSpec, PracticeSpec, World, pairs, run};

fn to(reference: &str) -> Value {
    json!({ "reference": reference })
}

/// Resources of one EHR, and whether Patient `a` sees them.
fn cases() -> Vec<(bool, Value)> {
    let code = json!({"text": "x"});
    let observation = |id: &str, more: Value| {
        let mut observation = json!({"resourceType": "Observation", "id": id, "status": "final", "code": code});
        for (name, value) in more.as_object().unwrap() {
            observation[name] = value.clone();
        }
        observation
    };
    let account = |id: &str, subjects: Value| json!({"resourceType": "Account", "id": id, "status": "active", "subject": subjects});
    let message = |id: &str, more: Value| {
        let mut message = json!({"resourceType": "Communication", "id": id, "status": "completed"});
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        message
    };
    let visit = |id: &str, actors: &[&str]| {
        let participant: Vec<Value> =
            actors.iter().map(|actor| json!({"actor": to(actor), "status": "accepted"})).collect();
        json!({"resourceType": "Appointment", "id": id, "status": "booked", "participant": participant})
    };
    vec![
        (true, observation("own", json!({"subject": to("Patient/a")}))),
        (true, observation("absolute", json!({"subject": to("{{base}}/Patient/a")}))),
        (true, observation("versioned", json!({"subject": to("Patient/a/_history/3")}))),
        (false, observation("none", json!({}))),
        (false, observation("other", json!({"subject": to("Patient/b")}))),
        (false, observation("focus", json!({"subject": to("Patient/b"), "focus": [to("Patient/a")]}))),
        (false, observation("performer", json!({"subject": to("Patient/b"), "performer": [to("Patient/a")]}))),
        (false, observation("group", json!({"subject": to("Group/a")}))),
        (false, observation("elsewhere", json!({"subject": to("https://other.example/fhir/Patient/a")}))),
        (false, observation("urn", json!({"subject": to("urn:uuid:0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d")}))),
        (false, observation("case", json!({"subject": to("patient/a")}))),
        (false, observation("path", json!({"subject": to("../Patient/a")}))),
        (false, observation("encoded", json!({"subject": to("Patient%2Fa")}))),
        (false, observation("blank", json!({"subject": to("Patient/a ")}))),
        (false, observation("longer", json!({"subject": to("Patient/ab")}))),
        (false, observation("identifier", json!({"subject": {"identifier": {"system": "urn:mrn", "value": "1"}}}))),
        (false, observation("display", json!({"subject": {"display": "Ann A", "type": "Patient"}}))),
        (
            false,
            observation(
                "contained",
                json!({"subject": to("#p"), "contained": [{"resourceType": "Patient", "id": "p"}]}),
            ),
        ),
        (
            false,
            observation(
                "inside",
                json!({"subject": to("Patient/b"), "contained": [{"resourceType": "Specimen", "id": "s", "subject": to("Patient/a")}]}),
            ),
        ),
        (true, account("mine", json!([to("Patient/a")]))),
        (false, account("shared", json!([to("Patient/a"), to("Patient/b")]))),
        (false, account("nobodys", json!([to("Patient/b"), {"display": "Ann A"}]))),
        (true, message("about", json!({"subject": to("Patient/a"), "sender": to("Patient/b")}))),
        (false, message("about-other", json!({"subject": to("Patient/b"), "sender": to("Patient/a")}))),
        (true, message("sent", json!({"sender": to("Patient/a"), "recipient": [to("Practitioner/d")]}))),
        (true, message("received", json!({"recipient": [to("Patient/b"), to("Patient/a")]}))),
        (false, message("others", json!({"sender": to("Patient/b"), "recipient": [to("Practitioner/d")]}))),
        (true, visit("joint", &["Patient/b", "Patient/a", "Practitioner/d"])),
        (false, visit("apart", &["Patient/b", "Practitioner/d"])),
        (
            false,
            json!({"resourceType": "Coverage", "id": "subscriber", "status": "active", "beneficiary": to("Patient/b"),
                "subscriber": to("Patient/a"), "policyHolder": to("Patient/a"), "payor": [to("Patient/a")]}),
        ),
        (
            false,
            json!({"resourceType": "AllergyIntolerance", "id": "asserter", "patient": to("Patient/b"),
                "asserter": to("Patient/a"), "recorder": to("Patient/a")}),
        ),
        (
            false,
            json!({"resourceType": "VerificationResult", "id": "both", "status": "validated",
                "target": [to("Patient/a"), to("Patient/b")]}),
        ),
        (
            true,
            json!({"resourceType": "VerificationResult", "id": "one", "status": "validated", "target": [to("Patient/a")]}),
        ),
        (
            false,
            json!({"resourceType": "Group", "id": "a", "type": "person", "actual": true, "member": [{"entity": to("Patient/a")}]}),
        ),
        (true, json!({"resourceType": "Location", "id": "site", "name": "Site"})),
        (true, json!({"resourceType": "Practitioner", "id": "d", "name": [{"family": "Dee"}]})),
        (false, json!({"resourceType": "Schedule", "id": "of-b", "actor": [to("Patient/b")]})),
        (false, json!({"resourceType": "Schedule", "id": "of-a", "actor": [to("Patient/a")]})),
        (
            true,
            json!({"resourceType": "Provenance", "id": "mixed", "target": [to("Observation/own"), to("Observation/other")],
            "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": to("Practitioner/d")}]}),
        ),
        (
            false,
            json!({"resourceType": "Provenance", "id": "of-b", "target": [to("Observation/other")],
            "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": to("Patient/a")}]}),
        ),
    ]
}

#[test]
fn f07_f23_f28_a_resource_is_whose_record_it_is_kept_in_and_nobody_elses() {
    run(async {
        let cases = cases();
        let mut resources = vec![
            json!({"resourceType": "Patient", "id": "a", "name": [{"family": "A"}], "identifier": [{"system": "urn:mrn", "value": "1"}]}),
            json!({"resourceType": "Patient", "id": "b", "name": [{"family": "B"}]}),
        ];
        resources.extend(cases.iter().map(|(_, resource)| resource.clone()));
        let practice = PracticeSpec {
            key: "one".to_owned(),
            name: "Practice One".to_owned(),
            vendor: "generic".to_owned(),
            resources,
        };
        let person =
            |key: &str| PersonSpec { key: key.to_owned(), links: vec![("one".to_owned(), key[..1].to_owned())] };
        // It goes on being asked, however often it hands out the other's.
        let limits = Limits { foreign_answers: 0, ..Limits::default() };
        let world = World::start(vec![practice], vec![person("ann"), person("bob")], limits).await;
        let token = world.token("ann").await;
        let source = world.practices[0].source.clone();
        let mut shown = BTreeSet::new();
        // The source ignores whom it is asked about: what is shown is the gateway's own decision.
        let ignored = chartgate::sandbox::FaultKind::IgnoredParameters(vec![
            "patient".to_owned(),
            "target".to_owned(),
            "sender".to_owned(),
            "recipient".to_owned(),
        ]);
        for faulty in [false, true] {
            if faulty {
                world.practices[0].faults.add(chartgate::sandbox::Fault::new(ignored.clone()));
            }
            shown.clear();
            for resource_type in searchable().into_iter().filter(|kind| *kind != "Patient") {
                let answer = world.search(resource_type, &pairs(&[("_count", "500")]), &token).await;
                shown.extend(answer.ids().into_iter().map(|id| format!("{resource_type}/{id}")));
            }
            let expected: BTreeSet<String> = cases
                .iter()
                .filter(|(seen, _)| *seen)
                .map(|(_, resource)| {
                    format!(
                        "{}/{source}.{}",
                        resource["resourceType"].as_str().unwrap(),
                        resource["id"].as_str().unwrap()
                    )
                })
                .collect();
            assert_eq!(shown, expected, "faulty: {faulty}");
        }
        for (seen, resource) in &cases {
            let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            let read = world.get(&format!("/fhir/{kind}/{source}.{id}"), &token).await;
            assert_eq!(read.status, if *seen { 200 } else { 404 }, "{kind}/{id}: {}", read.text);
        }
        // What is not visible among the targets is not named, nor the other patient in a joint visit.
        let provenance = world.get(&format!("/fhir/Provenance/{source}.mixed"), &token).await;
        assert!(!provenance.text.contains(".other\""), "{}", provenance.text);
        let joint = world.get(&format!("/fhir/Appointment/{source}.joint"), &token).await;
        assert!(!joint.text.contains("Patient/b") && !joint.text.contains(&world.person("bob").id.to_string()));
    });
}
