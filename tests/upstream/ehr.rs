//! An EHR that answers by a rule of the test's own, and counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use bytes::Bytes;
use chartgate::base::clock::{Instant, TestClock};
use chartgate::base::random::SeededRandom;
use chartgate::config::{self, Limits};
use chartgate::upstream::{Cache, Client, Connection, Credential, Errand, Gathered, Page, SourceFailure};
use tokio::sync::watch;

/// What a request is answered with, after a while.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) after: Duration,
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Rule {
    pub(super) fn ok(body: &str) -> Self {
        Self { after: Duration::ZERO, status: 200, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, ..Self::ok("{}") }
    }

    pub(super) fn after(mut self, milliseconds: u64) -> Self {
        self.after = Duration::from_millis(milliseconds);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

type Answers = Box<dyn Fn(&str) -> Rule + Send>;

pub(super) struct Ehr {
    pub(super) base: String,
    pub(super) clock: Arc<TestClock>,
    pub(super) generation: watch::Sender<i64>,
    script: Arc<Script>,
}

struct Script {
    answers: Mutex<Answers>,
    asked: Mutex<Vec<String>>,
    under_way: AtomicU64,
    most: AtomicU64,
}

struct Leaving(Arc<Script>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request<Body>) -> Response {
    let target = request.uri().path_and_query().unwrap().as_str().trim_start_matches("/fhir/").to_owned();
    let rule = (script.answers.lock().unwrap())(&target);
    script.asked.lock().unwrap().push(target);
    let now = script.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    let _leaving = Leaving(script.clone());
    script.most.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(rule.after).await;
    let mut response = Response::new(Body::from(rule.body));
    *response.status_mut() = rule.status.try_into().unwrap();
    response.headers_mut().insert("content-type", "application/fhir+json".parse().unwrap());
    for (name, value) in &rule.headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

impl Ehr {
    pub(super) async fn start(answers: impl Fn(&str) -> Rule + Send + 'static) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let script = Arc::new(Script {
            answers: Mutex::new(Box::new(answers)),
            asked: Mutex::default(),
            under_way: AtomicU64::new(0),
            most: AtomicU64::new(0),
        });
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let base = format!("http://{}/fhir", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let clock = Arc::new(TestClock::at(Instant::from_micros(1_789_477_200_000_000)));
        Self { base, clock, generation: watch::Sender::new(1), script }
    }

    /// From now on it answers so.
    pub(super) fn answers(&self, answers: impl Fn(&str) -> Rule + Send + 'static) {
        *self.script.answers.lock().unwrap() = Box::new(answers);
    }

    /// Paths and queries since it was last asked this.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.script.asked.lock().unwrap())
    }

    /// The most requests that were under way at once.
    pub(super) fn most_at_once(&self) -> u64 {
        self.script.most.load(Ordering::SeqCst)
    }

    pub(super) fn client(&self, limits: Limits) -> Arc<Client> {
        self.caching(limits, &config::Cache::default())
    }

    pub(super) fn caching(&self, limits: Limits, settings: &config::Cache) -> Arc<Client> {
        let random = Arc::new(SeededRandom::new(1));
        let connection = Connection::new(&self.base, &["127.0.0.0/8".to_owned()], Credential::None).unwrap();
        let cache = Cache::new(settings, self.generation.subscribe(), random.clone());
        Arc::new(Client::new(connection, limits, self.clock.clone(), random).with_cache(cache))
    }
}

/// An errand for the chart of one patient.
pub(super) fn errand(client: &Arc<Client>, patient: &str) -> Errand {
    client.errand(Arc::new([patient.to_owned()]))
}

/// Reads a resource in an errand of its own; any body will do.
pub(super) async fn read(client: &Arc<Client>, id: &str) -> Result<Bytes, SourceFailure> {
    errand(client, "1").read("Condition", id, Ok).await
}

/// Searches in an errand of its own. A body is `text`, or `text >next`, or `!` for one that cannot be read.
pub(super) async fn search(client: &Arc<Client>, patient: &str) -> Gathered<String> {
    let pairs = [("patient".to_owned(), format!("Patient/{patient}"))];
    let read = |body: Bytes| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        if text == "!" {
            return Err(SourceFailure::Malformed);
        }
        let (content, next) = text.split_once(" >").map_or((text.as_str(), None), |(text, next)| (text, Some(next)));
        Ok(Page { content: content.to_owned(), resources: 1, next: next.map(str::to_owned), wants_next: true })
    };
    errand(client, patient).search("Condition", &pairs, read).await
}
