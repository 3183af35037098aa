//! Keys that sign id_tokens, as they come and go.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;

use super::world::World;
use crate::support::database::Database;

async fn jwks(world: &World) -> JwkSet {
    serde_json::from_str(&world.browser().get("/.well-known/jwks.json").await.body).unwrap()
}

fn kids(set: &JwkSet) -> Vec<String> {
    set.keys.iter().map(|key| key.common.key_id.clone().unwrap()).collect()
}

/// Whether a key set verifies an id_token, and by which key.
fn verify(set: &JwkSet, id_token: &Value) -> Option<String> {
    let text = id_token.as_str().unwrap();
    let kid = jsonwebtoken::decode_header(text).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid)?).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["app"]);
    // The clock is the test's.
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(text, &key, &validation).ok().map(|_| kid)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_published_before_it_signs_and_stays_until_nothing_it_signed_lives() {
    keys_rotate(World::new().await).await;
}

pub(crate) async fn keys_rotate(world: World) {
    world.client("app", false).await;
    world.settle().await;
    let old = kids(&jwks(&world).await)[0].clone();
    // By another process, as the command does it.
    let operator = world.another_process().await;
    let new = operator.rotate_signing_key(Duration::from_secs(86_400)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(kids(&jwks(&world).await), [old.clone(), new.clone()], "both are published at once");
    let id_token = async || world.launch("app").await["id_token"].clone();
    assert_eq!(verify(&jwks(&world).await, &id_token().await), Some(old.clone()), "the old one signs");
    world.advance(Duration::from_secs(86_399));
    let last = id_token().await;
    assert_eq!(verify(&jwks(&world).await, &last), Some(old.clone()));
    world.advance(Duration::from_secs(1));
    assert_eq!(verify(&jwks(&world).await, &id_token().await), Some(new.clone()), "now the new one does");
    // The last token of the old key is good for five minutes: so long it verifies, and no verification ever fails.
    world.advance(Duration::from_secs(299));
    assert_eq!(verify(&jwks(&world).await, &last), Some(old.clone()));
    world.advance(Duration::from_secs(3_301));
    assert_eq!(kids(&jwks(&world).await).join(" "), new);
    let states = world.server.signing_key_states().await.unwrap();
    let said: Vec<_> = states.iter().map(|key| (key.kid.clone(), key.signs, key.published)).collect();
    assert_eq!(said, [(old, false, false), (new.clone(), true, true)]);
    // A day later its private half is gone too.
    world.advance(Duration::from_secs(86_400));
    let mut expiry = chartgate::jobs::Expiry::new(world.database.db.clone(), world.clock.clone());
    assert_eq!(expiry.run_once().await.unwrap().signing_keys, 1);
    assert_eq!(expiry.run_once().await.unwrap().signing_keys, 0);
    assert_eq!(kids(&jwks(&world).await), [new]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_became_known_is_gone_at_once() {
    a_key_is_dropped(World::new().await).await;
}

pub(crate) async fn a_key_is_dropped(world: World) {
    world.client("app", false).await;
    let known = world.launch("app").await["id_token"].clone();
    let old = kids(&jwks(&world).await)[0].clone();
    assert!(world.server.drop_signing_key("nobody").await.is_err());
    world.server.drop_signing_key(&old).await.unwrap();
    let set = jwks(&world).await;
    assert_eq!((set.keys.len(), verify(&set, &known)), (1, None));
    assert_ne!(kids(&set), [old]);
    let id_token = world.launch("app").await["id_token"].clone();
    assert_eq!(verify(&jwks(&world).await, &id_token).as_ref(), kids(&set).first(), "another one signs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_followed_in_time_once_by_however_many_processes() {
    let world = World::configured(Database::sqlite().await, |config| config.oauth.signing_key_days = 30).await;
    world.client("app", false).await;
    let old = kids(&jwks(&world).await)[0].clone();
    world.advance(Duration::from_secs(30 * 86_400 - 1));
    assert!(!world.server.rotate_signing_key_in_time().await.unwrap(), "not yet");
    world.advance(Duration::from_secs(1));
    let other = world.another_process().await;
    let made = tokio::join!(world.server.rotate_signing_key_in_time(), other.rotate_signing_key_in_time());
    assert!(made.0.unwrap() ^ made.1.unwrap(), "one of them");
    world.settle().await;
    let published = kids(&jwks(&world).await);
    assert_eq!((published.len(), &published[0]), (2, &old));
    assert!(!world.server.rotate_signing_key_in_time().await.unwrap(), "the new one is young");
    let id_token = async || world.launch("app").await["id_token"].clone();
    assert_eq!(verify(&jwks(&world).await, &id_token().await), Some(old));
    world.advance(Duration::from_secs(86_400));
    assert_eq!(verify(&jwks(&world).await, &id_token().await).as_ref(), published.get(1), "it signs a day later");

    let never = World::configured(Database::sqlite().await, |config| config.oauth.signing_key_days = 0).await;
    jwks(&never).await;
    never.advance(Duration::from_secs(4_000 * 86_400));
    assert!(!never.server.rotate_signing_key_in_time().await.unwrap());
}
