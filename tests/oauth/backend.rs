//! Backend services: tokens without a user, within what the operator gave.

use std::time::Duration;

use serde_json::{Value, json};

use chartgate::authorization::{NewClient, NewProof, RegistrationError};
use chartgate::base::id::SourceId;
use chartgate::base::source_key::SourceKey;
use chartgate::config::{AppProof, SourceAuthentication};
use chartgate::oauth::assertion::ASSERTION_TYPE;
use chartgate::oauth::client::ClientId;
use chartgate::organization::Source;
use chartgate::storage::{StorageError, audit, clients, sources};

use super::world::{World, pairs, scopes, with};
use crate::storage::sample;
use crate::support::http::Answer;
use crate::support::keys::{Key, inline};

async fn source(world: &World) -> SourceKey {
    sources::all(&world.database.db).await.unwrap()[0].key
}

pub(super) async fn service(world: &World, id: &str, scope: &str, key: &Key) -> Result<(), RegistrationError> {
    let new = NewClient {
        id: ClientId::parse(id),
        name: "Service".to_owned(),
        scopes: scopes(scope),
        proof: NewProof::Keys(inline(&[key])),
        sources: vec![source(world).await],
        ..NewClient::default()
    };
    world.server.register_client(new).await.map(drop)
}

fn request(world: &World, key: &Key, id: &str, scope: &str) -> Vec<(String, String)> {
    pairs(&[
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &key.sign(&key.header(), &world.claims(id))),
    ])
}

pub(super) async fn ask(world: &World, key: &Key, id: &str, scope: &str) -> Answer {
    world.token(&request(world, key, id, scope)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_a_token_for_minutes_and_within_what_it_may() {
    a_service_gets_a_token(World::new().await).await;
}

pub(crate) async fn a_service_gets_a_token(world: World) {
    let key = Key::rs384("k");
    service(&world, "sync", "system/Patient.rs system/Observation.rs", &key).await.unwrap();
    let answer =
        ask(&world, &key, "sync", "system/*.read system/Patient.rs patient/Observation.rs openid offline_access").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].as_i64().unwrap() <= 300, "SMART App Launch 2.2 §5.1.4");
    assert_eq!(body["scope"], "system/Observation.read system/Patient.read system/Patient.rs");
    let members: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "token_type", "expires_in", "scope"], "no refresh token, no patient");
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    let subject = world.server.authenticate(body["access_token"].as_str().unwrap()).await.unwrap();
    assert!(subject.is_system() && subject.person.is_none() && subject.account().is_none());
    // The act is in the trail.
    let rows = audit::recent(&world.database.db, 10).await.unwrap();
    let row = rows.iter().find(|row| row.interaction.as_deref() == Some("client_credentials")).unwrap();
    assert_eq!((row.account, row.client.as_deref(), row.person), (None, Some("sync"), None));
    world.advance(Duration::from_secs(299));
    assert!(world.works(&body["access_token"]).await);
    world.advance(Duration::from_secs(1));
    assert!(!world.works(&body["access_token"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_one() {
    let world = World::new().await;
    let key = Key::es384("k");
    service(&world, "sync", "system/Patient.rs", &key).await.unwrap();
    world.key_client("app-with-key", inline(&[&key])).await;
    let secret = world.client("secret-app", true).await.secret.unwrap();
    for scope in ["", "patient/*.rs", "system/Observation.rs", "system/Patient.cud", "openid", "nonsense"] {
        let answer = ask(&world, &key, "sync", scope).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_scope")), "{scope}");
    }
    let missing = with(&request(&world, &key, "sync", "x"), "scope", None);
    assert_eq!(world.token(&missing).await.json()["error"], "invalid_scope");
    let answer = ask(&world, &key, "app-with-key", "system/*.rs").await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("unauthorized_client")));
    let form = pairs(&[
        ("grant_type", "client_credentials"),
        ("scope", "system/*.rs"),
        ("client_id", "secret-app"),
        ("client_secret", secret.expose()),
    ]);
    assert_eq!(world.token(&form).await.json()["error"], "unauthorized_client");
    // What a service may is nothing that anybody could grant it.
    let request = with(&world.request("sync"), "scope", Some("system/Patient.rs"));
    let page = world.browser().get(&super::world::authorize_path(&request)).await;
    assert_eq!(page.status, 400, "it has no redirect URI to be sent to: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_key_without_sources_or_of_two_organizations_is_not_registered() {
    let world = World::new().await;
    let key = Key::es384("k");
    let good = NewClient {
        name: "Service".to_owned(),
        scopes: scopes("system/*.rs"),
        proof: NewProof::Keys(inline(&[&key])),
        sources: vec![source(&world).await],
        ..NewClient::default()
    };
    let elsewhere = {
        let write = world.database.db.write::<_, StorageError>(|tx| Box::pin(sample::stored_source(tx)));
        write.await.unwrap()
    };
    // One that people open themselves.
    let own = sources::by_key(&world.database.db, good.sources[0]).await.unwrap().unwrap();
    let per_patient = Source {
        id: SourceId::mint(&*world.random),
        key: "pppp".parse().unwrap(),
        authentication: SourceAuthentication::PerPatient {
            client_id: "gw".to_owned(),
            proof: AppProof::None,
            scope: "patient/*.rs".to_owned(),
        },
        ..own
    };
    let write = world
        .database
        .db
        .write::<_, StorageError>(move |tx| Box::pin(async move { sources::insert(tx, &per_patient).await }));
    write.await.unwrap();
    let two = vec![good.sources[0], elsewhere];
    for (name, bad) in [
        ("secret", NewClient { proof: NewProof::Secret, ..good.clone() }),
        ("public", NewClient { proof: NewProof::None, ..good.clone() }),
        ("no source", NewClient { sources: Vec::new(), ..good.clone() }),
        ("unknown source", NewClient { sources: vec!["zzzz".parse().unwrap()], ..good.clone() }),
        ("of people themselves", NewClient { sources: vec!["pppp".parse().unwrap()], ..good.clone() }),
        ("two organizations", NewClient { sources: two, ..good.clone() }),
        (
            "sources without scopes",
            NewClient {
                scopes: scopes("patient/*.rs"),
                redirect_uris: vec!["https://a.test/cb".to_owned()],
                ..good.clone()
            },
        ),
    ] {
        assert!(world.server.register_client(bad).await.is_err(), "{name}");
    }
    assert!(world.server.register_client(good).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn o46_a_service_is_never_taken_for_a_user() {
    let world = World::new().await;
    let key = Key::es384("k");
    world.client("app", true).await;
    let launch_secret = world.client("portal", true).await.secret.unwrap();
    let form = world.redemption("portal", &world.code(&world.request("portal")).await);
    let users = world.token(&with(&form, "client_secret", Some(launch_secret.expose()))).await.json();
    let introspected = {
        let form = pairs(&[
            ("token", users["access_token"].as_str().unwrap()),
            ("client_id", "portal"),
            ("client_secret", launch_secret.expose()),
        ]);
        world.browser().post("/oauth/introspect", &form).await.json()
    };
    let user = introspected["sub"].as_str().unwrap().to_owned();
    // A service that is called like a user.
    service(&world, &user, "system/*.rs", &key).await.unwrap();
    let token = ask(&world, &key, &user, "system/*.rs").await.json()["access_token"].as_str().unwrap().to_owned();
    let introspect = pairs(&[
        ("token", &token),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &key.sign(&key.header(), &world.claims(&user))),
    ]);
    let told = world.browser().post("/oauth/introspect", &introspect).await.json();
    assert_eq!((told["active"].clone(), told["client_id"].as_str()), (json!(true), Some(user.as_str())));
    assert_eq!(told["sub"], format!("client:{user}"));
    assert_ne!(told["sub"], user);
    assert_eq!((told.get("patient"), told["scope"].as_str()), (None, Some("system/*.rs")));
    // Nobody's userinfo.
    let bearer = format!("Bearer {token}");
    let answer = world.browser().send("GET", "/oauth/userinfo", &[("authorization", &bearer)], "").await;
    assert_eq!(answer.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn o42_a_service_that_is_turned_off_or_ends_its_token_is_out_at_once() {
    a_service_is_turned_off(World::new().await).await;
}

pub(crate) async fn a_service_is_turned_off(world: World) {
    let key = Key::es384("k");
    service(&world, "sync", "system/*.rs", &key).await.unwrap();
    service(&world, "other", "system/*.rs", &key).await.unwrap();
    world.settle().await;
    let token = async |id: &str| ask(&world, &key, id, "system/*.rs").await.json()["access_token"].clone();
    let first = token("sync").await;
    let revoke = async |id: &str, token: &Value| {
        let form = pairs(&[
            ("token", token.as_str().unwrap()),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &key.sign(&key.header(), &world.claims(id))),
        ]);
        assert_eq!(world.browser().post("/oauth/revoke", &form).await.status, 200);
    };
    assert!(world.works(&first).await);
    revoke("other", &first).await;
    assert!(world.works(&first).await, "another's token is left alone");
    revoke("sync", &first).await;
    assert!(!world.works(&first).await);
    let second = token("sync").await;
    assert!(world.works(&second).await);
    let id = ClientId::parse("sync").unwrap();
    world.server.enable_client(&id, false).await.unwrap();
    assert!(!world.works(&second).await);
    assert_eq!(ask(&world, &key, "sync", "system/*.rs").await.json()["error"], "invalid_client");
    world.server.enable_client(&id, true).await.unwrap();
    // Narrowed by the operator: so is the token.
    let third = token("sync").await;
    let narrow = scopes("system/Patient.rs");
    world
        .database
        .db
        .write(move |tx| Box::pin(async move { clients::set_scopes(tx, &id, &narrow).await }))
        .await
        .unwrap();
    let subject = world.server.authenticate(third.as_str().unwrap()).await.unwrap();
    assert_eq!(subject.scopes.to_string(), "system/Patient.rs");
}
