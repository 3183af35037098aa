//! Questions whose answers would tell something of what the caller may not see: all of them have one answer.

use std::collections::BTreeSet;

use chartgate::config::Limits;
use chartgate::identity::GrantBasis;
use serde_json::{Value, json};

use super::hostile::{OTHER, OWN, over_http};
use crate::support::world::{EVERYTHING, Practice, Reply, World, pairs, run};

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

/// What an EHR was asked, each call by its kind: a read or a search. Which type is looked up is another with each resource.
fn kinds_of_calls(asked: &[String]) -> Vec<&'static str> {
    let mut kinds: Vec<&str> = asked.iter().map(|call| if call.contains('?') { "search" } else { "read" }).collect();
    // Those after the first are made at the same time.
    kinds.get_mut(1..).unwrap_or_default().sort_unstable();
    kinds
}

#[test]
fn f32_what_is_visible_through_something_else_costs_hidden_what_it_costs_unknown() {
    run(async {
        // It hands out other people's records again and again, and is not set aside for it: the costs are looked at here.
        let (product, ehr) = over_http(Limits { single_flight: false, foreign_answers: 0, ..Limits::default() }).await;
        let (ann, bob) = (product.token("ann").await, product.token("bob").await);
        let key = product.source_key(&ehr.base).await;
        let of = |patient: &str| json!({"reference": format!("Patient/{patient}")});
        let observation = |id: &str, patient: &str| {
            json!({"resourceType": "Observation", "id": id, "status": "final",
            "code": {"text": id}, "subject": of(patient)})
        };
        let claim = |id: &str, patient: &str| {
            json!({"resourceType": "ServiceRequest", "id": id, "status": "active",
            "intent": "order", "subject": of(patient)})
        };
        let provenance = |id: &str, target: &str| {
            json!({"resourceType": "Provenance", "id": id,
            "target": [{"reference": target}], "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "X"}}]})
        };
        let notice = |id: &str, request: Value| {
            json!({"resourceType": "PaymentNotice", "id": id, "status": "active",
            "request": request, "created": "2026-01-01", "payment": {"display": "X"}, "recipient": {"display": "X"},
            "amount": {"value": 1}})
        };
        let document = |id: &str, patient: &str, binary: &str| {
            json!({"resourceType": "DocumentReference", "id": id,
            "status": "current", "subject": of(patient), "content": [{"attachment": {"url": format!("Binary/{binary}")}}]})
        };
        for (id, patient) in [("a", OWN), ("b", OTHER)] {
            ehr.holds(&provenance(&format!("prov-{id}"), &format!("Observation/obs-{id}")));
            ehr.holds(&notice(&format!("note-{id}"), json!({"reference": format!("ServiceRequest/req-{id}")})));
            ehr.holds(&document(&format!("doc-{id}"), patient, &format!("bin-{id}")));
            ehr.holds(&json!({"resourceType": "Binary", "id": format!("bin-{id}"), "contentType": "text/plain", "data": "eA=="}));
        }
        // Nobody's at all, and of a type that makes nothing visible.
        ehr.holds(&notice("note-n", json!({"display": "the bill"})));
        ehr.holds(&provenance("prov-n", "Practitioner/dr"));
        // The EHR gives all it has, whoever is asked for: the gateway sifts.
        ehr.finds("Observation", &[observation("obs-a", OWN), observation("obs-b", OTHER)]);
        ehr.finds("ServiceRequest", &[claim("req-a", OWN), claim("req-b", OTHER)]);
        let binary = async |token: &str, id: &str| {
            let shown = product.get(&format!("/fhir/DocumentReference/{key}.{id}"), token).await.json();
            let url = shown["content"][0]["attachment"]["url"].as_str().unwrap().to_owned();
            url.rsplit_once('/').unwrap().1.to_owned()
        };
        let (mine, theirs) = (binary(&ann, "doc-a").await, binary(&bob, "doc-b").await);
        let unissued = format!("{}{}", &theirs[..theirs.len() - 6], "000000");
        let plain = |id: &str| format!("{key}.{id}");
        for (kind, own, hidden, never) in [
            ("Provenance", plain("prov-a"), plain("prov-b"), plain("prov-x")),
            ("Provenance", plain("prov-a"), plain("prov-n"), plain("prov-x")),
            ("PaymentNotice", plain("note-a"), plain("note-b"), plain("note-x")),
            ("PaymentNotice", plain("note-a"), plain("note-n"), plain("note-x")),
            ("Binary", mine, theirs, unissued),
        ] {
            let shown = product.get(&format!("/fhir/{kind}/{own}"), &ann).await;
            assert_eq!(shown.status, 200, "{kind}: {}", shown.text);
            for (method, rest) in [("GET", ""), ("HEAD", ""), ("GET", "/_history"), ("GET", "/_history/1")] {
                let mut seen = Vec::new();
                for id in [&hidden, &never] {
                    ehr.asked();
                    let started = std::time::Instant::now();
                    let answer = product.send(method, &format!("/fhir/{kind}/{id}{rest}"), Some(&ann), &[], "").await;
                    assert_eq!(answer.status, 404, "{method} {kind}/{id}{rest}");
                    let asked = ehr.asked();
                    let is_settled = asked.is_empty() || started.elapsed() >= std::time::Duration::from_millis(3);
                    let kinds: Vec<String> = kinds_of_calls(&asked).into_iter().map(str::to_owned).collect();
                    seen.push((shape(&answer, &[id]), kinds, is_settled));
                }
                assert_eq!(seen[0], seen[1], "{method} {kind} {hidden}{rest}");
                assert!(seen[0].2, "{kind}");
                // A Binary has no versions: nothing is asked for them.
                let steps = if kind == "Binary" && !rest.is_empty() {
                    0
                } else if kind == "Binary" {
                    1
                } else {
                    2
                };
                assert_eq!(seen[0].1.len(), steps, "{method} {kind} {hidden}{rest}: {:?}", seen[0].1);
            }
        }
        // As matches of a search.
        for (kind, one) in [
            ("Provenance", provenance("prov-b", "Observation/obs-b")),
            ("PaymentNotice", notice("note-b", json!({"reference": "ServiceRequest/req-b"}))),
        ] {
            let mut seen = Vec::new();
            for found in [vec![one], Vec::new()] {
                ehr.finds(kind, &found);
                ehr.asked();
                let answer = product.get(&format!("/fhir/{kind}?_id={key}.one"), &ann).await;
                let asked = ehr.asked();
                seen.push((shape(&answer, &[]), kinds_of_calls(&asked).len()));
            }
            assert_eq!(seen[0], seen[1], "{kind}");
            assert_eq!(seen[0].1, 2, "{kind}");
        }
    });
}

#[test]
fn f33_a_proxy_finds_whom_the_token_is_for_by_whatever_is_known_of_them_and_nobody_else() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        world.grant("maria", "carlos", GrantBasis::PatientConsent).await;
        let for_carlos = world.token_for("maria", "carlos", "app", EVERYTHING).await;
        let for_maria = world.token("maria").await;
        let known = [
            ("maria", [("identifier", "MRN-334600"), ("email", "m.ruiz@oldmail.example"), ("birthdate", "1964-03-12")]),
            ("carlos", [("identifier", "MRN-708630"), ("phone", "413-555-0173"), ("birthdate", "1961-11-02")]),
        ];
        for (token, person) in [(&for_maria, "maria"), (&for_carlos, "carlos")] {
            let me = world.person(person).id.to_string();
            for (whose, facts) in known {
                let wanted: &[&str] = if whose == person { &[&me] } else { &[] };
                for fact in facts {
                    let pairs = pairs(&[fact]);
                    assert_eq!(world.search("Patient", &pairs, token).await.ids(), wanted, "{person}: {fact:?}");
                    assert_eq!(
                        world.search_by_post("Patient", &pairs, token).await.ids(),
                        wanted,
                        "{person}: {fact:?}"
                    );
                }
            }
        }
    });
}
