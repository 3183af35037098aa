//! Codes at the token endpoint.

use std::time::Duration;

use super::world::{REDIRECT, VERIFIER, World, set, with};

#[track_caller]
fn is_refused(answer: &crate::support::http::Answer, error: &str) {
    let status = if error == "invalid_client" { 401 } else { 400 };
    assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{}", answer.body);
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn o05_a_verifier_that_does_not_fit_burns_the_code() {
    let world = World::new().await;
    world.client("app", false).await;
    // The challenge itself as verifier is `plain`.
    let challenge = world.request("app").into_iter().find(|(n, _)| n == "code_challenge").unwrap().1;
    for bad in [None, Some(""), Some("x"), Some(&challenge), Some(&VERIFIER[..42]), Some(&"a".repeat(129))] {
        let code = world.code(&world.request("app")).await;
        let good = world.redemption("app", &code);
        is_refused(&world.token(&with(&good, "code_verifier", bad)).await, "invalid_grant");
        is_refused(&world.token(&good).await, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o07_a_code_replayed_later_kills_what_the_first_one_got() {
    a_code_replayed_later_kills(World::new().await).await;
}

pub(crate) async fn a_code_replayed_later_kills(world: World) {
    world.client("app", false).await;
    let code = world.code(&world.request("app")).await;
    let form = world.redemption("app", &code);
    let body = world.token(&form).await.json();
    assert!(world.works(&body["access_token"]).await);

    // Within a second: sent twice, not stolen.
    world.advance(Duration::from_millis(900));
    is_refused(&world.token(&form).await, "invalid_grant");
    assert!(world.works(&body["access_token"]).await);

    world.advance(Duration::from_millis(200));
    is_refused(&world.token(&form).await, "invalid_grant");
    assert!(!world.works(&body["access_token"]).await);
    let refresh = world.refresh("app", body["refresh_token"].as_str().unwrap());
    is_refused(&world.token(&refresh).await, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn o07_a_replay_by_anybody_else_kills_at_once() {
    let world = World::new().await;
    world.client("app", false).await;
    world.client("other", false).await;
    for (name, value) in [("client_id", Some("other")), ("code_verifier", Some("x")), ("redirect_uri", None)] {
        let code = world.code(&world.request("app")).await;
        let form = world.redemption("app", &code);
        let body = world.token(&form).await.json();
        assert!(world.works(&body["access_token"]).await);
        is_refused(&world.token(&with(&form, name, value)).await, "invalid_grant");
        assert!(!world.works(&body["access_token"]).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o08_of_64_at_once_exactly_one_gets_tokens() {
    of_64_at_once_exactly_one_gets_tokens(World::new().await).await;
}

pub(crate) async fn of_64_at_once_exactly_one_gets_tokens(world: World) {
    world.client("app", false).await;
    let (request, mut browser) = (world.request("app"), world.browser());
    for round in 0..super::world::rounds() {
        let page = world.consent(&mut browser, &request).await;
        let code = super::world::allow(&mut browser, &page).await.redirected("code").unwrap();
        let form = world.redemption("app", &code);
        let all = futures_util::future::join_all((0..64).map(|_| world.token(&form))).await;
        let mut good = all.iter().filter(|answer| answer.status == 200);
        let first = good.next().unwrap().json();
        assert!(good.next().is_none(), "round {round}: one 200");
        for answer in all.iter().filter(|answer| answer.status != 200) {
            is_refused(answer, "invalid_grant");
        }
        assert!(world.works(&first["access_token"]).await, "round {round}: the one who got tokens keeps them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o09_a_code_of_another_client_or_address_is_burned() {
    let world = World::new().await;
    world.client("app", false).await;
    world.client("other", false).await;
    for (name, value) in [
        ("client_id", Some("other")),
        ("redirect_uri", Some("https://app.test/other?k=v")),
        ("redirect_uri", Some("https://app.test/cb/")),
        ("redirect_uri", None),
    ] {
        let code = world.code(&world.request("app")).await;
        let good = world.redemption("app", &code);
        is_refused(&world.token(&with(&good, name, value)).await, "invalid_grant");
        is_refused(&world.token(&good).await, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o10_a_code_lives_a_minute() {
    let world = World::new().await;
    world.client("app", false).await;
    for (age, status) in [(59, 200), (61, 400)] {
        let code = world.code(&world.request("app")).await;
        world.advance(Duration::from_secs(age));
        assert_eq!(world.token(&world.redemption("app", &code)).await.status, status, "{age} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o16_other_grant_types_are_refused() {
    let world = World::new().await;
    world.client("app", false).await;
    for bad in ["password", "urn:ietf:params:oauth:grant-type:jwt-bearer", "implicit", ""] {
        let form = with(&world.redemption("app", "x"), "grant_type", Some(bad));
        is_refused(&world.token(&form).await, "unsupported_grant_type");
    }
    is_refused(&world.token(&with(&world.redemption("app", "x"), "grant_type", None)).await, "invalid_request");
    is_refused(&world.token(&with(&world.redemption("app", "x"), "code", None)).await, "invalid_request");
    is_refused(&world.token(&world.redemption("app", "BAD_CODE")).await, "invalid_grant");
    is_refused(&world.token(&world.redemption("nobody", "BAD_CODE")).await, "invalid_client");
    let json = world.browser().send("POST", "/oauth/token", &[("content-type", "application/json")], "{}").await;
    is_refused(&json, "invalid_request");
    let mut form = world.redemption("app", "x");
    set(&mut form, "redirect_uri", Some(REDIRECT));
    assert_eq!(world.browser().get("/oauth/token").await.status, 405);
}

/// A page that is loaded or sent twice is one transaction; the same challenge in another one is a constant.
#[tokio::test(flavor = "multi_thread")]
async fn o06_a_challenge_is_good_for_one_authorization() {
    let world = World::new().await;
    world.client("app", false).await;
    world.client("other", false).await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let request = world.request("app");
    for _ in 0..2 {
        let code = world.code(&request).await;
        assert_eq!(world.token(&world.redemption("app", &code)).await.status, 200, "loaded again");
    }
    assert_eq!(world.server.challenges_again(), 0);

    let another = with(&request, "state", Some("another"));
    for tries in 1..=2 {
        let mut browser = world.browser();
        let page = world.consent(&mut browser, &another).await;
        let answer = super::world::allow(&mut browser, &page).await;
        assert_eq!((answer.redirected("error").as_deref(), answer.redirected("code")), (Some("invalid_request"), None));
        assert_eq!(answer.redirected("state").as_deref(), Some("another"));
        assert_eq!(world.server.challenges_again(), tries);
    }
    world.code(&with(&another, "client_id", Some("other"))).await;
    assert_eq!(world.server.challenges_again(), 2, "another app's challenge is another one");

    // An app with a secret has something else to show: it is counted, once for each transaction that does it.
    world.code(&with(&request, "client_id", Some("clinic-app"))).await;
    let code = world.code(&with(&another, "client_id", Some("clinic-app"))).await;
    assert_eq!(world.server.challenges_again(), 3);
    let form = with(&world.redemption("clinic-app", &code), "client_secret", Some(secret.expose()));
    assert_eq!(world.token(&form).await.status, 200);

    world.advance(Duration::from_secs(2 * 86_400));
    let mut expiry = chartgate::jobs::Expiry::new(world.database.db.clone(), world.clock.clone());
    expiry.run_once().await.unwrap();
    world.code(&another).await;
    assert_eq!(world.server.challenges_again(), 3, "forgotten after a day");
}
