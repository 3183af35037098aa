//! Sign-in with a passkey.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::account::{Instead, Next, problem};
use super::agent::browser_in_words;
use super::{Browser, Form, PeerAddress, Session, forbidden, not_found, render_scripted, see_other};
use crate::accounts::{Accounts, PasskeyQuestion};
use crate::authorization::AuthorizationServer;
use crate::http::form::{field, form_pairs, query_pairs};

/// What the page shows.
#[derive(Template)]
#[template(path = "passkey_sign_in.html")]
pub(super) struct PasskeySignInTemplate {
    style: String,
    script: String,
    form_token: String,
    request: String,
    problem: Option<String>,
    question: PasskeyQuestion,
}

impl PasskeySignInTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            script: text(),
            form_token: text(),
            request: text(),
            problem: Some(text()),
            question: PasskeyQuestion { challenge: text(), relying_party: text(), known: Vec::new() },
        }
    }
}

async fn page(
    accounts: &Accounts,
    browser: &Browser,
    request: &str,
    text: Option<String>,
    address: PeerAddress,
) -> Result<Response, Instead> {
    let asked = accounts.ask_for_passkey(address.0).await;
    let question =
        asked.map_err(|error| problem(&error, Next::Overview).err().unwrap_or_else(|| Instead::of(not_found())))?;
    let status = if text.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = PasskeySignInTemplate {
        style: super::style::path(),
        script: super::style::script_path(),
        form_token: browser.pages.form_token(Form::UsePasskey, browser.value().as_bytes()),
        request: request.to_owned(),
        problem: text,
        question,
    };
    let mut response = render_scripted(status, &page);
    browser.remember(&mut response);
    Ok(response)
}

/// `GET /sign-in/passkey`.
pub(super) async fn get(
    State(accounts): State<Arc<Accounts>>,
    browser: Browser,
    address: PeerAddress,
    RawQuery(query): RawQuery,
) -> Result<Response, Instead> {
    let pairs = query_pairs(query.as_deref());
    page(&accounts, &browser, field(&pairs, "request").unwrap_or_default(), None, address).await
}

/// `POST /sign-in/passkey`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    State(server): State<Arc<AuthorizationServer>>,
    (browser, session, address): (Browser, Session, PeerAddress),
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let pairs = form_pairs(&headers, &body).map_err(|_| Instead::of(forbidden()))?;
    let own = browser.value().as_bytes();
    if !browser.pages.is_own_form(&headers, Form::UsePasskey, own, field(&pairs, "form_token")) {
        return Ok(forbidden());
    }
    let request = field(&pairs, "request").unwrap_or_default();
    let sealed = Some(request).filter(|sealed| server.is_resumable(sealed, browser.value()));
    let answer = field(&pairs, "answer").unwrap_or_default();
    match accounts.sign_in_by_passkey(answer, browser_in_words(&headers), session.cookie.clone()).await {
        Ok(begun) => {
            let mut response = see_other(&super::sign_in::on_from(sealed, None));
            browser.pages.set_session(&mut response, begun.cookie.expose());
            Ok(response)
        }
        Err(error) => page(&accounts, &browser, request, Some(problem(&error, Next::Overview)?), address).await,
    }
}
