//! Passkeys of an account.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::super::agent::{browser_in_words, browser_told};
use super::super::apps::minute;
use super::super::{Form, Session, not_found, render_scripted, see_other};
use super::{Instead, Next, own_form, problem, proved};
use crate::accounts::{Accounts, PasskeyQuestion};
use crate::authorization::SignedIn;
use crate::http::form::field;

struct Row {
    id: String,
    name: String,
    created: String,
    last_used: Option<String>,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "passkeys.html")]
pub(in crate::http::pages) struct PasskeysTemplate {
    style: String,
    script: String,
    form_token: String,
    problem: Option<String>,
    keys: Vec<Row>,
    question: Option<PasskeyQuestion>,
    known: String,
    account: String,
    username: String,
}

impl PasskeysTemplate {
    #[cfg(test)]
    pub(in crate::http::pages) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            script: text(),
            form_token: text(),
            problem: Some(text()),
            keys: vec![Row { id: text(), name: text(), created: text(), last_used: Some(text()) }],
            question: Some(PasskeyQuestion { challenge: text(), relying_party: text(), known: vec![text()] }),
            known: text(),
            account: text(),
            username: text(),
        }
    }
}

async fn page(
    accounts: &Accounts,
    session: &Session,
    signed_in: &SignedIn,
    text: Option<String>,
) -> Result<Response, Instead> {
    let keys = accounts.passkeys(signed_in.account).await?;
    let question = match accounts.takes_passkeys() {
        true => Some(accounts.ask_for_new_passkey(signed_in).await.map_err(|error| unasked(&error))?),
        false => None,
    };
    let page = PasskeysTemplate {
        style: super::super::style::path(),
        script: super::super::style::script_path(),
        form_token: session.pages.form_token(Form::Passkey, &signed_in.hash),
        keys: keys
            .iter()
            .map(|key| Row {
                id: key.id.to_string(),
                name: browser_told(&key.name),
                created: minute(key.created),
                last_used: key.last_used.map(minute),
            })
            .collect(),
        known: question.as_ref().map(|question| question.known.join(" ")).unwrap_or_default(),
        question,
        account: signed_in.account.to_string(),
        username: accounts.username(signed_in.account).await?.unwrap_or_default(),
        problem: text,
    };
    let status = if page.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(render_scripted(status, &page))
}

fn unasked(error: &crate::accounts::AccountError) -> Instead {
    problem(error, Next::Passkeys).err().unwrap_or_else(|| Instead::of(not_found()))
}

/// `GET /account/passkeys`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::Passkeys)?;
    page(&accounts, &session, signed_in, None).await
}

/// `POST /account/passkeys`: a new one.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Passkey)?;
    let answer = field(&pairs, "answer").unwrap_or_default();
    match accounts.add_passkey(signed_in, answer, browser_in_words(&headers)).await {
        Ok(()) => Ok(see_other("/account/passkeys")),
        Err(error) => page(&accounts, &session, signed_in, Some(problem(&error, Next::Passkeys)?)).await,
    }
}

/// `POST /account/passkeys/remove`.
pub(super) async fn remove(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Passkey)?;
    let Some(id) = field(&pairs, "passkey").and_then(|id| id.parse().ok()) else { return Ok(not_found()) };
    match accounts.remove_passkey(signed_in, id).await {
        Ok(()) => Ok(see_other("/account/passkeys")),
        Err(error) => page(&accounts, &session, signed_in, Some(problem(&error, Next::Passkeys)?)).await,
    }
}
