//! The account of whoever is signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::body::{Id, Sent};
use super::session::{Caller, Visitor, begun_with};
use crate::accounts::{Accounts, Device};
use crate::base::clock::Instant;
use crate::base::id::SessionId;
use crate::base::secret::Secret;
use crate::http::error::no_store;
use crate::http::pages::Pages;
use crate::identity::Language;

/// Nothing more is to be said.
pub(super) fn done() -> Response {
    no_store(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn answer(body: Value) -> Response {
    no_store(Json(body).into_response())
}

/// `GET /api/v1/account`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let username = accounts.username(who.account).await?.ok_or(Problem::NOT_SIGNED_IN)?;
    let has = accounts.second_factors(who.account).await?;
    let contacts = accounts.contacts(who.account).await?;
    let ends = accounts.closing(&who).await?;
    Ok(answer(json!({
        "id": who.account.to_string(),
        "username": username,
        "language": contacts.language.as_str(),
        "second_factor": has.totp,
        "saved_codes": has.codes,
        "passkeys": accounts.passkeys(who.account).await?.len(),
        "takes_passkeys": accounts.takes_passkeys(),
        "held": accounts.is_held(who.account).await?,
        "proved": accounts.is_proved(&who),
        "closing_ends": {"grants": ends.grants, "apps": ends.apps},
    })))
}

/// `DELETE /api/v1/account`: closes it for good.
pub(super) async fn close(
    State(accounts): State<Arc<Accounts>>,
    State(pages): State<Arc<Pages>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    accounts.close(&who).await?;
    let mut response = done();
    pages.clear_session(&mut response);
    Ok(response)
}

/// A password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    pub(super) password: Secret<String>,
}

/// `POST /api/v1/account/proof`: who it is, once more. Good for five minutes.
pub(super) async fn prove(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    visitor: Visitor,
    Sent(new): Sent<Password>,
) -> Result<Response, Problem> {
    let begun = accounts.prove(&who, &new.password, visitor.address).await?;
    Ok(begun_with(done(), &visitor.browser.pages, &begun))
}

/// `PUT /api/v1/account/password`.
pub(super) async fn password(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Sent(new): Sent<Password>,
) -> Result<Response, Problem> {
    accounts.change_password(&who, &new.password).await?;
    Ok(done())
}

/// A language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLanguage {
    language: String,
}

/// `PUT /api/v1/account/language`.
pub(super) async fn language(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Sent(new): Sent<NewLanguage>,
) -> Result<Response, Problem> {
    let language = Language::parse(&new.language);
    let language = language.ok_or(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "there is no such language here"))?;
    accounts.choose_language(&who, language).await?;
    Ok(done())
}

/// `GET /api/v1/account/sessions`.
pub(super) async fn sessions(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let devices: Vec<Value> = accounts.devices(&who).await?.iter().map(describe).collect();
    Ok(answer(json!({ "sessions": devices })))
}

fn describe(device: &Device) -> Value {
    json!({
        "id": device.id.to_string(),
        "browser": device.browser,
        "signed_in": Instant::to_fhir(device.signed_in),
        "last_used": Instant::to_fhir(device.last_used),
        "is_this": device.is_this,
    })
}

/// `DELETE /api/v1/account/sessions`: all but this one.
pub(super) async fn end_others(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    let ended = accounts.end_other_devices(&who).await?;
    Ok(answer(json!({ "ended": ended })))
}

/// `DELETE /api/v1/account/sessions/{id}`.
pub(super) async fn end_one(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Id(id): Id<SessionId>,
) -> Result<Response, Problem> {
    if accounts.end_device(&who, id).await? { Ok(done()) } else { Err(Problem::NOT_FOUND) }
}
