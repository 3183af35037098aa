use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, StatusCode};
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::breaker::Breaker;
use super::connection::Connection;
use super::credential::Bearer;
use super::failure::SourceFailure;
use crate::base::clock::SharedClock;
use crate::base::random::SharedRandom;
use crate::config::Limits;
use crate::fhir::reference::is_source_id;

/// The client of one source.
#[derive(Debug)]
pub struct Client {
    pub(super) connection: Connection,
    pub(super) limits: Limits,
    http: OnceCell<reqwest::Client>,
    pub(super) bearer: Bearer,
    bulkhead: Semaphore,
    /// Places of documents that are being fetched.
    pub(super) documents: Arc<Semaphore>,
    breaker: Breaker,
    clock: SharedClock,
}

/// One HTTP answer with its body read whole.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) is_json: bool,
    pub(super) body: Bytes,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(connection: Connection, limits: Limits, clock: SharedClock, random: SharedRandom) -> Self {
        Self {
            http: OnceCell::new(),
            bearer: Bearer::new(connection.credential.clone(), clock.clone(), random),
            bulkhead: Semaphore::new(limits.source_concurrency),
            documents: Arc::new(Semaphore::new(limits.source_documents)),
            breaker: Breaker::new(limits.breaker_failures, Duration::from_millis(limits.breaker_open_ms)),
            connection,
            limits,
            clock,
        }
    }

    /// How it reaches its source.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// `GET {base}/{type}/{id}`: the resource's bytes as sent.
    ///
    /// # Errors
    /// [`SourceFailure`]; `NotFound` when the source says so.
    pub async fn read(&self, resource_type: &str, id: &str) -> Result<Bytes, SourceFailure> {
        // A URL drops `.` and resolves `..`: the request would be another one, a search without a patient.
        if !is_source_id(id.as_bytes()) {
            return Err(SourceFailure::NotFound);
        }
        self.within_limits(self.get(self.connection.url(&[resource_type, id], &[]))).await
    }

    /// Runs `work` within the deadline, the bulkhead and the breaker.
    pub(super) async fn within_limits<T>(
        &self,
        work: impl Future<Output = Result<T, SourceFailure>>,
    ) -> Result<T, SourceFailure> {
        if !self.breaker.admits(self.clock.now()) {
            return Err(SourceFailure::BreakerOpen);
        }
        let time = Duration::from_millis(self.limits.source_deadline_ms);
        let deadline = tokio::time::Instant::now() + time;
        // Whoever waits in vain for a place, or gets one late, has learnt nothing of the source: it does not count
        // against it.
        let place = tokio::time::timeout_at(deadline, self.bulkhead.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(SourceFailure::Busy) };
        let is_late = deadline.saturating_duration_since(tokio::time::Instant::now()) < time / 2;
        let outcome = match tokio::time::timeout_at(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_) if is_late => return Err(SourceFailure::Busy),
            Err(_) => Err(SourceFailure::Timeout),
        };
        match &outcome {
            Err(failure) if failure.trips_breaker() => self.breaker.failed(self.clock.now()),
            _ => self.breaker.succeeded(),
        }
        outcome
    }

    /// One GET, sent again once when the connection broke before an answer, or the token was refused.
    pub(super) async fn get(&self, url: Url) -> Result<Bytes, SourceFailure> {
        let first = self.get_once(url.clone()).await;
        match first {
            Err(SourceFailure::CredentialRefused) => {
                self.bearer.forget().await;
                self.get_once(url).await
            }
            Err(failure) if failure.is_retryable() => self.get_once(url).await,
            _ => first,
        }
    }

    /// A GET with the credential, and what sends it.
    pub(super) async fn request(
        &self,
        url: Url,
        accept: HeaderValue,
    ) -> Result<(&reqwest::Client, Request), SourceFailure> {
        let http = self
            .http
            .get_or_try_init(|| async { self.connection.http_client(&self.limits) })
            .await
            .map_err(|_| SourceFailure::Unreachable)?;
        let mut request = Request::new(Method::GET, url);
        request.headers_mut().insert(ACCEPT, accept);
        if let Some(authorization) = self.bearer.header(http).await? {
            let mut value =
                HeaderValue::from_str(authorization.expose()).map_err(|_| SourceFailure::CredentialRefused)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok((http, request))
    }

    async fn get_once(&self, url: Url) -> Result<Bytes, SourceFailure> {
        let (http, request) = self.request(url, HeaderValue::from_static("application/fhir+json")).await?;
        let answer = execute(http, request, self.limits.body_bytes).await?;
        match answer.status {
            StatusCode::OK if answer.is_json => Ok(answer.body),
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
    let retry_after = header(RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
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
        return Ok(HttpAnswer { status, retry_after, is_json, body: Bytes::new() });
    };
    if first.len() == announced {
        return Ok(HttpAnswer { status, retry_after, is_json, body: first });
    }
    let mut body = BytesMut::with_capacity(announced.max(first.len()));
    body.extend_from_slice(&first);
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len().saturating_add(chunk.len()) > cap {
            return Err(SourceFailure::OverBudget);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpAnswer { status, retry_after, is_json, body: body.freeze() })
}

pub(super) fn failure_of(error: &reqwest::Error) -> SourceFailure {
    if error.is_timeout() { SourceFailure::Timeout } else { SourceFailure::Unreachable }
}
