//! Where somebody is written to, and in which language.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::super::{Form, Session, forbidden, render_with, see_other};
use super::{Instead, Next, own_form, problem, proved, waiting};
use crate::accounts::{AccountError, Accounts};
use crate::authorization::SignedIn;
use crate::http::form::field;
use crate::identity::{ContactKind, Language};

struct Waiting {
    id: String,
    address: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "contact.html")]
pub(in crate::http::pages) struct ContactTemplate {
    style: String,
    form_token: String,
    problem: Option<String>,
    verified: Vec<String>,
    waiting: Vec<Waiting>,
    takes_phone: bool,
    is_spanish: bool,
}

impl ContactTemplate {
    #[cfg(test)]
    pub(in crate::http::pages) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            problem: Some(text()),
            verified: vec![text()],
            waiting: vec![Waiting { id: text(), address: text() }],
            takes_phone: true,
            is_spanish: true,
        }
    }
}

async fn page(
    accounts: &Accounts,
    session: &Session,
    signed_in: &SignedIn,
    problem: Option<String>,
) -> Result<Response, Instead> {
    let found = accounts.contacts(signed_in.account).await?;
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (verified, waiting): (Vec<_>, Vec<_>) = found.contacts.iter().partition(|known| known.verified.is_some());
    let page = ContactTemplate {
        style: super::super::style::path(),
        form_token: session.pages.form_token(Form::Contact, &signed_in.hash),
        problem,
        verified: verified.iter().map(|known| known.contact.address().to_owned()).collect(),
        waiting: waiting
            .iter()
            .map(|known| Waiting { id: known.id.to_string(), address: known.contact.address().to_owned() })
            .collect(),
        takes_phone: found.takes_phone,
        is_spanish: found.language == Language::Spanish,
    };
    Ok(render_with(status, &page, None))
}

async fn answer(
    (accounts, session, signed_in): (&Accounts, &Session, &SignedIn),
    done: Result<(), AccountError>,
) -> Result<Response, Instead> {
    match done {
        Ok(()) => Ok(see_other("/account/contact")),
        Err(error) => {
            let text = problem(&error, Next::Contact)?;
            Ok(waiting(page(accounts, session, signed_in, Some(text)).await?, &error))
        }
    }
}

/// `GET /account/contact`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::Contact)?;
    page(&accounts, &session, signed_in, None).await
}

/// `POST /account/contact`: enters an address.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Contact)?;
    let kind = field(&pairs, "kind").and_then(ContactKind::parse).ok_or_else(|| Instead::of(forbidden()))?;
    let done = accounts.add_contact(signed_in, kind, field(&pairs, kind.as_str()).unwrap_or_default()).await;
    answer((&accounts, &session, signed_in), done).await
}

/// `POST /account/contact/code`: the code that went there.
pub(super) async fn code(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Contact)?;
    let id = field(&pairs, "contact").and_then(|id| id.parse().ok()).ok_or_else(|| Instead::of(forbidden()))?;
    let done = accounts.confirm_contact_by_code(signed_in, id, field(&pairs, "code").unwrap_or_default()).await;
    answer((&accounts, &session, signed_in), done).await
}

/// `POST /account/language`.
pub(super) async fn language(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Contact)?;
    let language = field(&pairs, "language").and_then(Language::parse).unwrap_or(Language::English);
    accounts.choose_language(signed_in, language).await?;
    Ok(see_other("/account/contact"))
}
