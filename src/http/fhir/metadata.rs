use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::error::FhirError;
use super::{parameters, respond};
use crate::fhir::model::ModelError;

type Make = Box<dyn FnOnce() -> Option<Bytes> + Send>;

/// The CapabilityStatement, made when it is first asked for: the typed model that writes it is 3 MB of program, which an
/// idle gateway need not have in memory.
#[derive(Debug)]
pub struct Metadata(LazyLock<Option<Bytes>, Make>);

impl Metadata {
    /// What `make` gives. Should it fail, `metadata` answers 503 and the log says why.
    pub fn new(make: impl FnOnce() -> Result<Vec<u8>, ModelError> + Send + 'static) -> Self {
        let make =
            || make().inspect_err(|error| tracing::error!(%error, "no CapabilityStatement")).ok().map(Bytes::from);
        Self(LazyLock::new(Box::new(make)))
    }
}

/// `GET /fhir/metadata`: open to everybody.
pub(super) async fn get(
    State(metadata): State<Arc<Metadata>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    respond::check_acceptable(&headers, parameters::format(&parameters))?;
    let statement = LazyLock::force(&metadata.0).clone().ok_or(FhirError::Unavailable)?;
    let mut response = statement.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(respond::FHIR_JSON));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
