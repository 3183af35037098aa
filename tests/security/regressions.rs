//! Holes that other gateways had, one by one (gateway design, section 7; numbers are those of its rows). The others of
//! them stand under the rows of the threat table.

use std::collections::BTreeSet;
use std::time::Duration;

use chartgate::base::clock::{Clock, Instant};
use chartgate::base::id::GrantId;
use chartgate::base::random::SeededRandom;
use chartgate::config::Limits;
use chartgate::identity::{Grant, GrantBasis, GrantState, Period, Username};
use chartgate::storage::{StorageError, grants};
use serde_json::{Value, json};

use super::hostile::{OWN, World as Handled, ids, observation};
use crate::support::world::{EVERYTHING, Reply, World, fixtures, run};

/// Whether an Observation of the fixtures has this category.
fn is_of(resource: &Value, category: &str) -> bool {
    let categories = resource["category"].as_array().cloned().unwrap_or_default();
    let mut codings = categories.iter().flat_map(|one| one["coding"].as_array().cloned().unwrap_or_default());
    codings.any(|coding| coding["code"] == category)
}

async fn all(world: &World, token: &str) -> Vec<Value> {
    let pages = world.pages("/fhir/Observation?_count=500", token).await;
    pages.iter().flat_map(Reply::matches).collect()
}

fn id_of(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

#[test]
fn g7_10_two_granular_scopes_on_one_type_are_the_union_of_both() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let whole = all(&world, &world.token("maria").await).await;
        let scope =
            "launch/patient patient/Observation.rs?category=laboratory patient/Observation.rs?category=social-history";
        let shown: BTreeSet<String> =
            all(&world, &world.token_for("maria", "maria", "two", scope).await).await.iter().map(id_of).collect();
        let either = |resource: &&Value| is_of(resource, "laboratory") || is_of(resource, "social-history");
        let wanted: BTreeSet<String> = whole.iter().filter(either).map(id_of).collect();
        for one in ["laboratory", "social-history"] {
            assert!(whole.iter().any(|resource| is_of(resource, one)), "{one}");
        }
        assert!(wanted.len() < whole.len());
        assert_eq!(shown, wanted);
    });
}

#[test]
fn g7_11_g7_21_what_a_granular_scope_leaves_out_is_left_out_on_every_way_in() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let me = world.person("maria").id;
        let whole = all(&world, &world.token("maria").await).await;
        let hidden: Vec<String> = whole.iter().filter(|resource| !is_of(resource, "laboratory")).map(id_of).collect();
        let seen: Vec<String> = whole.iter().filter(|resource| is_of(resource, "laboratory")).map(id_of).collect();
        assert!(hidden.len() > 3 && seen.len() > 3);
        let scope = "launch/patient patient/Observation.rs?category=laboratory patient/Patient.rs patient/Provenance.rs \
            patient/DiagnosticReport.rs patient/Encounter.rs";
        let token = world.token_for("maria", "maria", "narrow", scope).await;
        let tells = |what: &str, text: &str| {
            let leak = hidden
                .iter()
                .find(|id| text.contains(&format!("\"Observation/{id}\"")) || text.contains(&format!("\"{id}\"")));
            // A reference from what may be seen is its own: it says that there is something, not what.
            let is_reference = leak.is_some_and(|id| !text.contains(&format!("\"id\":\"{id}\"")));
            assert!(leak.is_none() || (is_reference && what.starts_with("refers")), "{what}: {leak:?}");
        };
        for path in [
            "/fhir/Observation?_count=500".to_owned(),
            "/fhir/Observation?_count=500&_sort=-date&_total=accurate".to_owned(),
            "/fhir/Observation?category=vital-signs".to_owned(),
            format!("/fhir/Observation?_id={}", hidden[0]),
            format!("/fhir/Patient/{me}/Observation?_count=500"),
            format!("/fhir/Patient/{me}/$everything?_type=Observation&_count=500"),
            format!("/fhir/Patient/{me}/$everything?_type=Observation,Provenance&_count=500"),
            "/fhir/Provenance?_count=500".to_owned(),
            "/fhir/Observation?_count=500&_revinclude=Provenance:target".to_owned(),
        ] {
            let pages = world.pages(&path, &token).await;
            for page in &pages {
                let body = page.json();
                let mut body = body.clone();
                body["link"] = Value::Null;
                tells(&path, &body.to_string());
            }
            let shown: Vec<String> = pages
                .iter()
                .flat_map(Reply::matches)
                .filter(|one| one["resourceType"] == "Observation")
                .map(|one| id_of(&one))
                .collect();
            if path.contains("_count=500") && path.contains("Observation") {
                let (shown, seen): (BTreeSet<&String>, BTreeSet<&String>) =
                    (shown.iter().collect(), seen.iter().collect());
                assert_eq!(shown, seen, "{path}");
            }
        }
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let posted = world.send("POST", "/fhir/Observation/_search", Some(&token), &form, "_count=500").await;
        tells("POST", &posted.text);
        assert_eq!(posted.ids().len(), seen.len());
        for id in hidden.iter().take(5) {
            for path in ["", "/_history", "/_history/1"] {
                let read = world.get(&format!("/fhir/Observation/{id}{path}"), &token).await;
                assert_eq!(read.status, 404, "{id}{path}");
            }
        }
        let entries: Vec<Value> = hidden
            .iter()
            .take(5)
            .map(|id| json!({"request": {"method": "GET", "url": format!("Observation/{id}")}}))
            .chain([json!({"request": {"method": "GET", "url": "Observation?_count=500"}})])
            .collect();
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
        let answer =
            world.send("POST", "/fhir", Some(&token), &[("content-type", "application/fhir+json")], &batch).await;
        tells("batch", &answer.text);
        let statuses: Vec<String> = answer.json()["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned())
            .collect();
        assert_eq!(statuses, ["404", "404", "404", "404", "404", "200"]);
    });
}

async fn grant_until(world: &World, until: Option<Instant>) -> GrantId {
    world.token("dana").await;
    let account = chartgate::storage::accounts::by_username(&world.app.db, &Username::new("dana").unwrap())
        .await
        .unwrap()
        .unwrap();
    let grant = Grant {
        id: GrantId::mint(&SeededRandom::new(99)),
        account: account.id,
        person: world.person("leo").id,
        basis: GrantBasis::Parent,
        period: Period { from: world.clock.now(), until },
        evidence: "operator".to_owned(),
        created: world.clock.now(),
        state: GrantState::Active,
    };
    let id = grant.id;
    let write = world.app.db.write(move |tx| {
        Box::pin(async move {
            grants::insert(tx, &grant).await?;
            Ok::<_, StorageError>(())
        })
    });
    write.await.unwrap();
    id
}

#[test]
fn g7_12_a_grant_past_its_end_opens_nothing_although_nobody_ended_it() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        grant_until(&world, Some(world.clock.now().plus(Duration::from_secs(1_800)))).await;
        let token = world.token_for("dana", "leo", "app", EVERYTHING).await;
        let leo = world.person("leo").id;
        assert!(!world.get("/fhir/Observation", &token).await.ids().is_empty());
        let next = world.get("/fhir/Observation?_count=1", &token).await.link("next").unwrap();
        world.clock.advance(Duration::from_secs(1_799));
        assert_eq!(world.get(&format!("/fhir/Patient/{leo}"), &token).await.status, 200, "until its last second");
        world.clock.advance(Duration::from_secs(1));
        world.forget_upstream();
        for target in
            ["/fhir/Observation", &format!("/fhir/Patient/{leo}"), &format!("/fhir/Patient/{leo}/$everything"), &next]
        {
            assert_eq!(world.get(target, &token).await.status, 401, "{target}");
        }
        assert_eq!(world.upstream_counts(), [0, 0]);
    });
}

#[test]
fn g7_13_a_grant_that_ends_while_everything_is_kept_ends_with_the_next_request() {
    run(async {
        let (practices, persons) = fixtures();
        let world = World::configured(practices, persons, |config| {
            config.cache.bytes = 64 << 20;
            config.cache.fresh_seconds = 600;
            config.cache.stale_seconds = 600;
        })
        .await;
        let grant = grant_until(&world, None).await;
        let token = world.token_for("dana", "leo", "app", EVERYTHING).await;
        let own = world.token("dana").await;
        let leo = world.person("leo").id;
        let targets = [
            format!("/fhir/Patient/{leo}/$everything"),
            "/fhir/Observation".to_owned(),
            format!("/fhir/Patient/{leo}"),
        ];
        for target in &targets {
            assert_eq!(world.get(target, &token).await.status, 200, "{target}");
        }
        let mine = world.get("/fhir/Observation", &own).await.ids();
        let now = world.clock.now();
        world
            .app
            .db
            .write(move |tx| {
                Box::pin(async move {
                    grants::end(tx, grant, now, chartgate::identity::StatusReason::PatientRequest).await?;
                    Ok::<_, StorageError>(())
                })
            })
            .await
            .unwrap();
        world.forget_upstream();
        for target in &targets {
            let answer = world.get(target, &token).await;
            assert_eq!(answer.status, 401, "{target}: {}", answer.text);
            // With the account's own token there is nothing of the other's either.
            let answer = world.get(target, &own).await;
            assert!(answer.status == 404 || answer.ids() == mine, "{target}: {}", answer.text);
        }
    });
}

#[test]
fn g7_22_odd_values_stay_values() {
    run(async {
        let odd = [
            "a'b",
            "a\"b",
            "a%b",
            "a_b",
            "100%",
            "a,b",
            "a|b",
            "a$b",
            "a\\b",
            "a&b=c",
            "a;b",
            "%2C",
            "*",
            "{{patient}}",
            "$1",
            "' OR '1'='1",
            "a b",
            "å",
            "a+b",
            "<b>",
            "a?b",
            "a#b",
        ];
        let world = Handled::start().await;
        let held: Vec<Value> = odd
            .iter()
            .enumerate()
            .map(|(number, code)| {
                observation(&format!("o{number}"), &json!({"code": {"coding": [{"system": "urn:s", "code": code}]}}))
            })
            .collect();
        world.finds("Observation", &held);
        assert_eq!(ids(&world.search("Observation", &[]).await).len(), odd.len());
        for (number, code) in odd.iter().enumerate() {
            let escaped: String =
                code.chars().flat_map(|c| if "\\,|$".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
            for value in [escaped.clone(), format!("urn:s|{escaped}")] {
                let found = ids(&world.search("Observation", &[("code", &value)]).await);
                assert_eq!(found, [format!("o{number}")], "{code}");
            }
            // As the rule of a scope, it lets in that and nothing else. What a scope cannot hold is no scope.
            let encoded: String =
                url::form_urlencoded::byte_serialize(escaped.as_bytes()).collect::<String>().replace('+', "%20");
            for rule in [escaped, encoded] {
                let scopes = format!("patient/Observation.rs?code=urn:s|{rule}");
                match world.search_with(&scopes, "Observation", &[]).await {
                    Ok(bundle) => {
                        let found = ids(&bundle);
                        assert!(found.is_empty() || found == [format!("o{number}")], "{scopes}: {found:?}");
                    }
                    Err(refusal) => {
                        assert!(matches!(refusal, chartgate::gateway::Refusal::Denied(_)), "{scopes}: {refusal:?}")
                    }
                }
            }
        }
    });
}

#[test]
fn g7_23_parameters_that_are_repeated_all_reach_the_source_and_all_count() {
    run(async {
        let world = Handled::start().await;
        let coded = |id: &str, codes: &[&str]| {
            let codings: Vec<Value> = codes.iter().map(|code| json!({"system": "urn:s", "code": code})).collect();
            observation(id, &json!({"code": {"coding": codings}}))
        };
        world.finds("Observation", &[coded("a", &["x"]), coded("b", &["y"]), coded("both", &["x", "y"])]);
        world.asked();
        let found = ids(&world.search("Observation", &[("code", "x"), ("code", "y")]).await);
        assert_eq!(found, ["both"], "each of them must match");
        let asked = world.asked();
        let [call] = &asked[..] else { panic!("{asked:?}") };
        assert!(
            call.contains("code=x")
                && call.contains("code=y")
                && call.starts_with(&format!("Observation?patient=Patient%2F{OWN}")),
            "{call}"
        );
        assert_eq!(
            ids(&world.search("Observation", &[("code", "x,y")]).await),
            ["a", "b", "both"],
            "one of them is enough"
        );
    });
}
