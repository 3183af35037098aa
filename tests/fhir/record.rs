//! One person's record from two practices: whole, under one id, with nothing bare in it and nothing of anybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;

use chartgate::config::Limits;
use chartgate::fhir::ResourceType;

use super::fixtures;
use super::oracle::{Comparison, Decoder, Visible};
use crate::naive::{self, Kind, kind_of, local};
use crate::support::world::{self, Reply, World, fixtures_folder, pairs, run};

/// The types that can be searched.
pub(super) fn searchable() -> Vec<&'static str> {
    let all = ResourceType::ALL.iter().map(|kind| kind.as_str());
    all.filter(|kind| kind_of(kind) != Kind::Never && *kind != "Binary").collect()
}

async fn whole(world: &World, resource_type: &str, token: &str) -> Vec<Value> {
    let pages = world.pages(&format!("/fhir/{resource_type}?_count=500&_total=accurate"), token).await;
    for page in &pages {
        assert_eq!(page.outcomes(), Vec::<String>::new(), "{resource_type}: nothing failed");
    }
    let mut found: Vec<Value> = pages.iter().flat_map(Reply::matches).collect();
    assert_eq!(pages[0].json()["total"], found.len(), "{resource_type}: total counts what is visible");
    // What Chartgate itself keeps is looked at in `consent::fhir_form`.
    found.retain(|resource| !resource["id"].as_str().unwrap().starts_with("self."));
    found
}

/// Everything of a person, type by type.
pub(super) async fn everything(world: &World, person: &str) -> BTreeMap<&'static str, Vec<Value>> {
    let token = world.token(person).await;
    let mut all = BTreeMap::new();
    for resource_type in searchable() {
        all.insert(resource_type, whole(world, resource_type, &token).await);
    }
    all
}

/// Holds a person's whole record against what their EHRs hold.
pub(super) async fn check_record(world: &World, person: &str) -> BTreeMap<&'static str, Vec<Value>> {
    let visible = Visible::of(world, person);
    let shown = everything(world, person).await;
    let mut decoder = Decoder::default();
    let mut wrong = Vec::new();
    for resource in shown.values().flatten() {
        decoder.learn(world, resource).await;
    }
    for (resource_type, resources) in &shown {
        if *resource_type == "Patient" {
            assert_eq!(resources.len(), 1, "{person}: one Patient");
            assert_eq!(resources[0]["id"], visible.person.id.to_string());
            continue;
        }
        let mut expected = visible.of_type(resource_type);
        for resource in resources {
            let id = resource["id"].as_str().unwrap();
            let Some((practice, upstream)) = decoder.decode(world, resource_type, id) else {
                wrong.push(format!("{resource_type}/{id} stands for nothing"));
                continue;
            };
            match expected.remove(&(practice, (*resource_type).to_owned(), upstream.clone())) {
                Some(held) => {
                    let mut comparison =
                        Comparison { visible: &visible, decoder: &decoder, practice, wrong: Vec::new() };
                    comparison.resource(held, resource);
                    wrong.append(&mut comparison.wrong);
                }
                None => wrong.push(format!("{resource_type}/{upstream} is shown, and is not theirs or is shown twice")),
            }
        }
        wrong.extend(
            expected
                .keys()
                .map(|(practice, kind, id)| format!("{kind}/{id} of {} is missing", world.practices[*practice].name)),
        );
    }
    assert!(wrong.is_empty(), "{person}: {} differences\n{}", wrong.len(), wrong.join("\n"));
    shown
}

#[test]
fn every_type_carries_the_data_of_both_practices_under_one_patient_unchanged_but_for_ids() {
    run(async {
        let shown = check_record(fixtures().await, "maria").await;
        // The fixtures hold something of maria at both practices for nearly every type: a hole in them is no pass.
        let practices_of = |kind: &str| {
            let sources = shown[kind].iter().filter_map(|resource| resource["id"].as_str()?.split_once('.'));
            sources.map(|(source, _)| source).collect::<BTreeSet<_>>().len()
        };
        let single: Vec<&str> = searchable().into_iter().filter(|kind| practices_of(kind) < 2).collect();
        // One Patient, one device, no bill whose every part is served.
        assert!(single.len() <= 6, "types without data of both practices: {single:?}");
        for kind in ["Observation", "Appointment", "MedicationRequest", "Communication", "Condition"] {
            assert_eq!(practices_of(kind), 2, "{kind}");
        }
    });
}

#[test]
fn other_peoples_records_are_whole_too_with_the_difficulties_planted_in_them() {
    run(async {
        for person in ["grace", "leo", "walter", "ruth", "priya"] {
            check_record(fixtures().await, person).await;
        }
    });
}

/// Strings that occur in one person's resources at one practice only.
struct Canary {
    person: String,
    text: String,
}

static CANARIES: LazyLock<Vec<Canary>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(fixtures_folder().join("canaries.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let mut canaries = Vec::new();
    for (_, persons) in file["practices"].as_object().unwrap() {
        for (person, marks) in persons.as_object().unwrap() {
            let person = person.split('-').next().unwrap().to_owned();
            for (_, text) in marks.as_object().unwrap() {
                canaries.push(Canary { person: person.clone(), text: text.as_str().unwrap().to_owned() });
            }
        }
    }
    canaries
});

/// What must not stand in any answer to `person`, and why.
pub(super) fn leaks(world: &World, person: &str, answer: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Escapes must not hide anything: JSON is read before it is searched.
    let mut texts = vec![answer.to_owned()];
    if let Ok(json) = serde_json::from_str::<Value>(answer) {
        naive::each_string(&json, &mut Vec::new(), &mut |_, text| texts.push(text.to_owned()));
    }
    let mut unwanted: Vec<(String, String)> = Vec::new();
    unwanted.extend(world.practices.iter().map(|at| (at.authority.clone(), format!("the host of {}", at.name))));
    unwanted.push(("{{base}}".to_owned(), "a placeholder".to_owned()));
    let foreign = CANARIES.iter().filter(|canary| canary.person != person);
    unwanted.extend(foreign.map(|canary| (canary.text.clone(), format!("{:?} of {}", canary.text, canary.person))));
    let others = world.persons.iter().filter(|(name, _)| *name != person);
    unwanted.extend(others.map(|(name, other)| (other.id.to_string(), format!("the id of {name}"))));
    // All strings at once: only what is found is looked for in each.
    let all = texts.join("\n");
    for (needle, what) in unwanted {
        if memchr::memmem::find(all.as_bytes(), needle.as_bytes()).is_some() {
            let texts = texts.iter().filter(|text| text.contains(&needle));
            found.extend(texts.map(|text| format!("{what}: {text:.200}")));
        }
    }
    found
}

/// References, `fullUrl`s and links must be the gateway's own.
fn bare(world: &World, person: &str, answer: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let me = format!("Patient/{}", world.person(person).id);
    naive::each_string(answer, &mut Vec::new(), &mut |path, text| match path.last() {
        Some(&"reference") if !text.starts_with('#') => {
            let ours = local(text, &world.fhir).is_some_and(|(kind, id)| {
                let is_kept_here = kind == "RelatedPerson" && id.starts_with("self.");
                let is_of_source = id.split_once('.').is_some_and(|(source, _)| is_source(world, source));
                format!("{kind}/{id}") == me || is_of_source || is_kept_here
            });
            if !ours {
                wrong.push(format!("{}: {text}", path.join(".")));
            }
        }
        Some(&"fullUrl") if !text.starts_with(&format!("{}/", world.fhir)) => wrong.push(format!("fullUrl {text}")),
        Some(&"url") if path.first() == Some(&"link") && !text.starts_with(&format!("{}/", world.fhir)) => {
            wrong.push(format!("link {text}"));
        }
        _ => {}
    });
    wrong
}

/// Extensions without a value: not FHIR (ext-1).
fn hollow(answer: &Value, path: &str, found: &mut Vec<String>) {
    match answer {
        Value::Array(items) => items.iter().for_each(|item| hollow(item, path, found)),
        Value::Object(members) => {
            let has = |start: &str| members.keys().any(|key| key.starts_with(start));
            if path.ends_with("xtension") && !has("value") && !has("_value") && !has("extension") {
                found.push(format!("{path}: {answer}"));
            }
            members.iter().for_each(|(name, member)| hollow(member, &format!("{path}.{name}"), found));
        }
        _ => {}
    }
}

fn is_source(world: &World, source: &str) -> bool {
    world.practices.iter().any(|practice| practice.source == source)
}

#[test]
fn f16_no_answer_holds_a_bare_reference_a_host_a_placeholder_or_anything_of_somebody_else() {
    run(async {
        let world = fixtures().await;
        let mut wrong = Vec::new();
        for person in ["maria", "grace", "ruth", "leo", "amara", "walter"] {
            let token = world.token(person).await;
            for resource_type in searchable() {
                let answer = world.get(&format!("/fhir/{resource_type}?_count=500"), &token).await;
                assert_eq!(answer.status, 200, "{resource_type}");
                // U23: headers are the gateway's own, from a short list.
                for name in answer.headers.keys() {
                    let known = [
                        "content-type",
                        "content-length",
                        "cache-control",
                        "date",
                        "x-request-id",
                        "vary",
                        "x-content-type-options",
                    ];
                    let known = known.contains(&name.as_str()) || name.as_str().starts_with("access-control-");
                    wrong.extend((!known).then(|| format!("{person} {resource_type}: header {name}")));
                }
                let headers: String = answer.headers.iter().map(|(n, v)| format!("{n}: {v:?}\n")).collect();
                let found = leaks(world, person, &answer.text).into_iter().chain(leaks(world, person, &headers));
                wrong.extend(found.map(|leak| format!("{person} {resource_type}: {leak}")));
                let found = bare(world, person, &answer.json());
                wrong.extend(found.into_iter().map(|bare| format!("{person} {resource_type}: {bare}")));
                hollow(&answer.json(), resource_type, &mut wrong);
            }
        }
        assert!(wrong.is_empty(), "{} leaks\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn every_reference_that_is_left_reads_200_when_the_source_holds_it() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let shown = everything(world, "maria").await;
        let mut decoder = Decoder::default();
        let mut references = BTreeSet::new();
        for resource in shown.values().flatten() {
            decoder.learn(world, resource).await;
            naive::each_string(resource, &mut Vec::new(), &mut |path, text| {
                if path.last() == Some(&"reference") && !text.starts_with('#') {
                    references.insert(text.to_owned());
                }
            });
        }
        assert!(references.len() > 100, "only {} references", references.len());
        let me = format!("Patient/{}", world.person("maria").id);
        let (mut wrong, mut dangling) = (Vec::new(), 0);
        for reference in references {
            let (kind, id) = reference.split_once('/').unwrap();
            let answer = world.get(&format!("/fhir/{reference}"), &token).await;
            let held = reference == me || {
                let (practice, upstream) = decoder.decode(world, kind, id).unwrap();
                // A source record of Maria herself is always held.
                world.practices[practice].find(kind, &upstream).is_some()
            };
            match (held, answer.status) {
                (true, 200) => {
                    let body = answer.json();
                    assert_eq!((body["resourceType"].as_str(), body["id"].as_str()), (Some(kind), Some(id)));
                }
                (false, 404) => dangling += 1,
                (held, status) => wrong.push(format!("{reference}: held upstream: {held}, read: {status}")),
            }
        }
        assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
        // Planted: a dangling encounter, result and reason at each practice.
        assert!(dangling >= 6, "{dangling} dangling references");
    });
}

#[test]
fn every_full_url_reads_the_same_resource() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        for resource_type in searchable() {
            let answer = world.get(&format!("/fhir/{resource_type}?_count=12"), &token).await;
            for entry in answer.entries("match") {
                let read = world.get(entry["fullUrl"].as_str().unwrap(), &token).await;
                assert_eq!(read.status, 200, "{}", entry["fullUrl"]);
                assert_eq!(read.json(), entry["resource"], "{resource_type}: a read and a search show the same");
                assert!(read.header("etag").is_some_and(|etag| etag.starts_with("W/\"")), "{resource_type}");
            }
        }
    });
}

#[test]
fn attachments_at_the_ehr_read_200_at_the_gateway_and_nothing_of_others_does() {
    run(async {
        let world = fixtures().await;
        let (token, other) = (world.token("maria").await, world.token("carlos").await);
        let mut urls = BTreeSet::new();
        for kind in ["DocumentReference", "DiagnosticReport"] {
            for resource in world.search(kind, &pairs(&[("_count", "500")]), &token).await.matches() {
                naive::each_string(&resource, &mut Vec::new(), &mut |path, text| {
                    if path.last() == Some(&"url") && text.contains("/Binary/") {
                        urls.insert(text.to_owned());
                    }
                });
            }
        }
        assert!(urls.len() >= 4, "{urls:?}");
        for url in urls {
            let read = world.get(&url, &token).await;
            assert_eq!(read.status, 200, "{url}: {}", read.text);
            let body = read.json();
            assert!(body["data"].is_string(), "{url}");
            let practice =
                world.practices.iter().find(|practice| url.contains(&format!("/{}.", practice.source))).unwrap();
            let same = practice
                .resources
                .iter()
                .filter(|held| held["resourceType"] == "Binary" && held["data"] == body["data"]);
            assert!(same.count() >= 1, "{url}: the bytes are not those of the EHR");
            let hidden = world.get(&url, &other).await;
            assert_eq!(hidden.status, 404, "{url} as somebody else: {}", hidden.text);
        }
    });
}

#[test]
fn u09_decimals_keep_their_text() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let observations = world.search("Observation", &pairs(&[("_count", "500")]), &token).await.text;
        for number in ["1.50", "0.0100"] {
            assert!(observations.contains(&format!("\"value\":{number},")), "{number}");
        }
        let invoices = world.search("Invoice", &pairs(&[("_count", "500")]), &token).await.text;
        for number in ["25.00", "-1.0000"] {
            assert!(invoices.contains(&format!(":{number}")), "{number}");
        }
    });
}

/// What a world looks like to one person: everything but what names the request and the ports.
async fn view(world: &World, person: &str) -> Vec<String> {
    let token = world.token(person).await;
    let mut views = Vec::new();
    for resource_type in searchable() {
        for query in ["_count=500", "_lastUpdated=gt2026-01-01&_count=2"] {
            let answer = world.get(&format!("/fhir/{resource_type}?{query}"), &token).await;
            let mut body = answer.json();
            body["id"] = Value::Null;
            for link in body["link"].as_array_mut().into_iter().flatten() {
                // A sealed link is another one each time.
                let url = link["url"].as_str().unwrap();
                link["url"] = url.split("_page=").next().unwrap().into();
            }
            if let Some(patient) = body.pointer_mut("/entry/0/resource").filter(|_| resource_type == "Patient") {
                // A hash over bytes that hold the port.
                patient["meta"]["versionId"] = Value::Null;
            }
            views.push(format!("{resource_type}?{query} {} {body}", answer.status).replace(&world.issuer, "ISSUER"));
        }
    }
    views
}

#[test]
fn i2_f11_f15_what_others_have_changes_nothing_for_a_person() {
    run(async {
        let (practices, persons) = world::fixtures();
        let full = World::start(practices.clone(), persons.clone(), Limits::default()).await;
        // The same practices without a trace of anybody but Maria.
        let mut alone = practices;
        for (index, practice) in alone.iter_mut().enumerate() {
            let visible = Visible::of(&full, "maria");
            let keep = |resource: &Value| {
                let (kind, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
                visible.shows(index, kind, id) || kind == "Binary"
            };
            practice.resources.retain(keep);
        }
        let alone = World::start(alone, persons, Limits::default()).await;
        assert_eq!(full.person("maria").id, alone.person("maria").id, "the worlds are made alike");
        let sizes = |world: &World| world.practices.iter().map(|practice| practice.resources.len()).collect::<Vec<_>>();
        assert!(sizes(&alone).iter().zip(sizes(&full)).all(|(left, right)| *left * 2 < right), "others were there");
        for (with, without) in view(&full, "maria").await.into_iter().zip(view(&alone, "maria").await) {
            assert_eq!(with, without);
        }
    });
}
