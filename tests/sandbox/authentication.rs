//! The backend-services token endpoint and what it protects.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use chartgate::base::clock::{Instant, TestClock};
use chartgate::sandbox::{Client, Presented, RunningSandbox, Sandbox};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::support::{Answer, client, data};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

struct Registered {
    key: EncodingKey,
    ehr: RunningSandbox,
    clock: Arc<TestClock>,
}

/// A key pair, its private key in PEM and its public JWK with the kid `one`.
fn p384() -> (EncodingKey, Value) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let der = pair.to_pkcs8v1().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der.as_ref()));
    let point = pair.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-384", "kid": "one", "use": "sig",
        "x": BASE64URL_NOPAD.encode(&point[1..49]), "y": BASE64URL_NOPAD.encode(&point[49..97])});
    (EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(), jwk)
}

async fn start() -> Registered {
    let (key, jwk) = p384();
    let clock = Arc::new(TestClock::at(Instant::from_micros(NOW * 1_000_000)));
    let ehr = Sandbox::builder()
        .data(data())
        .client(Client::from_jwks("gateway", &json!({"keys": [jwk]}).to_string()).unwrap())
        .require_authentication(true)
        .token_lifetime(Duration::from_secs(300))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    Registered { key, ehr, clock }
}

impl Registered {
    fn claims(&self) -> Value {
        json!({"iss": "gateway", "sub": "gateway", "aud": self.ehr.token_url, "exp": NOW + 300, "jti": "1"})
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(Algorithm::ES384, Some("one"), &self.key, claims)
    }

    fn sign_as(&self, algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, key).unwrap()
    }

    async fn ask(&self, assertion: &str) -> Answer {
        self.ask_with(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
            ("scope", "system/*.rs patient/*.rs"),
        ])
        .await
    }

    async fn ask_with(&self, form: &[(&str, &str)]) -> Answer {
        Answer::of(client().post(&self.ehr.token_url).form(form)).await
    }

    async fn read(&self, authorization: Option<&str>) -> Answer {
        let request = client().get(format!("{}/Patient/a", self.ehr.base_url));
        Answer::of(match authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        })
        .await
    }

    async fn refused(&self, assertion: &str, why: &str) {
        let answer = self.ask(assertion).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_client")), "{why}");
        assert!(answer.json().get("access_token").is_none());
    }
}

#[tokio::test]
async fn a_good_assertion_gets_a_token_that_opens_the_record_until_it_expires() {
    let registered = start().await;
    assert_eq!(registered.read(None).await.status, 401);
    assert_eq!(registered.read(None).await.header("www-authenticate"), "Bearer");
    assert_eq!(registered.read(Some("Bearer made-up")).await.status, 401);
    assert_eq!(registered.read(Some("Basic Z2F0ZXdheTo=")).await.status, 401);

    let answer = registered.ask(&registered.sign(&registered.claims())).await;
    assert_eq!((answer.status, answer.header("cache-control"), answer.header("pragma")), (200, "no-store", "no-cache"));
    let body = answer.json();
    assert_eq!((body["token_type"].as_str(), body["expires_in"].as_u64()), (Some("bearer"), Some(300)));
    assert_eq!(body["scope"], "system/*.rs", "only what a backend may have");
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    registered.ehr.requests.clear();
    assert_eq!(registered.read(Some(&bearer)).await.status, 200);
    assert_eq!(registered.ehr.requests.all()[0].authorization, Presented::TokenOf("gateway".to_owned()));

    registered.clock.advance(Duration::from_secs(299));
    assert_eq!(registered.read(Some(&bearer)).await.status, 200);
    registered.clock.advance(Duration::from_secs(1));
    assert_eq!(registered.read(Some(&bearer)).await.status, 401);
}

#[tokio::test]
async fn rs384_with_a_pem_key_works_and_discovery_stays_open() {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let private: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let pem =
        |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der));
    let clock = Arc::new(TestClock::at(Instant::from_micros(NOW * 1_000_000)));
    let registration = Client::from_pem("rsa", "r1", "RS384", pem("PUBLIC KEY", public.as_ref()).as_bytes()).unwrap();
    let ehr = Sandbox::builder().client(registration).require_authentication(true).clock(clock).start().await.unwrap();
    let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::RS384);
    header.kid = Some("r1".to_owned());
    let claims = json!({"iss": "rsa", "sub": "rsa", "aud": [ehr.token_url], "exp": NOW + 200, "jti": "a"});
    let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
        ("scope", "system/*.rs"),
    ];
    assert_eq!(Answer::of(client().post(&ehr.token_url).form(&form)).await.status, 200);
    for path in ["metadata", ".well-known/smart-configuration"] {
        assert_eq!(Answer::of(client().get(format!("{}/{path}", ehr.base_url))).await.status, 200, "{path}");
    }
    let metadata = Answer::of(client().get(format!("{}/metadata", ehr.base_url))).await.json();
    let oauth_uris = &metadata["rest"][0]["security"]["extension"][0]["extension"][0];
    assert_eq!(oauth_uris["valueUri"], ehr.token_url);
}

#[tokio::test]
async fn bad_assertions_get_nothing() {
    let registered = start().await;
    let changed = |name: &str, value: Value| {
        let mut claims = registered.claims();
        claims[name] = value;
        registered.sign(&claims)
    };
    let without = |name: &str| {
        let mut claims = registered.claims();
        claims.as_object_mut().unwrap().remove(name);
        registered.sign(&claims)
    };
    for (assertion, why) in [
        (changed("aud", json!(registered.ehr.base_url)), "aud is the FHIR base"),
        (changed("aud", json!(["https://elsewhere.example/token"])), "aud is elsewhere"),
        (changed("aud", json!(format!("{}/", registered.ehr.token_url))), "aud has a slash more"),
        (changed("exp", json!(NOW)), "expired"),
        (changed("exp", json!(NOW + 301)), "lives too long"),
        (changed("nbf", json!(NOW + 10)), "not yet valid"),
        (changed("sub", json!("somebody")), "sub is not iss"),
        (changed("iss", json!("somebody")), "iss is unknown"),
        (changed("jti", json!("")), "jti is empty"),
        (without("jti"), "no jti"),
        (without("exp"), "no exp"),
        (without("aud"), "no aud"),
        (without("sub"), "no sub"),
        (registered.sign_as(Algorithm::ES384, Some("two"), &registered.key, &registered.claims()), "unknown kid"),
        (registered.sign_as(Algorithm::ES384, None, &registered.key, &registered.claims()), "no kid"),
        (registered.sign_as(Algorithm::ES384, Some("one"), &p384().0, &registered.claims()), "another key"),
        (
            registered.sign_as(Algorithm::HS256, Some("one"), &EncodingKey::from_secret(b"one"), &registered.claims()),
            "HS256",
        ),
        ("nonsense".to_owned(), "not a JWT"),
    ] {
        registered.refused(&assertion, why).await;
    }
    let good = registered.sign(&registered.claims());
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT","kid":"one"}"#);
    registered.refused(&format!("{none}.{payload}."), "alg none").await;
    registered.refused(&format!("{none}.{payload}.{signature}"), "alg none with a signature").await;
    // None of the refusals used the jti up.
    assert_eq!(registered.ask(&good).await.status, 200);
}

#[tokio::test]
async fn an_assertion_works_once() {
    let registered = start().await;
    let assertion = registered.sign(&registered.claims());
    assert_eq!(registered.ask(&assertion).await.status, 200);
    registered.refused(&assertion, "replayed").await;
    let mut again = registered.claims();
    again["exp"] = json!(NOW + 200);
    registered.refused(&registered.sign(&again), "the same jti in another assertion").await;
    again["jti"] = json!("2");
    assert_eq!(registered.ask(&registered.sign(&again)).await.status, 200);
}

#[tokio::test]
async fn the_form_itself_is_checked() {
    let registered = start().await;
    let assertion = registered.sign(&registered.claims());
    let good = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
        ("scope", "system/*.rs"),
    ];
    for (name, value, error) in [
        ("grant_type", "password", "unsupported_grant_type"),
        ("client_assertion_type", "saml", "invalid_request"),
        ("scope", "patient/*.rs openid", "invalid_scope"),
    ] {
        let form: Vec<_> = good.iter().map(|pair| if pair.0 == name { (name, value) } else { *pair }).collect();
        let mut fresh = registered.claims();
        fresh["jti"] = json!(name);
        let assertion = registered.sign(&fresh);
        let form: Vec<_> = form
            .into_iter()
            .map(|pair| if pair.0 == "client_assertion" { (pair.0, assertion.as_str()) } else { pair })
            .collect();
        let answer = registered.ask_with(&form).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some(error)), "{name}");
    }
    for missing in 0..good.len() {
        let form: Vec<_> = good.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, pair)| *pair).collect();
        assert_eq!(registered.ask_with(&form).await.json()["error"], "invalid_request");
    }
    let twice: Vec<_> = good.iter().chain([&("scope", "system/*.rs")]).copied().collect();
    assert_eq!(registered.ask_with(&twice).await.json()["error"], "invalid_request");
    assert_eq!(registered.ask_with(&good).await.status, 200);
    let log = format!("{:?}", registered.ehr.requests.all());
    assert!(!log.contains(&assertion), "assertions are not logged");
}

#[tokio::test]
async fn revoked_tokens_are_refused() {
    let registered = start().await;
    let body = registered.ask(&registered.sign(&registered.claims())).await.json();
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    assert_eq!(registered.read(Some(&bearer)).await.status, 200);
    registered.ehr.revoke_tokens();
    assert_eq!(registered.read(Some(&bearer)).await.status, 401);
}
