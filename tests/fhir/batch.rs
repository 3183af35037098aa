//! Batches: each entry is answered, refused and recorded as it would be alone.

use std::time::Duration;

use serde_json::{Value, json};

use chartgate::config::Limits;
use chartgate::storage::audit::{self, AuditOutcome};

use super::fixtures;
use super::record::leaks;
use crate::support::world::{Reply, World, run};

const FHIR_JSON: [(&str, &str); 1] = [("content-type", "application/fhir+json")];

fn batch(requests: &[(&str, &str)]) -> Value {
    let entries: Vec<Value> =
        requests.iter().map(|(method, url)| json!({"request": {"method": method, "url": url}})).collect();
    json!({"resourceType": "Bundle", "type": "batch", "entry": entries})
}

async fn send(world: &World, token: &str, bundle: &Value) -> Reply {
    world.send("POST", "/fhir", Some(token), &FHIR_JSON, &bundle.to_string()).await
}

fn entries(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let bundle = reply.json();
    assert_eq!(bundle["type"], "batch-response");
    bundle["entry"].as_array().cloned().unwrap_or_default()
}

/// A resource without what names one request: the id, time and sealed link of a Bundle.
fn comparable(mut resource: Value) -> Value {
    if resource["resourceType"] == "Bundle" {
        resource["id"] = Value::Null;
        for link in resource["link"].as_array_mut().into_iter().flatten() {
            if link["relation"] == "next" {
                link["url"] = Value::Null;
            }
        }
    }
    resource
}

#[test]
fn i7_f24_each_entry_is_answered_as_it_would_be_alone() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let carlos = world.person("carlos").id;
        let theirs = world.search("Observation", &[], &world.token("carlos").await).await.ids()[0].clone();
        let mine = world.search("Condition", &[], &token).await.ids()[0].clone();
        let urls = [
            format!("Patient/{me}"),
            format!("Condition/{mine}"),
            format!("Condition/{mine}/_history"),
            format!("Condition/{mine}/_history/1"),
            "Condition?_count=2".to_owned(),
            format!("Patient/{me}/Encounter?_count=1"),
            "Observation?category=laboratory&_count=3".to_owned(),
            format!("Observation/{theirs}"),
            format!("Patient/{carlos}"),
            format!("Patient/{carlos}/Observation"),
            format!("Observation?patient={carlos}"),
            "Observation?_has:x:y:z=1".to_owned(),
            "Observation/never-issued".to_owned(),
            "Claim".to_owned(),
            "metadata".to_owned(),
            "no/such/path/at/all".to_owned(),
            "Observation?_format=xml".to_owned(),
        ];
        let requests: Vec<(&str, &str)> = urls.iter().map(|url| ("GET", url.as_str())).collect();
        let answered = entries(&send(world, &token, &batch(&requests)).await);
        assert_eq!(answered.len(), urls.len());
        for (url, entry) in urls.iter().zip(answered) {
            let alone = world
                .send("GET", &format!("/fhir/{url}"), Some(&token), &[("accept", "application/fhir+json")], "")
                .await;
            let response = &entry["response"];
            let status = response["status"].as_str().unwrap();
            assert!(status.starts_with(&format!("{} ", alone.status)), "{url}: {status} alone {}", alone.status);
            assert_eq!(response["etag"].as_str(), alone.header("etag"), "{url}");
            let (here, nothing) = match alone.status {
                200 => (&entry["resource"], &response["outcome"]),
                _ => (&response["outcome"], &entry["resource"]),
            };
            assert_eq!(comparable(here.clone()), comparable(alone.json()), "{url}");
            assert_eq!(*nothing, Value::Null, "{url}");
        }
    });
}

#[test]
fn f24_a_batch_reveals_nothing_of_others_and_its_addresses_stay_below_the_base() {
    run(async {
        let world = fixtures().await;
        let token = world.token("carlos").await;
        let me = world.person("maria").id;
        let own = world.person("carlos").id;
        let fhir = &world.fhir;
        let urls = [
            format!("Patient/{me}"),
            format!("/Patient/{own}"),
            format!("//evil.test/Patient/{own}"),
            format!("{fhir}/Patient/{own}"),
            format!("http://evil.test/fhir/Patient/{own}"),
            format!("Patient/{own}/../{me}"),
            format!("Patient/{own}%2f..%2f{me}"),
            format!("../fhir/Patient/{me}"),
            format!("Patient/{me}#"),
            format!("Observation?patient={me}"),
            format!("Coverage?_include=Coverage:subscriber&patient={me}"),
            String::new(),
        ];
        let requests: Vec<(&str, &str)> = urls.iter().map(|url| ("GET", url.as_str())).collect();
        world.forget_upstream();
        let reply = send(world, &token, &batch(&requests)).await;
        for (url, entry) in urls.iter().zip(entries(&reply)) {
            let nothing = entry["resource"]["entry"]
                .as_array()
                .is_none_or(|entries| entries.iter().all(|entry| entry["search"]["mode"] == "outcome"));
            let refused = entry["response"]["status"].as_str().unwrap().starts_with('4');
            assert!(refused || (url.contains('?') && nothing), "{url}: {entry}");
        }
        let said = urls.iter().fold(reply.text.clone(), |text, url| text.replace(url.as_str(), ""));
        assert!(leaks(world, "carlos", &said.replace(&me.to_string(), "")).is_empty(), "{said}");
    });
}

#[test]
fn f24_what_is_no_batch_is_refused_whole_and_asks_no_source() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let me = world.person("maria").id.to_string();
        let url = format!("Patient/{me}");
        world.forget_upstream();
        let many = batch(&vec![("GET", url.as_str()); 101]);
        let mut transaction = batch(&[("GET", url.as_str())]);
        transaction["type"] = "transaction".into();
        let mut nested = batch(&[("GET", url.as_str())]);
        nested["type"] = "collection".into();
        for (body, status) in [
            (many.to_string(), 413),
            (transaction.to_string(), 400),
            (nested.to_string(), 400),
            ("{}".to_owned(), 400),
            ("not json".to_owned(), 400),
            (String::new(), 400),
        ] {
            let reply = world.send("POST", "/fhir", Some(&token), &FHIR_JSON, &body).await;
            assert_eq!(reply.status, status, "{body:.80}: {}", reply.text);
            assert_eq!(reply.json()["resourceType"], "OperationOutcome");
        }
        let form = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(world.send("POST", "/fhir", Some(&token), &form, "a=b").await.status, 415);
        for token in [None, Some("dead")] {
            let bundle = batch(&[("GET", "metadata")]).to_string();
            assert_eq!(world.send("POST", "/fhir", token, &FHIR_JSON, &bundle).await.status, 401);
        }
        assert_eq!(world.upstream_counts(), [0, 0]);
        assert_eq!(entries(&send(&world, &token, &batch(&[])).await).len(), 0);
    });
}

#[test]
fn i13_each_entry_of_a_batch_is_recorded() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let me = world.person("maria").id.to_string();
        let carlos = world.person("carlos").id.to_string();
        let urls = [format!("Patient/{me}"), format!("Patient/{carlos}"), "Goal".to_owned(), "Claim".to_owned()];
        let requests: Vec<(&str, &str)> = urls.iter().map(|url| ("GET", url.as_str())).collect();
        entries(&send(&world, &token, &batch(&requests)).await);
        let mut rows = Vec::new();
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            rows = audit::recent(&world.app.db, 100).await.unwrap();
            rows.retain(|row| row.kind == "fhir");
            if rows.len() >= 3 {
                break;
            }
        }
        let mut said: Vec<(String, String, bool)> = rows
            .into_iter()
            .map(|row| {
                let kind = row.resource_type.map(|kind| kind.to_string()).unwrap_or_default();
                (kind, row.interaction.unwrap_or_default(), row.outcome == AuditOutcome::Permitted)
            })
            .collect();
        said.sort();
        // A type that nobody knows is no interaction.
        let row = |kind: &str, code: &str, permitted| (kind.to_owned(), code.to_owned(), permitted);
        assert_eq!(
            said,
            [row("Goal", "search-type", true), row("Patient", "read", false), row("Patient", "read", true)]
        );
    });
}

#[test]
fn a_batch_reads_conditionally_and_heads() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let id = world.search("Condition", &[], &token).await.ids()[0].clone();
        let alone = world.get(&format!("/fhir/Condition/{id}"), &token).await;
        let url = format!("Condition/{id}");
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": url, "ifNoneMatch": alone.header("etag").unwrap()}},
            {"request": {"method": "GET", "url": url, "ifNoneMatch": "W/\"other\""}},
            {"request": {"method": "HEAD", "url": url}},
        ]});
        let answered = entries(&send(world, &token, &bundle).await);
        assert_eq!(
            answered[0],
            json!({"response": {"status": "304 Not Modified", "etag": alone.header("etag").unwrap()}})
        );
        assert_eq!(answered[1]["resource"], alone.json());
        assert_eq!(answered[2], json!({"response": {"status": "200 OK", "etag": alone.header("etag").unwrap()}}));
    });
}
