//! Answers: FHIR resources and OperationOutcomes with their headers.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use serde_json::json;

pub(super) const FHIR_JSON: &str = "application/fhir+json";

/// An answer before the faults get at it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn fhir(status: StatusCode, body: Bytes) -> Self {
        Self { status, content_type: FHIR_JSON.to_owned(), headers: Vec::new(), body }
    }

    pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        let body = Bytes::from(serde_json::to_vec(value).unwrap_or_default());
        Self { status, content_type: "application/json".to_owned(), headers: Vec::new(), body }
    }

    /// An OperationOutcome with one issue. `code` is of `http://hl7.org/fhir/issue-type`.
    pub(super) fn outcome(status: StatusCode, code: &str, diagnostics: &str) -> Self {
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": code, "diagnostics": diagnostics}],
        });
        Self::fhir(status, Bytes::from(serde_json::to_vec(&outcome).unwrap_or_default()))
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn into_response(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if let Ok(value) = HeaderValue::from_str(&self.content_type) {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}
