//! Refresh tokens.

use std::time::Duration;

use chartgate::base::clock::Clock;
use chartgate::storage::{StorageError, authorizations, clients};
use futures_util::FutureExt;
use serde_json::Value;

use super::world::{World, scopes, with};
use chartgate::oauth::client::ClientId;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[track_caller]
fn is_refused(answer: &crate::support::http::Answer, error: &str) {
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some(error)), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn o21_a_refresh_token_replayed_after_its_successor_was_used_kills_the_family() {
    a_replay_kills_the_family(World::new().await).await;
}

pub(crate) async fn a_replay_kills_the_family(world: World) {
    world.client("app", false).await;
    // The successor counts as used when its access token was, and when it was itself presented.
    for use_access_token in [true, false] {
        let first = world.launch("app").await;
        let old = world.refresh("app", text(&first["refresh_token"]));
        let second = world.token(&old).await.json();
        assert_ne!(first["refresh_token"], second["refresh_token"], "it rotates");
        let last = if use_access_token {
            assert!(world.works(&second["access_token"]).await);
            second
        } else {
            world.token(&world.refresh("app", text(&second["refresh_token"]))).await.json()
        };
        is_refused(&world.token(&old).await, "invalid_grant");
        for dead in [&first["access_token"], &last["access_token"]] {
            assert!(!world.works(dead).await);
        }
        is_refused(&world.token(&world.refresh("app", text(&last["refresh_token"]))).await, "invalid_grant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o22_64_refreshes_at_once_make_one_lineage() {
    many_refreshes_make_one_lineage(World::new().await).await;
}

pub(crate) async fn many_refreshes_make_one_lineage(world: World) {
    world.client("app", false).await;
    let (request, mut browser) = (world.request("app"), world.browser());
    for round in 0..super::world::rounds() {
        let page = world.consent(&mut browser, &request).await;
        let code = super::world::allow(&mut browser, &page).await.redirected("code").unwrap();
        let first = world.token(&world.redemption("app", &code)).await.json();
        let form = world.refresh("app", text(&first["refresh_token"]));
        let all = futures_util::future::join_all((0..64).map(|_| world.token(&form))).await;
        let mut successors: Vec<String> = Vec::new();
        for answer in &all {
            assert_eq!(answer.status, 200, "round {round}: nobody is signed out: {}", answer.body);
            successors.push(text(&answer.json()["refresh_token"]).to_owned());
        }
        successors.dedup();
        assert_eq!(successors.len(), 1, "round {round}: one lineage");
        for answer in &all {
            assert!(world.works(&answer.json()["access_token"]).await);
        }
        assert_eq!(world.token(&world.refresh("app", &successors[0])).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o23_a_lost_answer_can_be_asked_for_again() {
    let world = World::new().await;
    world.client("app", false).await;
    let first = world.launch("app").await;
    let form = world.refresh("app", text(&first["refresh_token"]));
    let lost = world.token(&form).await.json();
    world.advance(Duration::from_secs(86_400));
    let again = world.token(&form).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.json()["refresh_token"], lost["refresh_token"]);
    assert!(world.works(&again.json()["access_token"]).await);
    assert_eq!(world.token(&world.refresh("app", text(&again.json()["refresh_token"]))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn o24_a_second_process_knows_of_the_replay() {
    a_second_process_knows(World::new().await).await;
}

pub(crate) async fn a_second_process_knows(world: World) {
    world.client("app", false).await;
    let first = world.launch("app").await;
    let old = text(&first["refresh_token"]).to_owned();
    let second = world.token(&world.refresh("app", &old)).await.json();
    assert!(world.works(&second["access_token"]).await);
    // What a restart leaves is the database and the master key.
    let master_key = chartgate::base::keys::MasterKey::new([7; 32]);
    let (clock, random) = (world.clock.clone(), world.random.clone());
    let acts = chartgate::audit::Acts::begin(world.database.second().await, &master_key, &*random).await.unwrap();
    let other = chartgate::authorization::AuthorizationServer::new(acts, clock, random, &master_key, &world.config);
    let replay = chartgate::authorization::ClientRequest {
        endpoint: chartgate::authorization::ClientEndpoint::Token,
        authorization: None,
        proofs: Vec::new(),
        address: None,
        form: world.refresh("app", &old),
    };
    assert!(other.token(replay).await.is_err());
    assert!(other.authenticate(text(&second["access_token"])).await.is_err());
    // The first process learns of it within a second.
    let started = std::time::Instant::now();
    while world.works(&second["access_token"]).await {
        assert!(started.elapsed() < Duration::from_secs(1), "o42: revocation must show within a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o25_a_foreign_refresh_token_harms_nobody() {
    let world = World::new().await;
    world.client("app", false).await;
    world.client("other", false).await;
    let first = world.launch("app").await;
    let token = text(&first["refresh_token"]);
    is_refused(&world.token(&world.refresh("other", token)).await, "invalid_grant");
    assert!(world.works(&first["access_token"]).await);
    assert_eq!(world.token(&world.refresh("app", token)).await.status, 200);
    is_refused(&world.token(&world.refresh("app", "cgrt_nonsense")).await, "invalid_grant");
    is_refused(&world.token(&with(&world.refresh("app", token), "refresh_token", None)).await, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn o26_a_refresh_never_widens() {
    let world = World::new().await;
    world.client("app", false).await;
    let code = world.code(&with(&world.request("app"), "scope", Some("offline_access patient/*.rs"))).await;
    let first = world.token(&world.redemption("app", &code)).await.json();
    let form = world.refresh("app", text(&first["refresh_token"]));
    for wider in
        ["patient/*.cruds", "offline_access patient/*.rs openid", "user/*.rs", "nonsense", "patient/*.rs nonsense"]
    {
        is_refused(&world.token(&with(&form, "scope", Some(wider))).await, "invalid_scope");
    }
    let all = world.token(&with(&form, "scope", Some("patient/*.rs offline_access"))).await.json();
    assert_eq!(scopes(text(&all["scope"])), scopes("offline_access patient/*.rs"));
    let form = world.refresh("app", text(&all["refresh_token"]));
    let narrow = world.token(&with(&form, "scope", Some("patient/Condition.r"))).await.json();
    assert_eq!(narrow["scope"], "patient/Condition.r");
    let subject = world.server.authenticate(text(&narrow["access_token"])).await.unwrap();
    assert_eq!(subject.scopes, scopes("patient/Condition.r"));
    // The next one may have it all again: the refresh token itself was not narrowed (RFC 6749 §6).
    let form = world.refresh("app", text(&narrow["refresh_token"]));
    let again = world.token(&form).await.json();
    assert_eq!(scopes(text(&again["scope"])), scopes("offline_access patient/*.rs"));

    let id = ClientId::parse("app").unwrap();
    let less = scopes("offline_access patient/Condition.rs");
    world
        .database
        .db
        .write::<_, StorageError>(move |tx| async move { clients::set_scopes(tx, &id, &less).await }.boxed())
        .await
        .unwrap();
    let subject = world.server.authenticate(text(&again["access_token"])).await.unwrap();
    assert_eq!(subject.scopes, scopes("offline_access patient/Condition.rs"), "live tokens are narrowed too");
    let last = world.token(&world.refresh("app", text(&again["refresh_token"]))).await.json();
    assert_eq!(scopes(text(&last["scope"])), scopes("offline_access patient/Condition.rs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_live_100_days_from_each_use() {
    let world = World::new().await;
    world.client("app", false).await;
    let mut token = text(&world.launch("app").await["refresh_token"]).to_owned();
    for _ in 0..3 {
        world.advance(Duration::from_secs(99 * 86_400));
        token = text(&world.token(&world.refresh("app", &token)).await.json()["refresh_token"]).to_owned();
    }
    world.advance(Duration::from_secs(100 * 86_400));
    is_refused(&world.token(&world.refresh("app", &token)).await, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn online_access_ends_with_the_session() {
    online_access_ends(World::new().await).await;
}

pub(crate) async fn online_access_ends(world: World) {
    world.client("app", false).await;
    let request = with(&world.request("app"), "scope", Some("online_access patient/*.rs"));
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &request).await;
    let code = super::world::allow(&mut browser, &page).await.redirected("code").unwrap();
    let first = world.token(&world.redemption("app", &code)).await.json();
    let second = world.token(&world.refresh("app", text(&first["refresh_token"]))).await;
    assert_eq!(second.status, 200, "{}", second.body);
    let home = browser.get("/").await;
    assert_eq!(browser.post("/sign-out", &home.form()).await.status, 303);
    let token = second.json()["refresh_token"].as_str().unwrap().to_owned();
    is_refused(&world.token(&world.refresh("app", &token)).await, "invalid_grant");
}

/// SMART App Launch 2.2 names no `client_id` in a refresh of a public app, and a library in wide use sends none.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_app_refreshes_without_naming_itself_and_nobody_else_does() {
    let world = World::new().await;
    world.client("app", false).await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let nameless = |token: &str| with(&world.refresh("x", token), "client_id", None);
    let first = world.launch("app").await;
    let answer = world.token(&nameless(text(&first["refresh_token"]))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(world.works(&answer.json()["access_token"]).await);
    let rotated = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first["refresh_token"], rotated.as_str());

    let code = world.code(&world.request("clinic-app")).await;
    let form = with(&world.redemption("clinic-app", &code), "client_secret", Some(secret.expose()));
    let confidential = world.token(&form).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let almost = with(&nameless(&rotated), "client_secret", Some("x"));
    let empty = with(&nameless(&rotated), "client_id", Some(""));
    for form in [nameless(&confidential), nameless("cgrt_x"), nameless("x"), almost, empty] {
        let answer = world.token(&form).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{form:?}");
    }
    world.server.enable_client(&chartgate::oauth::client::ClientId::parse("app").unwrap(), false).await.unwrap();
    assert_eq!(world.token(&nameless(&rotated)).await.status, 401, "a disabled app");
}

/// A token that stays, of a client with a secret: the form that it is shown with.
async fn kept(world: &World) -> Vec<(String, String)> {
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    let code = world.code(&world.request("clinic-app")).await;
    let form = with(&world.redemption("clinic-app", &code), "client_secret", Some(secret.expose()));
    let first = world.token(&form).await.json();
    with(&world.refresh("clinic-app", text(&first["refresh_token"])), "client_secret", Some(secret.expose()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_stays_lives_100_days_from_each_use() {
    a_token_that_stays_lives_on(World::new().await).await;
}

pub(crate) async fn a_token_that_stays_lives_on(world: World) {
    let form = kept(&world).await;
    for _ in 0..3 {
        world.advance(Duration::from_secs(99 * 86_400));
        assert_eq!(world.token(&form).await.status, 200);
    }
    // Within an hour the end stays where it is.
    world.advance(Duration::from_secs(1_800));
    assert_eq!(world.token(&form).await.status, 200);
    world.advance(Duration::from_secs(100 * 86_400 - 1_801));
    assert_eq!(world.token(&form).await.status, 200);
    world.advance(Duration::from_secs(100 * 86_400));
    is_refused(&world.token(&form).await, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn o42_what_is_known_of_a_refresh_token_ends_with_the_right_to_it() {
    what_is_known_ends(World::new().await).await;
}

pub(crate) async fn what_is_known_ends(world: World) {
    let form = kept(&world).await;
    let refreshed = world.token(&form).await.json();
    assert_eq!(world.token(&form).await.status, 200, "from memory");
    let app = ClientId::parse("clinic-app").unwrap();
    world.server.enable_client(&app, false).await.unwrap();
    assert_eq!(world.token(&form).await.status, 401, "a disabled app");
    world.server.enable_client(&app, true).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.token(&form).await.status, 200);
    }
    for (name, value) in [("client_secret", "cgcs_wrong"), ("client_id", "another")] {
        assert_eq!(world.token(&with(&form, name, Some(value))).await.status, 401, "{name}");
    }
    // What another process ended counts for the next refresh, before this one has learned of it.
    let subject = world.server.authenticate(text(&refreshed["access_token"])).await.unwrap();
    let (id, now) = (subject.authorization().unwrap(), world.clock.now());
    let ended: Result<bool, StorageError> = world
        .database
        .second()
        .await
        .write(move |tx| async move { authorizations::revoke(tx, id, now).await }.boxed())
        .await;
    assert_eq!(ended, Ok(true));
    is_refused(&world.token(&form).await, "invalid_grant");
    let entries = chartgate::storage::audit::recent(&world.database.db, 100).await.unwrap();
    let refreshes = entries.iter().filter(|entry| entry.interaction.as_deref() == Some("refresh_token")).count();
    assert_eq!(refreshes, 4, "each that brought a token has its entry, and no other");
}

/// Each statement is a way to the database and back, which costs more than all else a refresh does.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_sends_few_statements() {
    let world = World::new().await;
    let secret = world.client("clinic-app", true).await.secret.unwrap();
    world.client("app", false).await;
    let code = world.code(&world.request("clinic-app")).await;
    let form = with(&world.redemption("clinic-app", &code), "client_secret", Some(secret.expose()));
    let kept = world.token(&form).await.json()["refresh_token"].as_str().unwrap().to_owned();
    let kept = with(&world.refresh("clinic-app", &kept), "client_secret", Some(secret.expose()));
    let db = &world.database.db;

    // The poll of the generation falls into one of them now and then, not into each.
    let mut fewest = u64::MAX;
    for _ in 0..6 {
        let before = db.statements();
        assert_eq!(world.token(&kept).await.status, 200);
        fewest = fewest.min(db.statements() - before);
    }
    // BEGIN, one that writes, two of the audit trail, COMMIT: what it rests on is known from the first time.
    assert_eq!(fewest, 5, "a client that keeps its refresh token");

    let mut token = text(&world.launch("app").await["refresh_token"]).to_owned();
    let mut fewest = u64::MAX;
    for _ in 0..6 {
        let before = db.statements();
        token = text(&world.token(&world.refresh("app", &token)).await.json()["refresh_token"]).to_owned();
        fewest = fewest.min(db.statements() - before);
    }
    // One that reads, BEGIN, SAVEPOINT, three that write, RELEASE, two of the audit trail, COMMIT.
    assert_eq!(fewest, 10, "a client whose refresh token rotates");

    // Many at once share all of them.
    let (before, commits) = (db.statements(), db.commits());
    for answer in futures_util::future::join_all((0..64).map(|_| world.token(&kept))).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let (sent, groups) = (db.statements() - before, db.commits() - commits);
    assert!(sent <= groups * 5 + 10, "{sent} statements for 64 refreshes in {groups} groups");
}
