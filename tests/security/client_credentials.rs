//! The one credential of a source: asked for once, replaced when it is refused, and not over and over.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use chartgate::base::clock::{Instant, TestClock};
use chartgate::base::random::SeededRandom;
use chartgate::config::{Limits, SecretMethod};
use chartgate::upstream::{Client, ClientProof, Connection, Credential, SourceFailure};
use http::HeaderMap;

#[derive(Default)]
struct Ehr {
    tokens: AtomicU32,
    /// Numbers of tokens that are refused.
    refused: Mutex<Vec<u32>>,
    reads: AtomicU32,
}

async fn token(State(ehr): State<Arc<Ehr>>, body: Bytes) -> Response {
    assert!(String::from_utf8(body.to_vec()).unwrap().contains("grant_type=client_credentials"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let number = ehr.tokens.fetch_add(1, Ordering::SeqCst) + 1;
    let body = format!(r#"{{"access_token":"t{number}","token_type":"bearer","expires_in":300}}"#);
    Response::builder().header("content-type", "application/json").body(Body::from(body)).unwrap()
}

/// `slow` is answered late; whether its token is good is judged when it came.
async fn read(State(ehr): State<Arc<Ehr>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    ehr.reads.fetch_add(1, Ordering::SeqCst);
    let number = headers["authorization"].to_str().unwrap().strip_prefix("Bearer t").unwrap().parse().unwrap();
    let is_good = !ehr.refused.lock().unwrap().contains(&number);
    if id == "slow" {
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let response = Response::builder().status(if is_good { 200 } else { 401 });
    response.header("content-type", "application/fhir+json").body(Body::from("{}")).unwrap()
}

struct Setting {
    ehr: Arc<Ehr>,
    client: Arc<Client>,
    clock: Arc<TestClock>,
    _folder: tempfile::TempDir,
}

async fn setting() -> Setting {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let ehr = Arc::new(Ehr::default());
    let router =
        Router::new().route("/token", post(token)).route("/fhir/Condition/{id}", get(read)).with_state(ehr.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "secret").unwrap();
    let credential = Credential::ClientSecret {
        client_id: "gw".to_owned(),
        token_url: format!("{origin}/token"),
        proof: ClientProof::Secret { file, method: SecretMethod::Basic },
        scope: "system/*.rs".to_owned(),
    };
    let connection = Connection::new(&format!("{origin}/fhir"), &["127.0.0.0/8".to_owned()], credential).unwrap();
    let clock = Arc::new(TestClock::at(Instant::from_micros(1_789_477_200_000_000)));
    let limits = Limits { breaker_failures: 1_000, single_flight: false, ..Limits::default() };
    let client = Arc::new(Client::new(connection, limits, clock.clone(), Arc::new(SeededRandom::new(3))));
    Setting { ehr, client, clock, _folder: folder }
}

impl Setting {
    fn read(&self, id: &str) -> tokio::task::JoinHandle<Result<(), SourceFailure>> {
        let (errand, id) = (self.client.errand(Arc::new(["p".to_owned()])), id.to_owned());
        tokio::spawn(async move { errand.read("Condition", &id, |_| Ok(())).await })
    }

    fn tokens(&self) -> u32 {
        self.ehr.tokens.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_a_token_is_asked_for_once_and_a_minute_before_it_ends() {
    let setting = setting().await;
    for (seconds, tokens) in [(0, 1), (239, 1), (1, 2), (240, 3)] {
        setting.clock.advance(Duration::from_secs(seconds));
        let many: Vec<_> = (0..20).map(|_| setting.read("a")).collect();
        for one in many {
            one.await.unwrap().unwrap();
        }
        assert_eq!(setting.tokens(), tokens, "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_a_late_refusal_does_not_take_the_token_that_came_since() {
    let setting = setting().await;
    setting.read("a").await.unwrap().unwrap();
    setting.ehr.refused.lock().unwrap().push(1);
    let late = setting.read("slow");
    while setting.ehr.reads.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setting.read("a").await.unwrap().unwrap();
    assert_eq!(setting.tokens(), 2, "the refused one is replaced");
    late.await.unwrap().unwrap();
    setting.read("a").await.unwrap().unwrap();
    assert_eq!(setting.tokens(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_an_ehr_that_takes_no_token_does_not_have_them_asked_for_over_and_over() {
    let setting = setting().await;
    setting.ehr.refused.lock().unwrap().extend(1..=100);
    for _ in 0..20 {
        assert_eq!(setting.read("a").await.unwrap(), Err(SourceFailure::CredentialRefused));
    }
    assert_eq!(setting.tokens(), 4, "the first, and three in its place");
    setting.clock.advance(Duration::from_secs(60));
    setting.read("a").await.unwrap().unwrap_err();
    assert!(setting.tokens() > 4, "tried again after a minute");
}
