//! Apps that register themselves (RFC 7591, RFC 7592).

use chartgate::config::RegistrationPolicy;
use chartgate::oauth::client::ClientId;
use chartgate::storage::clients;
use serde_json::{Value, json};

use super::world::{REDIRECT, World, authorize_path, with};
use crate::support::database::Database;
use crate::support::http::Answer;
use crate::support::keys::{Key, key_set};

const JSON: (&str, &str) = ("content-type", "application/json");

fn metadata(more: &Value) -> Value {
    let mut document = json!({
        "client_name": "Self made",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

async fn register(world: &World, document: &Value) -> Answer {
    world.browser().send("POST", "/oauth/register", &[JSON], &document.to_string()).await
}

async fn registered(world: &World, more: Value) -> Value {
    let answer = register(world, &metadata(&more)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.json()
}

async fn manage(world: &World, method: &str, of: &Value, token: &Value, body: &str) -> Answer {
    let uri = of["registration_client_uri"].as_str().unwrap();
    let path = uri.strip_prefix(&world.issuer).unwrap();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    world.browser().send(method, path, &[JSON, ("authorization", &bearer)], body).await
}

async fn with_policy(policy: RegistrationPolicy, database: Database) -> World {
    World::configured(database, |config| config.oauth.registration = Some(policy)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_registers_itself_and_people_can_let_it_in() {
    an_app_registers(World::new().await).await;
}

pub(crate) async fn an_app_registers(world: World) {
    let told = registered(&world, json!({})).await;
    let id = told["client_id"].as_str().unwrap();
    assert_eq!(
        (told["client_secret"].clone(), told["token_endpoint_auth_method"].as_str()),
        (Value::Null, Some("none"))
    );
    assert_eq!(told["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert!(!told["scope"].as_str().unwrap().contains("system/"));
    let launched = world.launch(id).await;
    assert!(world.works(&launched["access_token"]).await);
    // With a secret.
    let told = registered(&world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    assert_eq!(told["client_secret_expires_at"], 0);
    let (id, secret) = (told["client_id"].as_str().unwrap(), told["client_secret"].as_str().unwrap());
    let form = world.redemption(id, &world.code(&world.request(id)).await);
    assert_eq!(world.token(&form).await.json()["error"], "invalid_client");
    assert_eq!(world.token(&with(&form, "client_secret", Some(secret))).await.status, 200);
    // With keys.
    let key = Key::es384("k");
    let told =
        registered(&world, json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": key_set(&[&key])})).await;
    let id = told["client_id"].as_str().unwrap();
    assert_eq!(told["jwks"], key_set(&[&key]));
    let mut form = world.redemption(id, &world.code(&world.request(id)).await);
    form.retain(|(name, _)| name != "client_id");
    form.push(("client_assertion_type".to_owned(), chartgate::oauth::assertion::ASSERTION_TYPE.to_owned()));
    form.push(("client_assertion".to_owned(), key.sign(&key.header(), &world.claims(id))));
    assert_eq!(world.token(&form).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_where_the_operator_does_not_let_them() {
    let world = with_policy(RegistrationPolicy::Closed, Database::sqlite().await).await;
    let answer = register(&world, &metadata(&json!({}))).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("access_denied")));
    for path in ["/.well-known/openid-configuration", "/.well-known/smart-configuration"] {
        assert_eq!(world.browser().get(path).await.json().get("registration_endpoint"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_waits_for_approval_gets_nothing_and_changes_wait_again() {
    let world = with_policy(RegistrationPolicy::Approval, Database::sqlite().await).await;
    let told = registered(&world, json!({})).await;
    let (id, token) = (told["client_id"].as_str().unwrap().to_owned(), &told["registration_access_token"]);
    let client = ClientId::parse(&id).unwrap();
    let path = authorize_path(&world.request(&id));
    assert_eq!(world.browser().get(&path).await.status, 400);
    assert_eq!(world.token(&world.refresh(&id, "cgrt_x")).await.json()["error"], "invalid_client");
    assert_eq!(manage(&world, "GET", &told, token, "").await.status, 200, "it can see that it waits");
    world.server.enable_client(&client, true).await.unwrap();
    let launched = world.launch(&id).await;
    let enabled = async || clients::get(&world.database.db, &client).await.unwrap().unwrap().enabled;
    let update = async |more: Value| {
        let mut document = metadata(&json!({"client_id": id, "scope": told["scope"]}));
        for (name, value) in more.as_object().unwrap() {
            document[name] = value.clone();
        }
        let answer = manage(&world, "PUT", &told, token, &document.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    update(json!({"scope": "patient/Observation.rs launch/patient"})).await;
    assert!(enabled().await, "narrower is as approved");
    for more in [
        json!({"client_name": "Your Bank"}),
        json!({"redirect_uris": ["https://evil.test/cb"]}),
        json!({"scope": "patient/*.rs"}),
    ] {
        update(json!({"scope": "patient/Observation.rs launch/patient"})).await;
        world.server.enable_client(&client, true).await.unwrap();
        update(more.clone()).await;
        assert!(!enabled().await, "{more}");
        assert!(!world.works(&launched["access_token"]).await);
    }
    // What the operator turned off, no update turns on.
    update(json!({})).await;
    assert!(!enabled().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn o04_redirect_uris_are_checked_when_they_are_registered() {
    let world = World::new().await;
    for bad in [
        "http://app.test/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://*/cb",
        "https://user@app.test/cb",
        "https://app.test/cb#f",
        "https://app.test/a/../cb",
        "com.example.app:/cb",
        "",
    ] {
        let answer = register(&world, &metadata(&json!({"redirect_uris": [REDIRECT, bad]}))).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_redirect_uri")), "{bad}");
        assert!(!answer.body.contains("app.test"), "nothing is repeated");
        world.advance(std::time::Duration::from_secs(600));
    }
    let native =
        registered(&world, json!({"redirect_uris": ["com.example.app:/cb"], "application_type": "native"})).await;
    assert_eq!(native["application_type"], "native");
}

#[tokio::test(flavor = "multi_thread")]
async fn o35_registrations_are_narrow_braked_and_each_ones_own() {
    registrations_are_each_ones_own(World::new().await).await;
}

pub(crate) async fn registrations_are_each_ones_own(world: World) {
    let (first, second) = (registered(&world, json!({})).await, registered(&world, json!({})).await);
    let (mine, other) = (&first["registration_access_token"], &second["registration_access_token"]);
    // Another's token, no token, a token of another kind: alike, and alike for a client that is not there.
    let nowhere = json!({"registration_client_uri": format!("{}/oauth/register/nobody", world.issuer)});
    for method in ["GET", "PUT", "DELETE"] {
        let body = metadata(&json!({"client_id": first["client_id"]})).to_string();
        let refused = manage(&world, method, &first, other, &body).await;
        assert_eq!(refused.status, 401);
        for (of, token) in [(&first, &json!("x")), (&first, &json!("cgat_x")), (&nowhere, mine)] {
            let answer = manage(&world, method, of, token, &body).await;
            assert_eq!((answer.status, &answer.body), (401, &refused.body), "{method}");
        }
        let path = format!("/oauth/register/{}", first["client_id"].as_str().unwrap());
        assert_eq!(world.browser().send(method, &path, &[JSON], &body).await.status, 401);
    }
    let shown = manage(&world, "GET", &first, mine, "").await.json();
    assert_eq!((&shown["client_id"], &shown["registration_access_token"]), (&first["client_id"], mine));
    // Nobody gives themselves what only an operator gives.
    let asked = json!({"scope": "system/*.rs patient/*.cruds user/*.rs openid"});
    assert_eq!(registered(&world, asked).await["scope"], "openid patient/*.rs user/*.rs");
    for more in [
        json!({"scope": "system/*.rs"}),
        json!({"grant_types": ["client_credentials"]}),
        json!({"client_id": "chosen"}),
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://127.0.0.1:1/jwks.json"}),
        json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://10.0.0.1/jwks.json"}),
        json!({"logo_uri": "javascript:alert(1)"}),
        json!({"client_name": "evil\u{202e}ppa"}),
        json!({"client_name": "x".repeat(10_240)}),
    ] {
        let answer = register(&world, &metadata(&more)).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_client_metadata")), "{more}");
    }
    let statement = json!({"software_statement": "eyJhbGciOiJub25lIn0.e30."});
    assert_eq!(register(&world, &metadata(&statement)).await.json()["error"], "invalid_software_statement");
    let form = world.browser().post("/oauth/register", &[]).await;
    assert_eq!(form.json()["error"], "invalid_client_metadata");
    // A name is text, whatever it looks like.
    let odd = registered(&world, json!({"client_name": "<img src=x onerror=alert(1)>"})).await;
    let mut browser = world.browser();
    let page = world.consent(&mut browser, &world.request(odd["client_id"].as_str().unwrap())).await;
    assert!(!page.body.contains("<img src=x"), "{}", page.body);
    assert!(page.body.contains("registered itself"), "people are told");
    world.client("entered", false).await;
    let page = world.consent(&mut browser, &world.request("entered")).await;
    assert!(!page.body.contains("registered itself"));
    // From one address so many, and no more for a while.
    let mut answers = Vec::new();
    for _ in 0..30 {
        answers.push(register(&world, &metadata(&json!({}))).await.status);
    }
    assert!(answers.ends_with(&[429; 10]), "{answers:?}");
    world.advance(std::time::Duration::from_secs(180));
    assert_eq!(register(&world, &metadata(&json!({}))).await.status, 201);
    assert_eq!(register(&world, &metadata(&json!({}))).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn o35_there_is_an_end_to_them_in_all() {
    let world = World::configured(Database::sqlite().await, |config| {
        config.oauth.registrations = 3;
        config.oauth.registrations_per_hour = 100;
    })
    .await;
    for _ in 0..3 {
        registered(&world, json!({})).await;
    }
    let answer = register(&world, &metadata(&json!({}))).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_replaced_whole_and_ended_with_its_tokens() {
    a_registration_ends(World::new().await).await;
}

pub(crate) async fn a_registration_ends(world: World) {
    world.settle().await;
    let told = registered(&world, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let (id, token) = (told["client_id"].as_str().unwrap(), &told["registration_access_token"]);
    let secret = told["client_secret"].as_str().unwrap();
    let put = async |more: Value| {
        let document = metadata(&json!({"client_id": id, "token_endpoint_auth_method": "client_secret_basic"}));
        let mut document = document;
        for (name, value) in more.as_object().unwrap() {
            document[name] = value.clone();
        }
        manage(&world, "PUT", &told, token, &document.to_string()).await
    };
    for bad in [
        json!({"client_id": "other"}),
        json!({"client_secret": "wrong"}),
        json!({"token_endpoint_auth_method": "none"}),
        json!({"registration_access_token": "x"}),
    ] {
        assert_eq!(put(bad.clone()).await.json()["error"], "invalid_client_metadata", "{bad}");
    }
    let changed = put(json!({"client_name": "New name", "client_secret": secret, "redirect_uris": [REDIRECT, "https://app.test/new"]})).await;
    assert_eq!((changed.status, changed.json()["client_name"].as_str()), (200, Some("New name")));
    let form = world.redemption(id, &world.code(&world.request(id)).await);
    let tokens = world.token(&with(&form, "client_secret", Some(secret))).await.json();
    assert!(world.works(&tokens["access_token"]).await, "the secret is what it was");
    assert_eq!(manage(&world, "DELETE", &told, token, "").await.status, 204);
    assert!(!world.works(&tokens["access_token"]).await, "at once");
    let refresh = world.refresh(id, tokens["refresh_token"].as_str().unwrap());
    let answer = world.token(&with(&refresh, "client_secret", Some(secret))).await;
    assert_eq!(answer.json()["error"], "invalid_client");
    assert_eq!(manage(&world, "GET", &told, token, "").await.status, 401);
    assert!(world.server.enable_client(&ClientId::parse(id).unwrap(), true).await.is_err(), "for good");
}
