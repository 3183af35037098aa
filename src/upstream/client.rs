use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::body::{Body, Keep};
use super::breaker::{Breaker, BreakerState};
use super::cache::Cache;
use super::connection::Connection;
use super::credential::Bearer;
use super::failure::SourceFailure;
use super::failure_counts::FailureCounts;
use super::flight::Flights;
use super::patience::Patience;
use super::quarantine::Quarantine;
use super::retry_after::{self, RetryAfter};
use super::retry_budget::RetryBudget;
use crate::base::clock::SharedClock;
use crate::base::id::LinkId;
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config::Limits;

/// The client of one source: its connections, its credential, and what is remembered of how it does. Asked by way of an
/// [`Errand`](super::Errand).
#[derive(Debug)]
pub struct Client {
    pub(super) connection: Connection,
    pub(super) limits: Limits,
    http: OnceCell<reqwest::Client>,
    pub(super) bearer: Bearer,
    pub(super) bulkhead: Semaphore,
    /// Places of documents that are being fetched.
    pub(super) documents: Arc<Semaphore>,
    pub(super) breaker: Breaker,
    pub(super) failures: FailureCounts,
    pub(super) retry_after: RetryAfter,
    pub(super) retries: RetryBudget,
    pub(super) patience: Patience,
    pub(super) quarantine: Quarantine,
    pub(super) flights: Flights,
    pub(super) cache: Option<Arc<Cache>>,
    pub(super) clock: SharedClock,
    pub(super) random: SharedRandom,
}

/// One HTTP answer with its body read whole.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) is_json: bool,
    pub(super) keep: Keep,
    pub(super) body: Bytes,
}

impl Client {
    /// A client that has not connected yet, and keeps no answers.
    #[must_use]
    pub fn new(connection: Connection, limits: Limits, clock: SharedClock, random: SharedRandom) -> Self {
        let deadline = Duration::from_millis(limits.source_deadline_ms);
        Self {
            http: OnceCell::new(),
            bearer: Bearer::new(connection.credential.clone(), clock.clone(), random.clone()),
            bulkhead: Semaphore::new(limits.source_concurrency),
            documents: Arc::new(Semaphore::new(limits.source_documents)),
            breaker: Breaker::new(
                limits.breaker_failures,
                Duration::from_millis(limits.breaker_open_ms),
                Duration::from_millis(limits.breaker_longest_ms),
            ),
            failures: FailureCounts::default(),
            retry_after: RetryAfter::new(),
            retries: RetryBudget::new(limits.retry_percent),
            patience: Patience::new(deadline),
            quarantine: Quarantine::new(limits.foreign_answers),
            flights: Flights::default(),
            cache: None,
            connection,
            limits,
            clock,
            random,
        }
    }

    /// The same, keeping answers in `cache`.
    #[must_use]
    pub fn with_cache(self, cache: Option<Arc<Cache>>) -> Self {
        Self { cache, ..self }
    }

    /// How it reaches its source.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What it failed by so far.
    #[must_use]
    pub const fn failures(&self) -> &FailureCounts {
        &self.failures
    }

    /// Whether it is left alone at the moment.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        self.breaker.stands(self.clock.now())
    }

    /// An answer held records of somebody else, and none of the one who was asked for in them. True when the source is
    /// set aside because of it.
    pub fn hear_of_others(&self) -> bool {
        self.quarantine.hear(self.clock.now())
    }

    /// Whether the source is set aside.
    #[must_use]
    pub fn is_set_aside(&self) -> bool {
        self.quarantine.holds(self.clock.now())
    }

    /// Time for one request to be answered whole.
    pub(super) const fn deadline(&self) -> Duration {
        Duration::from_millis(self.limits.source_deadline_ms)
    }

    /// A GET with the credential, and what sends it.
    pub(super) async fn request(
        &self,
        link: Option<LinkId>,
        url: Url,
        accept: HeaderValue,
    ) -> Result<(&reqwest::Client, Request, Option<Secret<String>>), SourceFailure> {
        let http = self
            .http
            .get_or_try_init(|| async { self.connection.http_client(&self.limits) })
            .await
            .map_err(|_| SourceFailure::Unreachable)?;
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(ACCEPT, accept);
        let authorization = self.bearer.header(http, link).await?;
        if let Some(authorization) = &authorization {
            let mut value =
                HeaderValue::from_str(authorization.expose()).map_err(|_| SourceFailure::CredentialRefused)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok((http, request, authorization))
    }

    pub(super) async fn get_once(&self, link: Option<LinkId>, url: Url) -> Result<Body, SourceFailure> {
        let (http, request, authorization) =
            self.request(link, url, HeaderValue::from_static("application/fhir+json")).await?;
        let answer = execute(http, request, self.limits.body_bytes).await?;
        if let (StatusCode::UNAUTHORIZED, Some(authorization)) = (answer.status, &authorization) {
            self.bearer.refused(link, authorization).await;
        }
        match answer.status {
            StatusCode::OK if answer.is_json => Ok(Body { bytes: answer.body, keep: answer.keep }),
            StatusCode::OK => Err(SourceFailure::Malformed),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceFailure::NotFound),
            StatusCode::UNAUTHORIZED => Err(SourceFailure::CredentialRefused),
            StatusCode::FORBIDDEN => Err(SourceFailure::Forbidden),
            StatusCode::TOO_MANY_REQUESTS => Err(SourceFailure::Throttled { retry_after: answer.retry_after }),
            StatusCode::SERVICE_UNAVAILABLE if answer.retry_after.is_some() => {
                Err(SourceFailure::Throttled { retry_after: answer.retry_after })
            }
            status if status.is_client_error() => Err(SourceFailure::Refused { status: status.as_u16() }),
            status => Err(SourceFailure::Failed { status: status.as_u16() }),
        }
    }
}

/// Sends a request and reads the body up to `cap` bytes.
pub(super) async fn execute(http: &reqwest::Client, request: Request, cap: usize) -> Result<HttpAnswer, SourceFailure> {
    let mut response = http.execute(request).await.map_err(|error| failure_of(&error))?;
    let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after = retry_after::parse(response.headers());
    let keep = Keep::parse(response.headers());
    let is_json = header(CONTENT_TYPE).is_some_and(|kind| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        matches!(essence, "application/fhir+json" | "application/json" | "application/json+fhir" | "text/json")
    });
    let status = response.status();
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > cap {
        return Err(SourceFailure::OverBudget);
    }
    // A small body usually comes in one piece: then it is passed on without a copy.
    let Some(first) = response.chunk().await.map_err(|error| failure_of(&error))? else {
        return Ok(HttpAnswer { status, retry_after, is_json, keep, body: Bytes::new() });
    };
    if first.len() == announced {
        return Ok(HttpAnswer { status, retry_after, is_json, keep, body: first });
    }
    let mut body = BytesMut::with_capacity(announced.max(first.len()));
    body.extend_from_slice(&first);
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len().saturating_add(chunk.len()) > cap {
            return Err(SourceFailure::OverBudget);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpAnswer { status, retry_after, is_json, keep, body: body.freeze() })
}

pub(super) fn failure_of(error: &reqwest::Error) -> SourceFailure {
    match error {
        _ if error.is_timeout() => SourceFailure::Timeout,
        _ if is_of_tls(error) => SourceFailure::Untrusted,
        _ => SourceFailure::Unreachable,
    }
}

/// Whether TLS itself refused, at whatever depth: an I/O error does not name what it carries as its source.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || carried.is_some_and(|carried| is_of_tls(carried))
        || error.source().is_some_and(is_of_tls)
}
