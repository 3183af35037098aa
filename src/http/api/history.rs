//! Who looked at a record.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::Problem;
use super::session::Caller;
use crate::authorization::{AuthorizationServer, Look, Looker};
use crate::gateway::Gateway;
use crate::http::error::no_store;
use crate::http::form::{field, query_pairs};
use crate::http::pages::looks;
use crate::identity::ViewReason;

/// `GET /api/v1/access/history?person=…`: who looked at one's own record, or at that of a child of which one sees all.
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    Caller(session): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = query_pairs(query.as_deref());
    let person = field(&pairs, "person").and_then(|id| id.parse().ok());
    let person = person.ok_or(Problem::new(StatusCode::BAD_REQUEST, "name a person"))?;
    let found = looks(&server, &gateway, &session, person).await.map_err(|error| Problem::unavailable(&error))?;
    let (looks, _) = found.ok_or(Problem::NOT_FOUND)?;
    Ok(no_store(Json(json!({"entries": looks.iter().map(entry).collect::<Vec<_>>()})).into_response()))
}

fn entry(look: &Look) -> Value {
    let (who, basis, name) = match &look.who {
        Looker::Subject => ("subject", None, None),
        Looker::Reader => ("reader", None, None),
        Looker::Proxy(basis, name) => ("proxy", Some(basis.as_str()), name.as_deref()),
        Looker::Service => ("service", None, None),
        Looker::Staff => ("staff", None, None),
    };
    json!({
        "at": look.at.to_fhir(),
        "who": who,
        "basis": basis,
        "name": name,
        "app": look.app,
        "kind": look.kind.as_str(),
        "resource_type": look.resource_type.map(|kind| kind.as_str()),
        "released": look.released,
        "refused": look.is_refused,
        "reason": look.reason.map(ViewReason::as_str),
    })
}
