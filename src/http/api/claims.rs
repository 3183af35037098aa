//! Starting without a code. Whatever somebody says, the answer is the same (portal design, 2.7).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Problem;
use super::account::answer;
use super::body::Sent;
use super::session::{Caller, NewCode, Visitor};
use crate::accounts::{ClaimAnswer, ClaimError, Claims, NewClaim};
use crate::http::error::no_store;

/// Who somebody says they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    organization: String,
    given: String,
    family: String,
    birth_date: String,
    number: String,
}

impl From<ClaimError> for Problem {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Refused(field, problem) => Self::refused(format!("{field}: {problem}")),
            ClaimError::Wrong => Self::WRONG,
            ClaimError::Storage(error) => error.into(),
        }
    }
}

/// `POST /api/v1/claims`.
pub(super) async fn make(
    State(claims): State<Arc<Claims>>,
    Caller(who): Caller,
    visitor: Visitor,
    Sent(said): Sent<Said>,
) -> Result<Response, Problem> {
    let Said { organization, given, family, birth_date, number } = said;
    let unknown = || Problem::refused("organization: choose a practice from the list".to_owned());
    let organization = organization.parse().map_err(|_| unknown())?;
    let new = NewClaim { organization, given, family, birth_date, number };
    claims.make(who.account, visitor.address, new).await?;
    let text = "If those details match, we have sent a message to the contact your clinic has on file.";
    Ok(no_store((StatusCode::ACCEPTED, Json(json!({ "said": text }))).into_response()))
}

/// `POST /api/v1/claims/code`: the one-time code of the newest claim.
pub(super) async fn prove(
    State(claims): State<Arc<Claims>>,
    Caller(who): Caller,
    Sent(new): Sent<NewCode>,
) -> Result<Response, Problem> {
    Ok(answer(match claims.prove(who.account, &new.code).await? {
        ClaimAnswer::Linked(person) => json!({"state": "linked", "person": person.to_string()}),
        ClaimAnswer::Queued => json!({"state": "queued", "person": null}),
    }))
}
