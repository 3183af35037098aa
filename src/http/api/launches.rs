//! Apps opened for a person (SMART App Launch 2.2, EHR launch).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::Problem;
use super::session::Caller;
use crate::access::Subject;
use crate::authorization::{AuthorizationServer, LaunchError};
use crate::fhir::ResourceType;
use crate::gateway::Gateway;
use crate::http::error::no_store;
use crate::http::pages::visits;
use crate::oauth::client::ClientId;
use crate::oauth::launch::{ContextItem, LaunchContext};

/// More items of `fhirContext` than this are no context any more.
const MOST_ITEMS: usize = 20;
/// A longer `intent` than this is no word, in bytes.
const LONGEST_INTENT: usize = 200;

/// What is to be opened.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLaunch {
    client_id: String,
    person: String,
    encounter: Option<String>,
    #[serde(default, rename = "fhirContext")]
    fhir_context: Vec<ContextItem>,
    intent: Option<String>,
    #[serde(default)]
    banner_shown: bool,
}

const MALFORMED: Problem = Problem::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "the body must have client_id and person, and may have encounter, fhirContext, intent and banner_shown",
);
const NOT_IN_RECORD: Problem =
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "encounter and fhirContext must name resources of this record");

/// `POST /api/v1/launches`: opens an app for a person. The answer has the URL to send the browser to.
pub(super) async fn create(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    Caller(session): Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let new = read(&headers, &body)?;
    let client = ClientId::parse(&new.client_id).ok_or(Problem::NOT_FOUND)?;
    let person = new.person.parse().map_err(|_| Problem::NOT_FOUND)?;
    let reached = server.reached(session.account, person).await.map_err(|error| Problem::unavailable(&error))?;
    let reached = reached.ok_or(Problem::NOT_FOUND)?;
    let context = context(&gateway, &reached.subject, new).await?;
    let opened =
        server.open_app(session.account, &client, reached.person, context).await.map_err(|error| match error {
            LaunchError::Storage(error) => Problem::unavailable(&error),
            LaunchError::NoApp | LaunchError::NoPerson => Problem::NOT_FOUND,
        })?;
    let body = json!({"url": opened.url, "launch": opened.launch, "expires_in": opened.expires_in});
    Ok(no_store((StatusCode::CREATED, Json(body)).into_response()))
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<NewLaunch, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    let new: NewLaunch = serde_json::from_slice(body).map_err(|_| MALFORMED)?;
    let is_word = |text: &String| (1..=LONGEST_INTENT).contains(&text.len()) && !text.contains(char::is_control);
    let is_small = new.fhir_context.len() <= MOST_ITEMS && new.intent.iter().all(is_word);
    if is_small { Ok(new) } else { Err(MALFORMED) }
}

/// The context, once everything that it names is seen to stand in the person's record.
async fn context(gateway: &Gateway, subject: &Arc<Subject>, new: NewLaunch) -> Result<LaunchContext, Problem> {
    if let Some(id) = &new.encounter {
        stands(gateway, subject, ResourceType::Encounter, id).await?;
    }
    for item in &new.fhir_context {
        let (kind, id) = item.reference.split_once('/').ok_or(NOT_IN_RECORD)?;
        let resource_type = ResourceType::parse(kind).ok_or(NOT_IN_RECORD)?;
        let is_same_type = item.resource_type.as_deref().is_none_or(|said| said == kind);
        let is_role = item.role.as_ref().is_none_or(|role| role == "launch" || url::Url::parse(role).is_ok());
        if !is_same_type || !is_role {
            return Err(MALFORMED);
        }
        stands(gateway, subject, resource_type, id).await?;
    }
    let NewLaunch { encounter, fhir_context, intent, banner_shown, .. } = new;
    Ok(LaunchContext { encounter, fhir_context, intent, banner_shown })
}

async fn stands(
    gateway: &Gateway,
    subject: &Arc<Subject>,
    resource_type: ResourceType,
    id: &str,
) -> Result<(), Problem> {
    match visits::has(gateway, subject.clone(), resource_type, id).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(NOT_IN_RECORD),
        Err(refusal) => Err(Problem::unavailable(&refusal)),
    }
}
