//! What documents hold: as a Binary and as bytes, through the resource that names them.

use data_encoding::BASE64;
use serde_json::{Value, json};

use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind};

use super::fixtures;
use super::record::leaks;
use crate::naive;
use crate::support::world::{PersonSpec, PracticeSpec, Reply, World, pairs, run};

const NATIVE: [(&str, &str); 1] = [("accept", "*/*")];

/// The paths of all Binaries that these resources name, each once.
fn attachments(resources: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for resource in resources {
        naive::each_string(resource, &mut Vec::new(), &mut |path, text| {
            if path.last() == Some(&"url")
                && let Some((_, id)) = text.split_once("/fhir/Binary/")
            {
                found.push(format!("/fhir/Binary/{id}"));
            }
        });
    }
    found.sort();
    found.dedup();
    found
}

async fn documents(world: &World, token: &str) -> Vec<String> {
    let found = world.search("DocumentReference", &pairs(&[("_count", "500")]), token).await;
    attachments(&found.matches())
}

fn header_names(reply: &Reply) -> Vec<(String, String)> {
    let shown = reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    shown.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[test]
fn f26_a_document_is_read_in_both_forms_with_the_same_bytes_and_is_no_page() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let documents = documents(world, &token).await;
        assert!(documents.len() >= 3, "{}", documents.len());
        for document in &documents {
            let resource = world.get(document, &token).await.json();
            assert_eq!(resource["resourceType"], "Binary");
            let bytes = BASE64.decode(resource["data"].as_str().unwrap().as_bytes()).unwrap();
            let kind = resource["contentType"].as_str().unwrap();
            let native = world.send("GET", document, Some(&token), &NATIVE, "").await;
            assert_eq!(native.status, 200, "{}", native.text);
            assert_eq!(native.text.as_bytes(), bytes, "{document}");
            assert!(!bytes.is_empty());
            assert_eq!(native.header("content-type"), Some(kind));
            assert_eq!(native.header("content-disposition"), Some("attachment"));
            assert_eq!(native.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(native.header("cache-control"), Some("no-store"));
            assert!(native.header("content-security-policy").unwrap().starts_with("sandbox"));
            assert_eq!(native.header("content-length"), Some(bytes.len().to_string().as_str()));
            let head = world.send("HEAD", document, Some(&token), &NATIVE, "").await;
            assert_eq!((head.text.as_str(), header_names(&head)), ("", header_names(&native)));
            for (accept, status) in
                [(kind, 200), ("image/png, */*;q=0.1", 200), ("image/png", 406), ("application/fhir+xml", 406)]
            {
                let answer = world.send("GET", document, Some(&token), &[("accept", accept)], "").await;
                assert_eq!(answer.status, status, "{accept}");
            }
            let by_format = world.send("GET", &format!("{document}?_format=json"), Some(&token), &NATIVE, "").await;
            assert_eq!(by_format.json(), resource);
        }
    });
}

#[test]
fn f26_a_document_of_somebody_else_is_as_unknown_as_one_that_never_was() {
    run(async {
        let world = fixtures().await;
        let maria = world.token("maria").await;
        let token = world.token("carlos").await;
        let source = &world.practice("riverside").source;
        let never = format!("/fhir/Binary/{source}.h-aaaaaaaaaaaaaaaaaaaaaaaaaa");
        let mut compared = 0;
        for document in documents(world, &maria).await {
            for headers in [&NATIVE[..], &[("accept", "application/fhir+json")][..], &[("if-none-match", "*")][..]] {
                let hidden = world.send("GET", &document, Some(&token), headers, "").await;
                let unknown = world.send("GET", &never, Some(&token), headers, "").await;
                assert_eq!(hidden.status, 404);
                assert_eq!(hidden.without_request_id(), unknown.without_request_id());
                compared += 1;
            }
            assert_eq!(world.send("GET", &document, None, &NATIVE, "").await.status, 401);
            // The document follows its owner: without leave for that there is none for this.
            let owners = "launch/patient patient/Binary.rs patient/Goal.rs";
            let without = world.token_for("maria", "maria", "app-b", owners).await;
            assert_eq!(world.send("GET", &document, Some(&without), &NATIVE, "").await.status, 404);
            let no_binary = "launch/patient patient/DocumentReference.rs";
            let without = world.token_for("maria", "maria", "app-d", no_binary).await;
            assert_eq!(world.send("GET", &document, Some(&without), &NATIVE, "").await.status, 403);
        }
        assert!(compared >= 9);
        // Nor by the id that it has at its source.
        for practice in &world.practices {
            for binary in practice.resources.iter().filter(|resource| resource["resourceType"] == "Binary") {
                let id = binary["id"].as_str().unwrap();
                for target in [format!("/fhir/Binary/{}.{id}", practice.source), format!("/fhir/Binary/{id}")] {
                    let answer = world.send("GET", &target, Some(&maria), &NATIVE, "").await;
                    assert!([400, 404].contains(&answer.status), "{target}: {}", answer.status);
                    assert!(leaks(world, "nobody", &answer.text).is_empty());
                }
            }
        }
    });
}

/// One Binary that three resources name.
async fn shared(limits: Limits, data: &str) -> World {
    let named = |kind: &str, id: &str, category: &str, element: Value| {
        let mut resource = json!({
            "resourceType": kind,
            "id": id,
            "status": if kind == "DocumentReference" { "current" } else { "final" },
            "subject": {"reference": "Patient/a"},
            "category": [{"coding": [{"system": "urn:c", "code": category}]}],
        });
        for (name, value) in element.as_object().unwrap() {
            resource[name] = value.clone();
        }
        resource
    };
    let content = json!({"content": [{"attachment": {"contentType": "text/plain", "url": "Binary/b"}}]});
    let absolute = json!({"content": [{"attachment": {"contentType": "text/plain", "url": "{{base}}/Binary/b"}}]});
    let resources = vec![
        json!({"resourceType": "Patient", "id": "a"}),
        json!({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": BASE64.encode(data.as_bytes())}),
        named("DocumentReference", "one", "red", content),
        named("DocumentReference", "two", "blue", absolute),
        named(
            "DiagnosticReport",
            "three",
            "green",
            json!({"code": {"text": "x"}, "presentedForm": [{"url": "Binary/b"}]}),
        ),
    ];
    let practice =
        PracticeSpec { key: "x".to_owned(), name: "Practice X".to_owned(), vendor: "generic".to_owned(), resources };
    let person = PersonSpec { key: "ann".to_owned(), links: vec![("x".to_owned(), "a".to_owned())] };
    World::start(vec![practice], vec![person], limits).await
}

#[test]
fn f26_a_binary_that_several_resources_name_is_read_through_any_that_is_visible() {
    run(async {
        let world = shared(Limits::default(), "shared words").await;
        let all = world.token("ann").await;
        let mut urls = documents(&world, &all).await;
        let reports = world.search("DiagnosticReport", &[], &all).await.matches();
        urls.extend(attachments(&reports));
        urls.dedup();
        let [url] = urls.as_slice() else { panic!("one document, one address: {urls:?}") };
        for (app, scope) in [
            ("app-red", "patient/DocumentReference.rs?category=urn:c|red"),
            ("app-blue", "patient/DocumentReference.rs?category=urn:c|blue"),
            ("app-green", "patient/DiagnosticReport.rs"),
        ] {
            let scope = format!("launch/patient patient/Binary.rs {scope}");
            let token = world.token_for("ann", "ann", app, &scope).await;
            let answer = world.send("GET", url, Some(&token), &NATIVE, "").await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "shared words"), "{app}");
            assert_eq!(world.get(url, &token).await.json()["resourceType"], "Binary", "{app}");
        }
        let none = "launch/patient patient/Binary.rs patient/DocumentReference.rs?category=urn:c|black";
        let token = world.token_for("ann", "ann", "app-black", none).await;
        assert_eq!(world.send("GET", url, Some(&token), &NATIVE, "").await.status, 404);
        // Taken off the second document, it is no longer read through that.
        let without = json!({"resourceType": "DocumentReference", "id": "two", "status": "current",
            "subject": {"reference": "Patient/a"}, "category": [{"coding": [{"system": "urn:c", "code": "blue"}]}],
            "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/bb"}}]});
        let at = format!("{}/DocumentReference/two", world.practices[0].base_url);
        let put = world.http.put(at).header("content-type", "application/fhir+json").body(without.to_string());
        assert_eq!(put.send().await.unwrap().status(), 200);
        let scope = "launch/patient patient/Binary.rs patient/DocumentReference.rs?category=urn:c|blue";
        let token = world.token_for("ann", "ann", "app-blue", scope).await;
        assert_eq!(world.send("GET", url, Some(&token), &NATIVE, "").await.status, 404);
        assert_eq!(world.send("GET", url, Some(&all), &NATIVE, "").await.status, 200);
    });
}

#[test]
fn u18_a_document_has_a_size_and_a_time() {
    run(async {
        let words = "x".repeat(5_000);
        let small = shared(Limits { document_bytes: 4_999, ..Limits::default() }, &words).await;
        let token = small.token("ann").await;
        let url = documents(&small, &token).await.remove(0);
        let answer = small.send("GET", &url, Some(&token), &NATIVE, "").await;
        assert_eq!(answer.status, 503);
        assert!(!answer.text.contains("xxx"));

        let slow = shared(Limits { document_deadline_ms: 400, ..Limits::default() }, &words).await;
        let token = slow.token("ann").await;
        let url = documents(&slow, &token).await.remove(0);
        let whole = slow.send("GET", &url, Some(&token), &NATIVE, "").await;
        assert_eq!(whole.text, words);
        slow.practices[0]
            .faults
            .add(Fault::new(FaultKind::SlowTrickle { bytes: 500, milliseconds: 100 }).for_types(&["Binary"]));
        let request = slow.http.get(format!("{}{url}", slow.issuer)).bearer_auth(&token).header("accept", "*/*");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "its head came in time");
        assert!(response.bytes().await.is_err(), "what breaks off is not taken for the whole");
    });
}
