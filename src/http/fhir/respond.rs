use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::FhirError;
use crate::gateway::Answer;

/// FHIR R4 http.html §3.1.0.1.11.
pub(super) const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// Turns an answer into a response: 304 when the client has it already, judged only after it was authorised.
pub(super) fn respond(answer: &Answer, request: &HeaderMap) -> Response {
    let unchanged = is_unchanged(answer, request);
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { answer.body().clone().into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    protect(headers);
    if let Some(etag) = answer.etag().and_then(|etag| HeaderValue::from_str(etag).ok()) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(modified) = answer.last_modified().and_then(http_date) {
        headers.insert(header::LAST_MODIFIED, modified);
    }
    response
}

/// A FHIR answer that is no single resource.
pub(super) fn fhir_json(body: Vec<u8>) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    protect(response.headers_mut());
    response
}

/// Kept by no cache, taken for nothing but what it says it is.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Conditional read (FHIR R4 http.html §3.1.0.1.3): the date counts only where no entity tag is given (RFC 9110
/// §13.1.3), and a tag covers the view as well as the version.
fn is_unchanged(answer: &Answer, request: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        return answer.etag().is_some_and(|etag| has(request, etag));
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()).map(|time| time.timestamp().as_second());
    let modified = answer.last_modified().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    since.zip(modified).is_some_and(|(since, modified)| modified.as_second() <= since)
}

fn has(request: &HeaderMap, etag: &str) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // Weak comparison (RFC 9110 §8.8.3.2).
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    values.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// `Last-Modified` from a FHIR instant (RFC 9110 §5.6.7).
fn http_date(instant: &str) -> Option<HeaderValue> {
    let timestamp: jiff::Timestamp = instant.parse().ok()?;
    HeaderValue::from_str(&timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).ok()
}

/// Refuses a request that wants anything but JSON.
pub(super) fn check_acceptable(request: &HeaderMap, format: Option<&str>) -> Result<(), FhirError> {
    if let Some(format) = format {
        return if is_json(format) { Ok(()) } else { Err(FhirError::NotAcceptable) };
    }
    let mut accepted = request.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    // Browsers ask for HTML first and take anything: `*/*` is in their list.
    if accepted.peek().is_none() || accepted.flat_map(|value| value.split(',')).any(is_json) {
        Ok(())
    } else {
        Err(FhirError::NotAcceptable)
    }
}

/// Whether a media type is JSON, or a range with JSON in it.
pub(super) fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().replace(' ', "+").to_ascii_lowercase();
    matches!(
        essence.as_str(),
        "" | "*/*" | "application/*" | "json" | "application/json" | "application/fhir+json" | "text/json"
    )
}
