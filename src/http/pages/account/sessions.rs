//! Where somebody is signed in, and what else lets somebody in: what to look at after somebody got back in.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::super::agent::browser_told;
use super::super::apps::minute;
use super::super::{Form, Session, not_found, render, see_other};
use super::{Instead, own_form, who};
use crate::accounts::{Accounts, Device, ElsewhereOverview};
use crate::http::form::field;
use crate::http::pages::say;

struct Row {
    id: String,
    browser: String,
    signed_in: String,
    last_used: String,
    is_this: bool,
}

/// A passkey or a sign-in elsewhere.
struct WayIn {
    id: String,
    name: String,
    since: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "sessions.html")]
pub(in crate::http::pages) struct SessionsTemplate {
    style: String,
    form_token: String,
    sessions: Vec<Row>,
    /// Somebody got back in a short time ago.
    is_held: bool,
    has_authenticator: bool,
    passkey_token: String,
    passkeys: Vec<WayIn>,
    identity_token: String,
    identities: Vec<WayIn>,
}

impl Row {
    fn new(device: &Device) -> Self {
        Self {
            id: device.id.to_string(),
            signed_in: minute(device.signed_in),
            last_used: minute(device.last_used),
            is_this: device.is_this,
            browser: browser_told(&device.browser),
        }
    }
}

impl SessionsTemplate {
    #[cfg(test)]
    pub(in crate::http::pages) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let row = |is_this| Row { id: text(), browser: text(), signed_in: text(), last_used: text(), is_this };
        let way_in = || vec![WayIn { id: text(), name: text(), since: text() }];
        Self {
            style: text(),
            form_token: text(),
            sessions: vec![row(true), row(false)],
            is_held: true,
            has_authenticator: true,
            passkey_token: text(),
            passkeys: way_in(),
            identity_token: text(),
            identities: way_in(),
        }
    }
}

/// `GET /account/sessions`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = who(&session)?;
    let form_token = |form| session.pages.form_token(form, &signed_in.hash);
    let passkeys = accounts.passkeys(signed_in.account).await?.into_iter();
    let identities = accounts.elsewhere(signed_in.account).await?.into_iter();
    Ok(render(&SessionsTemplate {
        style: super::super::style::path(),
        form_token: form_token(Form::EndSession),
        sessions: accounts.devices(signed_in).await?.iter().map(Row::new).collect(),
        is_held: accounts.is_held(signed_in.account).await?,
        has_authenticator: accounts.second_factors(signed_in.account).await?.totp,
        passkey_token: form_token(Form::Passkey),
        passkeys: passkeys
            .map(|key| WayIn { id: key.id.to_string(), name: browser_told(&key.name), since: minute(key.created) })
            .collect(),
        identity_token: form_token(Form::Identities),
        identities: identities.map(identity).collect(),
    }))
}

fn identity(known: ElsewhereOverview) -> WayIn {
    let name = known.provider.unwrap_or_else(|| say("sessions.site-not-offered").to_owned());
    WayIn { id: known.id.to_string(), name, since: minute(known.created) }
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
