//! Where somebody is signed in.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::super::apps::minute;
use super::super::{Form, Session, not_found, render, see_other};
use super::{Instead, own_form, who};
use crate::accounts::{Accounts, Device};
use crate::http::form::field;

struct Row {
    id: String,
    browser: String,
    signed_in: String,
    last_used: String,
    is_this: bool,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "sessions.html")]
pub(in crate::http::pages) struct SessionsTemplate {
    style: String,
    form_token: String,
    sessions: Vec<Row>,
}

impl Row {
    fn new(device: Device) -> Self {
        Self {
            id: device.id.to_string(),
            signed_in: minute(device.signed_in),
            last_used: minute(device.last_used),
            is_this: device.is_this,
            browser: device.browser,
        }
    }
}

impl SessionsTemplate {
    #[cfg(test)]
    pub(in crate::http::pages) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let row = |is_this| Row { id: text(), browser: text(), signed_in: text(), last_used: text(), is_this };
        Self { style: text(), form_token: text(), sessions: vec![row(true), row(false)] }
    }
}

/// `GET /account/sessions`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = who(&session)?;
    Ok(render(&SessionsTemplate {
        style: super::super::style::path(),
        form_token: session.pages.form_token(Form::EndSession, &signed_in.hash),
        sessions: accounts.devices(signed_in).await?.into_iter().map(Row::new).collect(),
    }))
}

/// `POST /account/sessions`: ends one, or all others.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::EndSession)?;
    match field(&pairs, "session") {
        Some("others") => {
            accounts.end_other_devices(signed_in).await?;
        }
        id => {
            let Some(id) = id.and_then(|id| id.parse().ok()) else { return Ok(not_found()) };
            accounts.end_device(signed_in, id).await?;
        }
    }
    Ok(see_other("/account/sessions"))
}
