use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::bearer::Bearer;
use super::error::FhirError;
use super::{parameters, respond};
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::gateway::Gateway;

/// `GET /fhir/{type}/{id}/_history`.
pub(super) async fn get(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    respond::check_acceptable(&headers, parameters::format(&parameters))?;
    let resource_type = ResourceType::parse(&resource_type).ok_or(FhirError::NotServed)?;
    let answer = gateway.handle(subject, Interaction::History { resource_type, id, parameters }).await?;
    Ok(respond::respond(&answer, &headers))
}
