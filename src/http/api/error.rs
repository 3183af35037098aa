//! Errors of the API: `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::accounts::{AccountError, PasswordError, SignInError};
use crate::http::error::no_store;
use crate::storage::StorageError;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    /// What a program can do something about, by name.
    kind: Option<&'static str>,
    /// When to come back, in seconds.
    wait: Option<u64>,
}

impl Problem {
    /// One with this status; `detail` is said to the caller.
    #[must_use]
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail: Cow::Borrowed(detail), kind: None, wait: None }
    }

    /// The same with a name that programs know: `urn:chartgate:problem:{kind}`.
    #[must_use]
    pub(super) fn named(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Something that was typed cannot be so.
    #[must_use]
    pub(super) fn refused(detail: String) -> Self {
        Self { detail: Cow::Owned(detail), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "") }
    }

    /// Too many tries.
    #[must_use]
    pub(super) fn too_many(wait: Option<u64>) -> Self {
        Self { wait, ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too many tries") }
    }

    /// Nobody is signed in.
    pub const NOT_SIGNED_IN: Self = Self::new(StatusCode::UNAUTHORIZED, "nobody is signed in");
    /// Missing, somebody else's, or never there: one and the same.
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "there is no such thing");
    /// It does not come from a page of this origin.
    pub(super) const FOREIGN: Self =
        Self::new(StatusCode::FORBIDDEN, "the request must come from a page of this origin");
    /// A password, a code or an answer is another one, or too old.
    pub(super) const WRONG: Self = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "this is not right, or too old");

    /// What failed inside is logged here once; the answer says only that it failed.
    #[must_use]
    pub fn unavailable(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "a request to the API could not be answered");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment")
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotProved => {
                Self::new(StatusCode::FORBIDDEN, "show once more who you are: POST /api/v1/account/proof")
                    .named("recent-proof")
            }
            AccountError::Held => {
                Self::new(StatusCode::FORBIDDEN, "this waits until 24 hours after the recovery").named("held")
            }
            AccountError::NotFound => Self::NOT_FOUND,
            AccountError::Wrong => Self::WRONG,
            AccountError::Throttled(throttled) => Self::too_many(Some(throttled.wait.as_secs().max(1))),
            AccountError::UsernameTaken => Self::new(StatusCode::CONFLICT, "this username cannot be had"),
            AccountError::Elsewhere(_) => Self::unavailable(&error),
            AccountError::IdentityTaken => Self::new(StatusCode::CONFLICT, "connected to another account"),
            AccountError::NotProofed => Self::refused(error.to_string()),
            AccountError::LastWay => Self::new(StatusCode::CONFLICT, "this is the last way to sign in"),
            AccountError::Contact(error) => Self::refused(error.to_string()),
            AccountError::Username(error) => Self::refused(error.to_string()),
            AccountError::Password(PasswordError::Unavailable) | AccountError::Storage(_) => Self::unavailable(&error),
            AccountError::Password(error) => Self::refused(error.to_string()),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            // A password of a length that none has is a wrong one.
            SignInError::Password(PasswordError::Length) => Self::WRONG,
            other => AccountError::from(other).into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let mut body = json!({"title": title, "status": self.status.as_u16(), "detail": self.detail});
        if let (Some(kind), Some(members)) = (self.kind, body.as_object_mut()) {
            members.insert("type".to_owned(), format!("urn:chartgate:problem:{kind}").into());
        }
        let mut response = no_store((self.status, Json(body)).into_response());
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
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// A request whose head is too large.
#[must_use]
pub fn head_too_large() -> Response {
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too large").into_response()
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here")
}
