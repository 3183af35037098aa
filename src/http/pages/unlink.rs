//! The end of a link, or "this record is not mine".

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::posted::Posted;
use super::{ErrorPage, Form, Session, not_found, render, render_with, see_other};
use crate::accounts::{Accounts, UnlinkReason};
use crate::http::error::page_unavailable;
use crate::http::form::{field, query_pairs};
use crate::http::pages::say;

/// What the page says before a link ends.
#[derive(Template)]
#[template(path = "unlink.html")]
pub(super) struct UnlinkTemplate {
    style: String,
    form_token: String,
    practice: String,
    link: String,
}

#[cfg(test)]
pub(super) fn sample(hostile: &str) -> Result<String, askama::Error> {
    let text = || hostile.to_owned();
    UnlinkTemplate { style: text(), form_token: text(), practice: text(), link: text() }.render()
}

/// `GET /unlink?link=…`.
pub(super) async fn get(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let Some(link) = field(&query_pairs(query.as_deref()), "link").and_then(|id| id.parse().ok()) else {
        return not_found();
    };
    match accounts.own_link(signed_in, link).await {
        Ok(Some(own)) => render(&UnlinkTemplate {
            style: super::style::path(),
            form_token: session.pages.form_token(Form::Unlink, &signed_in.hash),
            practice: own.practice,
            link: own.link.to_string(),
        }),
        Ok(None) => not_found(),
        Err(error) => page_unavailable(&error),
    }
}

/// `POST /unlink`.
pub(super) async fn post(State(accounts): State<Arc<Accounts>>, posted: Posted) -> Response {
    let signed_in = match posted.of_session(Form::Unlink) {
        Ok(signed_in) => signed_in,
        Err(refusal) => return *refusal,
    };
    let Ok(link) = posted.text("link").parse() else { return not_found() };
    let is_wrong = posted.text("why") == "not-mine";
    let why = if is_wrong { UnlinkReason::NotMine } else { UnlinkReason::Unwanted };
    match accounts.unlink(&signed_in, link, why).await {
        Ok(true) if is_wrong => {
            let text = say("unlink.record-not-linked");
            render_with(StatusCode::OK, &ErrorPage::new(say("redeem.thank-you"), text), None)
        }
        Ok(true) => see_other("/"),
        Ok(false) => not_found(),
        Err(error) => page_unavailable(&error),
    }
}
