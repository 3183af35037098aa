//! Where an activation code is typed. Opening the page uses nothing up: mail scanners do that (security design, I05).

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::posted::Posted;
use super::{Browser, ErrorPage, Form, page_for, render_with, see_other};
use crate::accounts::{AnswerError, Answered, Answers, Redemptions, RenewError, Typist};
use crate::base::secret::Secret;
use crate::http::error::page_unavailable;
use crate::http::pages::say;

/// What the page shows.
#[derive(Template)]
#[template(path = "invite.html")]
pub(super) struct InviteTemplate {
    style: String,
    form_token: String,
    code: String,
    birth_date: String,
    family: String,
    own_birth_date: String,
    problem: Option<&'static str>,
    code_problem: Option<&'static str>,
}

/// What the page for a code that ended shows.
#[derive(Template)]
#[template(path = "invite_expired.html")]
pub(super) struct ExpiredTemplate {
    style: String,
    form_token: String,
    /// Where a new one can go.
    contact: Option<String>,
    can_renew: bool,
}

/// What the page says once a new code is on its way.
#[derive(Template)]
#[template(path = "invite_sent.html")]
pub(super) struct SentTemplate {
    style: String,
    contact: String,
}

impl InviteTemplate {
    fn new(browser: &Browser) -> Self {
        Self {
            style: super::style::path(),
            form_token: browser.pages.form_token(Form::Invite, browser.value().as_bytes()),
            code: String::new(),
            birth_date: String::new(),
            family: String::new(),
            own_birth_date: String::new(),
            problem: None,
            code_problem: None,
        }
    }
}

#[cfg(test)]
pub(super) fn samples(hostile: &'static str) -> [Result<String, askama::Error>; 4] {
    let text = || hostile.to_owned();
    let invite = |problem, code_problem| InviteTemplate {
        style: text(),
        form_token: text(),
        code: text(),
        birth_date: text(),
        family: text(),
        own_birth_date: text(),
        problem,
        code_problem,
    };
    [
        invite(Some(hostile), None).render(),
        invite(None, Some(hostile)).render(),
        ExpiredTemplate { style: text(), form_token: text(), contact: Some(text()), can_renew: true }.render(),
        SentTemplate { style: text(), contact: text() }.render(),
    ]
}

/// `GET /invite`. A code is never taken from an address, which histories and logs keep.
pub(super) async fn get(browser: Browser) -> Response {
    page_for(&browser, StatusCode::OK, &InviteTemplate::new(&browser))
}

/// `POST /invite`.
pub(super) async fn post(State(redemptions): State<Arc<Redemptions>>, posted: Posted) -> Response {
    if let Err(refusal) = posted.of_browser(Form::Invite) {
        return *refusal;
    }
    let text = |name: &str| posted.text(name).to_owned();
    let answers = Answers {
        code: Secret::new(text("code")),
        birth_date: text("birth_date"),
        family: text("family"),
        own_birth_date: text("own_birth_date"),
    };
    let account = posted.session.signed_in().map(|signed_in| signed_in.account);
    let typist = Typist { browser: posted.browser.value(), address: posted.address.0, account };
    match redemptions.answer(answers, typist).await {
        Ok(answered) => answered_page(&posted, answered),
        Err(error) => refused(&posted, &error),
    }
}

fn answered_page(posted: &Posted, answered: Answered) -> Response {
    let pages = &posted.browser.pages;
    let form_token = pages.form_token(Form::Invite, posted.browser.value().as_bytes());
    let expired = |contact: Option<String>, can_renew| ExpiredTemplate {
        style: super::style::path(),
        form_token: form_token.clone(),
        contact,
        can_renew,
    };
    match answered {
        Answered::Ready(sealed) => {
            let signed_in = posted.session.signed_in().is_some();
            let mut response = see_other(if signed_in { "/invite/confirm" } else { "/invite/account" });
            pages.set_redemption(&mut response, Some(&sealed));
            response
        }
        Answered::Expired { sealed, contact } => {
            let can_renew = contact.is_some();
            let mut response = page_for(&posted.browser, StatusCode::OK, &expired(contact, can_renew));
            pages.set_redemption(&mut response, Some(&sealed));
            response
        }
        Answered::Ended => page_for(&posted.browser, StatusCode::OK, &expired(None, false)),
    }
}

fn refused(posted: &Posted, error: &AnswerError) -> Response {
    let (status, problem, code_problem) = match error {
        AnswerError::Mistyped => (StatusCode::UNPROCESSABLE_ENTITY, None, Some(say("redeem.code-mistyped-please"))),
        AnswerError::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, Some(say("redeem.code-birth-date")), None),
        AnswerError::TooMany => (StatusCode::TOO_MANY_REQUESTS, Some(say("redeem.too-many-tries")), None),
        AnswerError::Storage(error) => return page_unavailable(error),
    };
    let text = |name: &str| posted.text(name).to_owned();
    let page = InviteTemplate {
        code: text("code"),
        birth_date: text("birth_date"),
        family: text("family"),
        own_birth_date: text("own_birth_date"),
        problem,
        code_problem,
        ..InviteTemplate::new(&posted.browser)
    };
    page_for(&posted.browser, status, &page)
}

/// `POST /invite/renew`: a new code for one that ended, to the contact on file.
pub(super) async fn renew(State(redemptions): State<Arc<Redemptions>>, posted: Posted) -> Response {
    if let Err(refusal) = posted.of_browser(Form::Invite) {
        return *refusal;
    }
    let sealed = posted.browser.pages.redemption(&posted.headers).unwrap_or_default().to_owned();
    match redemptions.renew(&sealed, posted.browser.value()).await {
        Ok(contact) => {
            let page = SentTemplate { style: super::style::path(), contact };
            let mut response = page_for(&posted.browser, StatusCode::OK, &page);
            posted.browser.pages.set_redemption(&mut response, None);
            response
        }
        Err(RenewError::Storage(error)) => page_unavailable(&error),
        Err(RenewError::Gone) => see_other("/invite"),
        Err(RenewError::AskStaff) => {
            let text = say("redeem.enough-new-codes");
            render_with(StatusCode::TOO_MANY_REQUESTS, &ErrorPage::new(say("redeem.ask-your-practice"), text), None)
        }
    }
}
