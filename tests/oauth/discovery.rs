//! Discovery documents: what the independent suites look for, and that what they name answers.

use chartgate::oauth::assertion::ASSERTION_TYPE;

use super::world::{World, pairs, with};
use crate::support::keys::{Key, inline};

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_where_clients_look_and_hold_what_they_need() {
    let world = World::new().await;
    let mut browser = world.browser();
    let origin = [("origin", "https://app.test"), ("accept", "application/json")];
    let mut documents = Vec::new();
    for path in [
        "/.well-known/smart-configuration",
        "/fhir/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/fhir/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let answer = browser.send("GET", path, &origin, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{path}");
        assert_eq!(answer.headers("access-control-allow-origin"), ["*"], "{path}");
        let document = answer.json();
        assert_eq!(document["issuer"], world.issuer, "{path}");
        let list = |name: &str| -> Vec<String> { serde_json::from_value(document[name].clone()).unwrap() };
        assert!(list("grant_types_supported").contains(&"authorization_code".to_owned()));
        assert_eq!(list("code_challenge_methods_supported"), ["S256"]);
        assert_eq!(list("response_types_supported"), ["code"]);
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        documents.push((path, document));
    }
    let smart = &documents[1].1;
    let capabilities: Vec<String> = serde_json::from_value(smart["capabilities"].clone()).unwrap();
    for needed in [
        "launch-ehr",
        "launch-standalone",
        "client-public",
        "client-confidential-symmetric",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-banner",
        "context-style",
        "context-ehr-patient",
        "context-ehr-encounter",
        "context-standalone-patient",
        "context-standalone-encounter",
        "permission-offline",
        "permission-patient",
        "authorize-post",
        "permission-v1",
        "permission-v2",
    ] {
        assert!(capabilities.contains(&needed.to_owned()), "{needed}");
    }
    assert!(!capabilities.contains(&"smart-app-state".to_owned()), "it is not built");
    let openid = &documents[2].1;
    assert_eq!(openid["subject_types_supported"], serde_json::json!(["public"]));
    assert_eq!(openid["id_token_signing_alg_values_supported"], serde_json::json!(["RS256"]));
    for (path, document) in documents {
        for (name, value) in document.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                let route = value.as_str().unwrap().strip_prefix(&world.issuer).unwrap();
                assert_ne!(browser.get(route).await.status, 404, "{name} of {path}");
            }
        }
    }
}

type Form = Vec<(String, String)>;

/// Each value of each list is tried. One that nobody wrote down here fails.
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_advertised_works() {
    let world = World::new().await;
    let document = world.browser().get("/.well-known/openid-configuration").await.json();
    let list = |name: &str| -> Vec<String> { serde_json::from_value(document[name].clone()).unwrap() };
    let (ec, rsa) = (Key::es384("ec"), Key::rs384("rsa"));
    world.client("none", false).await;
    let secret = world.client("secret", true).await.secret.unwrap().expose().clone();
    world.key_client("keys", inline(&[&ec, &rsa])).await;
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("secret:{secret}").as_bytes()));
    let assertion = |alg: &str| match alg {
        "ES384" => ec.sign(&ec.header(), &world.claims("keys")),
        "RS384" => rsa.sign(&rsa.header(), &world.claims("keys")),
        other => panic!("{other} is advertised"),
    };
    for (endpoint, path) in
        [("token", "/oauth/token"), ("introspection", "/oauth/introspect"), ("revocation", "/oauth/revoke")]
    {
        assert_eq!(document[format!("{endpoint}_endpoint")], format!("{}{path}", world.issuer));
        let algorithms = list(&format!("{endpoint}_endpoint_auth_signing_alg_values_supported"));
        for method in list(&format!("{endpoint}_endpoint_auth_methods_supported")) {
            let form = pairs(&[("grant_type", "refresh_token"), ("refresh_token", "cgrt_x"), ("token", "x")]);
            let tries: Vec<(Form, Option<&str>)> = match method.as_str() {
                "none" => vec![(with(&form, "client_id", Some("none")), None)],
                "client_secret_basic" => vec![(form, Some(basic.as_str()))],
                "client_secret_post" => {
                    vec![(with(&with(&form, "client_id", Some("secret")), "client_secret", Some(&secret)), None)]
                }
                "private_key_jwt" => algorithms
                    .iter()
                    .map(|alg| {
                        let form = with(&form, "client_assertion_type", Some(ASSERTION_TYPE));
                        (with(&form, "client_assertion", Some(&assertion(alg))), None)
                    })
                    .collect(),
                other => panic!("{other} is advertised"),
            };
            for (form, header) in tries {
                let headers: Vec<(&str, &str)> = header.map(|header| ("authorization", header)).into_iter().collect();
                let answer = world.browser().post_with(path, &form, &headers).await;
                let is_known =
                    if endpoint == "token" { answer.body.contains("invalid_grant") } else { answer.status == 200 };
                assert!(is_known, "{method} at {path}: {}", answer.body);
            }
        }
    }
    for grant in list("grant_types_supported") {
        let form = pairs(&[("grant_type", &grant), ("client_id", "none"), ("code", "x"), ("refresh_token", "x")]);
        let error = world.token(&form).await.json()["error"].as_str().unwrap().to_owned();
        let wanted = if grant == "client_credentials" { "unauthorized_client" } else { "invalid_grant" };
        assert_eq!(error, wanted, "{grant}");
    }
    for alg in list("dpop_signing_alg_values_supported") {
        let key = match alg.as_str() {
            "ES256" => Key::es256("x"),
            "ES384" => Key::es384("x"),
            "EdDSA" | "Ed25519" => Key::ed25519("x"),
            other => panic!("{other} is advertised"),
        };
        let iat = world.claims("x")["iat"].clone();
        let claims = serde_json::json!({"jti": alg, "htm": "POST", "htu": document["token_endpoint"], "iat": iat});
        let mut header = key.proof_header();
        header["alg"] = serde_json::json!(alg);
        let proof = key.sign(&header, &claims);
        let form = world.redemption("none", &world.code(&world.request("none")).await);
        let answer = world.browser().post_with("/oauth/token", &form, &[("dpop", &proof)]).await;
        assert_eq!(answer.json()["token_type"], "DPoP", "{alg}");
    }
    let pushed = world.browser().post("/oauth/par", &world.request("none")).await;
    assert_eq!((pushed.status, document["require_pushed_authorization_requests"].as_bool()), (201, Some(false)));
    let metadata = r#"{"client_name": "x", "redirect_uris": ["https://app.test/cb"]}"#;
    let path = document["registration_endpoint"].as_str().unwrap().strip_prefix(&world.issuer).unwrap();
    let answer = world.browser().send("POST", path, &[("content-type", "application/json")], metadata).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_outlive_a_restart_and_no_private_part_is_shown() {
    let world = World::new().await;
    let jwks = world.browser().get("/.well-known/jwks.json").await.json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!((keys[0]["kty"].as_str(), keys[0]["alg"].as_str()), (Some("RSA"), Some("RS256")));
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        assert_eq!(keys[0].get(private), None);
    }
    let again = |key: u8| {
        let db = world.database.second();
        let (clock, random, config) = (world.clock.clone(), world.random.clone(), world.config.clone());
        async move {
            let master_key = chartgate::base::keys::MasterKey::new([key; 32]);
            let acts = chartgate::audit::Acts::begin(db.await, &master_key, &*random).await.unwrap();
            chartgate::authorization::AuthorizationServer::new(acts, clock, random, &master_key, &config).jwks().await
        }
    };
    assert_eq!(again(7).await.unwrap(), jwks);
    assert!(again(8).await.is_err(), "with another master key the stored key stays shut");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_start_at_once_make_one_key() {
    processes_make_one_key(World::new().await).await;
}

pub(crate) async fn processes_make_one_key(world: World) {
    let servers = futures_util::future::join_all((0..4).map(|seed| {
        let db = world.database.second();
        let (clock, config) = (world.clock.clone(), world.config.clone());
        let random = std::sync::Arc::new(chartgate::base::random::SeededRandom::new(seed));
        async move {
            let master_key = chartgate::base::keys::MasterKey::new([7; 32]);
            let acts = chartgate::audit::Acts::begin(db.await, &master_key, &*random).await.unwrap();
            chartgate::authorization::AuthorizationServer::new(acts, clock, random, &master_key, &config)
        }
    }))
    .await;
    let all = futures_util::future::join_all(servers.iter().map(|server| server.jwks())).await;
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    assert!(all.iter().all(|jwks| *jwks == all[0] && jwks["keys"].as_array().unwrap().len() == 1));
}
