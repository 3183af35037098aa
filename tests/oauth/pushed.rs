//! Pushed authorization requests (RFC 9126), and `iss` on every way back (RFC 9207).

use std::time::Duration;

use chartgate::authorization::NewClient;
use chartgate::oauth::client::{ClientId, Requirements};
use serde_json::json;

use super::world::{REDIRECT, World, allow, authorize_path, pairs, scopes, set, with};
use crate::support::http::Answer;
use crate::support::keys::Key;

async fn push(world: &World, request: &[(String, String)]) -> Answer {
    world.browser().post("/oauth/par", request).await
}

async fn pushed(world: &World, client: &str) -> String {
    let answer = push(world, &world.request(client)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["request_uri"].as_str().unwrap().to_owned()
}

/// The path that a browser is sent to.
fn front(client: &str, request_uri: &str, more: &[(&str, &str)]) -> String {
    let mut query = pairs(&[("client_id", client), ("request_uri", request_uri)]);
    query.extend(pairs(more));
    authorize_path(&query)
}

/// A page of ours, and nobody sent anywhere.
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.header("location").is_none() && answer.body.contains("invalid_request_uri"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_request_leads_to_a_code() {
    a_pushed_request(World::new().await).await;
}

pub(crate) async fn a_pushed_request(world: World) {
    world.client("app", false).await;
    let answer = push(&world, &world.request("app")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!((answer.header("cache-control"), answer.json()["expires_in"].as_i64()), (Some("no-store"), Some(60)));
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    let mut browser = world.browser();
    let page = browser.get(&front("app", &uri, &[])).await;
    let page = world.sign_in(&mut browser, &page).await;
    let back = allow(&mut browser, &page).await;
    assert_eq!(back.redirected("state").as_deref(), Some("s t&ü"));
    let code = back.redirected("code").unwrap();
    assert_eq!(world.token(&world.redemption("app", &code)).await.status, 200);
    // It is gone, and nothing of it is left in the database in clear.
    is_refused(&browser.get(&front("app", &uri, &[])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn o34_a_pushed_request_is_good_once_for_its_client_and_for_a_minute() {
    pushed_requests_are_good_once(World::new().await).await;
}

pub(crate) async fn pushed_requests_are_good_once(world: World) {
    world.client("app", false).await;
    world.client("other", false).await;
    let uri = pushed(&world, "app").await;
    // Another client's: refused, and it stays good.
    is_refused(&world.browser().get(&front("other", &uri, &[])).await);
    assert_eq!(world.browser().get(&front("app", &uri, &[])).await.status, 200);
    is_refused(&world.browser().get(&front("app", &uri, &[])).await);
    // Of many browsers at once one gets it.
    let uri = pushed(&world, "app").await;
    let many = (0..16).map(|_| {
        let (world, path) = (&world, front("app", &uri, &[]));
        async move { world.browser().get(&path).await.status }
    });
    let statuses = futures_util::future::join_all(many).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    let (late, later) = (pushed(&world, "app").await, pushed(&world, "app").await);
    world.advance(Duration::from_secs(59));
    assert_eq!(world.browser().get(&front("app", &late, &[])).await.status, 200);
    world.advance(Duration::from_secs(1));
    is_refused(&world.browser().get(&front("app", &later, &[])).await);
    for nonsense in ["urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:x"] {
        is_refused(&world.browser().get(&front("app", nonsense, &[])).await);
    }
    // Nothing is fetched from anywhere: another kind of address is not supported at all.
    let answer = world
        .browser()
        .get(&front("app", "https://app.test/request.jwt", &[("redirect_uri", REDIRECT), ("response_type", "code")]))
        .await;
    assert_eq!(answer.redirected("error").as_deref(), Some("request_uri_not_supported"));
}

#[tokio::test(flavor = "multi_thread")]
async fn o34_what_was_pushed_wins_over_the_front_channel() {
    let world = World::new().await;
    world.client("app", false).await;
    let narrow = with(&world.request("app"), "scope", Some("launch/patient patient/Goal.rs"));
    let uri = push(&world, &narrow).await.json()["request_uri"].as_str().unwrap().to_owned();
    let more = [
        ("scope", "launch/patient patient/*.cruds"),
        ("redirect_uri", "https://app.test/other?k=v"),
        ("state", "evil"),
        ("code_challenge", "AAAA"),
        ("prompt", "none"),
    ];
    let mut browser = world.browser();
    let page = browser.get(&front("app", &uri, &more)).await;
    let page = world.sign_in(&mut browser, &page).await;
    assert!(page.body.contains("patient/Goal.rs") && !page.body.contains("cruds"));
    let back = allow(&mut browser, &page).await;
    assert!(back.location().starts_with(&format!("{REDIRECT}?")), "{}", back.location());
    assert_eq!(back.redirected("state").as_deref(), Some("s t&ü"));
    let token = world.token(&world.redemption("app", &back.redirected("code").unwrap())).await.json();
    assert_eq!(token["scope"], "launch/patient patient/Goal.rs");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_of_the_authorization_endpoint_is_made_when_it_is_pushed() {
    let world = World::new().await;
    world.client("app", false).await;
    world.client("secret-app", true).await;
    let good = world.request("app");
    for (name, value, status, error) in [
        ("redirect_uri", Some("https://evil.test/cb"), 400, "invalid_request"),
        ("redirect_uri", None, 400, "invalid_request"),
        ("client_id", Some("nobody"), 401, "invalid_client"),
        ("client_id", Some("secret-app"), 401, "invalid_client"),
        ("response_type", Some("token"), 400, "unsupported_response_type"),
        ("code_challenge_method", Some("plain"), 400, "invalid_request"),
        ("code_challenge", None, 400, "invalid_request"),
        ("aud", Some("https://other.test/fhir"), 400, "invalid_request"),
        ("scope", Some("system/*.rs"), 400, "invalid_scope"),
        ("state", None, 400, "invalid_request"),
        ("request_uri", Some("urn:ietf:params:oauth:request_uri:x"), 400, "invalid_request"),
        ("request", Some("x"), 400, "request_not_supported"),
        ("dpop_jkt", Some("x"), 400, "invalid_request"),
    ] {
        let answer = push(&world, &with(&good, name, value)).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{name}={value:?}");
    }
    let mut twice = good.clone();
    twice.push(("state".to_owned(), "t".to_owned()));
    assert_eq!(push(&world, &twice).await.json()["error"], "invalid_request", "o02");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_must_push_is_answered_nothing_else() {
    let world = World::new().await;
    let new = NewClient {
        id: ClientId::parse("strict"),
        name: "Strict".to_owned(),
        redirect_uris: vec![REDIRECT.to_owned()],
        scopes: scopes("patient/*.rs launch/patient"),
        requirements: Requirements { pushed_requests: true, ..Requirements::default() },
        ..NewClient::default()
    };
    world.server.register_client(new).await.unwrap();
    let answer = world.browser().get(&authorize_path(&world.request("strict"))).await;
    assert_eq!(answer.redirected("error").as_deref(), Some("invalid_request"));
    let uri = pushed(&world, "strict").await;
    assert_eq!(world.browser().get(&front("strict", &uri, &[])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn o32_a_proof_that_comes_with_the_request_binds_the_code() {
    use chartgate::base::clock::Clock;
    let world = World::new().await;
    world.client("app", false).await;
    let (mine, thief) = (Key::es256("x"), Key::es256("x"));
    let proof = |key: &Key, path: &str, jti: &str| {
        let (htu, iat) = (format!("{}{path}", world.issuer), world.clock.now().seconds());
        key.sign(&key.proof_header(), &json!({"jti": jti, "htm": "POST", "htu": htu, "iat": iat}))
    };
    let par = |jti: &str| proof(&mine, "/oauth/par", jti);
    let request = world.request("app");
    let wrong = with(&request, "dpop_jkt", Some(&thief.thumbprint()));
    let answer = world.browser().post_with("/oauth/par", &wrong, &[("dpop", &par("1"))]).await;
    assert_eq!(answer.json()["error"], "invalid_request", "the two keys differ");
    let elsewhere = proof(&mine, "/oauth/token", "2");
    let answer = world.browser().post_with("/oauth/par", &request, &[("dpop", &elsewhere)]).await;
    assert_eq!(answer.json()["error"], "invalid_dpop_proof");
    for (key, wanted) in [(&thief, 400), (&mine, 200)] {
        let answer = world.browser().post_with("/oauth/par", &request, &[("dpop", &par(&format!("p{wanted}")))]).await;
        let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let mut browser = world.browser();
        let page = browser.get(&front("app", &uri, &[])).await;
        let page = world.sign_in(&mut browser, &page).await;
        let code = allow(&mut browser, &page).await.redirected("code").unwrap();
        let form = world.redemption("app", &code);
        let token = proof(key, "/oauth/token", &format!("t{wanted}"));
        assert_eq!(world.browser().post_with("/oauth/token", &form, &[("dpop", &token)]).await.status, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o13_every_way_back_to_an_app_names_the_issuer_exactly() {
    let world = World::new().await;
    world.client("app", false).await;
    let good = world.request("app");
    let mut ways: Vec<(String, Answer)> = Vec::new();
    for (name, value) in [
        ("response_type", Some("token")),
        ("state", None),
        ("aud", Some("https://other.test")),
        ("code_challenge_method", Some("plain")),
        ("scope", Some("nonsense")),
        ("prompt", Some("none")),
        ("prompt", Some("none login")),
        ("max_age", Some("x")),
        ("request", Some("x")),
        ("request_uri", Some("https://app.test/r")),
        ("registration", Some("{}")),
        ("launch", Some("x")),
        ("response_mode", Some("fragment")),
        ("nonce", Some("a\u{0}b")),
        ("dpop_jkt", Some("x")),
    ] {
        let request = with(&good, name, value);
        ways.push((format!("{name}={value:?}"), world.browser().get(&authorize_path(&request)).await));
        ways.push((format!("posted {name}={value:?}"), world.browser().post("/oauth/authorize", &request).await));
    }
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &good).await;
    let mut deny = page.form();
    set(&mut deny, "decision", Some("deny"));
    ways.push(("denied".to_owned(), browser.post("/oauth/consent", &deny).await));
    ways.push(("allowed".to_owned(), allow(&mut browser, &page).await));
    let silent = with(&good, "prompt", Some("none"));
    ways.push(("consent required".to_owned(), browser.get(&authorize_path(&silent)).await));
    for (name, back) in &ways {
        // A posted request that is good so far goes on at our own page first.
        if back.location().starts_with("/oauth/authorize") {
            assert!(name.starts_with("posted prompt=Some(\"none\")"), "{name}");
            continue;
        }
        assert!(back.location().starts_with(REDIRECT), "{name}: {}", back.location());
        let url = url::Url::parse(back.location()).unwrap();
        let named: Vec<_> =
            url.query_pairs().filter(|(n, _)| n == "iss").map(|(_, value)| value.into_owned()).collect();
        assert_eq!((named.len(), named.first()), (1, Some(&world.issuer)), "{name}");
    }
    assert!(ways.len() >= 30);
}
