//! Who a chart is about is told by its link alone: by source and id there, not by anything that an EHR writes into it.

use chartgate::config::Limits;
use serde_json::{Value, json};

use crate::support::world::{PersonSpec, PracticeSpec, World, run};

const MRN: &str = "urn:oid:2.16.840.1.113883.19.1";

fn practice(key: &str, resources: Vec<Value>) -> PracticeSpec {
    PracticeSpec { key: key.to_owned(), name: format!("Practice {key}"), vendor: "generic".to_owned(), resources }
}

fn patient(id: &str, family: &str, system: &str, value: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family}], "birthDate": "1970-01-01",
        "identifier": [{"system": system, "value": value, "type": {"coding": [{"code": "MR"}]}}]})
}

fn observation(id: &str, patient: &str, text: &str) -> Value {
    json!({"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}, "valueString": text,
        "subject": {"reference": format!("Patient/{patient}"), "identifier": {"system": MRN, "value": "111"}}})
}

#[test]
fn u15_u16_ids_that_collide_and_identifiers_that_are_forged_join_nobody() {
    run(async {
        // At X and Y everything has the same ids; at Y, Mallory's record says that it has Ann's number at X.
        let x = practice(
            "x",
            vec![
                patient("1", "Ann", MRN, "111"),
                patient("2", "Bob", MRN, "222"),
                observation("1", "1", "of Ann at X"),
                observation("2", "2", "of Bob at X"),
            ],
        );
        let y = practice(
            "y",
            vec![
                patient("1", "Mallory", MRN, "111"),
                patient("2", "Ann", "urn:y", "9"),
                observation("1", "1", "of Mallory at Y"),
                observation("2", "2", "of Ann at Y"),
            ],
        );
        let person = |key: &str, links: &[(&str, &str)]| PersonSpec {
            key: key.to_owned(),
            links: links.iter().map(|(practice, id)| ((*practice).to_owned(), (*id).to_owned())).collect(),
        };
        let persons = vec![
            person("ann", &[("x", "1"), ("y", "2")]),
            person("bob", &[("x", "2")]),
            person("mallory", &[("y", "1")]),
        ];
        let world = World::start(vec![x, y], persons, Limits::default()).await;
        let values = async |token: &str, query: &str| -> Vec<String> {
            let answer = world.get(&format!("/fhir/{query}"), token).await;
            let mut values: Vec<String> =
                answer.matches().iter().map(|one| one["valueString"].as_str().unwrap().to_owned()).collect();
            values.sort();
            values
        };
        for (name, wanted) in [
            ("ann", vec!["of Ann at X", "of Ann at Y"]),
            ("bob", vec!["of Bob at X"]),
            ("mallory", vec!["of Mallory at Y"]),
        ] {
            let token = world.token(name).await;
            assert_eq!(values(&token, "Observation").await, wanted, "{name}");
            // By Ann's number everybody finds at most what is their own.
            for query in [
                "Observation?patient:identifier=urn:oid:2.16.840.1.113883.19.1%7C111",
                "Observation?subject:identifier=111",
            ] {
                let answer = world.get(&format!("/fhir/{query}"), &token).await;
                if answer.status == 200 {
                    let found = values(&token, query).await;
                    assert!(found.iter().all(|value| wanted.contains(&value.as_str())), "{name} {query}: {found:?}");
                }
            }
            let found = world.get("/fhir/Patient?identifier=urn:oid:2.16.840.1.113883.19.1%7C111", &token).await;
            let me = world.person(name).id.to_string();
            assert!(found.ids().iter().all(|id| *id == me), "{name}: {:?}", found.ids());
            assert_eq!(found.ids().len(), usize::from(name != "bob"), "{name} has that number, or says so");
            let record = world.get(&format!("/fhir/Patient/{me}"), &token).await;
            let others: Vec<&str> =
                ["Ann", "Bob", "Mallory"].into_iter().filter(|other| !other.eq_ignore_ascii_case(name)).collect();
            assert!(others.iter().all(|other| !record.text.contains(other)), "{name}: {}", record.text);
            // Each id at the gateway is one resource, whoever asks.
            for (key, practice) in [("x", &world.practices[0]), ("y", &world.practices[1])] {
                for id in ["1", "2"] {
                    let read = world.get(&format!("/fhir/Observation/{}.{id}", practice.source), &token).await;
                    let text = practice.find("Observation", id).unwrap()["valueString"].as_str().unwrap();
                    let own = wanted.contains(&text);
                    assert_eq!(read.status, if own { 200 } else { 404 }, "{name} {key} {id}");
                    let found = values(&token, &format!("Observation?_id={}.{id}", practice.source)).await;
                    assert_eq!(found, if own { vec![text] } else { Vec::new() }, "{name} {key} {id}");
                    assert!(!own || read.json()["valueString"] == text, "{name} {key} {id}");
                }
            }
        }
        assert_ne!(world.practices[0].source, world.practices[1].source);
    });
}
