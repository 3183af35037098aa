use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::bearer::Bearer;
use super::error::FhirError;
use super::{parameters, respond};
use crate::access::Subject;
use crate::fhir::ResourceType;
use crate::fhir::interaction::{Interaction, handling};
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
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.trim_start().starts_with("application/x-www-form-urlencoded") {
        return Err(FhirError::Invalid("invalid", "_search wants application/x-www-form-urlencoded".to_owned()));
    }
    let form =
        std::str::from_utf8(&body).map_err(|_| FhirError::Invalid("invalid", "The form is not UTF-8".to_owned()))?;
    let mut parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    parameters.extend(parameters::decode(form)?);
    search(&gateway, subject, &resource_type, parameters, &headers).await
}

async fn search(
    gateway: &Gateway,
    subject: Arc<Subject>,
    resource_type: &str,
    parameters: Vec<(String, String)>,
    headers: &HeaderMap,
) -> Result<Response, FhirError> {
    let format = parameters.iter().find(|(name, _)| name == "_format").map(|(_, value)| value.as_str());
    respond::check_acceptable(headers, format)?;
    let resource_type = ResourceType::parse(resource_type).ok_or(FhirError::NotServed)?;
    let prefer = headers.get("prefer").and_then(|value| value.to_str().ok());
    let interaction = Interaction::Search { resource_type, parameters, handling: handling(prefer) };
    let answer = gateway.handle(subject, interaction).await?;
    Ok(respond::respond(&answer, headers))
}
