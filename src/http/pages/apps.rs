//! Connected apps: who may see what of whose record, and the end of it. The `management_endpoint` of discovery.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::consent::{box_text, who};
use super::{Form, Session, forbidden, not_found, render, see_other};
use crate::authorization::{AuthorizationServer, ConnectedApp};
use crate::base::clock::Instant;
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs};

struct AppRow {
    id: String,
    name: String,
    whose: Option<String>,
    own: bool,
    may: Vec<String>,
    since: String,
    last_used: Option<String>,
    until: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "apps.html")]
pub(super) struct AppsTemplate {
    style: String,
    form_token: String,
    apps: Vec<AppRow>,
}

/// A day, as it is written everywhere.
fn day(at: Instant) -> String {
    at.to_fhir().split('T').next().unwrap_or_default().to_owned()
}

/// A minute, in UTC.
pub(super) fn minute(at: Instant) -> String {
    let text = at.to_fhir();
    let (day, time) = text.split_once('T').unwrap_or((text.as_str(), ""));
    format!("{day} {} UTC", time.get(..5).unwrap_or_default())
}

impl AppRow {
    fn new(app: &ConnectedApp) -> Self {
        Self {
            id: app.id.to_string(),
            name: app.name.clone(),
            whose: app.person.map(|_| who(app.person_name.as_deref(), app.basis)),
            own: app.own,
            may: app.items.iter().map(box_text).collect(),
            since: day(app.since),
            last_used: app.last_used.map(minute),
            until: day(app.until),
        }
    }
}

impl AppsTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        let row = |own: bool| AppRow {
            id: text(),
            name: text(),
            whose: own.then(text),
            own,
            may: vec![text()],
            since: text(),
            last_used: own.then(text),
            until: text(),
        };
        Self { style: text(), form_token: text(), apps: vec![row(true), row(false)] }
    }
}

/// `GET /apps`.
pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, session: Session) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    match server.connected_apps(signed_in).await {
        Ok(apps) => render(&AppsTemplate {
            style: super::style::path(),
            form_token: session.pages.form_token(Form::DisconnectApp, &signed_in.hash),
            apps: apps.iter().map(AppRow::new).collect(),
        }),
        Err(error) => page_unavailable(&error),
    }
}

/// `POST /apps/disconnect`.
pub(super) async fn disconnect(
    State(server): State<Arc<AuthorizationServer>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let form = form_pairs(&headers, &body).unwrap_or_default();
    if !session.pages.is_own_form(&headers, Form::DisconnectApp, &signed_in.hash, field(&form, "form_token")) {
        return forbidden();
    }
    let Some(id) = field(&form, "app").and_then(|id| id.parse().ok()) else { return not_found() };
    match server.disconnect_app(signed_in, id).await {
        Ok(true) => see_other("/apps"),
        Ok(false) => not_found(),
        Err(error) => page_unavailable(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        let at = Instant::from_micros(1_789_477_200_000_000);
        assert_eq!((day(at).as_str(), minute(at).as_str()), ("2026-09-15", "2026-09-15 13:00 UTC"));
    }
}
