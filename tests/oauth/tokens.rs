//! Access tokens: what they open, and when they stop.

use std::time::Duration;

use futures_util::FutureExt;

use chartgate::oauth::client::ClientId;
use chartgate::storage::{StorageError, accounts, clients, grants};

use super::world::{World, allow, pairs, with};

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_ends_on_time() {
    let world = World::new().await;
    world.client("app", false).await;
    let body = world.launch("app").await;
    world.settle().await;
    for (step, good) in [(3_599, true), (1, false), (86_400, false)] {
        // Both from memory and from the database.
        assert!(step == 3_599 || good || !world.works(&body["access_token"]).await || step == 1);
        world.advance(Duration::from_secs(step));
        assert_eq!(world.works(&body["access_token"]).await, good, "after {step} s more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_token_costs_no_read() {
    let world = World::new().await;
    world.client("app", false).await;
    let body = world.launch("app").await;
    let token = body["access_token"].as_str().unwrap();
    world.settle().await;
    let first = world.server.authenticate(token).await.unwrap();
    let second = world.server.authenticate(token).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second), "the same snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ends_takes_access_along_at_once() {
    a_grant_that_ends(World::new().await).await;
}

pub(crate) async fn a_grant_that_ends(world: World) {
    world.client("app", false).await;
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &world.request("app")).await;
    let form = with(&with(&page.form(), "decision", Some("allow")), "person", Some(&world.child.to_string()));
    let code = browser.post("/oauth/consent", &form).await.redirected("code").unwrap();
    let body = world.token(&world.redemption("app", &code)).await.json();
    world.settle().await;
    assert!(world.works(&body["access_token"]).await);
    let (grant, now) = (world.child_grant, chartgate::base::clock::Clock::now(&*world.clock));
    let end = world.database.db.write::<_, StorageError>(move |tx| {
        async move { grants::end(tx, grant, now, chartgate::identity::StatusReason::PatientRequest).await }.boxed()
    });
    end.await.unwrap();
    assert!(!world.works(&body["access_token"]).await);
    let refresh = world.refresh("app", body["refresh_token"].as_str().unwrap());
    assert_eq!(world.token(&refresh).await.status, 400);
    let page = world.consent(&mut browser, &world.request("app")).await;
    assert!(!page.body.contains(&world.child.to_string()), "and she can no longer choose the child");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_and_a_disabled_client_have_no_access() {
    let world = World::new().await;
    world.client("app", false).await;
    let body = world.launch("app").await;
    world.settle().await;
    for (enabled, works) in [(false, false), (true, true)] {
        let id = ClientId::parse("app").unwrap();
        let change = world
            .database
            .db
            .write::<_, StorageError>(move |tx| async move { clients::set_enabled(tx, &id, enabled).await }.boxed());
        change.await.unwrap();
        assert_eq!(world.works(&body["access_token"]).await, works);
        let refresh = world.refresh("app", "cgrt_x");
        let error = if enabled { "invalid_grant" } else { "invalid_client" };
        assert_eq!(world.token(&refresh).await.json()["error"], error);
    }
    let (ann, now) = (world.ann, chartgate::base::clock::Clock::now(&*world.clock));
    let close = world
        .database
        .db
        .write::<_, StorageError>(move |tx| async move { accounts::close(tx, ann, now).await }.boxed());
    close.await.unwrap();
    assert!(!world.works(&body["access_token"]).await);
    let refresh = world.refresh("app", body["refresh_token"].as_str().unwrap());
    assert_eq!(world.token(&refresh).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn o40_a_token_counts_in_its_header_alone() {
    let world = World::new().await;
    world.client("app", false).await;
    let body = world.launch("app").await;
    let token = body["access_token"].as_str().unwrap();
    let mut browser = world.browser();
    let answer = browser.get(&format!("/oauth/userinfo?access_token={token}")).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    let answer = browser.post("/oauth/userinfo", &pairs(&[("access_token", token)])).await;
    assert_eq!(answer.status, 401);
    let bearer = format!("Bearer {token}");
    let answer = browser.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn o43_nothing_passes_for_an_access_token() {
    let world = World::new().await;
    world.client("app", false).await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &world.request("app")).await;
    let session = browser.cookies["chartgate-session"].clone();
    let unused = allow(&mut browser, &page).await.redirected("code").unwrap();
    let body = world.launch("app").await;
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let mut others = vec![text("id_token"), text("refresh_token"), session, unused, secret.expose().clone()];
    others.push(String::new());
    // What a stolen database holds (S01) opens nothing either.
    let hash = chartgate::base::hash::sha256(text("access_token").as_bytes());
    others.push(data_encoding::HEXLOWER.encode(&hash));
    others.push(data_encoding::BASE64URL_NOPAD.encode(&hash));
    others.push(format!("cgat_{}", data_encoding::BASE64URL_NOPAD.encode(&hash)));
    for other in &others {
        assert!(world.server.authenticate(other).await.is_err(), "{other}");
        let bearer = format!("Bearer {other}");
        let answer = browser.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status, 401, "{other}");
    }
    // Nor does anything else pass for a refresh token, a code or a session.
    for other in [text("access_token"), text("id_token")].iter().chain(&others) {
        if *other != text("refresh_token") {
            assert_ne!(world.token(&world.refresh("app", other)).await.status, 200, "{other}");
        }
        if !other.starts_with("cgac_") {
            assert_ne!(world.token(&world.redemption("app", other)).await.status, 200, "{other}");
        }
        let assertion = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", other),
        ];
        let answer = world.token(&pairs(&assertion)).await;
        assert!([400, 401].contains(&answer.status) && answer.json().get("access_token").is_none(), "{other}");
        if !other.starts_with("cgss_") {
            let mut stranger = world.browser();
            stranger.cookies.insert("chartgate-session".to_owned(), other.clone());
            assert_eq!(stranger.get("/").await.status, 303, "{other}");
        }
    }
}
