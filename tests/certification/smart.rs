//! SMART App Launch STU 2.2, server: discovery, standalone and EHR launch, backend services, introspection.

use serde_json::{Value, json};

use super::{
    ASSERTION_TYPE, BASICS, LAUNCH, Launched, REDIRECT, STATE, Suite, VERIFIER, check_token_body, check_token_headers,
    is_among, suite,
};
use crate::security::listener::{self, Listening};
use crate::support::world::{pairs, run};

fn standalone() -> String {
    format!("launch/patient {BASICS} patient/*.rs")
}

#[test]
fn discovery_well_known_endpoint() {
    run(async {
        let suite = suite().await;
        let accept = [("accept", "application/json")];
        let path = "/fhir/.well-known/smart-configuration";
        let answer = suite.world.send("GET", path, None, &accept, "").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "not FHIR's own type");
        assert!(answer.json().is_object());
    });
}

#[test]
fn discovery_well_known_capabilities_fields() {
    run(async {
        let smart = &suite().await.smart;
        for name in ["authorization_endpoint", "token_endpoint", "issuer", "jwks_uri"] {
            assert!(url::Url::parse(smart[name].as_str().unwrap()).is_ok(), "{name} is absolute");
        }
        let list = |name: &str| -> Vec<String> { serde_json::from_value(smart[name].clone()).unwrap() };
        for name in ["capabilities", "grant_types_supported", "code_challenge_methods_supported"] {
            assert!(!list(name).is_empty() && list(name).iter().all(|text| !text.is_empty()), "{name}");
        }
        assert!(list("grant_types_supported").contains(&"authorization_code".to_owned()));
        let methods = list("code_challenge_methods_supported");
        assert!(methods.contains(&"S256".to_owned()) && !methods.contains(&"plain".to_owned()), "{methods:?}");
        assert!(list("capabilities").contains(&"sso-openid-connect".to_owned()), "so issuer and jwks_uri are there");
    });
}

#[test]
fn discovery_cors() {
    run(async {
        let world = suite().await.world;
        for path in ["/fhir/.well-known/smart-configuration", "/fhir/metadata"] {
            let answer = world.send("GET", path, None, &[("origin", "https://suite.test")], "").await;
            assert_eq!(answer.status, 200);
            let allowed = answer.header("access-control-allow-origin").unwrap();
            assert!(["*", "https://suite.test"].contains(&allowed), "{path}: {allowed}");
        }
    });
}

/// The endpoints are reached with TLS 1.2 and newer by whoever trusts the authority, and with nothing else.
#[test]
fn tls_versions_of_the_authorize_and_token_endpoints() {
    run(async {
        let suite = suite().await;
        let listening = listener::listening(suite.world).await;
        let (authorize, token) = (suite.endpoint("authorization_endpoint"), suite.endpoint("token_endpoint"));
        for head in [
            format!("GET {authorize} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
            format!("POST {token} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        ] {
            tls_is_new_and_verified(&listening, &head).await;
        }
    });
}

async fn tls_is_new_and_verified(listening: &Listening, head: &str) {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (_, answer) = listener::get(listening, &listening.trusted, &[version], head).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer:.200}");
        assert!(answer.to_lowercase().contains("\r\nstrict-transport-security: max-age="), "{answer:.600}");
    }
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    assert!(listener::get(listening, other.cert.der(), listener::ALL, head).await.is_err(), "another authority");
    // SSL 3.0, TLS 1.0, TLS 1.1, and SSL 2.0, whose hello looks different.
    let mut hellos: Vec<Vec<u8>> = (0..=2).map(listener::old_hello).collect();
    let mut ssl2 = vec![0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10];
    ssl2.extend([7; 37]);
    hellos.push(ssl2);
    for hello in hellos {
        let said = listener::exchange(listening, &hello).await;
        assert!(said.first().is_none_or(|kind| *kind == 21), "an alert or nothing: {said:?}");
    }
}

#[test]
fn authorization_request_by_get_and_by_post() {
    run(async {
        let suite = suite().await;
        let request = suite.request("public", &standalone(), None);
        let mut browser = suite.maria.clone();
        let page = suite.authorize(&mut browser, &request).await;
        let by_get = suite.allow(&mut browser, &page, |_| {}).await;

        // A page of the suite submits a form: the browser sends no cookie with it.
        let from_there = [("origin", "https://suite.test"), ("sec-fetch-site", "cross-site")];
        let path = suite.endpoint("authorization_endpoint").to_owned();
        let posted = suite.world.stranger().post_with(&path, &request, &from_there).await;
        assert_eq!(posted.status, 303);
        let page = browser.get(posted.location()).await;
        let by_post = suite.allow(&mut browser, &page, |_| {}).await;
        for back in [by_get, by_post] {
            let code = back.redirected("code").unwrap();
            assert!(back.location().starts_with(REDIRECT));
            assert_eq!((back.redirected("state").as_deref(), back.redirected("error")), (Some(STATE), None));
            assert_eq!(suite.redeem("public", &code, Some(VERIFIER)).await.status, 200);
        }
    });
}

#[test]
fn ehr_launch() {
    run(async {
        let suite = suite().await;
        let (url, _) = suite.opened("public").await;
        assert!(url.as_str().starts_with(&format!("{LAUNCH}?")), "{url}");
        let named: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(named, ["iss", "launch"]);
        assert_eq!(crate::fhir::launch::parameter(&url, "iss"), suite.world.fhir, "exactly what the tester typed");
        let (launched, visit) = suite.ehr_launch("public", &format!("launch {BASICS} patient/*.rs")).await;
        check_token_body(&launched.body);
        assert_eq!((launched.text("patient"), launched.text("encounter")), (suite.maria_id().as_str(), visit.as_str()));
    });
}

#[test]
fn token_exchange_of_every_kind_of_client() {
    run(async {
        let suite = suite().await;
        for app in ["public", "symmetric", "es384", "rs384"] {
            let launched = suite.launch(app, &standalone()).await;
            check_token_body(&launched.body);
            check_token_headers(&launched.answer);
            for wanted in standalone().split(' ') {
                assert!(launched.scopes().contains(wanted), "{app}: {wanted} of {:?}", launched.scopes());
            }
            if app == "public" {
                let allowed = launched.answer.header("access-control-allow-origin").unwrap();
                assert!(["*", "https://suite.test"].contains(&allowed), "{allowed}");
            }
        }
    });
}

#[test]
fn openid_connect_of_standalone_and_ehr_launch() {
    run(async {
        let suite = suite().await;
        for launched in [
            suite.launch("symmetric", &standalone()).await,
            suite.ehr_launch("symmetric", &format!("launch {BASICS} patient/*.rs")).await.0,
        ] {
            openid_token(suite, &launched).await;
        }
    });
}

async fn openid_token(suite: &Suite, launched: &Launched) {
    let token = launched.text("id_token");
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
    let issuer = suite.smart["issuer"].as_str().unwrap();
    let fetch = async |url: &str| {
        let answer = suite.world.send("GET", url, None, &[("accept", "application/json")], "").await;
        assert_eq!(answer.status, 200, "{url}");
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{url}");
        answer.json()
    };
    let configuration = fetch(&format!("{issuer}/.well-known/openid-configuration")).await;
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(configuration[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
    }
    for name in ["response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"] {
        assert!(configuration[name].as_array().is_some_and(|list| !list.is_empty()), "{name}");
    }
    assert!(configuration["id_token_signing_alg_values_supported"].as_array().unwrap().contains(&json!("RS256")));
    let keys = fetch(configuration["jwks_uri"].as_str().unwrap()).await;
    let of_rsa: Vec<&Value> = keys["keys"].as_array().unwrap().iter().filter(|key| key["kty"] == "RSA").collect();
    let key = of_rsa.iter().find(|key| key["kid"] == json!(header.kid)).expect("the key that it names");
    let key: jsonwebtoken::jwk::Jwk = serde_json::from_value((*key).clone()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&[&suite.app("symmetric").id]);
    validation.set_issuer(&[configuration["issuer"].as_str().unwrap()]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    // The world's clock stands still.
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(&key).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
    let now = chartgate::base::clock::Clock::now(&*suite.world.clock).seconds();
    assert!(claims["exp"].as_i64().unwrap() > now && claims["iat"].as_i64().unwrap() <= now);
    assert!((1..=255).contains(&claims["sub"].as_str().unwrap().len()));
    fhir_user(suite, launched, claims["fhirUser"].as_str().unwrap()).await;
}

/// `fhirUser` leads to a resource of a kind that people are, readable with the same token and by a script of the app.
async fn fhir_user(suite: &Suite, launched: &Launched, fhir_user: &str) {
    let path = fhir_user.strip_prefix(&format!("{}/", suite.world.fhir)).expect("at the FHIR base");
    let (kind, id) = path.split_once('/').unwrap();
    assert!(["Patient", "Practitioner", "RelatedPerson", "Person"].contains(&kind), "{fhir_user}");
    let origin = [("origin", "https://suite.test")];
    let token = launched.text("access_token");
    let read = suite.world.send("GET", &format!("/fhir/{path}"), Some(token), &origin, "").await;
    assert_eq!(read.status, 200);
    assert_eq!((&read.json()["resourceType"], &read.json()["id"]), (&json!(kind), &json!(id)));
    assert!(["*", "https://suite.test"].contains(&read.header("access-control-allow-origin").unwrap()));
}

/// Whoever acts for somebody is a RelatedPerson there, as the id_token, introspection and a read say alike.
#[test]
fn openid_connect_of_somebody_who_acts_for_another() {
    run(async {
        let suite = suite().await;
        let leo = suite.world.person("leo").id.to_string();
        let mut browser = suite.world.browser("dana").await;
        let page = suite.authorize(&mut browser, &suite.request("symmetric", &standalone(), None)).await;
        let back = suite.allow(&mut browser, &page, |form| super::set(form, "person", &leo)).await;
        let answer = suite.redeem("symmetric", &back.redirected("code").unwrap(), Some(VERIFIER)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let launched = Launched { body: answer.json(), answer };
        assert_eq!(launched.text("patient"), leo);
        openid_token(suite, &launched).await;
        let fhir_user = claims_of(launched.text("id_token"))["fhirUser"].clone();
        assert!(
            fhir_user.as_str().unwrap().starts_with(&format!("{}/RelatedPerson/", suite.world.fhir)),
            "{fhir_user}"
        );
        for name in ["access_token", "refresh_token"] {
            let told =
                suite.post("symmetric", "introspection_endpoint", &[("token", launched.text(name))]).await.json();
            assert_eq!((&told["patient"], &told["fhirUser"]), (&json!(leo), &fhir_user), "{name}");
        }
    });
}

fn claims_of(token: &str) -> Value {
    let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[test]
fn token_refresh_without_and_with_scope() {
    run(async {
        let suite = suite().await;
        for app in ["public", "symmetric", "es384"] {
            let launched = suite.launch(app, &standalone()).await;
            let mut refresh = launched.text("refresh_token").to_owned();
            for scope in [None, Some(launched.text("scope"))] {
                let answer = suite.refresh(app, &refresh, scope).await;
                assert_eq!(answer.status, 200, "{app}: {}", answer.body);
                check_token_headers(&answer);
                let body = answer.json();
                check_token_body(&body);
                let earlier = launched.scopes();
                assert!(body["scope"].as_str().unwrap().split(' ').all(|scope| earlier.contains(scope)), "{body}");
                suite.contexts_are_readable(&body).await;
                assert_eq!(body["patient"], launched.body["patient"]);
                if let Some(next) = body["refresh_token"].as_str() {
                    next.clone_into(&mut refresh);
                }
            }
        }
    });
}

#[test]
fn backend_services_authorization() {
    run(async {
        let suite = suite().await;
        let app = suite.app("backend");
        let super::Proof::Key(key) = &app.proof else { panic!("it has a key") };
        let good = async |edit: &[(&str, &str)]| {
            let assertion = suite.assertion(app, key);
            let mut form = pairs(&[
                ("scope", "system/*.rs"),
                ("grant_type", "client_credentials"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", &assertion),
            ]);
            for (name, value) in edit {
                super::set(&mut form, name, value);
            }
            let accept = [("accept", "application/json")];
            suite.world.stranger().post_with(suite.endpoint("token_endpoint"), &form, &accept).await
        };
        assert_eq!(good(&[("grant_type", "not_a_grant_type")]).await.status, 400, "grant type");
        let answer = good(&[("client_assertion_type", "not_an_assertion_type")]).await;
        is_among(answer.status, &[400, 401], "assertion type");
        let assertion = suite.assertion(app, key);
        for broken in ["not_a_jwt".to_owned(), assertion[..assertion.len() - 8].to_owned(), format!("{assertion}A")] {
            is_among(good(&[("client_assertion", &broken)]).await.status, &[400, 401], "assertion");
        }
        let answer = good(&[]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        check_token_headers(&answer);
        check_token_body(&answer.json());
    });
}

#[test]
fn token_introspection() {
    run(async {
        let suite = suite().await;
        let (launched, _) = suite.ehr_launch("symmetric", &format!("launch {BASICS} patient/*.rs")).await;
        let token = launched.text("access_token");
        let answer = suite.post("symmetric", "introspection_endpoint", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let told = answer.json();
        assert_eq!(told["active"], true);
        assert_eq!(told["client_id"], suite.app("symmetric").id);
        let scopes: Vec<&str> = told["scope"].as_str().unwrap().split(' ').collect();
        assert_eq!(scopes.len(), launched.scopes().len());
        assert!(scopes.iter().all(|scope| launched.scopes().contains(*scope)));
        let now = chartgate::base::clock::Clock::now(&*suite.world.clock).seconds();
        assert!(told["exp"].as_i64().unwrap() > now);
        for name in ["patient", "encounter"] {
            assert_eq!(told[name], launched.body[name], "{name}");
        }
        let claims = claims_of(launched.text("id_token"));
        for name in ["iss", "sub", "fhirUser"] {
            assert_eq!(told[name], claims[name], "{name}");
        }
        let answer = suite.post("symmetric", "introspection_endpoint", &[("token", "this_is_not_the_token")]).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"active": false})));
    });
}
