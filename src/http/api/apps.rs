//! Connected apps.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::Problem;
use super::session::Caller;
use crate::authorization::{AuthorizationServer, ConnectedApp};
use crate::http::error::no_store;
use crate::http::pages::box_text;

/// `GET /api/v1/apps`: the apps that this account connected, and those that others connected to its holder's record.
pub(super) async fn list(
    State(server): State<Arc<AuthorizationServer>>,
    Caller(session): Caller,
) -> Result<Response, Problem> {
    let apps = server.connected_apps(&session).await.map_err(|error| Problem::unavailable(&error))?;
    let apps: Vec<Value> = apps.iter().map(describe).collect();
    Ok(no_store(Json(json!({ "apps": apps })).into_response()))
}

fn describe(app: &ConnectedApp) -> Value {
    let may: Vec<String> = app.items.iter().map(box_text).collect();
    json!({
        "id": app.id.to_string(),
        "client_id": app.client,
        "name": app.name,
        "person": app.person.map(|person| person.to_string()),
        "person_name": app.person_name,
        "basis": app.basis.map(crate::identity::GrantBasis::as_str),
        "own": app.own,
        "scope": app.scopes.to_string(),
        "may": may,
        "since": app.since.to_fhir(),
        "last_used": app.last_used.map(crate::base::clock::Instant::to_fhir),
        "until": app.until.to_fhir(),
    })
}

/// `DELETE /api/v1/apps/{id}`: ends what an app may do.
pub(super) async fn disconnect(
    State(server): State<Arc<AuthorizationServer>>,
    Caller(session): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    match server.disconnect_app(&session, id).await {
        Ok(true) => Ok(no_store(StatusCode::NO_CONTENT.into_response())),
        Ok(false) => Err(Problem::NOT_FOUND),
        Err(error) => Err(Problem::unavailable(&error)),
    }
}
