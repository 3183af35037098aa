//! US Core `$docref`: which documents there are.

use serde_json::{Value, json};

use chartgate::config::Limits;

use crate::support::world::{PersonSpec, PracticeSpec, Reply, World, run};

fn document(id: &str, subject: &str, code: &str, date: &str, period: Option<(&str, &str)>) -> Value {
    let mut document = json!({
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": format!("Patient/{subject}")},
        "date": format!("{date}T10:00:00Z"),
        "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
    });
    if let Some((start, end)) = period {
        document["context"] = json!({"period": {"start": start, "end": end}});
    }
    document
}

async fn world() -> World {
    let patient = |id: &str| json!({"resourceType": "Patient", "id": id});
    let practice = |key: &str, resources| PracticeSpec {
        key: key.to_owned(),
        name: format!("Practice {key}"),
        vendor: "generic".to_owned(),
        resources,
    };
    let of_x = vec![
        patient("a"),
        patient("z"),
        document("ccd-old", "a", "34133-9", "2025-01-10", None),
        document("ccd-new", "a", "34133-9", "2026-01-10", None),
        document("note", "a", "11506-3", "2026-02-01", None),
        document("stay", "a", "18842-5", "2026-06-01", Some(("2025-11-01", "2025-11-20"))),
        document("not-mine", "z", "34133-9", "2026-03-01", None),
    ];
    let of_y = vec![patient("b"), document("ccd-y", "b", "34133-9", "2024-05-05", None)];
    let person = PersonSpec {
        key: "ann".to_owned(),
        links: vec![("x".to_owned(), "a".to_owned()), ("y".to_owned(), "b".to_owned())],
    };
    World::start(vec![practice("x", of_x), practice("y", of_y)], vec![person], Limits::default()).await
}

fn ids(reply: &Reply) -> Vec<String> {
    let mut ids: Vec<String> = reply.ids().iter().map(|id| id.rsplit('.').next().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn docref_finds_the_current_summary_of_each_practice_or_what_lies_in_the_time() {
    run(async {
        let world = world().await;
        let token = world.token("ann").await;
        let me = world.person("ann").id;
        let at = "/fhir/DocumentReference/$docref";
        for (query, wanted) in [
            (String::new(), &["ccd-new", "ccd-y"][..]),
            ("&type=http://loinc.org|34133-9".to_owned(), &["ccd-new", "ccd-y"]),
            ("&type=11506-3".to_owned(), &["note"]),
            ("&start=2025-01-01".to_owned(), &["ccd-new", "ccd-old"]),
            ("&end=2025-12-31".to_owned(), &["ccd-old", "ccd-y"]),
            ("&type=18842-5&start=2025-11-10&end=2025-11-11".to_owned(), &["stay"]),
            // Its date lies within, the care that it is about does not.
            ("&type=18842-5&start=2026-01-01".to_owned(), &[]),
            ("&type=11506-3&type=18842-5&start=2020".to_owned(), &["note", "stay"]),
            ("&on-demand=false".to_owned(), &["ccd-new", "ccd-y"]),
            ("&on-demand=true".to_owned(), &[]),
            ("&type=http://loinc.org|0-0".to_owned(), &[]),
        ] {
            let answer = world.get(&format!("{at}?patient={me}{query}"), &token).await;
            assert_eq!(ids(&answer), wanted, "{query}");
            assert_eq!(answer.json()["type"], "searchset");
            assert_eq!(answer.json()["total"], wanted.len());
        }
        let body = json!({"resourceType": "Parameters", "parameter": [
            {"name": "patient", "valueId": me.to_string()},
            {"name": "type", "valueCoding": {"system": "http://loinc.org", "code": "11506-3"}},
        ]});
        let headers = [("content-type", "application/fhir+json")];
        let posted = world.send("POST", at, Some(&token), &headers, &body.to_string()).await;
        assert_eq!(ids(&posted), ["note"]);
        assert!(posted.outcomes().is_empty());
        for resource in posted.matches() {
            let read =
                world.get(&format!("/fhir/DocumentReference/{}", resource["id"].as_str().unwrap()), &token).await;
            assert_eq!(read.json(), resource);
        }
    });
}

#[test]
fn f25_docref_of_anybody_else_is_empty_and_of_nobody_an_error() {
    run(async {
        let world = world().await;
        let token = world.token("ann").await;
        let me = world.person("ann").id;
        let key = &world.practices[0].source;
        let at = "/fhir/DocumentReference/$docref";
        world.forget_upstream();
        let comparable = |reply: &Reply, id: &str| {
            let mut bundle = reply.json();
            bundle["id"] = Value::Null;
            bundle.to_string().replace(&format!("patient={id}"), "patient=")
        };
        let never = "0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d";
        let unknown = world.get(&format!("{at}?patient={never}"), &token).await;
        assert_eq!(unknown.ids(), Vec::<String>::new());
        for other in ["z", "a", &format!("{key}.z"), &format!("{key}.a")] {
            let answer = world.get(&format!("{at}?patient={other}"), &token).await;
            assert_eq!(comparable(&answer, other), comparable(&unknown, never), "{other}");
        }
        assert_eq!(world.upstream_counts(), [0, 0]);
        for query in [
            String::new(),
            format!("patient={me}&patient={never}"),
            format!("patient={me}&start=soon"),
            format!("patient={me}&on-demand=perhaps"),
        ] {
            assert_eq!(world.get(&format!("{at}?{query}"), &token).await.status, 400, "{query}");
        }
        let json_type = [("content-type", "application/fhir+json")];
        for body in ["{}", "[]", r#"{"resourceType":"Patient"}"#, "x"] {
            assert_eq!(world.send("POST", at, Some(&token), &json_type, body).await.status, 400, "{body}");
        }
        let form = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(world.send("POST", at, Some(&token), &form, "patient=x").await.status, 415);
        let narrow = world.token_for("ann", "ann", "app-2", "launch/patient patient/Goal.rs").await;
        assert_eq!(world.get(&format!("{at}?patient={me}"), &narrow).await.status, 403);
        assert_eq!(world.send("GET", &format!("{at}?patient={me}"), None, &[], "").await.status, 401);
    });
}
