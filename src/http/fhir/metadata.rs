use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::error::FhirError;
use super::{parameters, respond};

/// The CapabilityStatement, made once at start.
#[derive(Debug)]
pub struct Metadata(pub Bytes);

/// `GET /fhir/metadata`: open to everybody.
pub(super) async fn get(
    State(metadata): State<Arc<Metadata>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    respond::check_acceptable(&headers, parameters::format(&parameters))?;
    let mut response = metadata.0.clone().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(respond::FHIR_JSON));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
