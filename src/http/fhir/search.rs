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

/// `GET /fhir/{type}?…`.
pub(super) async fn get(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    search(&gateway, subject, &resource_type, parameters, &headers).await
}

/// `POST /fhir/{type}/_search`: parameters in the form, in the URL, or in both.
pub(super) async fn post(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path(resource_type): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, FhirError> {
    let parameters = parameters::posted(query.as_deref(), &headers, &body)?;
    search(&gateway, subject, &resource_type, parameters, &headers).await
}

async fn search(
    gateway: &Gateway,
    subject: Arc<Subject>,
    resource_type: &str,
    parameters: Vec<(String, String)>,
    headers: &HeaderMap,
) -> Result<Response, FhirError> {
    respond::check_acceptable(headers, parameters::format(&parameters))?;
    let resource_type = ResourceType::parse(resource_type).ok_or(FhirError::NotServed)?;
    let handling = parameters::handling(headers);
    let interaction = Interaction::Search { resource_type, parameters, handling };
    let answer = gateway.handle(subject, interaction).await?;
    Ok(respond::respond(&answer, headers))
}
