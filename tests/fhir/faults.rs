//! Complete or flagged: what a practice cannot say is named, what the others say is there, and nothing that a bad EHR
//! does shows anybody else's data.

use serde_json::Value;

use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind, Sandbox};

use super::oracle::Visible;
use super::record::{leaks, searchable};
use crate::support::world::{Reply, World, pairs, run};

/// Short enough that a source that hangs does not hold up the test; longer than any honest answer takes.
fn impatient() -> Limits {
    Limits {
        source_deadline_ms: 1_500,
        source_page_size: 20,
        breaker_failures: 1_000,
        foreign_answers: 0,
        ..Limits::default()
    }
}

async fn world() -> World {
    World::of_fixtures(impatient()).await
}

/// The sources that the entries are from.
fn sources(answer: &Reply) -> Vec<String> {
    let mut sources: Vec<String> =
        answer.ids().iter().filter_map(|id| Some(id.split_once('.')?.0.to_owned())).collect();
    sources.sort();
    sources.dedup();
    sources
}

/// An answer that shows one practice whole and names the other.
#[track_caller]
fn names_the_gap(world: &World, answer: &Reply, resource_type: &str, missing: &str, code: &str) {
    let outcomes = answer.outcomes();
    assert_eq!(outcomes.len(), 1, "{resource_type}: {outcomes:?}");
    let name = &world.practice(missing).name;
    assert!(outcomes[0].starts_with(&format!("{code}: ")) && outcomes[0].contains(name.as_str()), "{outcomes:?}");
    assert!(answer.json().get("total").is_none(), "{resource_type}: no total where something is missing");
    assert!(leaks(world, "maria", &answer.text).is_empty(), "{:?}", leaks(world, "maria", &answer.text));
}

async fn all_of(world: &World, resource_type: &str, token: &str) -> Reply {
    world.search(resource_type, &pairs(&[("_count", "500")]), token).await
}

#[test]
fn r01_with_no_source_down_no_type_has_an_outcome_entry() {
    run(async {
        let world = super::fixtures().await;
        for person in ["maria", "zoe", "priya"] {
            let token = world.token(person).await;
            for resource_type in searchable() {
                let answer = all_of(world, resource_type, &token).await;
                assert_eq!(answer.outcomes(), Vec::<String>::new(), "{person} {resource_type}");
                let counted = [("_count", "500"), ("_total", "accurate")];
                let counted = world.search(resource_type, &pairs(&counted), &token).await;
                assert_eq!(counted.outcomes(), Vec::<String>::new(), "{person} {resource_type}");
                assert_eq!(counted.json()["total"], answer.ids().len(), "{person} {resource_type}");
            }
        }
    });
}

#[test]
fn r01_one_ehr_stopped_leaves_the_others_data_and_a_named_gap_both_stopped_are_503() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let mut before: Vec<(&str, Vec<String>)> = Vec::new();
        for resource_type in searchable() {
            before.push((resource_type, all_of(&world, resource_type, &token).await.ids()));
        }
        let [riverside, lakeside] = ["riverside", "lakeside"].map(|key| world.practice(key).source.clone());
        let id_at = |source: &str| {
            let of_type = before.iter().find(|(kind, _)| *kind == "Condition").unwrap();
            of_type.1.iter().find(|id| id.starts_with(source)).unwrap().clone()
        };
        let (healthy, gone) = (id_at(&riverside), id_at(&lakeside));
        world.practice("lakeside").stop().await;
        for (resource_type, ids) in &before {
            let answer = all_of(&world, resource_type, &token).await;
            if *resource_type == "Patient" {
                assert_eq!(answer.ids(), [me.to_string()]);
            } else {
                let kept: Vec<String> = ids.iter().filter(|id| id.starts_with(&riverside)).cloned().collect();
                assert_eq!(answer.ids(), kept, "{resource_type}: the healthy practice whole");
            }
            names_the_gap(&world, &answer, resource_type, "lakeside", "incomplete");
        }
        let read = world.get(&format!("/fhir/Patient/{me}"), &token).await;
        assert_eq!(read.status, 200);
        assert!(read.text.contains(&world.practice("lakeside").name), "the merged record says whose part is missing");
        assert_eq!(world.get(&format!("/fhir/Condition/{healthy}"), &token).await.status, 200);
        unavailable(&world, &world.get(&format!("/fhir/Condition/{gone}"), &token).await, "Lakeside");

        world.practice("riverside").stop().await;
        for (resource_type, _) in &before {
            unavailable(&world, &all_of(&world, resource_type, &token).await, "Riverside");
        }
        unavailable(&world, &world.get(&format!("/fhir/Patient/{me}"), &token).await, "Riverside");
        unavailable(&world, &world.get(&format!("/fhir/Condition/{healthy}"), &token).await, "Riverside");
        // What needs no source is told as before.
        assert_eq!(world.get("/fhir/Condition/aaaa.nobody", &token).await.status, 404);
        assert_eq!(world.get("/fhir/Condition?_has=x", &token).await.status, 400);
    });
}

#[track_caller]
fn unavailable(world: &World, answer: &Reply, names: &str) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    let seconds: u64 = answer.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=300).contains(&seconds));
    let body = answer.json();
    assert_eq!(body["resourceType"], "OperationOutcome");
    let issues = body["issue"].as_array().unwrap();
    assert!(!issues.is_empty() && issues.iter().all(|issue| issue["code"] == "transient"), "{body}");
    assert!(answer.text.contains(names), "{body}");
    assert!(leaks(world, "maria", &answer.text).is_empty());
}

#[test]
fn r04_r07_r08_u11_u19_every_kind_of_failure_of_one_source_is_named_and_the_other_is_whole() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let faults = [
            (FaultKind::Delay(5_000), "timeout"),
            (FaultKind::Status(500), "incomplete"),
            (FaultKind::Status(502), "incomplete"),
            (FaultKind::Status(503), "throttled"),
            (FaultKind::Status(429), "throttled"),
            (FaultKind::Status(401), "security"),
            (FaultKind::Status(403), "security"),
            (FaultKind::Status(400), "not-supported"),
            (FaultKind::TruncatedBody(700), "incomplete"),
            (FaultKind::HtmlBody, "incomplete"),
            (FaultKind::ContentType("text/html".to_owned()), "incomplete"),
            (FaultKind::Body("{\"resourceType\":\"Bundle\",\"type\":\"searchset\",".to_owned()), "incomplete"),
            (FaultKind::Body("[1,2,3]".to_owned()), "incomplete"),
            (FaultKind::Body(String::new()), "incomplete"),
            (
                FaultKind::Body(
                    "{\"resourceType\":\"Bundle\",\"resourceType\":\"Bundle\",\"type\":\"searchset\"}".to_owned(),
                ),
                "incomplete",
            ),
            (FaultKind::Body(format!("{{\"resourceType\":\"Bundle\",\"x\":{}", "[".repeat(100_000))), "incomplete"),
            (FaultKind::SlowTrickle { bytes: 1, milliseconds: 50 }, "timeout"),
            (FaultKind::Dead, "incomplete"),
        ];
        let whole = all_of(&world, "Condition", &token).await.ids();
        for (broken, healthy) in [("lakeside", "riverside"), ("riverside", "lakeside")] {
            let kept: Vec<String> =
                whole.iter().filter(|id| id.starts_with(&world.practice(healthy).source)).cloned().collect();
            for (fault, code) in &faults {
                world.heal();
                world.practice(broken).faults.add(Fault::new(fault.clone()));
                let answer = all_of(&world, "Condition", &token).await;
                assert_eq!(answer.ids(), kept, "{fault:?}");
                names_the_gap(&world, &answer, "Condition", broken, code);
                if broken == "riverside" && !matches!(fault, FaultKind::Delay(_) | FaultKind::SlowTrickle { .. }) {
                    break;
                }
            }
            world.heal();
            assert_eq!(all_of(&world, "Condition", &token).await.ids(), whole, "healed");
        }
    });
}

#[test]
fn u12_u13_reads_of_a_failing_source_are_503_and_of_a_lying_one_never_show_what_was_not_asked() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let source = &world.practice("riverside").source;
        let ids = all_of(&world, "Condition", &token).await.ids();
        let id = ids.iter().find(|id| id.starts_with(source.as_str())).unwrap();
        let url = format!("/fhir/Condition/{id}");
        for fault in [FaultKind::Status(500), FaultKind::HtmlBody, FaultKind::Dead, FaultKind::TruncatedBody(100)] {
            world.heal();
            world.practice("riverside").faults.add(Fault::new(fault.clone()));
            unavailable(&world, &world.get(&url, &token).await, "Riverside");
        }
        for disguised in [false, true] {
            world.heal();
            world.practice("riverside").faults.add(Fault::new(FaultKind::WrongPatient { disguised }));
            let answer = world.get(&url, &token).await;
            // U12, U13: another resource is no answer, another person's under this id is hidden.
            assert_eq!(answer.status, if disguised { 404 } else { 503 }, "{}", answer.text);
            assert!(leaks(&world, "maria", &answer.text).is_empty());
        }
    });
}

#[test]
fn u12_the_wrong_patients_data_mixed_in_is_never_shown() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let visible = Visible::of(&world, "maria");
        let mut before = Vec::new();
        for resource_type in searchable() {
            before.push((resource_type, all_of(&world, resource_type, &token).await));
        }
        for practice in &world.practices {
            practice.faults.add(Fault::new(FaultKind::WrongPatient { disguised: false }));
        }
        let mut mixed = 0;
        for (resource_type, before) in &before {
            let answer = all_of(&world, resource_type, &token).await;
            let found = leaks(&world, "maria", &answer.text);
            assert!(found.is_empty(), "{resource_type}: {found:?}");
            if *resource_type != "Patient" {
                assert_eq!(answer.ids(), before.ids(), "{resource_type}");
                let count = visible.of_type(resource_type).len();
                assert_eq!(answer.ids().len(), count, "{resource_type}");
                mixed += 1;
            }
        }
        assert!(mixed > 30);
    });
}

#[test]
fn u12_a_source_that_ignores_what_it_is_asked_gives_the_same_answer() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let queries = [
            "/fhir/Observation?category=vital-signs&_count=500",
            "/fhir/Observation?code=4548-4&date=ge2025-01-01&_sort=-date&_count=500",
            "/fhir/Condition?clinical-status=active&_count=500",
            "/fhir/MedicationRequest?status=active,stopped&intent=order&_count=500",
            "/fhir/Encounter?date=2026&_count=500",
            "/fhir/Patient?name=alvarez",
            "/fhir/Appointment?date=ge2026-09-15&_count=500",
        ];
        for ignored in [vec![], vec!["patient".to_owned()], vec!["_count".to_owned()], vec!["category".to_owned()]] {
            for query in queries {
                world.heal();
                let honest = world.get(query, &token).await;
                world
                    .practices
                    .iter()
                    .for_each(|p| p.faults.add(Fault::new(FaultKind::IgnoredParameters(ignored.clone()))));
                // A page may be short when much had to be sifted for it; the rest is on those that follow.
                let pages = world.pages(query, &token).await;
                let answer = pages.last().unwrap();
                let found: Vec<Value> = pages.iter().flat_map(Reply::matches).collect();
                assert_eq!(found, honest.matches(), "{query} while {ignored:?} is ignored");
                for page in &pages {
                    assert!(leaks(&world, "maria", &page.text).is_empty());
                    assert!(page.json()["total"].is_null() || pages.len() == 1, "{query}");
                }
                let (total, before) = (answer.json()["total"].clone(), honest.json()["total"].clone());
                assert!(total == before || (total == Value::Null && !answer.outcomes().is_empty()), "{query}: {total}");
            }
        }
    });
}

#[test]
fn u05_looping_missing_and_foreign_next_links_end_and_are_flagged() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let whole = all_of(&world, "Observation", &token).await.ids();
        let elsewhere = Sandbox::builder().start().await.unwrap();
        let origin = elsewhere.base_url.trim_end_matches("/fhir").to_owned();
        for fault in [FaultKind::LoopingNext, FaultKind::MissingNext, FaultKind::ForeignNext(origin)] {
            world.heal();
            world.practice("riverside").faults.add(Fault::new(fault.clone()));
            world.forget_upstream();
            let answer = all_of(&world, "Observation", &token).await;
            names_the_gap(&world, &answer, "Observation", "riverside", "incomplete");
            assert_eq!(sources(&answer).len(), 2, "{fault:?}: what came is shown");
            let shown = answer.ids();
            assert!(shown.iter().all(|id| whole.contains(id)) && shown.len() < whole.len());
            let calls = world.practice("riverside").requests.fhir_count();
            assert!(calls <= 2, "{fault:?}: {calls} calls");
            assert_eq!(elsewhere.requests.fhir_count(), 0, "another host is never called");
        }
    });
}

#[test]
fn r09_a_failure_on_a_later_page_keeps_what_came_and_names_the_gap() {
    run(async {
        let world = world().await;
        let token = world.token("maria").await;
        let whole = all_of(&world, "Observation", &token).await.ids();
        for fault in
            [FaultKind::Status(500), FaultKind::HtmlBody, FaultKind::Delay(5_000), FaultKind::TruncatedBody(300)]
        {
            world.heal();
            let code = if matches!(fault, FaultKind::Delay(_)) { "timeout" } else { "incomplete" };
            world.practice("riverside").faults.add(Fault::new(fault.clone()).from_page(2));
            let answer = all_of(&world, "Observation", &token).await;
            names_the_gap(&world, &answer, "Observation", "riverside", code);
            let shown = answer.ids();
            let lakeside = &world.practice("lakeside").source;
            let healthy = |ids: &[String]| ids.iter().filter(|id| id.starts_with(lakeside.as_str())).count();
            assert_eq!(healthy(&shown), healthy(&whole), "{fault:?}");
            assert_eq!(shown.len() - healthy(&shown), 20, "{fault:?}: the first page of the other");
        }
    });
}
