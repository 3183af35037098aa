use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::respond::{self, FHIR_JSON};
use crate::access::Denial;
use crate::fhir::model::{Issue, operation_outcome};
use crate::gateway::Refusal;
use crate::http::oauth::NotAuthenticated;

/// Why the FHIR surface does not answer, in its own form: a status and an OperationOutcome.
#[derive(Debug)]
pub(super) enum FhirError {
    /// No token, or one that opens nothing.
    Unauthenticated(NotAuthenticated),
    /// The service itself cannot check tokens at the moment.
    Unavailable,
    /// The request's form.
    Invalid(&'static str, String),
    /// A type or path that nothing serves.
    NotServed,
    /// A method the route does not have.
    MethodNotAllowed,
    /// No acceptable representation.
    NotAcceptable,
    /// A body of another kind than the interaction takes.
    UnsupportedMediaType(&'static str),
    /// More than one request may hold.
    TooMuch(String),
    /// The gateway's word.
    Refused(Refusal),
}

impl From<Refusal> for FhirError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotAuthenticated> for FhirError {
    fn from(reason: NotAuthenticated) -> Self {
        match reason {
            NotAuthenticated::Unavailable(error) => {
                tracing::error!(%error, "a token cannot be checked");
                Self::Unavailable
            }
            refused => Self::Unauthenticated(refused),
        }
    }
}

impl FhirError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Invalid(..) => StatusCode::BAD_REQUEST,
            Self::NotServed => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMuch(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(refusal) => match refusal {
                Refusal::Denied(Denial::NotServed(_) | Denial::NotInCompartment(_)) | Refusal::NotFound => {
                    StatusCode::NOT_FOUND
                }
                Refusal::Denied(_) => StatusCode::FORBIDDEN,
                Refusal::Invalid { .. } => StatusCode::BAD_REQUEST,
                Refusal::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
                Refusal::Unavailable { .. } | Refusal::NoAudit => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    fn issues(&self) -> Vec<Issue> {
        let error = |code, details: &str| {
            let details_text = details.to_owned();
            vec![Issue { severity: "error", code, details_text, diagnostics: None, expression: Vec::new() }]
        };
        match self {
            Self::Unauthenticated(NotAuthenticated::Missing) => error("login", "This needs an access token"),
            Self::Unauthenticated(_) => error("login", "The access token is not valid"),
            Self::Unavailable => error("transient", "The service cannot answer at the moment"),
            Self::Invalid(code, details) => error(code, details),
            Self::NotServed => error("not-supported", "This is not served here"),
            Self::MethodNotAllowed => error("not-supported", "This interaction is not supported"),
            Self::NotAcceptable => error("not-supported", "Only FHIR JSON is served: application/fhir+json"),
            Self::UnsupportedMediaType(wanted) => error("invalid", &format!("This takes {wanted}")),
            Self::TooMuch(details) => error("too-costly", details),
            Self::Refused(refusal) => refusal.issues(),
        }
    }
}

impl IntoResponse for FhirError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), operation_outcome(&self.issues())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        respond::protect(headers);
        match &self {
            Self::Unauthenticated(refused) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(refused.challenge()));
            }
            Self::Refused(Refusal::Unavailable { retry_after, .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
            }
            // Not a moment too early: a client that keeps to it is answered.
            Self::Refused(Refusal::Throttled { retry_after }) => {
                let seconds = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0));
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            Self::Unavailable | Self::Refused(Refusal::NoAudit) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

pub(super) async fn method_not_allowed() -> FhirError {
    FhirError::MethodNotAllowed
}

/// A request whose head is too large.
#[must_use]
pub fn head_too_large() -> Response {
    FhirError::TooMuch("The head of the request is too large".to_owned()).into_response()
}

/// A path below `/fhir` that no route has.
#[must_use]
pub fn not_served() -> Response {
    FhirError::NotServed.into_response()
}
