//! Errors in each surface's own form: OAuth JSON and HTML pages.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::authorization::{AuthorizeError, RegisterError, TokenError};
use crate::http::pages::{say, told};
use crate::oauth::error::{ErrorCode, OauthError};

use super::pages::{self, ErrorPage};

/// `error` and `error_description` (RFC 6749 §5.2), never stored by a cache.
#[must_use]
pub fn oauth_json(error: OauthError) -> Response {
    let status = match error.code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = Json(json!({"error": error.code.as_str(), "error_description": error.description}));
    let mut response = no_store((status, body).into_response());
    match error.code {
        // RFC 7235 §3.1: a 401 names a scheme.
        ErrorCode::InvalidClient => {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"chartgate\""));
        }
        ErrorCode::TemporarilyUnavailable => {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        _ => {}
    }
    response
}

/// RFC 6749 §5.1: answers with tokens, and errors beside them, are kept by nobody.
#[must_use]
pub fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// What failed inside is logged here once; the answer says only that it failed.
fn unavailable(error: &dyn std::error::Error) -> OauthError {
    tracing::error!(error = %error, "an OAuth request could not be answered");
    OauthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => oauth_json(error),
            Self::Signing(error) => oauth_json(unavailable(&error)),
            Self::Storage(error) => oauth_json(unavailable(&error)),
        }
    }
}

impl IntoResponse for RegisterError {
    fn into_response(self) -> Response {
        let plain = |status: StatusCode, code: ErrorCode, text: &str| {
            let body = Json(json!({"error": code.as_str(), "error_description": text}));
            no_store((status, body).into_response())
        };
        let text = self.to_string();
        match self {
            Self::Refused(error) => oauth_json(error),
            Self::Closed => plain(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, &text),
            Self::TooMany => {
                let mut response = plain(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TemporarilyUnavailable, &text);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("600"));
                response
            }
            Self::Unauthorized => {
                let mut response = plain(StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, &text);
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                response
            }
            Self::Storage(error) => oauth_json(unavailable(&error)),
        }
    }
}

impl IntoResponse for AuthorizeError {
    fn into_response(self) -> Response {
        match self {
            Self::Page(error) => pages::render_with(
                StatusCode::BAD_REQUEST,
                &ErrorPage::new(say("error.cannot-go-on"), &sentence(&told(error.description))),
                None,
            ),
            Self::Storage(error) => page_unavailable(&error),
        }
    }
}

/// The page for a failure of ours.
#[must_use]
pub fn page_unavailable(error: &dyn std::error::Error) -> Response {
    tracing::error!(error = %error, "a page could not be made");
    let page = ErrorPage::new(say("error.something-not-working"), say("error.please-try-again-moment"));
    let mut response = pages::render_with(StatusCode::SERVICE_UNAVAILABLE, &page, None);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}
