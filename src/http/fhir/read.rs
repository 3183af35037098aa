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

/// `GET /fhir/{type}/{id}`.
pub(super) async fn get(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    let format = parameters.iter().find(|(name, _)| name == "_format").map(|(_, value)| value.as_str());
    respond::check_acceptable(&headers, format)?;
    let resource_type = ResourceType::parse(&resource_type).ok_or(FhirError::NotServed)?;
    let answer = gateway.handle(subject, Interaction::Read { resource_type, id }).await?;
    Ok(respond::respond(&answer, &headers))
}
