use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::bearer::Bearer;
use super::error::FhirError;
use super::{parameters, respond};
use crate::access::Subject;
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::gateway::Gateway;

/// `GET /fhir/DocumentReference/$docref?…`.
pub(super) async fn get(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    docref(&gateway, subject, &resource_type, parameters, &headers).await
}

/// `POST /fhir/DocumentReference/$docref` with a Parameters resource.
pub(super) async fn post(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, FhirError> {
    let mut parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    parameters.extend(parameters::of_operation(&headers, &body)?);
    docref(&gateway, subject, &resource_type, parameters, &headers).await
}

async fn docref(
    gateway: &Gateway,
    subject: Arc<Subject>,
    resource_type: &str,
    parameters: Vec<(String, String)>,
    headers: &HeaderMap,
) -> Result<Response, FhirError> {
    respond::check_acceptable(headers, parameters::format(&parameters))?;
    if resource_type != ResourceType::DocumentReference.as_str() {
        return Err(FhirError::NotServed);
    }
    let answer = gateway.handle(subject, Interaction::Docref { parameters }).await?;
    Ok(respond::respond(&answer, headers))
}
