//! Backend services at the FHIR surface: each request names one patient, and what comes is of the sources that the
//! operator gave the service.

use std::collections::BTreeSet;

use serde_json::json;

use chartgate::authorization::{NewClient, NewProof};
use chartgate::base::clock::Clock;
use chartgate::config::Limits;
use chartgate::oauth::assertion::ASSERTION_TYPE;
use chartgate::oauth::client::ClientId;
use chartgate::oauth::scope::ScopeSet;
use chartgate::storage::audit::{self, AuditOutcome};

use super::oracle::{Decoder, Visible};
use super::record::{leaks, searchable};
use crate::naive::{Kind, kind_of};
use crate::support::http::Client as Browser;
use crate::support::keys::{Key, inline};
use crate::support::world::{Reply, World, pairs, run};

/// A token of a service for one practice, for five minutes.
async fn token(world: &World, id: &str, practice: &str, scope: &str) -> String {
    let key = Key::es384("k");
    let source = world.practice(practice).source.parse().unwrap();
    let new = NewClient {
        id: ClientId::parse(id),
        name: "Service".to_owned(),
        scopes: ScopeSet::parse(scope).0,
        proof: NewProof::Keys(inline(&[&key])),
        sources: vec![source],
        ..NewClient::default()
    };
    world.app.authorization.register_client(new).await.unwrap();
    let now = world.clock.now().seconds();
    let claims = json!({"iss": id, "sub": id, "aud": world.issuer, "exp": now + 240, "jti": id});
    let form = pairs(&[
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &key.sign(&key.header(), &claims)),
    ]);
    let url = url::Url::parse(&world.issuer).unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    let answer = Browser::new(address).post("/oauth/token", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_service_finds_everything_of_a_patient_at_its_practice_and_nothing_of_another() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        for practice in ["riverside", "lakeside"] {
            let token = token(&world, &format!("sync-{practice}"), practice, "system/*.rs").await;
            let index = world.practices.iter().position(|known| known.key == practice).unwrap();
            let (person, visible) = (world.person("maria").id, Visible::of(&world, "maria"));
            let (mut decoder, mut compared) = (Decoder::default(), 0);
            world.forget_upstream();
            for resource_type in searchable().into_iter().filter(|kind| *kind != "Patient") {
                let pages = world.pages(&format!("/fhir/{resource_type}?patient={person}&_count=7"), &token).await;
                let mut shown = BTreeSet::new();
                for page in &pages {
                    assert_eq!(page.outcomes(), Vec::<String>::new(), "{resource_type}");
                    assert_eq!(leaks(&world, "maria", &page.text), Vec::<String>::new(), "{resource_type}");
                    for resource in page.matches() {
                        decoder.learn(&world, &resource).await;
                        let id = resource["id"].as_str().unwrap();
                        assert!(shown.insert(decoder.decode(&world, resource_type, id).unwrap()), "{id} twice");
                    }
                }
                let held = visible.of_type(resource_type);
                let wanted: BTreeSet<(usize, String)> =
                    held.keys().filter(|key| key.0 == index).map(|(practice, _, id)| (*practice, id.clone())).collect();
                // `patient` is the subject: a message without one has a sender or a recipient alone.
                let is_whole = resource_type != "Communication";
                if is_whole
                    && matches!(kind_of(resource_type), Kind::Subject(_) | Kind::AnySubject(_) | Kind::Directory)
                {
                    assert_eq!(shown, wanted, "{resource_type} at {practice}");
                    compared += wanted.len();
                } else {
                    assert!(shown.is_subset(&wanted), "{resource_type} at {practice}");
                }
            }
            assert!(compared > 20, "{compared}");
            let asked = world.upstream_counts();
            assert!(asked[index] > 0 && asked[1 - index] == 0, "the other practice is not asked: {asked:?}");
            // The merged Patient is merged of that practice's record alone.
            let patient = world.get(&format!("/fhir/Patient/{person}"), &token).await;
            let text = patient.json().to_string();
            assert_eq!(patient.status, 200);
            assert!(
                text.contains(&world.practices[index].source) && !text.contains(&world.practices[1 - index].source)
            );
            let found = world.search("Patient", &pairs(&[("_id", &person.to_string())]), &token).await;
            assert_eq!(found.ids(), [person.to_string()]);
            let everything = world.get(&format!("/fhir/Patient/{person}/$everything?_count=500"), &token).await;
            assert_eq!(everything.status, 200);
            let below = world.get(&format!("/fhir/Patient/{person}/Condition?_count=500"), &token).await;
            assert_eq!(below.status, 200);
            for reply in [&everything, &below] {
                assert!(!reply.text.contains(&format!("{}.", world.practices[1 - index].source)));
            }
        }
    });
}

#[test]
fn o47_a_service_of_one_practice_reads_nothing_of_another() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = token(&world, "sync", "riverside", "system/Patient.rs system/Observation.rs").await;
        let maria = world.person("maria").id;
        // Priya has a chart at the other practice alone.
        let (priya, elsewhere) = (world.person("priya").id, world.practice("lakeside").source.clone());
        let here = world.practice("riverside").source.clone();
        let unknown = "00000000-0000-4000-8000-000000000000";
        world.forget_upstream();
        let get = async |path: &str| world.get(path, &token).await;
        let missing = get(&format!("/fhir/Patient/{unknown}")).await;
        assert_eq!(missing.status, 404);
        for path in [
            format!("/fhir/Patient/{priya}"),
            format!("/fhir/Patient/{priya}/_history"),
            format!("/fhir/Patient/{priya}/$everything"),
            format!("/fhir/Patient/{priya}/Observation"),
            format!("/fhir/Patient/{elsewhere}.nobody"),
            format!("/fhir/Patient/{here}.nobody"),
        ] {
            let hidden = get(&path).await;
            assert_eq!(hidden.status, 404, "{path}");
            let same = hidden.text.replace(&priya.to_string(), unknown) == missing.text;
            assert!(same, "hidden and missing are the same: {} {}", hidden.text, missing.text);
        }
        // A search names a patient who has a chart there, or nothing is asked.
        for query in [
            String::new(),
            format!("?patient={priya}"),
            format!("?patient={unknown}"),
            format!("?patient={maria},{priya}"),
            "?patient.name=Alvarez".to_owned(),
            format!("?_id={here}.obs-1"),
            format!("?patient={elsewhere}.x"),
            "?code=1".to_owned(),
            format!("?patient:identifier={maria}"),
        ] {
            let refused = get(&format!("/fhir/Observation{query}")).await;
            assert_eq!(refused.status, 403, "{query} {}", refused.text);
        }
        assert_eq!(get("/fhir/Patient").await.status, 403);
        assert_eq!(get("/fhir/Patient?name=Alvarez").await.status, 403);
        assert_eq!(get(&format!("/fhir/Patient?_id={priya}")).await.status, 403);
        assert_eq!(get(&format!("/fhir/Observation/{here}.obs-1")).await.status, 403, "a read by id names nobody");
        // Scope comes before any data, whoever is named.
        for person in [maria, priya] {
            assert_eq!(get(&format!("/fhir/Condition?patient={person}")).await.status, 403);
        }
        assert!(world.upstream_counts().iter().all(|count| *count == 0), "nothing was sent");
        // Somebody else's record beside the named one is nobody's.
        let mixed = get(&format!("/fhir/Observation?patient={maria}&subject=Patient/{priya}")).await;
        assert_eq!(mixed.ids(), Vec::<String>::new());
        let own = get(&format!("/fhir/Observation?patient={maria}&_count=500")).await;
        assert!(!own.ids().is_empty() && own.ids().iter().all(|id| id.starts_with(&format!("{here}."))));
        // By the id that the practice knows the patient by.
        let by_chart = get(&format!("/fhir/Observation?patient={here}.pat-1001&_count=500")).await;
        assert_eq!(by_chart.ids(), own.ids());
        // A link to a further page is this service's, and this patient's.
        let first = get(&format!("/fhir/Observation?patient={maria}&_count=1")).await;
        let next = first.link("next").unwrap();
        assert_eq!(get(&next).await.ids().len(), 1);
        let carlos = world.person("carlos").id;
        assert_eq!(get(&next.replace(&maria.to_string(), &carlos.to_string())).await.status, 400);
        assert_eq!(world.get(&next, &world.token("maria").await).await.status, 400);
        // Each of it is in the trail, with nobody as the one who asked.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let rows = audit::recent(&world.app.db, 1_000).await.unwrap();
        let rows: Vec<_> =
            rows.iter().filter(|row| row.kind == "fhir" && row.client.as_deref() == Some("sync")).collect();
        assert!(rows.iter().all(|row| row.account.is_none()));
        let denied = rows.iter().filter(|row| row.outcome == AuditOutcome::Denied).count();
        assert!(denied >= 20, "{denied}");
        assert!(rows.iter().any(|row| row.person == Some(maria) && row.outcome == AuditOutcome::Permitted));
        assert!(rows.iter().all(|row| row.person != Some(priya)));
    });
}

#[test]
fn o32_a_bound_token_opens_the_record_with_its_proof_alone() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let (key, thief) = (Key::es256("x"), Key::es256("x"));
        let now = || world.clock.now().seconds();
        let at_token = json!({"jti": "t", "htm": "POST", "htu": format!("{}/oauth/token", world.issuer), "iat": now()});
        let token = world.bound_token("maria", "bound-app", &key.sign(&key.proof_header(), &at_token)).await;
        let ath = data_encoding::BASE64URL_NOPAD.encode(&chartgate::base::hash::sha256(token.as_bytes()));
        let other_ath = data_encoding::BASE64URL_NOPAD.encode(&chartgate::base::hash::sha256(b"other"));
        let path = format!("/fhir/Patient/{}", world.person("maria").id);
        let claims = |jti: &str| json!({"jti": jti, "htm": "GET", "htu": format!("{}{path}", world.issuer), "iat": now(), "ath": ath});
        let send = async |method: &str, target: &str, scheme: &str, proofs: &[String], body: &str| -> Reply {
            let authorization = format!("{scheme} {token}");
            let mut headers = vec![("authorization", authorization.as_str())];
            headers.extend(proofs.iter().map(|proof| ("dpop", proof.as_str())));
            if !body.is_empty() {
                headers.push(("content-type", "application/fhir+json"));
            }
            world.send(method, target, None, &headers, body).await
        };
        let sign = |claims: &serde_json::Value| key.sign(&key.proof_header(), claims);
        let good = sign(&claims("1"));
        assert_eq!(send("GET", &path, "DPoP", std::slice::from_ref(&good), "").await.status, 200);
        let replay = send("GET", &path, "DPoP", &[good], "").await;
        assert_eq!(replay.status, 401);
        assert!(replay.header("www-authenticate").unwrap().starts_with("DPoP error=\"invalid_dpop_proof\""));
        let with = |name: &str, value: serde_json::Value| {
            let mut claims = claims(&format!("{name} {value}"));
            match value {
                serde_json::Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value,
            }
            sign(&claims)
        };
        let mut bad = vec![
            ("none".to_owned(), vec![]),
            ("two".to_owned(), vec![sign(&claims("a")), sign(&claims("b"))]),
            ("a thief's".to_owned(), vec![thief.sign(&thief.proof_header(), &claims("c"))]),
            ("empty".to_owned(), vec![String::new()]),
        ];
        for (name, value) in [
            ("ath", serde_json::Value::Null),
            ("ath", json!(other_ath)),
            ("ath", json!("")),
            ("htm", json!("POST")),
            ("htm", json!("get")),
            ("htu", json!(world.issuer)),
            ("htu", json!(format!("{}/fhir/Observation", world.issuer))),
            ("htu", json!(format!("https://evil.test{path}"))),
            ("htu", json!(format!("{}{path}/", world.issuer))),
            ("iat", json!(now() - 61)),
            ("iat", json!(now() - 300)),
            ("iat", json!(now() + 11)),
            ("jti", serde_json::Value::Null),
        ] {
            bad.push((format!("{name}={value}"), vec![with(name, value)]));
        }
        world.forget_upstream();
        for (name, proofs) in &bad {
            let answer = send("GET", &path, "DPoP", proofs, "").await;
            assert_eq!(answer.status, 401, "{name}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("DPoP "), "{name}");
            assert!(leaks(&world, "nobody", &answer.text).is_empty(), "{name}");
        }
        // As a bearer token it is nothing, proof or not.
        for proofs in [vec![], vec![sign(&claims("bearer"))]] {
            let answer = send("GET", &path, "Bearer", &proofs, "").await;
            assert_eq!(answer.status, 401);
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
        }
        assert!(world.upstream_counts().iter().all(|count| *count == 0));
        // A bearer token gains nothing by a proof.
        let bearer = world.token("maria").await;
        let authorization = format!("DPoP {bearer}");
        let proof = sign(&claims("plain"));
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        assert_eq!(world.send("GET", &path, None, &headers, "").await.status, 401);
        // The query is not part of what is proven; a batch is one request with one proof.
        assert_eq!(send("GET", &format!("{path}?_format=json"), "DPoP", &[sign(&claims("q"))], "").await.status, 200);
        let mut batch = claims("batch");
        batch["htm"] = json!("POST");
        batch["htu"] = json!(world.fhir);
        let entries = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": path.strip_prefix("/fhir/").unwrap()}},
            {"request": {"method": "GET", "url": "Condition?_count=1"}},
        ]});
        let answer = send("POST", "/fhir", "DPoP", &[sign(&batch)], &entries.to_string()).await;
        let statuses: Vec<_> = answer.json()["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["response"]["status"].clone())
            .collect();
        assert_eq!(statuses, ["200 OK", "200 OK"]);
        // Preflights allow the header.
        let origin = [
            ("origin", "https://app.test"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "dpop"),
        ];
        let preflight = world.send("OPTIONS", &path, None, &origin, "").await;
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("dpop"));
    });
}
