//! Who sees what of one's own record, and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::Problem;
use super::session::Caller;
use crate::authorization::{AuthorizationServer, Gone, Shared};
use crate::base::clock::Instant;
use crate::consent::Rule;
use crate::fhir::ResourceType;
use crate::gateway::{Explanation, Gateway, Outlook, Refusal};
use crate::http::error::no_store;
use crate::http::pages::say;
use crate::identity::StatusReason;

/// `GET /api/v1/people`: who sees the record of the account's holder, and whose records the account sees.
pub(super) async fn people(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    Caller(session): Caller,
) -> Result<Response, Problem> {
    let people = server.people(&session).await.map_err(|error| Problem::unavailable(&error))?;
    let list = |shared: &[Shared]| -> Vec<Value> { shared.iter().map(|shared| describe(&gateway, shared)).collect() };
    let gone: Vec<Value> = people.gone.iter().map(gone).collect();
    let body = json!({"see_mine": list(&people.see_mine), "seen_by_me": list(&people.seen_by_me), "gone": gone});
    Ok(no_store(Json(body).into_response()))
}

fn gone(gone: &Gone) -> Value {
    json!({
        "name": gone.name,
        "basis": gone.basis.as_str(),
        "at": gone.at.to_fhir(),
        "reason": gone.reason.as_str(),
        "words": say(&format!("reason.{}", gone.reason.as_str())),
    })
}

fn describe(gateway: &Gateway, shared: &Shared) -> Value {
    let outlook = gateway.outlook(&shared.links, &shared.standing);
    json!({
        "grant": shared.grant.to_string(),
        "name": shared.name,
        "basis": shared.basis.as_str(),
        "scope": shared.scope,
        "in_effect": shared.is_in_effect,
        "suspended": shared.suspended.map(StatusReason::as_str),
        "from": shared.from.to_fhir(),
        "until": shared.until.map(Instant::to_fhir),
        "may_end": shared.may_end,
        "assented": shared.assented,
        "last_look": shared.last_look.map(Instant::to_fhir),
        "sees": outlook.iter().filter(|outlook| shared.tells_of(outlook)).map(seen_of).collect::<Vec<_>>(),
    })
}

/// What is seen of one practice's part.
pub(super) fn seen_of(outlook: &Outlook) -> Value {
    let categories = outlook.extents.as_ref().ok().map(|extents| {
        let named = extents.iter().map(|(category, extent)| (category.as_str().to_owned(), json!(extent.as_str())));
        named.collect::<serde_json::Map<_, _>>()
    });
    json!({
        "organization": outlook.organization,
        "rule": outlook.extents.as_ref().err().map(|rule| rule.as_str()),
        "categories": categories,
    })
}

/// `DELETE /api/v1/people/{grant}`: ends a grant.
pub(super) async fn end(
    State(server): State<Arc<AuthorizationServer>>,
    Caller(session): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::NOT_FOUND)?;
    match server.end_grant(&session, id).await {
        Ok(true) => Ok(no_store(StatusCode::NO_CONTENT.into_response())),
        Ok(false) => Err(Problem::NOT_FOUND),
        Err(error) => Err(Problem::unavailable(&error)),
    }
}

/// `GET /api/v1/access/explain?grant=…&resource=Observation/…`: what the holder of a grant sees of one item of one's own
/// record, and by which rule.
pub(super) async fn explain(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    Caller(session): Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (grant, item) = asked(query.as_deref().unwrap_or_default()).ok_or(MALFORMED)?;
    let found = server.as_holder_sees(&session, grant).await.map_err(|error| Problem::unavailable(&error))?;
    let (subject, viewer) = found.ok_or(Problem::NOT_FOUND)?;
    let explanation = gateway.explain(subject, viewer, item).await.map_err(|refusal| problem(&refusal))?;
    Ok(no_store(Json(explained(&explanation)).into_response()))
}

const MALFORMED: Problem = Problem::new(StatusCode::BAD_REQUEST, "name a grant and a resource as Type/id");

fn asked(query: &str) -> Option<(crate::base::id::GrantId, (ResourceType, String))> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| {
        let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    };
    let (kind, id) = one("resource")?.split_once('/')?;
    Some((one("grant")?.parse().ok()?, (ResourceType::parse(kind)?, id.to_owned())))
}

pub(super) fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::NotFound | Refusal::Denied(_) | Refusal::Invalid { .. } => Problem::NOT_FOUND,
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment"),
    }
}

fn explained(explanation: &Explanation) -> Value {
    let policy = explanation.policy.as_ref();
    json!({
        "seen": explanation.withheld.is_none(),
        "rule": explanation.withheld.map(Rule::as_str),
        "outline": explanation.is_outline,
        "without_contact_data": explanation.hides_contacts,
        "organization": explanation.organization,
        "label_tables": explanation.label_tables,
        "policy": policy.map(|(name, version, legal)| json!({"name": name, "version": version, "legal": legal})),
    })
}
