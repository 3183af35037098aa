//! An address is confirmed by the link that went there, in a browser that is signed in to its account.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::super::form_page::FormPage;
use super::super::{Form, Session, see_other};
use super::{Instead, Next, own_form, problem, who};
use crate::accounts::Accounts;
use crate::http::form::{field, query_pairs};
use crate::http::pages::say;

/// `GET /account/contact/confirm`: changes nothing, mail scanners open links.
pub(super) async fn get(session: Session, RawQuery(query): RawQuery) -> Result<Response, Instead> {
    let signed_in = who(&session)?;
    let pairs = query_pairs(query.as_deref());
    let form_token = session.pages.form_token(Form::ConfirmContact, &signed_in.hash);
    let page = FormPage::new(say("contact.confirm-your-address"))
        .says(say("contact.from-now-you"))
        .asks("/account/contact/confirm", form_token, say("contact.confirm"))
        .hidden("token", field(&pairs, "token").unwrap_or_default());
    Ok(page.link("/account", say("chart.not-now")).respond())
}

/// `POST /account/contact/confirm`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::ConfirmContact)?;
    match accounts.confirm_contact_by_link(signed_in, field(&pairs, "token").unwrap_or_default()).await {
        Ok(()) => Ok(see_other("/account/contact")),
        Err(error) => {
            let text = problem(&error, Next::Contact)?;
            let page = FormPage::new(say("contact.address-was-not")).says(text);
            let page = page.link("/account/contact", say("contact.your-addresses"));
            Ok(page.respond_with(StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}
