//! An EHR's authorization server that answers whatever the test wants, and the gateway as its app.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use chartgate::base::clock::{Instant, TestClock};
use chartgate::base::random::SeededRandom;
use chartgate::base::secret::Secret;
use chartgate::config::{Limits, SecretMethod};
use chartgate::upstream::{ClientProof, Connection, Credential, SmartApp, SmartTokens, SourceFailure, TokenRefusal};
use serde_json::{Value, json};

/// Status, further header, body.
type Reply = (u16, Option<(&'static str, String)>, String);

struct Script {
    configuration: Mutex<Value>,
    token: Mutex<Reply>,
    /// Forms that came, with their path and `Authorization`.
    asked: Mutex<Vec<(String, String, Option<String>)>>,
}

async fn configuration(State(script): State<Arc<Script>>) -> Response {
    let body = script.configuration.lock().unwrap().to_string();
    Response::builder().header("content-type", "application/json").body(Body::from(body)).unwrap()
}

async fn token(State(script): State<Arc<Script>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let authorization = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let form = String::from_utf8(body.to_vec()).unwrap();
    script.asked.lock().unwrap().push((parts.uri.path().to_owned(), form, authorization));
    let (status, header, body) = script.token.lock().unwrap().clone();
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

struct Server {
    script: Arc<Script>,
    app: SmartApp,
    clock: Arc<TestClock>,
    base: String,
}

async fn server(proof: ClientProof) -> Server {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let script = Arc::new(Script {
        configuration: Mutex::new(json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize?tenant=7"),
            "token_endpoint": format!("{origin}/token"),
            "revocation_endpoint": format!("{origin}/revoke"),
        })),
        token: Mutex::new((200, None, String::new())),
        asked: Mutex::default(),
    });
    let router = Router::new()
        .route("/fhir/.well-known/smart-configuration", get(configuration))
        .route("/token", post(token))
        .route("/revoke", post(token))
        .route("/elsewhere", post(token).get(token))
        .with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let base = format!("{origin}/fhir");
    let connection = Connection::new(&base, &["127.0.0.0/8".to_owned()], Credential::None).unwrap();
    let clock = Arc::new(TestClock::at(Instant::from_micros(1_789_477_200_000_000)));
    let client = ("gw app".to_owned(), proof, "launch/patient patient/*.rs".to_owned());
    let app = SmartApp::new(connection, Limits::default(), client, clock.clone(), Arc::new(SeededRandom::new(3)));
    Server { script, app, clock, base }
}

impl Server {
    fn answers(&self, status: u16, body: &str) {
        *self.script.token.lock().unwrap() = (status, None, body.to_owned());
    }

    fn asked(&self) -> Vec<(String, String, Option<String>)> {
        std::mem::take(&mut *self.script.asked.lock().unwrap())
    }

    async fn refresh(&self) -> Result<SmartTokens, TokenRefusal> {
        self.app.refresh(&Secret::new("rt-0".to_owned())).await
    }
}

fn good() -> Value {
    json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 600, "scope": "patient/*.rs", "patient": "p"})
}

fn with(name: &str, value: Value) -> String {
    let mut body = good();
    body[name] = value;
    body.to_string()
}

#[tokio::test]
async fn u25_what_a_token_endpoint_may_say() {
    let server = server(ClientProof::None).await;
    for (body, seconds) in [
        (good().to_string(), 600),
        (with("expires_in", json!(1_000_000_000_000_u64)), 3_600),
        (with("expires_in", json!(u64::MAX)), 3_600),
        (with("expires_in", json!(0)), 30),
        (with("token_type", json!("bearer")), 600),
        (with("scope", json!("system/*.* user/*.*")), 600),
        (with("surprise", json!({"deep": [1, 2]})), 600),
        (good().to_string().replace("\"expires_in\":600,", ""), 300),
    ] {
        server.answers(200, &body);
        let tokens = server.refresh().await.unwrap_or_else(|error| panic!("{error} {body}"));
        assert_eq!(tokens.lifetime, Duration::from_secs(seconds), "{body}");
        assert_eq!((tokens.access.expose().as_str(), tokens.patient.as_deref()), ("at-1", Some("p")));
        assert!(tokens.refresh.is_none());
        let printed = format!("{tokens:?} {:?}", server.app);
        assert!(!printed.contains("at-1"), "{printed}");
    }
}

#[tokio::test]
async fn u25_what_a_token_endpoint_may_not_say() {
    let server = server(ClientProof::None).await;
    let refused = TokenRefusal::Source(SourceFailure::CredentialRefused);
    let cases = [
        (200, with("token_type", json!("mac")), refused),
        (200, with("token_type", json!("DPoP")), refused),
        (200, with("access_token", json!("")), refused),
        (200, with("access_token", json!("a\r\nx-evil: 1")), refused),
        (200, with("access_token", json!("a b")), refused),
        (200, with("access_token", json!("\u{e9}")), refused),
        (200, with("refresh_token", json!("")), refused),
        (200, with("expires_in", json!(-1)), refused),
        (200, with("expires_in", json!(1e300)), refused),
        (200, with("patient", json!(["p"])), refused),
        (200, "<html>sign in</html>".to_owned(), refused),
        (200, String::new(), refused),
        (200, with("pad", json!("x".repeat(10 << 20))), TokenRefusal::Source(SourceFailure::OverBudget)),
        (400, json!({"error": "invalid_grant"}).to_string(), TokenRefusal::Grant),
        (401, json!({"error": "invalid_grant"}).to_string(), TokenRefusal::Grant),
        (400, json!({"error": "invalid_request"}).to_string(), refused),
        (401, json!({"error": "invalid_client", "error_description": "rt-0"}).to_string(), refused),
        (403, "no".to_owned(), refused),
        (429, json!({"error": "invalid_grant"}).to_string(), throttled()),
        (
            500,
            json!({"error": "invalid_grant"}).to_string(),
            TokenRefusal::Source(SourceFailure::Failed { status: 500 }),
        ),
        (503, String::new(), TokenRefusal::Source(SourceFailure::Failed { status: 503 })),
    ];
    for (status, body, expected) in cases {
        server.answers(status, &body);
        let outcome = server.refresh().await.unwrap_err();
        assert_eq!(outcome, expected, "{status} {body:.60}");
        assert!(!format!("{outcome} {outcome:?}").contains("rt-0"));
    }
    server.asked();
    // A redirect is not followed: the refresh token would go with it.
    let to = (307, Some(("location", server.base.replace("/fhir", "/elsewhere"))), String::new());
    *server.script.token.lock().unwrap() = to;
    assert_eq!(server.refresh().await.unwrap_err(), refused);
    let paths: Vec<String> = server.asked().into_iter().map(|(path, ..)| path).collect();
    assert_eq!(paths, ["/token"]);
}

const fn throttled() -> TokenRefusal {
    TokenRefusal::Source(SourceFailure::Throttled { retry_after: None })
}

#[tokio::test]
async fn u01_o45_endpoints_elsewhere_in_clear_or_inside_are_not_used() {
    let server = server(ClientProof::None).await;
    let base = server.base.clone();
    for (name, value) in [
        ("token_endpoint", "http://elsewhere.test/token"),
        ("token_endpoint", "https://169.254.169.254/token"),
        ("token_endpoint", "https://10.0.0.1/token"),
        ("token_endpoint", "file:///etc/passwd"),
        ("authorization_endpoint", "http://elsewhere.test/authorize"),
        ("authorization_endpoint", "javascript:alert(1)"),
    ] {
        let before = server.script.configuration.lock().unwrap().clone();
        server.script.configuration.lock().unwrap()[name] = json!(value);
        assert_eq!(server.app.launch("http://gw/cb").await.unwrap_err(), SourceFailure::Malformed, "{value}");
        *server.script.configuration.lock().unwrap() = before;
    }
    let launch = server.app.launch("http://gw/cb").await.unwrap();
    let query: Vec<(String, String)> = launch.url.query_pairs().into_owned().collect();
    let get = |name: &str| {
        let found: Vec<_> = query.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(found.len(), 1, "{name} in {query:?}");
        found[0]
    };
    assert_eq!((get("tenant"), get("response_type"), get("client_id")), ("7", "code", "gw app"));
    assert_eq!((get("aud"), get("redirect_uri")), (base.as_str(), "http://gw/cb"));
    assert_eq!((get("code_challenge_method"), get("scope")), ("S256", "launch/patient patient/*.rs"));
    let challenge = chartgate::base::hash::sha256(launch.verifier.expose().as_bytes());
    assert_eq!(get("code_challenge"), data_encoding::BASE64URL_NOPAD.encode(&challenge));
    assert_eq!(get("state"), launch.state.expose());
    let printed = format!("{launch:?}");
    assert!(!printed.contains(launch.state.expose()) && !printed.contains(launch.verifier.expose()), "{printed}");
    let again = server.app.launch("http://gw/cb").await.unwrap();
    assert!(again.state.expose() != launch.state.expose() && again.verifier.expose() != launch.verifier.expose());
}

#[tokio::test]
async fn where_the_endpoints_were_is_good_for_a_while_when_it_cannot_be_read() {
    let server = server(ClientProof::None).await;
    server.answers(200, &good().to_string());
    assert!(server.refresh().await.is_ok());
    *server.script.configuration.lock().unwrap() = json!({});
    server.clock.advance(Duration::from_secs(3_599));
    assert!(server.refresh().await.is_ok(), "looked at once an hour");
    server.clock.advance(Duration::from_secs(1));
    // What it says counts, where it says something.
    assert_eq!(server.refresh().await.unwrap_err(), TokenRefusal::Source(SourceFailure::Malformed));
}

#[tokio::test]
async fn a_secret_goes_where_it_belongs_and_tokens_are_ended_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "s3cret & more\n").unwrap();
    for method in [SecretMethod::Basic, SecretMethod::Post] {
        let server = server(ClientProof::Secret { file: file.clone(), method }).await;
        server.answers(200, &good().to_string());
        server.refresh().await.unwrap();
        server.app.revoke(&Secret::new("rt-0".to_owned()), "refresh_token").await.unwrap();
        let asked = server.asked();
        assert_eq!(asked.iter().map(|(path, ..)| path.as_str()).collect::<Vec<_>>(), ["/token", "/revoke"]);
        for (path, form, authorization) in &asked {
            let form: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
            let has = |name: &str, value: &str| form.contains(&(name.to_owned(), value.to_owned()));
            if method == SecretMethod::Basic {
                // RFC 6749 §2.3.1: both are form-encoded first.
                let expected = data_encoding::BASE64.encode(b"gw+app:s3cret+%26+more");
                assert_eq!(authorization.as_deref(), Some(format!("Basic {expected}").as_str()), "{path}");
                assert!(form.iter().all(|(_, value)| !value.contains("s3cret")), "{path} {form:?}");
            } else {
                assert_eq!(*authorization, None);
                assert!(has("client_id", "gw app") && has("client_secret", "s3cret & more"), "{path} {form:?}");
            }
            let expected = if path == "/token" { ("refresh_token", "rt-0") } else { ("token", "rt-0") };
            assert!(has(expected.0, expected.1), "{form:?}");
        }
        server.answers(503, "");
        assert!(server.app.revoke(&Secret::new("rt-0".to_owned()), "refresh_token").await.is_err());
        // Where there is no place to ask, nothing is asked.
        let none = self::server(ClientProof::None).await;
        none.script.configuration.lock().unwrap().as_object_mut().unwrap().remove("revocation_endpoint");
        none.app.revoke(&Secret::new("rt-0".to_owned()), "refresh_token").await.unwrap();
        assert!(none.asked().is_empty());
    }
}
