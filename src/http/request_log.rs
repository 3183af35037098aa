//! One line for each request: what, how long, how it ended. Never the query string, never an id of a patient.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::head;
use super::metrics::RequestCounts;
use crate::base::random::SharedRandom;

/// Logs and counts the request, and gives it an id, which the answer names too.
pub async fn log(random: SharedRandom, counts: Arc<RequestCounts>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let request_id = random.uuid().simple().to_string();
    let mut response = if !names_one_host(&request) {
        StatusCode::BAD_REQUEST.into_response()
    } else if head::is_too_large(&request) {
        head::too_large(request.uri().path())
    } else {
        next.run(request).await
    };
    let route = route.as_ref().map(MatchedPath::as_str);
    let status = response.status().as_u16();
    counts.add(route, status);
    let route = route.unwrap_or("none");
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(%method, route, status, duration_us, request = %request_id, "request");
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}

/// RFC 9112 §3.2: exactly one `Host`, and the same one in a request target that names it. Whoever sends more hopes that
/// two programs on the way read different ones.
fn names_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    request.uri().authority().is_none_or(|named| named.as_str().as_bytes() == host.as_bytes())
}
