//! `_include` and `_revinclude`: what the second evaluator finds at the end of each edge, shown as if it had been asked
//! for by itself, once, and not counted; nothing beyond the listed edges, and nothing that the scopes do not reach.

use std::collections::BTreeSet;

use serde_json::Value;

use chartgate::config::Limits;

use super::fixtures;
use super::oracle::{Decoder, Upstream, Visible, patients};
use super::record::searchable;
use crate::naive::{at, local};
use crate::support::world::{Reply, World, pairs, run};

/// The forward edges with where the references stand, by hand.
const FORWARD: &[(&str, &str, &str)] = &[
    ("CareTeam", "participant", "participant>member"),
    ("MedicationRequest", "medication", "medicationReference"),
    ("MedicationDispense", "medication", "medicationReference"),
    ("PractitionerRole", "practitioner", "practitioner"),
    ("PractitionerRole", "endpoint", "endpoint"),
];

/// The resources that were included, as they are upstream; the person as every one of their records.
async fn included(visible: &Visible<'_>, decoder: &mut Decoder, answer: &Reply) -> BTreeSet<Upstream> {
    let mut found = BTreeSet::new();
    for entry in answer.entries("include") {
        let resource = &entry["resource"];
        let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        assert_eq!(entry["fullUrl"], format!("{}/{kind}/{id}", visible.world.fhir));
        decoder.learn(visible.world, resource).await;
        let place = match decoder.decode(visible.world, kind, id) {
            Some((practice, id)) => (practice, kind.to_owned(), id),
            None => {
                assert_eq!((kind, id), ("Patient", &*visible.person.id.to_string()));
                (usize::MAX, kind.to_owned(), String::new())
            }
        };
        assert!(found.insert(place), "{kind}/{id} is included twice");
    }
    found
}

/// Whether a reference at a practice points at one of these.
fn points_at(visible: &Visible<'_>, practice: usize, reference: &Value, targets: &BTreeSet<Upstream>) -> bool {
    let base = &visible.world.practices[practice].base_url;
    let to = reference["reference"].as_str().and_then(|text| local(text, base));
    to.is_some_and(|(kind, id)| targets.contains(&(practice, kind, id)))
}

/// Every record of the person, and what is theirs of this type.
fn matches(visible: &Visible<'_>, resource_type: &str) -> BTreeSet<Upstream> {
    visible.of_type(resource_type).into_keys().collect()
}

fn about(visible: &Visible<'_>, targets: &BTreeSet<Upstream>) -> BTreeSet<Upstream> {
    let provenance = visible.of_type("Provenance");
    let points = provenance.into_iter().filter(|((practice, _, _), resource)| {
        at(resource, "target").iter().any(|target| points_at(visible, *practice, target, targets))
    });
    points.map(|(key, _)| key).collect()
}

#[test]
fn f05_provenance_of_every_type_is_what_the_second_evaluator_finds() {
    run(async {
        let world = fixtures().await;
        let mut found = 0;
        for person in ["maria", "zoe", "carlos"] {
            let visible = Visible::of(world, person);
            let token = world.token(person).await;
            let mut decoder = Decoder::default();
            for resource_type in searchable() {
                if resource_type == "Provenance" {
                    continue;
                }
                let expected = about(&visible, &matches(&visible, resource_type));
                for more in ["", "&_total=accurate"] {
                    let path = format!("/fhir/{resource_type}?_count=500{more}");
                    let plain = world.get(&path, &token).await;
                    let answer = world.get(&format!("{path}&_revinclude=Provenance:target"), &token).await;
                    assert_eq!(answer.outcomes(), Vec::<String>::new(), "{person} {path}");
                    assert_eq!(answer.matches(), plain.matches(), "{person} {path}");
                    assert_eq!(answer.json()["total"], plain.json()["total"], "{path}: includes are not counted");
                    let shown = included(&visible, &mut decoder, &answer).await;
                    assert_eq!(shown, expected, "{person} {path}");
                    for entry in answer.entries("include") {
                        let id = entry["resource"]["id"].as_str().unwrap();
                        let read = world.get(&format!("/fhir/Provenance/{id}"), &token).await;
                        assert_eq!(entry["resource"], read.json(), "as it is read by itself");
                        found += 1;
                    }
                }
            }
        }
        assert!(found > 60, "{found}");
    });
}

#[test]
fn f04_forward_edges_lead_to_what_the_second_evaluator_finds() {
    run(async {
        let world = fixtures().await;
        let mut found = BTreeSet::new();
        for person in ["maria", "zoe", "carlos", "priya"] {
            let visible = Visible::of(world, person);
            let token = world.token(person).await;
            let mut decoder = Decoder::default();
            for (resource_type, parameter, path) in FORWARD {
                let mut expected = BTreeSet::new();
                for ((practice, _, _), resource) in visible.of_type(resource_type) {
                    for reference in at(resource, path) {
                        let base = &world.practices[practice].base_url;
                        let Some((kind, id)) = reference["reference"].as_str().and_then(|text| local(text, base))
                        else {
                            continue;
                        };
                        if kind == "Patient" && patients(visible.person, practice).contains(&id.as_str()) {
                            expected.insert((usize::MAX, kind, String::new()));
                        } else if kind != "Patient" && visible.shows(practice, &kind, &id) {
                            expected.insert((practice, kind, id));
                        }
                    }
                }
                // What is among the matches already is not included.
                expected.retain(|key| !visible.resources.contains_key(key) || key.1 != *resource_type);
                let kinds: BTreeSet<String> = expected.iter().map(|(_, kind, _)| kind.clone()).collect();
                let whole = format!("{resource_type}:{parameter}");
                for target in [None].into_iter().chain(kinds.iter().map(Some)) {
                    let edge = target.map_or(whole.clone(), |target| format!("{whole}:{target}"));
                    let query = pairs(&[("_count", "500"), ("_include", &edge)]);
                    let wanted: BTreeSet<Upstream> =
                        expected.iter().filter(|key| target.is_none_or(|kind| *kind == key.1)).cloned().collect();
                    for answer in [
                        world.search(resource_type, &query, &token).await,
                        world.search_by_post(resource_type, &query, &token).await,
                    ] {
                        assert_eq!(answer.outcomes(), Vec::<String>::new(), "{person} {edge}");
                        assert_eq!(included(&visible, &mut decoder, &answer).await, wanted, "{person} {edge}");
                        assert_eq!(answer.ids().len(), visible.of_type(resource_type).len());
                    }
                }
                found.extend(kinds.into_iter().map(|kind| (whole.clone(), kind)));
            }
        }
        let edges: BTreeSet<&String> = found.iter().map(|(edge, _)| edge).collect();
        assert_eq!(edges.len(), FORWARD.len(), "an edge that nothing lies behind shows nothing: {found:?}");
    });
}

#[test]
fn every_page_includes_what_its_own_matches_lead_to() {
    run(async {
        let world = fixtures().await;
        let visible = Visible::of(world, "maria");
        let token = world.token("maria").await;
        let mut decoder = Decoder::default();
        for sort in ["", "&_sort=-date"] {
            let first = format!("/fhir/Observation?_count=7&_revinclude=Provenance:target{sort}");
            let pages = world.pages(&first, &token).await;
            assert!(pages.len() > 3);
            for page in &pages {
                let mut here = BTreeSet::new();
                for resource in page.matches() {
                    decoder.learn(world, &resource).await;
                    let id = resource["id"].as_str().unwrap();
                    let (practice, id) = decoder.decode(world, "Observation", id).unwrap();
                    here.insert((practice, "Observation".to_owned(), id));
                }
                assert!(here.len() <= 7, "included entries take no place on a page");
                assert_eq!(included(&visible, &mut decoder, page).await, about(&visible, &here), "{sort}");
            }
        }
    });
}

#[test]
fn f04_a_type_that_the_scopes_do_not_reach_is_not_included_and_it_is_said() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let scope = "launch/patient patient/MedicationRequest.rs patient/CareTeam.rs patient/Practitioner.r";
        let token = world.token_for("maria", "maria", "app-narrow", scope).await;
        for (query, uncovered, target) in [
            ("MedicationRequest?_include=MedicationRequest:medication", "Medication", "Medication"),
            ("MedicationRequest?_revinclude=Provenance:target", "Provenance", "Provenance"),
            ("CareTeam?_include=CareTeam:participant:Patient", "Patient", "Patient"),
        ] {
            world.forget_upstream();
            let answer = world.get(&format!("/fhir/{query}"), &token).await;
            assert!(!answer.ids().is_empty() && answer.entries("include").is_empty(), "{query}");
            let outcomes = answer.outcomes();
            assert_eq!(outcomes.len(), 1, "{outcomes:?}");
            let said = outcomes[0].starts_with("suppressed: ") && outcomes[0].ends_with(&format!("cover {uncovered}"));
            assert!(said, "{outcomes:?}");
            for practice in &world.practices {
                for request in practice.requests.all() {
                    assert!(!request.path.contains(target) || request.path.contains("MedicationRequest"), "{query}");
                }
            }
        }
        // A scope to read is enough to be shown what a reference leads to.
        let answer = world.get("/fhir/CareTeam?_include=CareTeam:participant:Practitioner", &token).await;
        assert_eq!(answer.outcomes(), Vec::<String>::new());
        assert!(!answer.entries("include").is_empty());
    });
}

#[test]
fn f06_only_listed_edges_are_followed_and_none_further_than_one_step() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        world.forget_upstream();
        for query in [
            "MedicationRequest?_include=*",
            "MedicationRequest?_include=MedicationRequest:*",
            "MedicationRequest?_include=MedicationRequest",
            "MedicationRequest?_include=MedicationRequest:subject",
            "MedicationRequest?_include=MedicationRequest:medication:Patient",
            "MedicationRequest?_include=MedicationDispense:medication",
            "MedicationRequest?_include:iterate=MedicationRequest:medication",
            "MedicationRequest?_include:recurse=MedicationRequest:medication",
            "MedicationRequest?_include=MedicationRequest:medication&_summary=text",
            "Observation?_include=Observation:focus",
            "Observation?_revinclude=*:*",
            "Observation?_revinclude=Provenance:*",
            "Observation?_revinclude=Provenance:agent",
            "Observation?_revinclude=Provenance:target:Condition",
            "Observation?_revinclude:iterate=Provenance:target",
            "Observation?_revinclude=DiagnosticReport:result",
            "Patient?_revinclude=Observation:focus",
            "Patient?_revinclude=Observation:subject",
        ] {
            for handling in ["handling=strict", "handling=lenient"] {
                let target = format!("/fhir/{query}");
                let answer = world.send("GET", &target, Some(&token), &[("prefer", handling)], "").await;
                assert_eq!(answer.status, 400, "{query}: {}", answer.text);
            }
        }
        assert_eq!(world.upstream_counts(), [0, 0]);
    });
}

#[test]
fn i6_provenance_is_asked_for_by_what_it_is_about_or_comes_along() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        for resource_type in ["Observation", "Patient", "Medication"] {
            world.forget_upstream();
            let answer = world.get(&format!("/fhir/{resource_type}?_revinclude=Provenance:target"), &token).await;
            assert_eq!(answer.outcomes(), Vec::<String>::new());
            let (mut by_target, mut along) = (0, 0);
            for practice in &world.practices {
                for request in practice.requests.all() {
                    let has = |wanted: &str| request.query.iter().any(|(name, _)| name == wanted);
                    if request.path == "/fhir/Provenance" {
                        assert!(has("target"), "everybody's Provenance was asked for: {:?}", request.query);
                        by_target += 1;
                    }
                    along += usize::from(has("_revinclude"));
                }
            }
            assert!(by_target >= 1 && along >= 1, "{resource_type}: {by_target} by target, {along} along");
        }
    });
}

#[test]
fn the_capability_statement_lists_the_edges() {
    run(async {
        let world = fixtures().await;
        let statement = world.send("GET", "/fhir/metadata", None, &[], "").await.json();
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        let of = |kind: &str| resources.iter().find(|resource| resource["type"] == kind).unwrap();
        for (kind, parameter, _) in FORWARD {
            let listed = of(kind)["searchInclude"].as_array().unwrap();
            assert!(listed.contains(&format!("{kind}:{parameter}").into()), "{kind}");
        }
        for kind in searchable().into_iter().filter(|kind| *kind != "Provenance") {
            assert_eq!(of(kind)["searchRevInclude"], serde_json::json!(["Provenance:target"]), "{kind}");
        }
    });
}
