//! Tokens bound to a key (RFC 9449): the token endpoint's side.

use std::time::Duration;

use chartgate::authorization::{ClientEndpoint, ClientRequest, NewClient, ShownProof, TokenError, Unauthenticated};
use chartgate::base::clock::Clock;
use chartgate::oauth::client::{ClientId, Requirements};
use chartgate::oauth::error::ErrorCode;
use chartgate::oauth::token::TokenKind;
use chartgate::storage::tokens;
use serde_json::{Value, json};

use super::world::{REDIRECT, World, pairs, scopes, with};
use crate::support::http::Answer;
use crate::support::keys::Key;

/// The claims of a good proof for an endpoint.
fn claims(world: &World, path: &str, jti: &str) -> Value {
    let now = world.clock.now().seconds();
    json!({"jti": jti, "htm": "POST", "htu": format!("{}{path}", world.issuer), "iat": now})
}

fn proof(world: &World, key: &Key, jti: &str) -> String {
    key.sign(&key.proof_header(), &claims(world, "/oauth/token", jti))
}

async fn token(world: &World, form: &[(String, String)], proofs: &[&str]) -> Answer {
    let headers: Vec<(&str, &str)> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    world.browser().post_with("/oauth/token", form, &headers).await
}

async fn code(world: &World, client: &str, jkt: Option<&str>) -> Vec<(String, String)> {
    let request = with(&world.request(client), "dpop_jkt", jkt);
    world.redemption(client, &world.code(&request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn o32_a_token_that_came_with_a_proof_is_bound_and_its_refresh_token_too() {
    a_token_is_bound(World::new().await).await;
}

pub(crate) async fn a_token_is_bound(world: World) {
    world.client("app", false).await;
    let (mine, thief) = (Key::es256("x"), Key::es256("x"));
    let answer = token(&world, &code(&world, "app", None).await, &[&proof(&world, &mine, "1")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let first = answer.json();
    assert_eq!(first["token_type"], "DPoP");
    let access = first["access_token"].as_str().unwrap();
    let hash = TokenKind::Access.hash(access).unwrap();
    let stored = tokens::bearer(&world.database.db, &hash).await.unwrap().unwrap();
    assert_eq!(stored.key.unwrap().to_string(), mine.thumbprint());
    assert!(!world.works(&first["access_token"]).await, "it is no bearer token");
    // The refresh token of a public client is worth nothing without the key.
    let refresh = world.refresh("app", first["refresh_token"].as_str().unwrap());
    for proofs in [vec![], vec![proof(&world, &thief, "2")]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        assert_eq!(token(&world, &refresh, &proofs).await.json()["error"], "invalid_grant");
    }
    let second = token(&world, &refresh, &[&proof(&world, &mine, "3")]).await.json();
    assert_eq!(second["token_type"], "DPoP");
    let successor = world.refresh("app", second["refresh_token"].as_str().unwrap());
    assert_eq!(token(&world, &successor, &[&proof(&world, &thief, "4")]).await.json()["error"], "invalid_grant");
    assert_eq!(token(&world, &successor, &[&proof(&world, &mine, "5")]).await.status, 200);
    // Without a proof everything is as before.
    let plain = world.launch("app").await;
    assert_eq!(plain["token_type"], "Bearer");
    assert!(world.works(&plain["access_token"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn o09_a_code_that_is_bound_to_a_key_is_burned_by_any_other() {
    a_bound_code(World::new().await).await;
}

pub(crate) async fn a_bound_code(world: World) {
    world.client("app", false).await;
    let (mine, thief) = (Key::es256("x"), Key::es384("x"));
    let jkt = mine.thumbprint();
    let good = code(&world, "app", Some(&jkt)).await;
    assert_eq!(token(&world, &good, &[&proof(&world, &mine, "1")]).await.status, 200);
    for proofs in [vec![], vec![proof(&world, &thief, "2")]] {
        let form = code(&world, "app", Some(&jkt)).await;
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        assert_eq!(token(&world, &form, &proofs).await.json()["error"], "invalid_grant");
        let fresh = proof(&world, &mine, &format!("late {}", proofs.len()));
        assert_eq!(token(&world, &form, &[&fresh]).await.json()["error"], "invalid_grant", "burned");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o32_no_bad_proof_gets_a_token() {
    let world = World::new().await;
    world.client("app", false).await;
    let (key, other) = (Key::es256("x"), Key::es256("x"));
    let header = key.proof_header();
    let good = claims(&world, "/oauth/token", "good");
    let now = world.clock.now().seconds();
    let head = |name: &str, value: Value| {
        let mut header = header.clone();
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
            value => header[name] = value,
        }
        key.sign(&header, &good)
    };
    let mut private = key.public();
    private["d"] = json!("AAAA");
    let mut bad: Vec<(String, Vec<String>)> = vec![
        ("two headers".to_owned(), vec![proof(&world, &key, "a"), proof(&world, &key, "b")]),
        ("empty".to_owned(), vec![String::new()]),
        ("nonsense".to_owned(), vec!["a.b.c".to_owned()]),
        ("typ JWT".to_owned(), vec![head("typ", json!("JWT"))]),
        ("no typ".to_owned(), vec![head("typ", Value::Null)]),
        ("no jwk".to_owned(), vec![head("jwk", Value::Null)]),
        ("another's jwk".to_owned(), vec![head("jwk", other.public())]),
        ("private jwk".to_owned(), vec![head("jwk", private)]),
        ("symmetric jwk".to_owned(), vec![head("jwk", json!({"kty": "oct", "k": "AAAA"}))]),
        ("alg none".to_owned(), vec![head("alg", json!("none"))]),
        ("alg HS256".to_owned(), vec![head("alg", json!("HS256"))]),
        ("alg ES384".to_owned(), vec![head("alg", json!("ES384"))]),
        ("crit".to_owned(), vec![head("crit", json!(["x"]))]),
    ];
    for (name, value) in [
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htm", Value::Null),
        ("htu", json!(format!("{}/oauth/revoke", world.issuer))),
        ("htu", json!("https://other.test/oauth/token")),
        ("htu", json!("/oauth/token")),
        ("htu", Value::Null),
        ("iat", json!(now - 300)),
        ("iat", json!(now - 61)),
        ("iat", json!(now + 11)),
        ("iat", json!("now")),
        ("iat", Value::Null),
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
        ("jti", Value::Null),
    ] {
        let mut claims = good.clone();
        match value.clone() {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        bad.push((format!("{name}={value}"), vec![key.sign(&header, &claims)]));
    }
    assert!(bad.len() >= 20, "{}", bad.len());
    let form = code(&world, "app", None).await;
    for (name, proofs) in &bad {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = token(&world, &form, &proofs).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_dpop_proof")), "{name}");
    }
    // However the URL is spelled, it is this one; and the code was not touched by all that.
    let mut claims = good.clone();
    claims["htu"] = json!(format!("{}/oauth/../oauth/token?x=1#y", world.issuer.replace("http:", "HTTP:")));
    let first = key.sign(&header, &claims);
    assert_eq!(token(&world, &form, &[&first]).await.status, 200);
    let again = code(&world, "app", None).await;
    assert_eq!(token(&world, &again, &[&first]).await.json()["error"], "invalid_dpop_proof", "a replay");
    println!("{} bad proofs refused", bad.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_binds_its_tokens_gets_none_without_a_proof() {
    let world = World::new().await;
    let new = NewClient {
        id: ClientId::parse("bound"),
        name: "Bound".to_owned(),
        redirect_uris: vec![REDIRECT.to_owned()],
        scopes: scopes("patient/*.rs launch/patient"),
        requirements: Requirements { bound_tokens: true, ..Requirements::default() },
        ..NewClient::default()
    };
    world.server.register_client(new).await.unwrap();
    let form = code(&world, "bound", None).await;
    assert_eq!(token(&world, &form, &[]).await.json()["error"], "invalid_request");
    let key = Key::es384("x");
    assert_eq!(token(&world, &form, &[&proof(&world, &key, "1")]).await.json()["token_type"], "DPoP");
}

#[tokio::test(flavor = "multi_thread")]
async fn introspection_names_the_key_and_userinfo_wants_its_proof() {
    let world = World::new().await;
    let secret = world.client("app", true).await.secret.unwrap();
    let key = Key::es256("x");
    let form = with(&code(&world, "app", None).await, "client_secret", Some(secret.expose()));
    let body = token(&world, &form, &[&proof(&world, &key, "1")]).await.json();
    let access = body["access_token"].as_str().unwrap();
    let ask = pairs(&[("token", access), ("client_id", "app"), ("client_secret", secret.expose())]);
    let told = world.browser().post("/oauth/introspect", &ask).await.json();
    assert_eq!((told["active"].clone(), told["token_type"].as_str()), (json!(true), Some("DPoP")));
    assert_eq!(told["cnf"]["jkt"], key.thumbprint());
    assert_eq!(told["patient"], world.ann_person.to_string());
    assert_eq!(told["need_patient_banner"], body["need_patient_banner"]);
    let url = "/oauth/userinfo";
    let ath = data_encoding::BASE64URL_NOPAD.encode(&chartgate::base::hash::sha256(access.as_bytes()));
    let proof = |jti: &str| {
        let mut claims = claims(&world, url, jti);
        claims["htm"] = json!("GET");
        claims["ath"] = json!(ath);
        key.sign(&key.proof_header(), &claims)
    };
    let get = async |scheme: &str, proof: Option<String>| {
        let authorization = format!("{scheme} {access}");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(proof.as_deref().map(|proof| ("dpop", proof)));
        world.browser().send("GET", url, &headers, "").await
    };
    assert_eq!(get("DPoP", Some(proof("a"))).await.json()["sub"], told["sub"]);
    assert_eq!(get("DPoP", Some(proof("a"))).await.status, 401, "a replay");
    assert_eq!(
        get("DPoP", None).await.header("www-authenticate").unwrap().split('"').nth(1),
        Some("invalid_dpop_proof")
    );
    assert_eq!(get("Bearer", Some(proof("b"))).await.status, 401);
    world.advance(Duration::from_secs(1));
    assert_eq!(get("dpop", Some(proof("c"))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn o32_a_proof_is_used_once_whatever_process_it_is_shown_to() {
    a_proof_is_used_once_everywhere(World::new().await).await;
}

pub(crate) async fn a_proof_is_used_once_everywhere(world: World) {
    world.client("app", false).await;
    let key = Key::es256("x");
    let (used, fresh) = (proof(&world, &key, "1"), proof(&world, &key, "2"));
    let answer = token(&world, &code(&world, "app", None).await, &[&used]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let form = code(&world, "app", None).await;
    let other = world.another_process().await;
    let shown = async |proof: &str| {
        let request = ClientRequest {
            endpoint: ClientEndpoint::Token,
            authorization: None,
            proofs: vec![proof],
            address: None,
            form: form.clone(),
        };
        other.token(request).await.map_err(|error| match error {
            TokenError::Refused(refused) => refused.code,
            other => panic!("{other}"),
        })
    };
    assert_eq!(shown(&used).await.unwrap_err(), ErrorCode::InvalidDpopProof, "used in the first process");
    // It was made before the other process began, and nobody used it: that is how a restart looks to an app.
    let body = shown(&fresh).await.unwrap().to_json();
    assert_eq!(body["token_type"], "DPoP");
    let again = token(&world, &code(&world, "app", None).await, &[&fresh]).await;
    assert_eq!(again.json()["error"], "invalid_dpop_proof", "used in the second process");

    // The same where resources are asked for.
    let access = body["access_token"].as_str().unwrap();
    let ath = data_encoding::BASE64URL_NOPAD.encode(&chartgate::base::hash::sha256(access.as_bytes()));
    let mut claims = claims(&world, "/fhir/Patient", "3");
    (claims["htm"], claims["ath"]) = (json!("GET"), json!(ath));
    let text = key.sign(&key.proof_header(), &claims);
    let shown = ShownProof { proofs: &[text.as_str()], method: "GET", path: "/fhir/Patient" };
    assert!(world.server.authenticate_bound(access, &shown).await.is_ok());
    assert!(matches!(other.authenticate_bound(access, &shown).await, Err(Unauthenticated::Proof)));
}
