use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::bearer::Bearer;
use super::error::FhirError;
use super::{content, parameters, respond};
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::gateway::Gateway;

/// `GET /fhir/{type}/{id}`, and of a Binary the bytes that it holds.
pub(super) async fn get(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path((resource_type, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    let format = parameters::format(&parameters);
    let resource_type = ResourceType::parse(&resource_type).ok_or(FhirError::NotServed)?;
    if resource_type == ResourceType::Binary && content::is_wanted(&headers, format) {
        let answer = gateway.handle(subject, Interaction::Content { id }).await?;
        return answer.into_content().map_or(Err(FhirError::NotServed), |read| content::respond(read, &headers));
    }
    respond::check_acceptable(&headers, format)?;
    let answer = gateway.handle(subject, Interaction::Read { resource_type, id }).await?;
    Ok(respond::respond(&answer, &headers))
}
