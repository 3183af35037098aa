//! `POST /fhir`: each entry takes the route that it would take alone, with the same token, so that it is authenticated,
//! authorised, audited and answered as it would be alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tower::ServiceExt;

use super::bearer::{Bearer, OfBatch};
use super::error::FhirError;
use super::metadata::Metadata;
use super::{parameters, reads, respond};
use crate::authorization::AuthorizationServer;
use crate::fhir::batch::{self, BatchError, EntryRequest, EntryResponse};
use crate::gateway::Gateway;

/// Entries that are worked on at once.
const AT_ONCE: usize = 4;
/// Bytes of answers after which no further entry is begun.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The request headers that count for each entry as they do for the whole.
const INHERITED: [header::HeaderName; 2] = [header::AUTHORIZATION, header::HeaderName::from_static("prefer")];

/// `POST /fhir` with a Bundle of type batch.
pub(super) async fn post<S>(
    Bearer(subject): Bearer,
    State(state): State<S>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, FhirError>
where
    S: Clone + Send + Sync + 'static,
    Arc<Gateway>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Metadata>: FromRef<S>,
{
    respond::check_acceptable(&headers, None)?;
    let body = body.map_err(|_| FhirError::TooMuch("The body cannot be read or is too long".to_owned()))?;
    let entries = parse(&headers, &body)?;
    let bound = subject.key.is_some().then_some(OfBatch(subject));
    let answered = answer_all(&reads::<S>().with_state(state), &headers, bound.as_ref(), entries).await;
    Ok(respond::fhir_json(batch::response(&answered)))
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Vec<EntryRequest>, FhirError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !respond::is_json(kind) || kind.is_empty() {
        return Err(FhirError::UnsupportedMediaType("application/fhir+json"));
    }
    batch::parse(body).map_err(|error| match error {
        BatchError::TooMany => FhirError::TooMuch(error.to_string()),
        BatchError::Transaction => FhirError::Invalid("not-supported", error.to_string()),
        _ => FhirError::Invalid("invalid", error.to_string()),
    })
}

async fn answer_all(
    router: &Router,
    headers: &HeaderMap,
    bound: Option<&OfBatch>,
    entries: Vec<EntryRequest>,
) -> Vec<EntryResponse> {
    let spent = AtomicUsize::new(0);
    let answers = entries.into_iter().map(|entry| {
        let spent = &spent;
        async move {
            if spent.load(Ordering::Relaxed) > MAX_BYTES {
                let details = "The answers before this one filled the batch: ask for it alone".to_owned();
                return read(FhirError::TooMuch(details).into_response()).await;
            }
            let answer = match request(headers, bound, &entry) {
                // A router cannot fail: it has an answer for everything.
                Ok(request) => router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}),
                Err(refusal) => refusal.into_response(),
            };
            let answer = read(answer).await;
            spent.fetch_add(answer.body.len(), Ordering::Relaxed);
            answer
        }
    });
    futures_util::stream::iter(answers).buffered(AT_ONCE).collect().await
}

/// The request that the entry stands for. Nothing is written in a batch either.
fn request(headers: &HeaderMap, bound: Option<&OfBatch>, entry: &EntryRequest) -> Result<Request<Body>, FhirError> {
    let method = match entry.method.as_str() {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" | "PUT" | "PATCH" | "DELETE" => return Err(FhirError::MethodNotAllowed),
        _ => return Err(FhirError::Invalid("invalid", "The entry has no request with a method of FHIR".to_owned())),
    };
    let invalid = || FhirError::Invalid("invalid", "The entry's URL is not one below this server's base".to_owned());
    let relative = batch::relative(&entry.url).filter(|url| url.len() <= parameters::MAX_BYTES).ok_or_else(invalid)?;
    let mut request = Request::builder().method(method).uri(format!("/fhir/{relative}"));
    if let Some(caller) = bound {
        request = request.extension(caller.clone());
    }
    for name in INHERITED {
        for value in headers.get_all(&name) {
            request = request.header(&name, value);
        }
    }
    for (name, value) in
        [(header::IF_NONE_MATCH, &entry.if_none_match), (header::IF_MODIFIED_SINCE, &entry.if_modified_since)]
    {
        if let Some(value) = value {
            request = request.header(name, HeaderValue::from_str(value).map_err(|_| invalid())?);
        }
    }
    request.header(header::ACCEPT, "application/fhir+json").body(Body::empty()).map_err(|_| invalid())
}

async fn read(response: Response) -> EntryResponse {
    let status = response.status();
    let etag = response.headers().get(header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
    EntryResponse {
        status: format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default()),
        etag,
        failed: !status.is_success(),
        body: body.to_vec(),
    }
}
