//! Searches below a Patient, every form of `_search`, HEAD, and conditional reads.

use serde_json::Value;

use chartgate::config::Limits;

use super::fixtures;
use super::record::leaks;
use crate::support::world::{Reply, World, run};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// A searchset without its id and its sealed link.
fn comparable(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut bundle = reply.json();
    bundle["id"] = Value::Null;
    for link in bundle["link"].as_array_mut().unwrap() {
        if link["relation"] == "next" {
            link["url"] = Value::Null;
        }
    }
    bundle
}

#[test]
fn a_search_below_the_patient_is_the_search_with_the_patient_named() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        for (kind, parameter, query) in [
            ("Observation", "patient", "category=laboratory&_count=3&_sort=-date"),
            ("Condition", "patient", ""),
            ("Appointment", "patient", "_count=2"),
            ("VerificationResult", "target", ""),
            ("Provenance", "patient", ""),
            ("Coverage", "patient", "_summary=count"),
        ] {
            let below = world.get(&format!("/fhir/Patient/{me}/{kind}?{query}"), &token).await;
            let named = world.get(&format!("/fhir/{kind}?{parameter}=Patient/{me}&{query}"), &token).await;
            assert_eq!(comparable(&below), comparable(&named), "{kind}");
            let target = format!("/fhir/Patient/{me}/{kind}/_search");
            let posted = world.send("POST", &target, Some(&token), &FORM, query).await;
            assert_eq!(comparable(&posted), comparable(&named), "{kind}");
            // In the URL, without a body and without its type.
            let bare = world.send("POST", &format!("{target}?{query}"), Some(&token), &[], "").await;
            assert_eq!(comparable(&bare), comparable(&named), "{kind}");
        }
        // A message about nobody is its sender's and recipients'.
        let below = world.get(&format!("/fhir/Patient/{me}/Communication"), &token).await;
        assert_eq!(comparable(&below), comparable(&world.get("/fhir/Communication", &token).await));
        // Its pages go on.
        let pages = world.pages(&format!("/fhir/Patient/{me}/Observation?_count=7"), &token).await;
        let all = world.get(&format!("/fhir/Observation?patient={me}&_count=500"), &token).await;
        assert!(pages.len() > 2);
        assert_eq!(pages.iter().flat_map(Reply::ids).collect::<Vec<_>>(), all.ids());
    });
}

#[test]
fn f02_a_compartment_of_anybody_else_is_as_unknown_as_one_that_never_was() {
    run(async {
        let world = &World::of_fixtures(Limits::default()).await;
        let token = world.token("carlos").await;
        let maria = world.person("maria").id.to_string();
        let source_record = format!("{}.pat-1001", world.practice("riverside").source);
        let never = "0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d";
        world.forget_upstream();
        for kind in ["Observation", "Communication", "Provenance", "Appointment"] {
            let unknown = world.get(&format!("/fhir/Patient/{never}/{kind}"), &token).await;
            assert_eq!(unknown.status, 404);
            for other in [maria.as_str(), &source_record, "x", "h-1"] {
                for (method, path) in [("GET", ""), ("GET", "?code=1"), ("POST", "/_search")] {
                    let target = format!("/fhir/Patient/{other}/{kind}{path}");
                    let answer = world.send(method, &target, Some(&token), &[], "").await;
                    assert_eq!(answer.without_request_id(), unknown.without_request_id(), "{method} {target}");
                }
            }
        }
        assert_eq!(world.upstream_counts(), [0, 0], "nobody was asked");
        // The parameter cannot name somebody else beside the path, nor the other way round.
        let own = world.person("carlos").id;
        let both = world.get(&format!("/fhir/Patient/{own}/Observation?patient={maria}"), &token).await;
        assert_eq!(both.ids(), Vec::<String>::new());
        assert!(leaks(world, "carlos", &both.text.replace(&maria, "")).is_empty());
    });
}

#[test]
fn f14_parameters_of_url_and_form_are_one_and_other_bodies_are_refused() {
    run(async {
        let world = fixtures().await;
        let token = world.token("carlos").await;
        let (own, maria) = (world.person("carlos").id, world.person("maria").id);
        for (query, form) in [
            (format!("patient={maria}"), format!("patient={own}")),
            (format!("patient={own}"), format!("patient={maria}")),
        ] {
            let target = format!("/fhir/Observation/_search?{query}");
            let answer = world.send("POST", &target, Some(&token), &FORM, &form).await;
            assert_eq!(answer.ids(), Vec::<String>::new(), "{target}");
        }
        let json = [("content-type", "application/json")];
        for target in ["/fhir/Observation/_search".to_owned(), format!("/fhir/Patient/{own}/Observation/_search")] {
            assert_eq!(world.send("POST", &target, Some(&token), &json, "{}").await.status, 415);
            assert_eq!(world.send("POST", &target, Some(&token), &[], "patient=x").await.status, 415);
            for method in ["HEAD", "PUT", "GET"] {
                assert!([404, 405].contains(&world.send(method, &target, Some(&token), &[], "").await.status));
            }
        }
        // A body of a GET is no part of the question.
        let asked = world.send("GET", "/fhir/Observation?_count=1", Some(&token), &FORM, "patient=x").await;
        assert_eq!(asked.ids(), world.get("/fhir/Observation?_count=1", &token).await.ids());
    });
}

#[test]
fn i8_f35_head_has_the_headers_of_get_and_no_body() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let carlos = world.person("carlos").id;
        let id = world.search("Condition", &[], &token).await.ids()[0].clone();
        for target in [
            format!("/fhir/Patient/{me}"),
            format!("/fhir/Patient/{carlos}"),
            format!("/fhir/Condition/{id}"),
            format!("/fhir/Condition/{id}/_history"),
            "/fhir/Condition?_count=2&_summary=count".to_owned(),
            format!("/fhir/Patient/{me}/Condition?_summary=count"),
            "/fhir/metadata".to_owned(),
            "/fhir/Claim".to_owned(),
        ] {
            let get = world.get(&target, &token).await;
            let head = world.send("HEAD", &target, Some(&token), &[], "").await;
            assert_eq!(head.text, "", "{target}");
            let headers = |reply: &Reply| reply.without_request_id().split("\n\n").next().unwrap().to_owned();
            assert_eq!(headers(&head), headers(&get), "{target}");
        }
    });
}

#[test]
fn f30_conditional_reads_answer_304_for_ones_own_and_404_for_others() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let other = world.token("carlos").await;
        let found = world.search("Condition", &[], &token).await.matches();
        let mine = found.iter().find(|resource| resource["meta"]["lastUpdated"].is_string()).unwrap();
        let target = format!("/fhir/Condition/{}", mine["id"].as_str().unwrap());
        let whole = world.get(&target, &token).await;
        let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
        let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
        for (headers, status) in [
            (vec![("if-none-match", etag)], 304),
            (vec![("if-none-match", "*")], 304),
            (vec![("if-none-match", "W/\"1\"")], 200),
            (vec![("if-modified-since", modified)], 304),
            (vec![("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")], 304),
            (vec![("if-modified-since", long_ago)], 200),
            (vec![("if-modified-since", "yesterday")], 200),
            // The entity tag goes before the date.
            (vec![("if-none-match", "W/\"1\""), ("if-modified-since", modified)], 200),
            (vec![("if-none-match", etag), ("if-modified-since", long_ago)], 304),
        ] {
            let answer = world.send("GET", &target, Some(&token), &headers, "").await;
            assert_eq!(answer.status, status, "{headers:?}");
            assert_eq!(answer.text.is_empty(), status == 304);
            assert_eq!(answer.header("etag"), Some(etag));
            // Somebody else's is not there, changed or not.
            let hidden = world.send("GET", &target, Some(&other), &headers, "").await;
            assert_eq!(hidden.status, 404, "{headers:?}");
        }
        assert_eq!(world.send("GET", &target, Some(&other), &[("if-match", etag)], "").await.status, 404);
        // Several charts have no common time: only the entity tag counts.
        let person = format!("/fhir/Patient/{}", world.person("maria").id);
        let merged = world.get(&person, &token).await;
        assert_eq!(merged.header("last-modified"), None);
        let later = [("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")];
        assert_eq!(world.send("GET", &person, Some(&token), &later, "").await.status, 200);
        let tag = [("if-none-match", merged.header("etag").unwrap())];
        assert_eq!(world.send("GET", &person, Some(&token), &tag, "").await.status, 304);
    });
}

#[test]
fn f34_answers_are_json_whatever_is_asked_for_and_are_taken_for_nothing_else() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let id = world.search("Condition", &[], &token).await.ids()[0].clone();
        let targets = [
            format!("/fhir/Patient/{me}"),
            format!("/fhir/Condition/{id}/_history"),
            format!("/fhir/Condition/{id}/_history/1"),
            format!("/fhir/Patient/{me}/Condition"),
        ];
        for target in targets {
            for wanted in ["application/fhir+xml", "text/html", "text/csv", "image/png"] {
                let answer = world.send("GET", &target, Some(&token), &[("accept", wanted)], "").await;
                assert_eq!(answer.status, 406, "{target} {wanted}");
                let answer = world.get(&format!("{target}?_format={wanted}"), &token).await;
                assert_eq!(answer.status, 406, "{target} {wanted}");
            }
            for query in ["_format=json", "_pretty=true", "_format=application/fhir%2Bjson&_pretty=false"] {
                let answer = world.get(&format!("{target}?{query}"), &token).await;
                assert_ne!(answer.status, 406, "{target}?{query}");
                assert_eq!(answer.header("content-type"), Some("application/fhir+json; charset=utf-8"));
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
        }
    });
}
