//! Who redeems a code: a new account, or one that there is.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::agent::browser_in_words;
use super::posted::Posted;
use super::{Browser, Form, Session, page_for, see_other};
use crate::accounts::{AccountError, Accounts, NewAccount, PasswordError, Redemptions};
use crate::base::secret::Secret;
use crate::http::error::page_unavailable;
use crate::http::pages::{say, say_with, told};

/// What the page shows.
#[derive(Template)]
#[template(path = "invite_account.html")]
pub(super) struct InviteAccountTemplate {
    style: String,
    form_token: String,
    username: String,
    username_problem: Option<String>,
    password_problem: Option<String>,
    providers: Vec<(String, String)>,
}

impl InviteAccountTemplate {
    fn new(browser: &Browser) -> Self {
        Self {
            style: super::style::path(),
            form_token: browser.pages.form_token(Form::SignUp, browser.value().as_bytes()),
            username: String::new(),
            username_problem: None,
            password_problem: None,
            providers: browser.pages.providers().to_vec(),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            username: text(),
            username_problem: Some(text()),
            password_problem: Some(text()),
            providers: vec![(text(), text())],
        }
    }
}

/// `GET /invite/account`.
pub(super) async fn get(
    State(redemptions): State<Arc<Redemptions>>,
    browser: Browser,
    session: Session,
    headers: HeaderMap,
) -> Response {
    let sealed = browser.pages.redemption(&headers).unwrap_or_default();
    if !redemptions.is_under_way(sealed, browser.value()) {
        return see_other("/invite");
    }
    if session.signed_in().is_some() {
        return see_other("/invite/confirm");
    }
    page_for(&browser, StatusCode::OK, &InviteAccountTemplate::new(&browser))
}

/// `POST /invite/account`: a new account, for whoever has shown a code.
pub(super) async fn post(
    State(redemptions): State<Arc<Redemptions>>,
    State(accounts): State<Arc<Accounts>>,
    posted: Posted,
) -> Response {
    if let Err(refusal) = posted.of_browser(Form::SignUp) {
        return *refusal;
    }
    let pages = &posted.browser.pages;
    let sealed = pages.redemption(&posted.headers).unwrap_or_default();
    // Only for a code that is still good: this form is no way to try names out.
    match redemptions.pending(sealed, posted.browser.value()).await {
        Ok(Some(_)) => {}
        Ok(None) => return see_other("/invite"),
        Err(error) => return page_unavailable(&error),
    }
    match accounts.sign_up(chosen(&posted)).await {
        Ok(begun) => {
            let mut response = see_other("/invite/confirm");
            pages.set_session(&mut response, begun.cookie.expose());
            response
        }
        Err(error) => refused(&posted, &error),
    }
}

/// What somebody chose for a new account.
fn chosen(posted: &Posted) -> NewAccount {
    let username = posted.text("username").to_owned();
    NewAccount {
        // A name that is an address is one to write to, once it is shown to be theirs.
        email: Some(username.clone()).filter(|name| name.contains('@')),
        username,
        password: Secret::new(posted.text("password").to_owned()),
        language: super::around::language(),
        person: None,
        address: posted.address.0,
        browser: browser_in_words(&posted.headers),
        previous: posted.session.cookie.clone(),
    }
}

fn refused(posted: &Posted, error: &AccountError) -> Response {
    let mut page = InviteAccountTemplate {
        username: posted.text("username").to_owned(),
        ..InviteAccountTemplate::new(&posted.browser)
    };
    match error {
        AccountError::Username(error) => {
            page.username_problem = Some(say_with("redeem.another-name", &[("why", &told(error))]))
        }
        AccountError::Contact(error) => {
            page.username_problem = Some(say_with("redeem.another-name", &[("why", &told(error))]))
        }
        // Said only to somebody who has shown a code that is good.
        AccountError::UsernameTaken => {
            let text = say("redeem.choose-another-name");
            page.username_problem = Some(text.to_owned());
        }
        AccountError::Throttled(_) => page.username_problem = Some(say("redeem.wait-a-while").to_owned()),
        AccountError::Password(PasswordError::Unavailable) => return page_unavailable(error),
        AccountError::Password(error) => {
            page.password_problem = Some(say_with("redeem.another-password", &[("why", &told(error))]))
        }
        error => return page_unavailable(error),
    }
    page_for(&posted.browser, StatusCode::UNPROCESSABLE_ENTITY, &page)
}
