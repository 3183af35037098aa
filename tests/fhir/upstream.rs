//! What reaches an EHR: one call for each source and request, confined to the one patient, with nothing of the client.

use chartgate::config::Limits;
use chartgate::sandbox::Request;

use super::record::searchable;
use crate::naive::{Kind, kind_of};
use crate::support::world::{World, pairs, run};

/// The requests since the log was emptied, with the practice.
fn requests(world: &World) -> Vec<(usize, Request)> {
    let of = |index: usize| world.practices[index].requests.all().into_iter().map(move |request| (index, request));
    (0..world.practices.len()).flat_map(of).collect()
}

#[test]
fn i6_a_search_of_a_patient_type_is_one_call_for_each_source_that_begins_with_the_patient() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let queries: &[(&str, &str)] = &[("_sort", "_id"), ("_id", "aaaa.nobody"), ("_lastUpdated", "ge2020")];
        let _ = world.search("Condition", &[], &token).await;
        for resource_type in searchable() {
            let (Kind::Subject(_) | Kind::AnySubject(_)) = kind_of(resource_type) else { continue };
            if resource_type == "Patient" {
                continue;
            }
            for query in [None].into_iter().chain(queries.iter().map(Some)) {
                world.forget_upstream();
                let query: Vec<(&str, &str)> = query.into_iter().copied().collect();
                assert_eq!(world.search(resource_type, &pairs(&query), &token).await.status, 200);
                let sent = requests(&world);
                if query.first().is_some_and(|(name, _)| *name == "_id") {
                    assert!(sent.is_empty(), "{resource_type}: an id of another source asks nobody");
                    continue;
                }
                for (index, (practice, request)) in sent.iter().enumerate() {
                    assert_eq!(request.method, "GET");
                    assert_eq!(request.path, format!("/fhir/{resource_type}"));
                    let (_, patient) = world.person("maria").links.iter().find(|(at, _)| at == practice).unwrap();
                    // The page after the first is asked for as the source itself wrote the link.
                    let is_later = request.query.iter().any(|(name, _)| name == "_cursor");
                    let first = request.query.iter().find(|(_, value)| !is_later || value.starts_with("Patient/"));
                    let (name, value) = first.unwrap();
                    // By hand: what takes the patient, and for messages about nobody their two ends.
                    let names: &[&str] = match resource_type {
                        "Communication" => &["patient", "sender", "recipient"],
                        "VerificationResult" => &["target"],
                        _ => &["patient"],
                    };
                    assert!(names.contains(&name.as_str()), "{resource_type}: {:?}", request.query);
                    assert_eq!(*value, format!("Patient/{patient}"), "{resource_type}: call {index}");
                }
                let calls = if resource_type == "Communication" { 3 } else { 1 };
                let pages = |at: usize| {
                    sent.iter().filter(move |(p, r)| *p == at && !r.query.iter().any(|(n, _)| n == "_cursor"))
                };
                for at in [0, 1] {
                    assert_eq!(pages(at).count(), calls, "{resource_type} {query:?} at {at}");
                }
            }
        }
    });
}

#[test]
fn i6_a_read_is_one_call_to_the_one_source_that_has_it() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        for resource_type in ["Observation", "Condition", "Practitioner", "Encounter", "Appointment"] {
            let ids = world.search(resource_type, &pairs(&[("_count", "500")]), &token).await.ids();
            for practice in [0, 1] {
                let id = ids.iter().find(|id| id.starts_with(&world.practices[practice].source)).unwrap();
                world.forget_upstream();
                assert_eq!(world.get(&format!("/fhir/{resource_type}/{id}"), &token).await.status, 200);
                let sent = requests(&world);
                assert_eq!(sent.len(), 1, "{resource_type}/{id}");
                assert_eq!(sent[0].0, practice);
                assert!(sent[0].1.query.is_empty() && sent[0].1.path.starts_with(&format!("/fhir/{resource_type}/")));
            }
        }
        // A source at which a person has no chart hears nothing of them.
        let zoe = world.token("zoe").await;
        let lakeside = world.practice("lakeside").source.clone();
        world.forget_upstream();
        assert_eq!(world.get(&format!("/fhir/Condition/{lakeside}.x"), &zoe).await.status, 404);
        let _ = world.search("Observation", &[], &zoe).await;
        let _ = world.search("Practitioner", &[], &zoe).await;
        assert_eq!(world.practice("lakeside").requests.fhir_count(), 0);
        assert!(world.practice("riverside").requests.fhir_count() > 0);
    });
}

#[test]
fn u24_nothing_of_the_clients_headers_or_of_other_patients_goes_upstream() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        world.forget_upstream();
        let marked = [
            ("x-forwarded-for", "203.0.113.9"),
            ("referer", "https://canary.example/x"),
            ("cookie", "canary=1"),
            ("user-agent", "canary-agent"),
            ("x-request-id", "canary-request"),
            ("prefer", "handling=lenient; canary"),
            ("accept-language", "canary"),
        ];
        for path in
            ["/fhir/Observation?code=canary-code&_format=json", "/fhir/Patient", "/fhir/Condition?colour=canary-colour"]
        {
            let answer = world.send("GET", path, Some(&token), &marked, "").await;
            assert_eq!(answer.status, 200);
        }
        let sent = requests(&world);
        assert!(sent.len() >= 6);
        let me = world.person("maria");
        for (practice, request) in sent {
            let text = format!("{request:?}");
            assert!(!text.contains(&token), "the client's token");
            for (name, value) in &request.headers {
                assert!(!value.contains("canary") && !value.contains("203.0.113"), "{name}: {value}");
                assert!(
                    ["accept", "accept-encoding", "host", "user-agent"].contains(&name.as_str()),
                    "{name}: {value}"
                );
            }
            assert!(!text.contains("canary-colour") && !text.contains("_format"), "{:?}", request.query);
            assert!(!text.contains(&me.id.to_string()), "the id at the gateway is no business of the source");
            let mine: Vec<&str> =
                me.links.iter().filter(|(at, _)| *at == practice).map(|(_, id)| id.as_str()).collect();
            for id in request.query.iter().filter_map(|(_, value)| value.strip_prefix("Patient/")) {
                assert!(mine.contains(&id), "{id}");
            }
        }
    });
}
