//! What an account is signed in with: authenticator, saved codes, passkeys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::account::{Password, answer, done};
use super::body::{Id, Sent};
use super::session::{Caller, NewCode};
use crate::accounts::Accounts;
use crate::base::clock::Instant;
use crate::base::id::{FederatedIdentityId, PasskeyId};
use crate::base::secret::Secret;
use crate::http::error::no_store;

/// The longest name of a passkey, in characters.
const LONGEST_NAME: usize = 60;

/// `GET /api/v1/account/second-factor`.
pub(super) async fn second_factor(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    let has = accounts.second_factors(who.account).await?;
    Ok(answer(json!({"authenticator": has.totp, "saved_codes": has.codes})))
}

/// `POST /api/v1/account/second-factor`: a new authenticator's secret. It counts once a password of it was shown.
pub(super) async fn begin(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let secret = accounts.begin_totp(&who).await?;
    let username = accounts.username(who.account).await?.unwrap_or_default();
    let body = json!({"secret": secret.typed(), "uri": secret.uri("Chartgate", &username)});
    Ok(no_store((StatusCode::CREATED, Json(body)).into_response()))
}

/// `POST /api/v1/account/second-factor/confirmation`: the first password of it.
pub(super) async fn confirm(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Sent(new): Sent<NewCode>,
) -> Result<Response, Problem> {
    Ok(codes(&accounts.confirm_totp(&who, new.code.expose()).await?))
}

/// `POST /api/v1/account/second-factor/end`.
pub(super) async fn end(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Sent(new): Sent<Password>,
) -> Result<Response, Problem> {
    accounts.end_totp(&who, &new.password).await?;
    Ok(done())
}

/// `POST /api/v1/account/saved-codes`: new ones in place of the old.
pub(super) async fn renew_codes(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    Ok(codes(&accounts.renew_codes(&who).await?))
}

fn codes(codes: &[Secret<String>]) -> Response {
    let codes: Vec<&String> = codes.iter().map(Secret::expose).collect();
    answer(json!({ "saved_codes": codes }))
}

/// `GET /api/v1/account/passkeys`.
pub(super) async fn passkeys(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let keys = accounts.passkeys(who.account).await?;
    let keys: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id.to_string(),
                "credential": BASE64URL_NOPAD.encode(&key.credential),
                "name": key.name,
                "created": key.created.to_fhir(),
                "last_used": key.last_used.map(Instant::to_fhir),
            })
        })
        .collect();
    Ok(answer(json!({ "passkeys": keys })))
}

/// `POST /api/v1/account/passkeys/question`: what the browser is asked to make one.
pub(super) async fn ask(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let asked = accounts.ask_for_new_passkey(&who).await?;
    let body = json!({"challenge": asked.challenge, "relying_party": asked.relying_party, "known": asked.known});
    Ok(no_store((StatusCode::CREATED, Json(body)).into_response()))
}

/// What the browser answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskey {
    name: String,
    answer: Value,
}

/// `POST /api/v1/account/passkeys`.
pub(super) async fn add_passkey(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Sent(new): Sent<NewPasskey>,
) -> Result<Response, Problem> {
    let name: String = new.name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    accounts.add_passkey(&who, &new.answer.to_string(), name).await?;
    Ok(no_store(StatusCode::CREATED.into_response()))
}

/// `DELETE /api/v1/account/passkeys/{id}`.
pub(super) async fn remove_passkey(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Id(id): Id<PasskeyId>,
) -> Result<Response, Problem> {
    accounts.remove_passkey(&who, id).await?;
    Ok(done())
}

/// `GET /api/v1/identity-providers`: where else people can sign in, and the way there.
pub(super) async fn providers(State(accounts): State<Arc<Accounts>>) -> Response {
    let all: Vec<Value> = accounts
        .providers()
        .map(|(key, name)| json!({"key": key, "name": name, "sign_in": format!("/sign-in/with/{key}")}))
        .collect();
    answer(json!({ "identity_providers": all }))
}

/// `GET /api/v1/account/identities`: the sign-ins elsewhere that lead to the account.
pub(super) async fn identities(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
) -> Result<Response, Problem> {
    let known = accounts.elsewhere(who.account).await?;
    let known: Vec<Value> = known
        .iter()
        .map(|one| {
            json!({
                "id": one.id.to_string(),
                "provider": one.provider,
                "created": one.created.to_fhir(),
                "last_used": one.last_used.map(Instant::to_fhir),
            })
        })
        .collect();
    Ok(answer(json!({ "identities": known })))
}

/// `DELETE /api/v1/account/identities/{id}`.
pub(super) async fn disconnect(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Id(id): Id<FederatedIdentityId>,
) -> Result<Response, Problem> {
    accounts.disconnect_elsewhere(&who, id).await?;
    Ok(done())
}
