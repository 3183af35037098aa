//! Every address in every answer is the gateway's own.

use std::collections::{BTreeSet, VecDeque};

use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::naive;
use crate::support::world::{Reply, World, run};

const FHIR_JSON: [(&str, &str); 1] = [("content-type", "application/fhir+json")];

/// Ids of Patients upstream, bare: behind a source key they may stand, nowhere else.
fn patient_ids(world: &World) -> Vec<String> {
    let all = world.practices.iter().flat_map(|practice| &practice.resources);
    let patients = all.filter(|resource| resource["resourceType"] == "Patient");
    patients.map(|patient| patient["id"].as_str().unwrap().to_owned()).collect()
}

/// What is wrong with an answer's head and body.
fn wrong(world: &World, patients: &[String], answer: &Reply) -> Vec<String> {
    let mut found = Vec::new();
    let mut texts: Vec<(String, String)> =
        answer.headers.iter().map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
    for name in ["location", "content-location", "link", "set-cookie", "server", "via", "x-powered-by"] {
        found.extend(answer.header(name).map(|value| format!("header {name}: {value}")));
    }
    texts.push(("body".to_owned(), answer.text.clone()));
    if let Ok(body) = serde_json::from_str::<Value>(&answer.text) {
        // Escapes must hide nothing.
        naive::each_string(&body, &mut Vec::new(), &mut |path, text| texts.push((path.join("."), text.to_owned())));
        naive::each_string(&body, &mut Vec::new(), &mut |path, text| {
            let is_address = path.last() == Some(&"fullUrl") || path.ends_with(&["link", "url"]);
            if is_address && !text.starts_with(&format!("{}/", world.fhir)) {
                found.push(format!("{} is {text}", path.join(".")));
            }
            // What goes on is sealed: no number, cursor or patient can be read in it.
            if let Some((_, rest)) =
                text.split_once('?').filter(|_| path.last() == Some(&"url") && text.contains("_page="))
            {
                let names: Vec<&str> = rest.split('&').filter_map(|pair| pair.split('=').next()).collect();
                if names != ["_page"] {
                    found.push(format!("a page link names {names:?}"));
                }
            }
        });
    }
    for (place, text) in &texts {
        for practice in &world.practices {
            let port = practice.authority.rsplit(':').next().unwrap();
            for sign in [practice.authority.as_str(), &format!(":{port}/"), &practice.base_url] {
                if text.contains(sign) {
                    found.push(format!("{place}: the address of {}", practice.name));
                }
            }
        }
        for id in patients {
            let bare = text.match_indices(id.as_str()).any(|(at, _)| {
                let before = &text[..at];
                let keyed = world.practices.iter().any(|practice| before.ends_with(&format!("{}.", practice.source)));
                let within = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                let after = text[at + id.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
                !keyed && !within && !after
            });
            if bare {
                found.push(format!("{place}: the upstream patient {id}"));
            }
        }
    }
    found
}

/// Addresses below the FHIR base that an answer leads to.
fn leads(world: &World, answer: &Reply) -> Vec<String> {
    let Ok(body) = serde_json::from_str::<Value>(&answer.text) else { return Vec::new() };
    let mut found = Vec::new();
    naive::each_string(&body, &mut Vec::new(), &mut |path, text| match path.last() {
        Some(&("fullUrl" | "url")) if text.starts_with(&world.fhir) => found.push(text.to_owned()),
        Some(&"reference") if !text.starts_with('#') && text.contains('/') => found.push(format!("/fhir/{text}")),
        _ => {}
    });
    found
}

#[test]
fn f16_every_answer_of_a_walk_through_all_that_leads_on_names_the_gateway_alone() {
    run(async {
        let limits = Limits { source_page_size: 3, breaker_failures: 10_000, foreign_answers: 0, ..Limits::default() };
        let world = World::of_fixtures(limits).await;
        let patients = patient_ids(&world);
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for person in ["maria", "grace", "leo"] {
            let token = world.token(person).await;
            let me = world.person(person).id;
            let mut queue: VecDeque<String> = [
                format!("/fhir/Patient/{me}"),
                format!("/fhir/Patient/{me}/$everything?_count=20"),
                format!("/fhir/Patient/{me}/Observation?_count=3"),
                format!("/fhir/DocumentReference/$docref?patient=Patient/{me}"),
                "/fhir/Provenance?_count=4".to_owned(),
                "/fhir/Observation?_count=3&_revinclude=Provenance:target".to_owned(),
                "/fhir/Observation?_count=3&_sort=-date&_total=accurate".to_owned(),
                "/fhir/CareTeam?_include=CareTeam:participant".to_owned(),
                "/fhir/MedicationRequest?_include=MedicationRequest:medication&_count=2".to_owned(),
                "/fhir/Communication?_count=2".to_owned(),
                "/fhir/Appointment?_elements=participant".to_owned(),
                "/fhir/Condition?_summary=text".to_owned(),
                "/fhir/DiagnosticReport?_count=2".to_owned(),
                "/fhir/Observation?colour=green&_count=1".to_owned(),
                // Refusals of every kind.
                "/fhir/Observation?_has=x".to_owned(),
                "/fhir/Observation?patient=pat-none".to_owned(),
                "/fhir/Observation/none".to_owned(),
                "/fhir/Observation/none.none".to_owned(),
                format!("/fhir/Observation/{}.none", world.practice("riverside").source),
                "/fhir/Claim/1".to_owned(),
                "/fhir/AuditEvent".to_owned(),
                "/fhir/Group/1".to_owned(),
                "/fhir/no/such/path/at/all".to_owned(),
                "/fhir/metadata".to_owned(),
                "/fhir/.well-known/smart-configuration".to_owned(),
                "/.well-known/openid-configuration".to_owned(),
                "/fhir/Observation?_page=AAAA".to_owned(),
            ]
            .into();
            let mut asked = BTreeSet::new();
            while let Some(target) = queue.pop_front() {
                if asked.len() >= 250 {
                    break;
                }
                if !asked.insert(target.clone()) {
                    continue;
                }
                let answer = world.get(&target, &token).await;
                seen.insert(answer.status);
                problems.extend(
                    wrong(&world, &patients, &answer).into_iter().map(|what| format!("{person} {target}: {what}")),
                );
                if let Some(id) = target
                    .rsplit_once("/fhir/")
                    .filter(|(_, rest)| rest.matches('/').count() == 1 && answer.status == 200)
                {
                    queue.push_back(format!("/fhir/{}/_history", id.1));
                }
                queue.extend(leads(&world, &answer));
            }
            assert!(asked.len() >= 250, "{person}: only {} addresses", asked.len());
            let entries: Vec<Value> = asked
                .iter()
                .take(60)
                .map(|target| json!({"request": {"method": "GET", "url": target.rsplit("/fhir/").next().unwrap()}}))
                .collect();
            let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
            let batch = world.send("POST", "/fhir", Some(&token), &FHIR_JSON, &bundle).await;
            assert_eq!(batch.status, 200);
            problems.extend(wrong(&world, &patients, &batch).into_iter().map(|what| format!("{person} batch: {what}")));
            for (method, target) in
                [("POST", "/fhir/Observation"), ("DELETE", "/fhir/Observation/x"), ("GET", "/fhir/Observation")]
            {
                let token = if method == "GET" { None } else { Some(token.as_str()) };
                let answer = world.send(method, target, token, &FHIR_JSON, "{}").await;
                seen.insert(answer.status);
                problems.extend(
                    wrong(&world, &patients, &answer).into_iter().map(|what| format!("{method} {target}: {what}")),
                );
            }
        }
        let narrow = world.token_for("maria", "maria", "narrow", "launch/patient patient/Goal.rs").await;
        let answer = world.get("/fhir/Observation", &narrow).await;
        seen.insert(answer.status);
        problems.extend(wrong(&world, &patients, &answer));
        // While the sources fail in the ways that speak of themselves.
        let token = world.token("maria").await;
        let reads: Vec<String> = world.get("/fhir/Condition?_count=500", &token).await.ids();
        for fault in [
            FaultKind::Status(500),
            FaultKind::Status(401),
            FaultKind::HtmlBody,
            FaultKind::Dead,
            FaultKind::LoopingNext,
            FaultKind::ForeignNext("http://other.example:81".to_owned()),
            FaultKind::WrongPatient { disguised: true },
        ] {
            world.practices.iter().for_each(|practice| practice.faults.set(vec![Fault::new(fault.clone())]));
            for target in [
                "/fhir/Condition",
                "/fhir/Patient",
                &format!("/fhir/Condition/{}", reads[0]),
                "/fhir/Observation?_sort=date",
            ] {
                let answer = world.get(target, &token).await;
                seen.insert(answer.status);
                problems.extend(
                    wrong(&world, &patients, &answer).into_iter().map(|what| format!("{fault:?} {target}: {what}")),
                );
                assert!(!answer.text.contains("other.example"), "{fault:?} {target}");
            }
            world.heal();
        }
        assert!(problems.is_empty(), "{}\n{}", problems.len(), problems.join("\n"));
        let all: BTreeSet<u16> = [200, 400, 401, 403, 404, 405, 503].into();
        assert!(all.is_subset(&seen), "not every kind of answer was met: {seen:?}");
    });
}
