//! Questions whose answers would tell something of what the caller may not see: all of them have one answer.

use std::collections::BTreeSet;

use chartgate::config::Limits;
use serde_json::{Value, json};

use super::hostile::{OWN, over_http};
use crate::support::world::{Practice, Reply, World, run};

/// An answer without what names this one request, and without what the caller wrote.
fn shape(answer: &Reply, said: &[&str]) -> String {
    let mut text = answer.without_request_id();
    if let Ok(mut bundle) = serde_json::from_str::<Value>(&answer.text)
        && bundle["resourceType"] == "Bundle"
    {
        bundle["id"] = Value::Null;
        for link in bundle["link"].as_array_mut().into_iter().flatten() {
            let is_next = link["relation"] == "next";
            link["url"] = if is_next { "sealed".into() } else { link["url"].clone() };
        }
        text = format!("{} {bundle}", answer.status);
    }
    said.iter().fold(text, |text, word| text.replace(word, "…"))
}

/// What each EHR was asked: paths and parameters, with the id in question left out. In order but for calls that are made
/// at the same time, which differ in their parameters alone.
fn asked(world: &World, id: &str) -> Vec<String> {
    let of = |practice: &Practice| -> Vec<String> {
        let all = practice.requests.all();
        let text = |name: &str, value: &str| format!("{name}={}", value.replace(id, "…"));
        all.iter()
            .map(|request| {
                let parameters: Vec<String> = request.parameters().map(|(name, value)| text(name, value)).collect();
                format!("{} {} {}", practice.key, request.path.replace(id, "…"), parameters.join("&"))
            })
            .collect()
    };
    let mut all: Vec<String> = world.practices.iter().flat_map(of).collect();
    all.chunk_by_mut(|one, two| one.split(' ').nth(1) == two.split(' ').nth(1)).for_each(<[String]>::sort);
    all
}

#[test]
fn f03_ids_among_ones_own_show_nothing_of_whose_the_others_are() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let (token, carlos) = (world.token("maria").await, world.token("carlos").await);
        let key = world.practice("riverside").source.clone();
        for kind in ["Condition", "Observation", "Encounter"] {
            let own = world.get(&format!("/fhir/{kind}?_count=500"), &token).await.ids();
            let mine = own.iter().find(|id| id.starts_with(&key)).unwrap().clone();
            let theirs: Vec<String> = world.get(&format!("/fhir/{kind}?_count=500"), &carlos).await.ids();
            let theirs: Vec<String> =
                theirs.into_iter().filter(|id| id.starts_with(&key) && !own.contains(id)).collect();
            assert!(theirs.len() >= 2, "{kind}");
            // As long as theirs, so that only whether they exist is different.
            let never = |id: &str, number: usize| format!("{}zz{number:02}", &id[..id.len() - 4]);
            let ask = async |one: &str, two: &str| {
                let mut shapes = Vec::new();
                for query in [
                    format!("_id={one},{two},{mine}"),
                    format!("_id={one}"),
                    format!("_id={one}&_id={mine}"),
                    format!("_id={one},{two}&_summary=count"),
                    format!("_id={one},{mine}&_total=accurate&_count=1"),
                    format!("_id={one},{two},{mine}&_sort=-_lastUpdated"),
                ] {
                    for post in [false, true] {
                        world.forget_upstream();
                        let form = [("content-type", "application/x-www-form-urlencoded")];
                        let answer = if post {
                            world.send("POST", &format!("/fhir/{kind}/_search"), Some(&token), &form, &query).await
                        } else {
                            world.get(&format!("/fhir/{kind}?{query}"), &token).await
                        };
                        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
                        let finds_own = query.contains(&mine) && !query.contains("&_id=");
                        let wanted: &[String] = if finds_own { std::slice::from_ref(&mine) } else { &[] };
                        assert_eq!(answer.ids(), wanted, "{kind}?{query}");
                        let upstream: Vec<String> = [one, two].iter().fold(asked(&world, "-"), |asked, id| {
                            let bare = id.split_once('.').unwrap().1;
                            let swap = |line: String| line.replace(&bare.replace('-', "…"), "…");
                            asked.into_iter().map(swap).collect()
                        });
                        shapes.push((shape(&answer, &[one, two]), upstream));
                    }
                }
                shapes
            };
            let hidden = ask(&theirs[0], &theirs[1]).await;
            let unknown = ask(&never(&theirs[0], 0), &never(&theirs[1], 1)).await;
            assert_eq!(hidden, unknown, "{kind}");
        }
        // To exclude ids would tell of those that are left.
        for query in ["_id:not=x", "_id:above=x", "_id:below=x", "_id:in=x", "_id:text=x"] {
            for handling in ["handling=strict", "handling=lenient"] {
                let target = format!("/fhir/Condition?{query}");
                let answer = world.send("GET", &target, Some(&token), &[("prefer", handling)], "").await;
                assert_eq!(answer.status, 400, "{query} {handling}");
            }
        }
    });
}

/// The forms in which other servers let `code-value-quantity` and its like be asked through another type
/// (hapifhir/hapi-fhir#6065), with `{}` for the number to compare with.
const EXTRACTION: &[&str] = &[
    "Patient?_has:Observation:patient:value-quantity=gt{}",
    "Patient?_has:Observation:subject:value-quantity=gt{}",
    "Patient?_has:Observation:patient:code-value-quantity=4548-4$gt{}",
    "Patient?_has:Observation:patient:combo-value-quantity=gt{}",
    "Patient?_has:Observation:performer:value-quantity=gt{}",
    "Patient?_has:Provenance:target:_has:Observation:patient:value-quantity=gt{}",
    "Patient?_has:Encounter:patient:_has:Observation:encounter:value-quantity=gt{}",
    "Patient?_has:Observation:patient:value-quantity:missing=true&x={}",
    "Patient?_has=Observation:patient:value-quantity:gt{}",
    "Patient?_has.Observation.patient.value-quantity=gt{}",
    "Patient?_HAS:Observation:patient:value-quantity=gt{}&_has:Observation:patient:value-quantity=gt{}",
    "Patient?%5Fhas:Observation:patient:value-quantity=gt{}",
    "Patient?_filter=Observation.value-quantity%20gt%20{}",
    "Patient?_query=current&value-quantity=gt{}&_text=x",
    "Patient?_include=Patient:link&_revinclude=Observation:patient&_has:Observation:patient:value-quantity=gt{}",
    "Patient?_revinclude=Observation:subject&Observation.value-quantity=gt{}",
    "Patient?_sort=_has:Observation:patient:value-quantity&_content={}",
    "Patient?_list=gt{}",
    "Patient/_search?_has:Observation:patient:value-quantity=gt{}",
    "Encounter?_has:Observation:encounter:value-quantity=gt{}",
    "Encounter?subject:Patient._has:Observation:patient:value-quantity=gt{}",
    "Encounter?patient.observation.value-quantity=gt{}",
    "Encounter?reason-reference:Observation.value-quantity=gt{}",
    "Observation?value-quantity=gt{}",
    "Observation?_summary=count&value-quantity=gt{}",
    "Observation?_id=x&value-quantity=gt{}",
];

#[test]
fn f10_a_script_that_asks_bit_by_bit_learns_none() {
    run(async {
        let (product, ehr) = over_http(Limits::default()).await;
        let scope = "launch/patient patient/Patient.rs patient/Encounter.rs";
        let token = product.token_for("ann", "ann", "narrow", scope).await;
        let all = product.token("ann").await;
        let own = json!({"reference": format!("Patient/{OWN}")});
        ehr.finds("Patient", &[json!({"resourceType": "Patient", "id": OWN, "name": [{"family": "Own"}]})]);
        ehr.finds(
            "Encounter",
            &[json!({"resourceType": "Encounter", "id": "e", "status": "finished", "subject": own,
            "reasonReference": [{"reference": "Observation/o"}]})],
        );
        let mut learnt = BTreeSet::new();
        let mut visible = BTreeSet::new();
        for value in [770_003, 770_900] {
            ehr.finds(
                "Observation",
                &[json!({"resourceType": "Observation", "id": "o", "status": "final",
                "subject": own, "encounter": {"reference": "Encounter/e"}, "valueQuantity": {"value": value}})],
            );
            let mut seen = String::new();
            // The binary search of the published attack: nine guesses tell 512 values apart.
            let (mut low, mut high) = (770_000, 770_512);
            while low + 1 < high {
                let guess = i32::midpoint(low, high);
                let number = guess.to_string();
                for form in EXTRACTION {
                    let target = format!("/fhir/{}", form.replace("{}", &number));
                    ehr.asked();
                    for handling in ["handling=strict", "handling=lenient"] {
                        let method = if form.contains("/_search") { "POST" } else { "GET" };
                        let answer = product.send(method, &target, Some(&token), &[("prefer", handling)], "").await;
                        let refused = answer.status == 400 || (form.starts_with("Observation") && answer.status == 403);
                        assert!(refused, "{target}: {} {}", answer.status, answer.text);
                        learnt.insert((*form, handling, shape(&answer, &[&number])));
                    }
                    assert_eq!(ehr.asked(), [""; 0], "{target} went to the EHR");
                }
                let answer = product.get(&format!("/fhir/Observation?value-quantity=gt{number}"), &all).await;
                let more = !answer.ids().is_empty();
                seen.push(if more { '1' } else { '0' });
                (low, high) = if more { (guess, high) } else { (low, guess) };
            }
            visible.insert(seen);
        }
        assert_eq!(
            learnt.len(),
            EXTRACTION.len() * 2,
            "an answer depends on the number or on the value: bits were learnt"
        );
        assert_eq!(visible.len(), 2, "whoever may see the value learns it: the script works");
    });
}

#[test]
fn f32_hidden_and_unknown_ids_cost_the_same_calls_in_the_same_order_and_give_the_same_bytes() {
    run(async {
        let world = World::of_fixtures(Limits { single_flight: false, ..Limits::default() }).await;
        let (token, carlos) = (world.token("maria").await, world.token("carlos").await);
        let key = world.practice("riverside").source.clone();
        let mut pairs = 0;
        for kind in [
            "Observation",
            "Condition",
            "Encounter",
            "MedicationRequest",
            "Communication",
            "Appointment",
            "Coverage",
            "Medication",
        ] {
            let own = world.get(&format!("/fhir/{kind}?_count=500"), &token).await.ids();
            let theirs = world.get(&format!("/fhir/{kind}?_count=500"), &carlos).await.ids();
            let hidden = theirs.iter().filter(|id| id.starts_with(&key) && !own.contains(id));
            for (number, id) in hidden.take(6).enumerate() {
                let bare = id.split_once('.').unwrap().1;
                let never = format!("{}{:04}", &bare[..bare.len() - 4], 9_000 + number);
                assert!(world.practice("riverside").find(kind, &never).is_none());
                for form in ["{}", "{}/_history", "{}/_history/1", "?_id={}", "{}/$everything", "{}?_elements=id"] {
                    for (method, condition) in [("GET", ""), ("HEAD", ""), ("GET", "*")] {
                        let mut seen = Vec::new();
                        // The order turns, so that neither is always the one that comes second.
                        let mut both = [bare, never.as_str()];
                        if pairs % 2 == 1 {
                            both.reverse();
                        }
                        for id in both {
                            let whole = format!("{key}.{id}");
                            let rest = form.replace("{}", &whole);
                            let target = if rest.starts_with('?') {
                                format!("/fhir/{kind}{rest}")
                            } else {
                                format!("/fhir/{kind}/{rest}")
                            };
                            let headers = [("if-none-match", condition)];
                            let headers = if condition.is_empty() { &[][..] } else { &headers[..] };
                            world.forget_upstream();
                            let answer = world.send(method, &target, Some(&token), headers, "").await;
                            assert!([200, 404].contains(&answer.status), "{method} {target}: {}", answer.text);
                            assert!(
                                answer.status == 404 || form.starts_with('?'),
                                "{method} {target}: {}",
                                answer.status
                            );
                            seen.push((shape(&answer, &[&whole]), asked(&world, id)));
                        }
                        assert_eq!(seen[0], seen[1], "{method} {kind} {form} {bare}");
                        pairs += 1;
                    }
                }
            }
        }
        assert!(pairs >= 300, "{pairs} pairs");
        // Of a person nobody is asked at all.
        let other = world.person("carlos").id.to_string();
        for form in [
            "Patient/{}",
            "Patient/{}/Observation",
            "Patient/{}/$everything",
            "Patient/{}/_history",
            "Observation?patient={}",
        ] {
            let mut seen = Vec::new();
            for id in [other.as_str(), "0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d"] {
                world.forget_upstream();
                let answer = world.get(&format!("/fhir/{}", form.replace("{}", id)), &token).await;
                assert_eq!(world.upstream_counts(), [0, 0], "{form}");
                seen.push(shape(&answer, &[id]));
            }
            assert_eq!(seen[0], seen[1], "{form}");
        }
    });
}
