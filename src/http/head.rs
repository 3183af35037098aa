//! How much the head of a request may be: more than that no browser and no app sends.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use super::error::oauth_json;
use super::{api, fhir, pages};
use crate::oauth::error::{ErrorCode, OauthError};

/// Fields at most.
const MOST_FIELDS: usize = 64;
/// Bytes of their names and values together. A token in a cookie, a proof and a long `Accept` come nowhere near it.
const MOST_BYTES: usize = 16 * 1_024;

const TOO_LARGE: OauthError = OauthError::new(ErrorCode::InvalidRequest, "the head of the request is too large");

/// Whether the fields of a request's head are more than are read, or longer.
pub(super) fn is_too_large(request: &Request) -> bool {
    let fields = request.headers();
    let bytes = fields.iter().fold(0_usize, |sum, (name, value)| sum + name.as_str().len() + value.len());
    fields.len() > MOST_FIELDS || bytes > MOST_BYTES
}

/// 431 (RFC 6585 §5), in the form of the surface that was asked.
pub(super) fn too_large(path: &str) -> Response {
    let is_below = |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut response = match path {
        _ if is_below("/fhir") => fhir::head_too_large(),
        // Where browsers come, they get a page.
        "/oauth/authorize" | "/oauth/consent" => pages::head_too_large(),
        _ if is_below("/oauth") => oauth_json(TOO_LARGE),
        _ if is_below("/api") => api::head_too_large(),
        _ => pages::head_too_large(),
    };
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response
}
