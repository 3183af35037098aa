//! `Patient/$everything`: what all searches find, type after type, with what two practices both hold marked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use chartgate::config::Limits;

use super::fixtures;
use super::record::{leaks, searchable};
use crate::naive::{self, Kind, kind_of};
use crate::support::world::{PersonSpec, PracticeSpec, Reply, World, pairs, run};

const POSSIBLE_DUPLICATE: &str = "https://chartgate.example/fhir/StructureDefinition/possible-duplicate";

type Key = (String, String);

fn key(resource: &Value) -> Key {
    (resource["resourceType"].as_str().unwrap().to_owned(), resource["id"].as_str().unwrap().to_owned())
}

/// Matches and what they refer to, without their marks.
fn resources(reply: &Reply) -> Vec<Value> {
    let mut all = reply.matches();
    all.extend(reply.entries("include").into_iter().map(|entry| entry["resource"].clone()));
    all
}

fn unmarked(mut resource: Value) -> Value {
    if let Some(extensions) = resource.get_mut("extension").and_then(Value::as_array_mut) {
        extensions.retain(|extension| extension["url"] != POSSIBLE_DUPLICATE);
        if extensions.is_empty() {
            resource.as_object_mut().unwrap().remove("extension");
        }
    }
    resource
}

fn is_directory(resource_type: &str) -> bool {
    kind_of(resource_type) == Kind::Directory
}

/// What the searches of all types find.
async fn found_by_searches(world: &World, token: &str) -> BTreeMap<Key, Value> {
    let mut found = BTreeMap::new();
    for kind in searchable() {
        let answer = world.search(kind, &pairs(&[("_count", "500")]), token).await;
        assert_eq!(answer.link("next"), None, "{kind}");
        found.extend(answer.matches().into_iter().map(|resource| (key(&resource), resource)));
    }
    found
}

#[test]
fn a_page_within_one_type_asks_for_that_type_alone() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let (token, me) = (world.token("maria").await, world.person("maria").id);
        let kinds = |page: &Reply| -> Vec<String> {
            page.matches().iter().map(|one| one["resourceType"].as_str().unwrap().to_owned()).collect()
        };
        let mut target = format!("/fhir/Patient/{me}/$everything?_count=5");
        // Of each page: the types shown, and the paths that were asked.
        let mut pages: Vec<(Vec<String>, Vec<String>)> = Vec::new();
        loop {
            world.forget_upstream();
            let page = world.get(&target, &token).await;
            let asked = world.practices.iter().flat_map(|practice| practice.requests.all());
            pages.push((kinds(&page), asked.map(|request| request.path).collect()));
            let Some(next) = page.link("next") else { break };
            target = next;
        }
        let mut within = 0;
        for three in pages.windows(3) {
            let [before, (shown, asked), after] = three else { continue };
            // It goes on from the page before to the page after. What is visible through something else is asked for by
            // way of that.
            let Some(kind) = shown.first().filter(|kind| matches!(kind_of(kind), Kind::Subject(_))) else { continue };
            if shown.iter().all(|one| one == kind) && before.0.last() == Some(kind) && after.0.first() == Some(kind) {
                within += 1;
                assert!(asked.iter().all(|path| path.ends_with(kind.as_str())), "{kind}: {asked:?}");
            }
        }
        assert!(within >= 3, "{within} pages");
    });
}

#[test]
fn everything_is_what_all_searches_find_and_the_reference_data_that_it_refers_to() {
    run(async {
        let world = fixtures().await;
        for person in ["maria", "grace"] {
            let token = world.token(person).await;
            let me = world.person(person).id;
            let mut wanted = found_by_searches(world, &token).await;
            let pages = world.pages(&format!("/fhir/Patient/{me}/$everything"), &token).await;
            let all: Vec<Value> = pages.iter().flat_map(resources).collect();
            assert!(pages.iter().all(|page| page.outcomes().is_empty()));
            let shown: BTreeMap<Key, Value> =
                all.iter().map(|resource| (key(resource), unmarked(resource.clone()))).collect();
            assert_eq!(shown.len(), all.len(), "each once");
            // Reference data counts as far as something shown refers to it.
            let mut referred = BTreeSet::new();
            for resource in shown.values() {
                naive::each_string(resource, &mut Vec::new(), &mut |path, text| {
                    if let Some((kind, id)) = text.split_once('/').filter(|_| path.last() == Some(&"reference")) {
                        referred.insert((kind.to_owned(), id.to_owned()));
                    }
                });
            }
            wanted.retain(|key, _| !is_directory(&key.0) || referred.contains(key));
            let missing: Vec<_> = wanted.keys().filter(|key| !shown.contains_key(*key)).collect();
            let extra: Vec<_> = shown.keys().filter(|key| !wanted.contains_key(*key)).collect();
            assert!(missing.is_empty() && extra.is_empty(), "{person}: missing {missing:?}, extra {extra:?}");
            assert_eq!(shown, wanted, "{person}");
            assert!(shown.keys().any(|key| is_directory(&key.0)) && shown.len() > 100, "{person}: {}", shown.len());
            assert!(pages.iter().all(|page| leaks(world, person, &page.text).is_empty()));
            let entries = pages.iter().flat_map(|page| page.json()["entry"].as_array().cloned().unwrap());
            for entry in entries {
                let (kind, id) = key(&entry["resource"]);
                assert_eq!(entry["fullUrl"], format!("{}/{kind}/{id}", world.fhir));
                assert_eq!(entry["search"]["mode"] == "include", is_directory(&kind));
            }
        }
    });
}

#[test]
fn i5_pages_are_the_whole_cut_into_pieces() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let all = format!(
            "/fhir/Patient/{me}/$everything?_type=Patient,Observation,Condition,Practitioner,Goal,Organization"
        );
        let whole = resources(&world.get(&all, &token).await);
        assert!(whole.len() > 60, "{}", whole.len());
        for count in [13_usize, 50, whole.len()] {
            let pages = world.pages(&format!("{all}&_count={count}"), &token).await;
            let sizes: Vec<usize> = pages.iter().map(|page| resources(page).len()).collect();
            let (last, full) = sizes.split_last().unwrap();
            assert!(full.iter().all(|size| *size == count) && *last > 0, "{count}: {sizes:?}");
            let joined: Vec<Value> = pages.iter().flat_map(resources).collect();
            assert_eq!(joined, whole, "{count}");
        }
    });
}

#[test]
fn f08_a_link_to_a_page_is_good_for_whom_it_was_made_and_for_nothing_else() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let first = world.get(&format!("/fhir/Patient/{me}/$everything?_count=5"), &token).await;
        let next = first.link("next").unwrap();
        assert!(!next.contains("_count") && next.starts_with(&world.fhir));
        assert_eq!(world.get(&next, &token).await.status, 200);
        let sealed = next.split("_page=").nth(1).unwrap();
        let him = world.person("carlos").id;
        let carlos = world.token("carlos").await;
        assert_eq!(world.get(&next, &carlos).await.status, 404);
        let his = format!("/fhir/Patient/{him}/$everything?_page={sealed}");
        assert_eq!(world.get(&his, &carlos).await.status, 400);
        let narrow = world.token_for("maria", "maria", "app-2", "launch/patient patient/Goal.rs").await;
        assert_eq!(world.get(&next, &narrow).await.status, 400);
        assert_eq!(world.get(&format!("/fhir/Account?_page={sealed}"), &token).await.status, 400);
        let flipped = format!("{}{}", &next[..next.len() - 1], if next.ends_with('A') { 'B' } else { 'A' });
        assert_eq!(world.get(&flipped, &token).await.status, 400);
    });
}

#[test]
fn f25_everything_covers_what_is_granted_and_nobody_else() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        let never = "0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d";
        let unknown = world.get(&format!("/fhir/Patient/{never}/$everything"), &token).await;
        assert_eq!(unknown.status, 404);
        let source_record = format!("{}.pat-1001", world.practice("riverside").source);
        for other in [world.person("carlos").id.to_string(), source_record, "x".to_owned()] {
            let answer = world.get(&format!("/fhir/Patient/{other}/$everything"), &token).await;
            assert_eq!(answer.without_request_id(), unknown.without_request_id(), "{other}");
        }
        let of_types = |reply: &Reply| -> BTreeSet<String> { resources(reply).iter().map(|r| key(r).0).collect() };
        let two = "launch/patient patient/Observation.rs patient/Condition.s patient/Goal.r";
        let narrow = world.token_for("maria", "maria", "app-3", two).await;
        let everything = world.get(&format!("/fhir/Patient/{me}/$everything"), &narrow).await;
        let wanted: BTreeSet<String> = ["Observation", "Condition"].map(str::to_owned).into();
        assert_eq!(of_types(&everything), wanted);
        // Named and not granted: said, from the grant alone.
        let asked = world.get(&format!("/fhir/Patient/{me}/$everything?_type=Condition,Encounter"), &narrow).await;
        assert_eq!(of_types(&asked), BTreeSet::from(["Condition".to_owned()]));
        assert!(asked.outcomes().iter().any(|text| text.starts_with("forbidden") && text.contains("Encounter")));
        // Granular scopes hold here as they do everywhere.
        let category = "http://terminology.hl7.org/CodeSystem/observation-category";
        let scope = format!("launch/patient patient/Observation.rs?category={category}|laboratory");
        let granular = world.token_for("maria", "maria", "app-4", &scope).await;
        let shown = world.get(&format!("/fhir/Patient/{me}/$everything"), &granular).await;
        let by_search = world.search("Observation", &pairs(&[("_count", "500")]), &granular).await;
        let shown: BTreeSet<Key> = resources(&shown).iter().map(key).collect();
        assert_eq!(shown, by_search.matches().iter().map(key).collect());
        assert!(!shown.is_empty());
        let only_binary = world.token_for("maria", "maria", "app-5", "launch/patient patient/Binary.rs").await;
        assert_eq!(world.get(&format!("/fhir/Patient/{me}/$everything"), &only_binary).await.status, 403);
        for bad in ["_type=Claim", "_since=lately", "start=soon", "end=2026,2027", "_count=x", "duplicates=dropped"] {
            let answer = world.get(&format!("/fhir/Patient/{me}/$everything?{bad}"), &token).await;
            assert_eq!(answer.status, 400, "{bad}");
        }
        let odd = world.get(&format!("/fhir/Patient/{me}/$everything?_type=Goal&_elements=id"), &token).await;
        assert!(odd.outcomes().iter().any(|text| text.contains("_elements")), "{:?}", odd.outcomes());
    });
}

/// Two practices that both hold some of what there is about one person.
async fn two_practices(limits: Limits) -> World {
    let person = |id: &str| json!({"resourceType": "Patient", "id": id, "name": [{"family": "Doe"}]});
    let lab = |id: &str, subject: &str, time: &str, value: f64, identifier: Option<&str>| {
        let mut lab = json!({
            "resourceType": "Observation",
            "id": id,
            "meta": {"lastUpdated": format!("{}T12:00:00Z", &time[..10])},
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
            "subject": {"reference": format!("Patient/{subject}")},
            "effectiveDateTime": time,
            "valueQuantity": {"value": value, "unit": "mg/dL"},
        });
        if let Some(value) = identifier {
            lab["identifier"] = json!([{"system": "urn:lab", "value": value}]);
        }
        lab
    };
    let undated = json!({"resourceType": "Observation", "id": "undated", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/a"}});
    let of_x = vec![
        person("a"),
        lab("same", "a", "2026-01-05T08:00:00Z", 98.0, None),
        lab("number", "a", "2026-02-05T08:00:00Z", 80.0, Some("L-7")),
        lab("alone", "a", "2026-03-05T08:00:00Z", 70.0, None),
        undated,
    ];
    let of_y = vec![
        person("b"),
        lab("copy", "b", "2026-01-05T09:00:00+01:00", 98.0, None),
        lab("number-too", "b", "2026-02-06T08:00:00Z", 81.0, Some("L-7")),
        lab("other-value", "b", "2026-03-05T08:00:00Z", 71.0, None),
    ];
    let practice = |key: &str, resources| PracticeSpec {
        key: key.to_owned(),
        name: format!("Practice {key}"),
        vendor: "generic".to_owned(),
        resources,
    };
    let person = PersonSpec {
        key: "doe".to_owned(),
        links: vec![("x".to_owned(), "a".to_owned()), ("y".to_owned(), "b".to_owned())],
    };
    World::start(vec![practice("x", of_x), practice("y", of_y)], vec![person], limits).await
}

/// `upstream id → upstream ids that it is said to be a copy of, with the evidence`.
fn marks(reply: &Reply) -> BTreeMap<String, Vec<(String, String)>> {
    let short = |text: &str| text.rsplit('.').next().unwrap().to_owned();
    let mut marks = BTreeMap::new();
    for resource in resources(reply) {
        for extension in resource["extension"].as_array().into_iter().flatten() {
            if extension["url"] == POSSIBLE_DUPLICATE {
                let of = extension["extension"][0]["valueReference"]["reference"].as_str().unwrap();
                let evidence = extension["extension"][1]["valueCode"].as_str().unwrap().to_owned();
                let id = short(resource["id"].as_str().unwrap());
                marks.entry(id).or_insert_with(Vec::new).push((short(of), evidence));
            }
        }
    }
    marks
}

#[test]
fn duplicates_are_marked_both_ways_with_the_reason_and_none_is_dropped() {
    run(async {
        let world = two_practices(Limits::default()).await;
        let token = world.token("doe").await;
        let me = world.person("doe").id;
        let marked = world.get(&format!("/fhir/Patient/{me}/$everything"), &token).await;
        let one = |other: &str, evidence: &str| vec![(other.to_owned(), evidence.to_owned())];
        let wanted = BTreeMap::from([
            ("same".to_owned(), one("copy", "content")),
            ("copy".to_owned(), one("same", "content")),
            ("number".to_owned(), one("number-too", "identifier")),
            ("number-too".to_owned(), one("number", "identifier")),
        ]);
        assert_eq!(marks(&marked), wanted);
        // The mark leads to the other one, and a page does not change it.
        for resource in marked.matches() {
            for extension in resource["extension"].as_array().into_iter().flatten() {
                let of = extension["extension"][0]["valueReference"]["reference"].as_str().unwrap();
                assert_eq!(world.get(&format!("/fhir/{of}"), &token).await.status, 200, "{of}");
            }
        }
        let pages = world.pages(&format!("/fhir/Patient/{me}/$everything?_count=1"), &token).await;
        assert_eq!(pages.iter().flat_map(resources).collect::<Vec<_>>(), resources(&marked));
        let plain = world.get(&format!("/fhir/Patient/{me}/$everything?duplicates=unmarked"), &token).await;
        assert_eq!(resources(&plain), resources(&marked).into_iter().map(unmarked).collect::<Vec<_>>());
        assert_eq!(plain.matches().len(), 8, "the Patient and all seven results");
        assert!(!world.get("/fhir/Observation", &token).await.text.contains("possible-duplicate"));
    });
}

#[test]
fn times_of_care_and_of_change_narrow_everything() {
    run(async {
        let world = two_practices(Limits::default()).await;
        let token = world.token("doe").await;
        let me = world.person("doe").id;
        for (query, wanted) in [
            ("start=2026-02-01", &["number", "number-too", "alone", "other-value", "undated"][..]),
            ("end=2026-01-31", &["same", "copy", "undated"]),
            ("start=2026-02-01&end=2026-02-05", &["number", "undated"]),
            ("start=2026-02-05T09:00:00Z&end=2026-02-28", &["number-too", "undated"]),
            // What the sandbox loaded without a time of change got the time of loading.
            ("_since=2026-02-05T12:00:00Z", &["number-too", "alone", "other-value", "undated"]),
            ("_since=2026-02-05T12:00:00Z&end=2026-02-28", &["number-too", "undated"]),
        ] {
            let target = format!("/fhir/Patient/{me}/$everything?_type=Observation&{query}");
            let ids = world.get(&target, &token).await.ids();
            let shown: BTreeSet<&str> = ids.iter().map(|id| id.rsplit('.').next().unwrap()).collect();
            assert_eq!(shown, wanted.iter().copied().collect(), "{query}");
        }
    });
}

#[test]
fn a_practice_that_is_down_is_named_on_every_page_and_the_rest_is_there() {
    run(async {
        let world = two_practices(Limits { source_deadline_ms: 2_000, ..Limits::default() }).await;
        let token = world.token("doe").await;
        let me = world.person("doe").id;
        world.practice("y").stop().await;
        let pages = world.pages(&format!("/fhir/Patient/{me}/$everything?_count=2"), &token).await;
        assert!(pages.len() > 1);
        for page in &pages {
            assert!(page.outcomes().iter().any(|text| text.contains("Practice y")), "{:?}", page.outcomes());
        }
        let ids: Vec<String> = pages.iter().flat_map(Reply::ids).collect();
        let shown: BTreeSet<&str> = ids.iter().map(|id| id.rsplit('.').next().unwrap()).collect();
        for id in ["same", "number", "alone", "undated"] {
            assert!(shown.contains(id), "{id}: {shown:?}");
        }
        world.practice("x").stop().await;
        let nothing = world.get(&format!("/fhir/Patient/{me}/$everything"), &token).await;
        assert_eq!(nothing.status, 503);
        assert!(nothing.header("retry-after").is_some());
    });
}
