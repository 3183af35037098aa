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

/// `Patient/{id}/{type}` as path segments; Patient is the only compartment that is served.
type Compartment = (String, String, String);

/// `GET /fhir/Patient/{id}/{type}?…`.
pub(super) async fn get(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path(compartment): Path<Compartment>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    let parameters = parameters::decode(query.as_deref().unwrap_or_default())?;
    search(&gateway, subject, compartment, parameters, &headers).await
}

/// `POST /fhir/Patient/{id}/{type}/_search`.
pub(super) async fn post(
    Bearer(subject): Bearer,
    State(gateway): State<Arc<Gateway>>,
    Path(compartment): Path<Compartment>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, FhirError> {
    let parameters = parameters::posted(query.as_deref(), &headers, &body)?;
    search(&gateway, subject, compartment, parameters, &headers).await
}

async fn search(
    gateway: &Gateway,
    subject: Arc<Subject>,
    (compartment, patient, resource_type): Compartment,
    parameters: Vec<(String, String)>,
    headers: &HeaderMap,
) -> Result<Response, FhirError> {
    respond::check_acceptable(headers, parameters::format(&parameters))?;
    if compartment != ResourceType::Patient.as_str() {
        return Err(FhirError::NotServed);
    }
    let resource_type = ResourceType::parse(&resource_type).ok_or(FhirError::NotServed)?;
    let handling = parameters::handling(headers);
    let interaction = Interaction::CompartmentSearch { patient, resource_type, parameters, handling };
    let answer = gateway.handle(subject, interaction).await?;
    Ok(respond::respond(&answer, headers))
}
