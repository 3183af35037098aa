//! The record in pages: what they show is what REST answers, and nothing of anybody else's.

use std::collections::BTreeSet;

use chartgate::config::Limits;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::fixtures;
use super::record::leaks;
use crate::support::http::{Answer, Client as Browser};
use crate::support::world::{PersonSpec, PracticeSpec, World, pairs, run};

type Criteria = &'static [(&'static str, &'static str)];

/// What each part holds, in words of FHIR: written down by hand, from what people expect under its name.
const PARTS: [(&str, &str, Criteria); 18] = [
    ("appointments", "Appointment", &[]),
    ("results", "Observation", &[("category", "laboratory")]),
    ("medications", "MedicationRequest", &[]),
    ("allergies", "AllergyIntolerance", &[]),
    ("conditions", "Condition", &[]),
    ("immunizations", "Immunization", &[]),
    ("findings", "Observation", &[]),
    ("vitals", "Observation", &[("category", "vital-signs")]),
    ("reports", "DiagnosticReport", &[]),
    ("documents", "DocumentReference", &[]),
    ("visits", "Encounter", &[]),
    ("procedures", "Procedure", &[]),
    ("messages", "Communication", &[]),
    ("plans", "CarePlan", &[]),
    ("goals", "Goal", &[]),
    ("team", "CareTeam", &[]),
    ("coverage", "Coverage", &[]),
    ("bills", "Invoice", &[]),
];

/// The ids of entries that a page links to.
fn entries(page: &Answer, part: &str) -> Vec<String> {
    let before = format!("href=\"/record/{part}/");
    let links = page.body.split(&before).skip(1);
    links.map(|rest| rest.split('?').next().unwrap().to_owned()).collect()
}

/// Every page of a part, in order.
pub(crate) async fn pages(world: &World, browser: &mut Browser, person: &str, part: &str) -> Vec<Answer> {
    let mut next = Some(format!("/record/{part}?person={}", world.person(person).id));
    let mut pages = Vec::new();
    while let Some(address) = next {
        let page = browser.get(&address).await;
        assert_eq!(page.status, 200, "{address}: {}", page.body);
        let link = page.body.split("<a rel=\"next\" href=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
        next = link.map(|address| address.replace("&amp;", "&"));
        pages.push(page);
        assert!(pages.len() < 50, "{part} has no end");
    }
    pages
}

pub(crate) fn shown(pages: &[Answer], part: &str) -> Vec<String> {
    pages.iter().flat_map(|page| entries(page, part)).collect()
}

#[test]
fn pages_show_what_rest_answers_each_once_and_nothing_of_others() {
    run(async {
        let world = fixtures().await;
        for (holder, person) in [("maria", "maria"), ("dana", "leo"), ("walter", "walter")] {
            let mut browser = world.browser(holder).await;
            let token = world.token_for(holder, person, "app", crate::support::world::EVERYTHING).await;
            for (part, kind, criteria) in PARTS {
                let pages = pages(world, &mut browser, person, part).await;
                let found = shown(&pages, part);
                let by_rest = world.search(kind, &pairs(&[criteria, &[("_count", "500")]].concat()), &token).await;
                let is_said = |resource: &Value| {
                    ["status", "docStatus", "lifecycleStatus"].iter().all(|name| resource[*name] != "entered-in-error")
                        && resource["verificationStatus"]["coding"][0]["code"] != "entered-in-error"
                };
                let wanted: BTreeSet<String> = by_rest
                    .matches()
                    .iter()
                    .filter(|resource| is_said(resource))
                    .map(|resource| resource["id"].as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(found.len(), wanted.len(), "{person} {part}: each once");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted, "{person} {part}");
                for page in &pages {
                    // The head of the page is about the reader.
                    let (_, shown) = page.body.split_once("<main").unwrap();
                    let others = leaks(world, person, shown);
                    assert!(others.is_empty(), "{person} {part}: {others:?}");
                }
            }
        }
    });
}

#[test]
fn the_first_page_names_the_latest_of_each_practice_and_leads_on() {
    run(async {
        let world = fixtures().await;
        let mut browser = world.browser("maria").await;
        let page = browser.get("/record").await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Record of "), "{}", page.body);
        let links = &world.person("maria").links;
        assert_eq!(links.len(), 2);
        for (practice, _) in links {
            assert!(page.body.contains(&format!("From {}", world.practices[*practice].name)));
        }
        for (part, ..) in PARTS {
            assert!(page.body.contains(&format!("href=\"/record/{part}?person=")), "{part}");
        }
        // Each entry has a page, which says the same of it.
        let token = world.token("maria").await;
        let mut compared = 0;
        for result in entries(&page, "results").into_iter().collect::<BTreeSet<_>>() {
            let entry = browser.get(&format!("/record/results/{result}?person={}", world.person("maria").id)).await;
            assert_eq!(entry.status, 200);
            assert!(entry.body.contains("<table>"), "{}", entry.body);
            let resource = world.get(&format!("/fhir/Observation/{result}"), &token).await.json();
            if resource["valueQuantity"]["value"].is_number() {
                let value = format!("{} ", resource["valueQuantity"]["value"]);
                assert!(entry.body.contains(&value), "{value} in {}", entry.body);
                compared += 1;
            }
        }
        assert!(compared > 0);
    });
}

#[test]
fn nobody_opens_a_record_that_is_not_theirs_to_open() {
    run(async {
        let world = fixtures().await;
        let id = |person: &str| world.person(person).id;
        let at_sign_in = world.stranger().get("/record").await;
        assert_eq!((at_sign_in.status, at_sign_in.location()), (303, "/sign-in?next=/record"));
        let (mut maria, mut walter) = (world.browser("maria").await, world.browser("walter").await);
        let own = shown(&pages(world, &mut maria, "maria", "results").await, "results").remove(0);
        for address in [
            format!("/record?person={}", id("maria")),
            format!("/record/results?person={}", id("maria")),
            format!("/record/results/{own}?person={}", id("maria")),
            format!("/record/results/{own}?person={}", id("walter")),
            format!("/record/results/{own}"),
            "/record?person=x".to_owned(),
            "/record/nothing".to_owned(),
            "/record/results/..%2f..%2fapps".to_owned(),
        ] {
            let answer = walter.get(&address).await;
            assert_eq!(answer.status, 404, "{address}: {}", answer.body);
        }
        // A page link of one person is none of another's.
        let list = maria.get(&format!("/record/vitals?person={}", id("maria"))).await;
        if let Some(rest) = list.body.split("page=").nth(1) {
            let seal = rest.split('"').next().unwrap();
            let elsewhere = walter.get(&format!("/record/vitals?page={seal}")).await;
            assert_eq!(elsewhere.location(), format!("/record/vitals?person={}", id("walter")));
        }
    });
}

#[test]
fn files_open_as_downloads_with_the_bytes_of_the_practice() {
    run(async {
        let world = fixtures().await;
        let mut browser = world.browser("maria").await;
        let token = world.token("maria").await;
        let pages = pages(world, &mut browser, "maria", "documents").await;
        let links: Vec<String> = pages
            .iter()
            .flat_map(|page| page.body.split("href=\"/record/file/").skip(1))
            .map(|rest| rest.split('?').next().unwrap().to_owned())
            .collect();
        assert!(!links.is_empty());
        for id in links.iter().take(3) {
            let file = browser.get(&format!("/record/file/{id}?person={}", world.person("maria").id)).await;
            let binary = world.get(&format!("/fhir/Binary/{id}"), &token).await.json();
            let bytes = BASE64.decode(binary["data"].as_str().unwrap().as_bytes()).unwrap();
            assert_eq!((file.status, file.body.as_bytes()), (200, bytes.as_slice()));
            assert!(file.header("content-disposition").unwrap().starts_with("attachment; filename=\"record"));
            assert!(file.header("content-security-policy").unwrap().starts_with("sandbox"));
            let foreign = world.browser("walter").await.get(&format!("/record/file/{id}")).await;
            assert_eq!(foreign.status, 404);
        }
    });
}

fn practice(key: &str, resources: Vec<Value>) -> PracticeSpec {
    PracticeSpec { key: key.to_owned(), name: format!("Practice {key}"), vendor: "plain-r4".to_owned(), resources }
}

fn flag(code: &str) -> Value {
    json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": code}]})
}

fn potassium(id: &str, day: &str, value: f64, more: &Value) -> Value {
    let mut resource = json!({"resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}]},
        "subject": {"reference": "Patient/p"}, "effectiveDateTime": day,
        "valueQuantity": {"value": value, "unit": "mmol/L"}});
    for (name, value) in more.as_object().unwrap() {
        resource[name] = value.clone();
    }
    resource
}

#[test]
fn values_of_both_practices_stand_in_one_table_and_what_is_withdrawn_or_missing_is_said() {
    run(async {
        let patient =
            json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Ray"}], "birthDate": "1970-01-01"});
        let one = vec![
            patient.clone(),
            potassium("a", "2026-03-01", 4.1, &json!({"interpretation": [flag("N")]})),
            potassium("wrong", "2026-03-02", 9.9, &json!({"status": "entered-in-error"})),
            potassium(
                "b",
                "2026-05-01",
                5.6,
                &json!({"status": "preliminary",
                "note": [{"text": "<b>call</b> us"}], "interpretation": [flag("H")]}),
            ),
        ];
        let two = vec![patient, potassium("c", "2026-04-01", 4.4, &json!({}))];
        let links = ["one", "two"].map(|key| (key.to_owned(), "p".to_owned())).to_vec();
        let persons = vec![PersonSpec { key: "ray".to_owned(), links }];
        let world = World::start(vec![practice("one", one), practice("two", two)], persons, Limits::default()).await;
        let mut browser = world.browser("ray").await;

        let list = browser.get("/record/results").await;
        let b = format!("{}.b", world.practice("one").source);
        let c = format!("{}.c", world.practice("two").source);
        let a = format!("{}.a", world.practice("one").source);
        assert_eq!(entries(&list, "results"), [b.clone(), c, a]);
        assert!(list.body.contains("taken back 1 of the entries") && !list.body.contains("9.9"), "{}", list.body);
        assert!(list.body.contains("&#60;b&#62;call&#60;/b&#62; us"), "{}", list.body);

        let entry = browser.get(&format!("/record/results/{b}")).await;
        let rows: Vec<&str> = entry.body.split("<tr><th scope=\"row\">").skip(1).collect();
        assert_eq!(rows.len(), 3, "{}", entry.body);
        for (row, words) in rows.iter().zip([
            ["May 1, 2026", "5.6 mmol/L", "Above the usual range", "Practice one"],
            ["April 1, 2026", "4.4 mmol/L", "", "Practice two"],
            ["March 1, 2026", "4.1 mmol/L", "Within the usual range", "Practice one"],
        ]) {
            assert!(words.iter().all(|word| row.contains(word)), "{words:?} in {row}");
        }
        assert!(rows[0].contains("Preliminary: may still change"), "{}", rows[0]);

        world.practice("two").stop().await;
        let list = browser.get("/record/results").await;
        assert_eq!(list.status, 200);
        assert!(list.body.contains("Practice two") && !list.body.contains("4.4"), "{}", list.body);
        assert!(list.body.contains("may be missing here"), "{}", list.body);
        world.practice("one").stop().await;
        let list = browser.get("/record/results").await;
        assert_eq!(list.status, 503, "{}", list.body);
        assert!(list.body.contains("Practice one") && list.body.contains("Practice two"), "{}", list.body);
        assert_eq!(browser.get("/record").await.status, 200);
    });
}
