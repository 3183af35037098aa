//! Where the account's holder is written to.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::account::{answer, done};
use super::body::{Id, Sent};
use super::session::{Caller, NewCode};
use crate::accounts::Accounts;
use crate::base::id::ContactId;
use crate::http::error::no_store;
use crate::identity::ContactKind;

/// `GET /api/v1/account/contacts`.
pub(super) async fn list(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let found = accounts.contacts(who.account).await?;
    let contacts: Vec<Value> = found
        .contacts
        .iter()
        .map(|known| {
            json!({
                "id": known.id.to_string(),
                "kind": known.contact.kind().as_str(),
                "address": known.contact.address(),
                "verified": known.verified.is_some(),
            })
        })
        .collect();
    Ok(answer(json!({"contacts": contacts, "takes_phone": found.takes_phone})))
}

/// An address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewContact {
    kind: String,
    address: String,
}

/// `POST /api/v1/account/contacts`: a code goes there. Whether the address is somebody's is told to nobody here.
pub(super) async fn add(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Sent(new): Sent<NewContact>,
) -> Result<Response, Problem> {
    let kind = ContactKind::parse(&new.kind);
    let kind = kind.ok_or(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "kind must be email or phone"))?;
    accounts.add_contact(&who, kind, &new.address).await?;
    Ok(no_store(StatusCode::ACCEPTED.into_response()))
}

/// `POST /api/v1/account/contacts/{id}/confirmation`.
pub(super) async fn confirm(
    State(accounts): State<Arc<Accounts>>,
    Caller(who): Caller,
    Id(id): Id<ContactId>,
    Sent(new): Sent<NewCode>,
) -> Result<Response, Problem> {
    accounts.confirm_contact_by_code(&who, id, new.code.expose()).await?;
    Ok(done())
}
