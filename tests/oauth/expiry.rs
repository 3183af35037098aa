//! What ended is removed in time, and nothing before it.

use std::time::Duration;

use chartgate::base::clock::Clock;
use chartgate::base::id::{AuthorizationId, SessionId};
use chartgate::base::random::{Random, SeededRandom};
use chartgate::jobs::{Expiry, Removed};
use chartgate::oauth::token::TokenKind;
use chartgate::storage::sessions::{SessionState, StoredSession};
use chartgate::storage::{StorageError, authorizations, sessions, tokens};

use super::backend::{ask, service};
use super::world::{World, with};
use crate::support::keys::Key;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_is_removed_in_time_and_nothing_before() {
    what_ended_is_removed(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_goes_in_batches_to_the_end() {
    removal_goes_in_batches(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_left_is_removed_too() {
    what_clients_left_is_removed(World::new().await).await;
}

pub(crate) async fn what_clients_left_is_removed(world: World) {
    let key = Key::es384("k");
    service(&world, "sync", "system/*.rs", &key).await.unwrap();
    world.client("app", false).await;
    assert_eq!(ask(&world, &key, "sync", "system/*.rs").await.status, 200);
    assert_eq!(world.browser().post("/oauth/par", &world.request("app")).await.status, 201);
    let mut job = Expiry::new(world.database.db.clone(), world.clock.clone());
    let nothing = Removed::default();
    // A minute, four minutes, five minutes; and an hour for clocks that differ.
    for (seconds, removed) in [
        (HOUR + 60, nothing),
        (1, Removed { pushed_requests: 1, ..nothing }),
        (180, nothing),
        (1, Removed { spent_ids: 1, ..nothing }),
        (58, nothing),
        (1, Removed { system_tokens: 1, ..nothing }),
        (DAY, nothing),
    ] {
        world.advance(Duration::from_secs(seconds));
        assert_eq!(job.run_once().await.unwrap(), removed, "{seconds}");
    }
}

pub(crate) async fn what_ended_is_removed(world: World) {
    world.client("app", false).await;
    let mut job = Expiry::new(world.database.db.clone(), world.clock.clone());
    let db = &world.database.db;
    let nothing = Removed::default();
    // One that lasts by its refresh token, one that ends with its access token, and a code that nobody fetched.
    let lasting = world.launch("app").await;
    let short = with(&world.request("app"), "scope", Some("launch/patient patient/*.rs"));
    let code = world.code(&short).await;
    let brief = world.token(&world.redemption("app", &code)).await.json();
    let unused = TokenKind::Code.hash(&world.code(&short).await).unwrap();
    assert!(brief.get("refresh_token").is_none());
    let of_code = async |hash| authorizations::code(db, &hash).await.unwrap().map(|code| code.authorization);
    let abandoned = of_code(unused).await.unwrap();
    assert_eq!(job.run_once().await.unwrap(), nothing);

    // Access tokens: an hour, and an hour for clocks that differ.
    world.advance(Duration::from_secs(2 * HOUR));
    assert_eq!(job.run_once().await.unwrap(), nothing);
    world.advance(Duration::from_secs(1));
    assert_eq!(job.run_once().await.unwrap(), Removed { access_tokens: 2, ..nothing });
    let refreshed = world.token(&world.refresh("app", lasting["refresh_token"].as_str().unwrap())).await;
    assert_eq!(refreshed.status, 200, "what lasts goes on");
    let second = refreshed.json();

    // Sessions: 12 hours, and one. The second access token went before.
    world.advance(Duration::from_secs(11 * HOUR));
    let removed = job.run_once().await.unwrap();
    assert_eq!(removed, Removed { sessions: 3, access_tokens: 1, ..nothing });

    // Codes: a week; then the authorizations of which nothing is left.
    world.advance(Duration::from_secs(7 * DAY - 14 * HOUR));
    // A challenge and its transaction: a day.
    assert_eq!(job.run_once().await.unwrap(), Removed { spent_ids: 2, ..nothing });
    assert!(of_code(unused).await.is_some());
    world.advance(Duration::from_secs(2 * HOUR));
    assert_eq!(job.run_once().await.unwrap(), Removed { codes: 3, authorizations: 2, ..nothing });
    assert_eq!(authorizations::get(db, abandoned).await.unwrap(), None);

    // The first refresh token was used: until its end a replay of it is known for one.
    let used = TokenKind::Refresh.hash(lasting["refresh_token"].as_str().unwrap()).unwrap();
    let family = tokens::refresh(db, &used).await.unwrap().unwrap().authorization;
    world.advance(Duration::from_secs(92 * DAY));
    assert_eq!(job.run_once().await.unwrap(), nothing);
    assert_eq!(world.token(&world.refresh("app", second["refresh_token"].as_str().unwrap())).await.status, 200);
    let replay = world.token(&world.refresh("app", lasting["refresh_token"].as_str().unwrap())).await;
    assert_eq!(replay.status, 400);
    assert!(authorizations::get(db, family).await.unwrap().unwrap().revoked.is_some(), "the replay killed the family");
    world.advance(Duration::from_secs(101 * DAY));
    let removed = job.run_once().await.unwrap();
    assert_eq!(removed, Removed { refresh_tokens: 3, access_tokens: 1, authorizations: 1, ..nothing });
    assert_eq!(authorizations::get(db, family).await.unwrap(), None);
    assert_eq!(job.run_once().await.unwrap(), nothing);
}

pub(crate) async fn removal_goes_in_batches(world: World) {
    world.client("app", false).await;
    world.launch("app").await;
    let random = SeededRandom::new(77);
    let (ann, now) = (world.ann, world.clock.now());
    let hashes: Vec<[u8; 32]> = (0..1_234).map(|_| (&random as &dyn Random).bytes()).collect();
    let some = authorizations_like(&world, &random).await;
    let insert = world.database.db.write::<_, StorageError>(move |tx| {
        Box::pin(async move {
            for hash in hashes {
                let session = StoredSession {
                    id: SessionId::mint(&SeededRandom::new(78)),
                    account: ann,
                    signed_in: now,
                    last_used: now,
                    expires: now,
                    proved: now,
                    factors: "password".to_owned(),
                    browser: String::new(),
                    state: SessionState::Open,
                };
                sessions::insert(tx, &hash, &session).await?;
            }
            Ok(())
        })
    });
    insert.await.unwrap();
    let mut job = Expiry::new(world.database.db.clone(), world.clock.clone());
    world.advance(Duration::from_secs(HOUR + 1));
    let commits = world.database.db.writes();
    let removed = job.run_once().await.unwrap();
    assert_eq!(removed.sessions, 1_234);
    assert!(world.database.db.writes() - commits >= 3, "500 rows in one write at most");
    world.advance(Duration::from_secs(30 * DAY));
    assert_eq!(job.run_once().await.unwrap().authorizations, some, "however many stretches it takes");
}

/// More authorizations than are looked at in one stretch, of which nothing is left.
async fn authorizations_like(world: &World, random: &SeededRandom) -> u64 {
    let launched = world.launch("app").await;
    let hash = TokenKind::Access.hash(launched["access_token"].as_str().unwrap()).unwrap();
    let bearer = tokens::bearer(&world.database.db, &hash).await.unwrap().unwrap();
    let template = authorizations::get(&world.database.db, bearer.authorization).await.unwrap().unwrap();
    let ids: Vec<AuthorizationId> = (0..1_100).map(|_| AuthorizationId::mint(random as &dyn Random)).collect();
    let (number, now) = (ids.len() as u64, world.clock.now());
    let insert = world.database.db.write::<_, StorageError>(move |tx| {
        Box::pin(async move {
            for id in ids {
                let mut one = template.clone();
                one.id = id;
                authorizations::insert(tx, &one, now).await?;
            }
            Ok(())
        })
    });
    insert.await.unwrap();
    number
}
