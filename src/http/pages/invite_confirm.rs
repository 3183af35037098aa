//! "This is me": asked before anything of a record is shown.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::posted::Posted;
use super::{Browser, ErrorPage, Form, Session, render, render_with, see_other};
use crate::accounts::{ConfirmError, Pending, Redemptions};
use crate::http::error::page_unavailable;
use crate::http::pages::say;

/// What the page shows.
#[derive(Template)]
#[template(path = "invite_confirm.html")]
pub(super) struct ConfirmTemplate {
    style: String,
    form_token: String,
    organization: String,
    initials: String,
    birth_year: String,
    is_proxy: bool,
}

impl ConfirmTemplate {
    fn new(pending: Pending, form_token: String) -> Self {
        Self {
            style: super::style::path(),
            form_token,
            organization: pending.organization,
            initials: pending.initials,
            birth_year: pending.birth_year,
            is_proxy: pending.invitation.proxy.is_some(),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            organization: text(),
            initials: text(),
            birth_year: text(),
            is_proxy: true,
        }
    }
}

/// `GET /invite/confirm`.
pub(super) async fn get(
    State(redemptions): State<Arc<Redemptions>>,
    browser: Browser,
    session: Session,
    headers: HeaderMap,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/invite/account") };
    let sealed = browser.pages.redemption(&headers).unwrap_or_default();
    match redemptions.pending(sealed, browser.value()).await {
        Ok(Some(pending)) => {
            let form_token = browser.pages.form_token(Form::Confirm, &signed_in.hash);
            render(&ConfirmTemplate::new(pending, form_token))
        }
        Ok(None) => see_other("/invite"),
        Err(error) => page_unavailable(&error),
    }
}

/// `POST /invite/confirm`.
pub(super) async fn post(State(redemptions): State<Arc<Redemptions>>, posted: Posted) -> Response {
    let signed_in = match posted.of_session(Form::Confirm) {
        Ok(signed_in) => signed_in,
        Err(refusal) => return *refusal,
    };
    let pages = &posted.browser.pages;
    let (sealed, browser) = (pages.redemption(&posted.headers).unwrap_or_default(), posted.browser.value());
    let outcome = if posted.text("answer") == "yes" {
        redemptions.confirm(sealed, browser, signed_in.account).await.map(|_| see_other("/"))
    } else {
        redemptions.deny(sealed, browser, signed_in.account).await.map(|()| denied())
    };
    let mut response = outcome.unwrap_or_else(|error| refused(&error));
    pages.set_redemption(&mut response, None);
    response
}

fn denied() -> Response {
    let text = say("redeem.nothing-was-linked");
    render_with(StatusCode::OK, &ErrorPage::new(say("redeem.thank-you"), text), None)
}

fn refused(error: &ConfirmError) -> Response {
    let (status, text) = match error {
        ConfirmError::Gone => (StatusCode::CONFLICT, say("redeem.code-was-used")),
        ConfirmError::Review => (StatusCode::CONFLICT, say("redeem.your-practice-must")),
        ConfirmError::Held => (StatusCode::FORBIDDEN, say("redeem.you-got-back")),
        ConfirmError::Storage(error) => return page_unavailable(error),
    };
    render_with(status, &ErrorPage::new(say("redeem.not-linked"), text), None)
}
