//! The change of an address is undone from the old one. Opening the link changes nothing: mail scanners do that.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::super::form_page::FormPage;
use super::super::{Browser, Form, forbidden, page_for};
use super::{Instead, Next, problem};
use crate::accounts::Accounts;
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::say;

/// `GET /undo-contact`.
pub(super) async fn get(browser: Browser, RawQuery(query): RawQuery) -> Response {
    let pairs = query_pairs(query.as_deref());
    let form_token = browser.pages.form_token(Form::UndoContact, browser.value().as_bytes());
    let page = FormPage::new(say("undo.bring-old-address"))
        .says(say("undo.your-old-address"))
        .says(say("undo.then-choose-new"))
        .asks("/undo-contact", form_token, say("undo.bring-back"))
        .hidden("token", field(&pairs, "token").unwrap_or_default());
    page_for(&browser, StatusCode::OK, &page)
}

/// `POST /undo-contact`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    browser: Browser,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let pairs = form_pairs(&headers, &body).map_err(|_| Instead::of(forbidden()))?;
    let own = browser.value().as_bytes();
    if !browser.pages.is_own_form(&headers, Form::UndoContact, own, field(&pairs, "form_token")) {
        return Ok(forbidden());
    }
    match accounts.undo_contact(field(&pairs, "token").unwrap_or_default()).await {
        Ok(()) => Ok(FormPage::new(say("undo.your-old-address-back"))
            .says(say("undo.everybody-was-signed"))
            .link("/recover", say("recover.choose-new-password"))
            .link("/sign-in", say("sign-in.sign-in"))
            .respond()),
        Err(error) => {
            let text = problem(&error, Next::Overview)?;
            let page = FormPage::new(say("undo.cannot-be-undone")).says(text).link("/sign-in", say("sign-in.sign-in"));
            Ok(page.respond_with(StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}
