//! The second step of a sign-in.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use super::account::{Instead, Next, problem, waiting};
use super::form_page::{Field, FormPage};
use super::sign_in::{next_page, on_from};
use super::{Browser, Form, PeerAddress, Session, forbidden, page_for, see_other};
use crate::accounts::{AccountError, Accounts, Completed};
use crate::authorization::AuthorizationServer;
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::say;
use http::StatusCode;

fn page(browser: &Browser, request: &str, next: Option<&str>) -> FormPage {
    FormPage::new(say("sign-in.one-thing-more"))
        .says(say("sign-in.type-six-digits"))
        .asks(
            "/sign-in/second-factor",
            browser.pages.form_token(Form::SecondStep, browser.value().as_bytes()),
            say("sign-in.sign-in"),
        )
        .hidden("request", request)
        .hidden("next", next.unwrap_or_default())
        .field(Field::text("code", say("contact.code"), "one-time-code"))
        .link("/sign-in", say("sign-in.begin-again"))
}

/// `GET /sign-in/second-factor`.
pub(super) async fn get(browser: Browser, RawQuery(query): RawQuery) -> Response {
    let pairs = query_pairs(query.as_deref());
    let next = next_page(field(&pairs, "next"));
    page_for(&browser, StatusCode::OK, &page(&browser, field(&pairs, "request").unwrap_or_default(), next))
}

/// `POST /sign-in/second-factor`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    State(server): State<Arc<AuthorizationServer>>,
    (browser, session): (Browser, Session),
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let pairs = form_pairs(&headers, &body).map_err(|_| Instead::of(forbidden()))?;
    let own = browser.value().as_bytes();
    if !browser.pages.is_own_form(&headers, Form::SecondStep, own, field(&pairs, "form_token")) {
        return Ok(forbidden());
    }
    let request = field(&pairs, "request").unwrap_or_default();
    let sealed = Some(request).filter(|sealed| server.is_resumable(sealed, browser.value()));
    let next = next_page(field(&pairs, "next"));
    let typed = field(&pairs, "code").unwrap_or_default();
    match accounts.complete_sign_in(session.cookie.as_deref().unwrap_or_default(), typed, address).await {
        Ok(completed) => Ok(signed_in(&browser, &completed, &on_from(sealed, next))),
        Err(AccountError::NotFound) => Ok(see_other("/sign-in")),
        Err(error) => {
            let text = problem(&error, Next::Overview)?;
            Ok(waiting(page(&browser, request, next).problem(Some(text)).respond(), &error))
        }
    }
}

fn signed_in(browser: &Browser, completed: &Completed, next: &str) -> Response {
    let mut response = match &completed.new_code {
        None => see_other(next),
        Some(code) => super::render(
            &FormPage::new(say("sign-in.signed-in"))
                .says(say("sign-in.code-you-used"))
                .lists(vec![code.expose().clone()])
                .link_to(next.to_owned(), say("sign-in.go-on")),
        )
        .into_response(),
    };
    browser.pages.set_session(&mut response, completed.session.cookie.expose());
    response
}
