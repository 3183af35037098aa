//! Errors of the API: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::http::error::no_store;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: &'static str,
}

impl Problem {
    /// One with this status; `detail` is said to the caller.
    #[must_use]
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    /// Nobody is signed in.
    pub const NOT_SIGNED_IN: Self = Self::new(StatusCode::UNAUTHORIZED, "nobody is signed in");
    /// Missing, somebody else's, or never there: one and the same.
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "there is no such thing");

    /// What failed inside is logged here once; the answer says only that it failed.
    #[must_use]
    pub fn unavailable(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "a request to the API could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let body = Json(json!({"title": title, "status": self.status.as_u16(), "detail": self.detail}));
        let mut response = no_store((self.status, body).into_response());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.status {
            // RFC 9110 §15.5.2: a 401 names a scheme.
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie realm=\"chartgate\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response
    }
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here")
}
