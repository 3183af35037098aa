//! The way back in. What is answered never tells whether somebody is known here.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRef, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::account::{Instead, Next, Pairs, problem, waiting};
use super::agent::browser_in_words;
use super::form_page::{Field, FormPage};
use super::{Browser, Form, Pages, PeerAddress, Session, forbidden, page_for, see_other};
use crate::accounts::{AccountError, Accounts, Returning};
use crate::base::secret::Secret;
use crate::http::form::{LONGEST_FORM, field, form_pairs, query_pairs};
use crate::http::pages::{say, say_with};
use crate::http::route::{get, post};

/// The routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/recover", get(ask).merge(post(asked)))
        .route("/recover/link", get(link).merge(post(linked)))
        .route("/recover/finish", get(finish).merge(post(finished)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

fn token(browser: &Browser) -> String {
    browser.pages.form_token(Form::Recover, browser.value().as_bytes())
}

fn own_form(browser: &Browser, headers: &HeaderMap, body: &[u8]) -> Result<Pairs, Instead> {
    let pairs = form_pairs(headers, body).map_err(|_| Instead::of(forbidden()))?;
    let own = browser.value().as_bytes();
    if browser.pages.is_own_form(headers, Form::Recover, own, field(&pairs, "form_token")) {
        Ok(pairs)
    } else {
        Err(Instead::of(forbidden()))
    }
}

fn ask_page(browser: &Browser) -> FormPage {
    FormPage::new(say("recover.way-back-your"))
        .says(say("recover.forgotten-password-forgotten"))
        .asks("/recover", token(browser), say("recover.send-link"))
        .field(Field::text("name", say("recover.username-e-mail"), "username"))
        .link("/sign-in", say("recover.back-to-sign-in"))
}

/// `GET /recover`.
async fn ask(browser: Browser) -> Response {
    page_for(&browser, StatusCode::OK, &ask_page(&browser))
}

/// `POST /recover`: one answer for everybody.
async fn asked(
    State(accounts): State<Arc<Accounts>>,
    browser: Browser,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let pairs = own_form(&browser, &headers, &body)?;
    match accounts.ask_for_recovery(field(&pairs, "name").unwrap_or_default(), address).await {
        Ok(()) => Ok(FormPage::new(say("recover.look-into-your"))
            .says(say("recover.if-there-such"))
            .says(say("recover.nothing-came-look"))
            .link("/sign-in", say("recover.back-to-sign-in"))
            .respond()),
        Err(error) => {
            let text = problem(&error, Next::Overview)?;
            Ok(waiting(ask_page(&browser).problem(Some(text)).respond(), &error))
        }
    }
}

/// `GET /recover/link`: changes nothing, mail scanners open links.
async fn link(browser: Browser, RawQuery(query): RawQuery) -> Response {
    let pairs = query_pairs(query.as_deref());
    let page = FormPage::new(say("recover.way-back-your"))
        .says(say("recover.go-on-if-you"))
        .asks("/recover/link", token(&browser), say("sign-in.go-on"))
        .hidden("token", field(&pairs, "token").unwrap_or_default());
    page_for(&browser, StatusCode::OK, &page)
}

/// `POST /recover/link`: uses the link.
async fn linked(
    State(accounts): State<Arc<Accounts>>,
    (browser, session): (Browser, Session),
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let pairs = own_form(&browser, &headers, &body)?;
    let link = field(&pairs, "token").unwrap_or_default();
    match accounts.begin_recovery(link, browser_in_words(&headers), session.cookie.clone()).await {
        Ok(begun) => {
            let mut response = see_other("/recover/finish");
            browser.pages.set_session(&mut response, begun.cookie.expose());
            Ok(response)
        }
        Err(error) => {
            let text = problem(&error, Next::Overview)?;
            let page =
                FormPage::new(say("recover.link-no-good")).says(text).link("/recover", say("recover.ask-new-one"));
            Ok(page.respond_with(StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

fn finish_page(browser: &Browser, returning: &Returning) -> FormPage {
    let page = FormPage::new(say("recover.choose-new-password"))
        .says(say_with("recover.username", &[("name", &returning.username)]));
    let page = if returning.can_show.totp || returning.can_show.codes > 0 {
        page.says(say("sign-in.type-six-digits")).says(say("recover.you-have-neither"))
    } else {
        page.says(say("recover.mail-alone-does")).says(say("recover.ask-at-desk"))
    };
    page.asks("/recover/finish", token(browser), say("recover.change-password"))
        .field(Field::text("code", say("contact.code"), "one-time-code"))
        .field(Field::password("new_password", say("recover.new-password"), "new-password"))
        .link("/sign-in", say("recover.back-to-sign-in"))
}

/// `GET /recover/finish`.
async fn finish(
    State(accounts): State<Arc<Accounts>>,
    (browser, session): (Browser, Session),
) -> Result<Response, Instead> {
    match accounts.returning(session.cookie.as_deref().unwrap_or_default()).await {
        Ok(returning) => Ok(page_for(&browser, StatusCode::OK, &finish_page(&browser, &returning))),
        Err(AccountError::NotFound) => Ok(see_other("/recover")),
        Err(error) => Err(problem(&error, Next::Overview).err().unwrap_or_else(|| Instead::of(forbidden()))),
    }
}

/// `POST /recover/finish`.
async fn finished(
    State(accounts): State<Arc<Accounts>>,
    (browser, session): (Browser, Session),
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let pairs = own_form(&browser, &headers, &body)?;
    let cookie = session.cookie.as_deref().unwrap_or_default();
    let new = Secret::new(field(&pairs, "new_password").unwrap_or_default().to_owned());
    let error = match accounts.finish_recovery(cookie, field(&pairs, "code").unwrap_or_default(), &new).await {
        Ok(begun) => {
            let mut response = see_other("/account/sessions");
            browser.pages.set_session(&mut response, begun.cookie.expose());
            return Ok(response);
        }
        Err(AccountError::NotFound) => return Ok(see_other("/recover")),
        Err(error) => error,
    };
    let text = problem(&error, Next::Overview)?;
    let Ok(returning) = accounts.returning(cookie).await else { return Ok(see_other("/recover")) };
    Ok(waiting(finish_page(&browser, &returning).problem(Some(text)).respond(), &error))
}
