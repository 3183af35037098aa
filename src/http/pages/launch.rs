//! "Open an app" for one person (SMART App Launch 2.2 §2.0.7, EHR launch).

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue};

use super::connect::REFRESH;
use super::visits::{self, Visit};
use super::{Form, Session, forbidden, not_found, render, see_other};
use crate::authorization::{AuthorizationServer, LaunchError, OpenedApp, Reached, SignedIn};
use crate::fhir::ResourceType;
use crate::gateway::Gateway;
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::say;
use crate::oauth::client::ClientId;
use crate::oauth::launch::LaunchContext;

struct AppChoice {
    client: String,
    name: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "launch.html")]
pub(super) struct LaunchTemplate {
    style: String,
    form_token: String,
    person: String,
    who: String,
    apps: Vec<AppChoice>,
    visits: Vec<Visit>,
    visits_missing: bool,
}

/// The page from which the browser goes on to the app.
#[derive(Template)]
#[template(path = "open_app.html")]
pub(super) struct OpenAppTemplate {
    style: String,
    app: String,
    url: String,
}

impl LaunchTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            person: text(),
            who: text(),
            apps: vec![AppChoice { client: text(), name: text() }],
            visits: vec![Visit { id: text(), text: text() }],
            visits_missing: true,
        }
    }
}

impl OpenAppTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self { style: text(), app: text(), url: text() }
    }
}

/// `GET /launch?person=…`.
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let reached = match reached(&server, signed_in, &query_pairs(query.as_deref())).await {
        Ok(reached) => reached,
        Err(response) => return *response,
    };
    let apps = match server.launchable_apps(false).await {
        Ok(apps) => apps,
        Err(error) => return page_unavailable(&error),
    };
    // An app opens without a visit as well: practices that do not answer keep nobody from it.
    let visits = if apps.is_empty() { Ok(Vec::new()) } else { visits::latest(&gateway, reached.subject.clone()).await };
    render(&LaunchTemplate {
        style: super::style::path(),
        form_token: session.pages.form_token(Form::Launch, &signed_in.hash),
        person: reached.person.to_string(),
        who: reached.name.unwrap_or_else(|| say("launch.this-person").to_owned()),
        apps: apps.into_iter().map(|app| AppChoice { client: app.client.to_string(), name: app.name }).collect(),
        visits_missing: visits.is_err(),
        visits: visits.unwrap_or_default(),
    })
}

/// `POST /launch`: to the app's own page.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    State(gateway): State<Arc<Gateway>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let form = form_pairs(&headers, &body).unwrap_or_default();
    if !session.pages.is_own_form(&headers, Form::Launch, &signed_in.hash, field(&form, "form_token")) {
        return forbidden();
    }
    let reached = match reached(&server, signed_in, &form).await {
        Ok(reached) => reached,
        Err(response) => return *response,
    };
    let Some(client) = field(&form, "app").and_then(ClientId::parse) else { return not_found() };
    let encounter = field(&form, "encounter").filter(|id| !id.is_empty()).map(str::to_owned);
    if let Some(id) = &encounter {
        match visits::has(&gateway, reached.subject.clone(), ResourceType::Encounter, id).await {
            Ok(true) => {}
            Ok(false) => return not_found(),
            Err(refusal) => return page_unavailable(&refusal),
        }
    }
    let context = LaunchContext { encounter, ..LaunchContext::default() };
    match server.open_app(signed_in.account, &client, reached.person, context).await {
        Ok(opened) => leave(opened),
        Err(LaunchError::Storage(error)) => page_unavailable(&error),
        Err(LaunchError::NoApp | LaunchError::NoPerson) => not_found(),
    }
}

/// The person that a query or form names, if this account may act for it.
async fn reached(
    server: &AuthorizationServer,
    session: &SignedIn,
    pairs: &[(String, String)],
) -> Result<Reached, Box<Response>> {
    let Some(person) = field(pairs, "person").and_then(|id| id.parse().ok()) else {
        return Err(Box::new(not_found()));
    };
    match server.reached(session.account, person).await {
        Ok(Some(reached)) => Ok(reached),
        Ok(None) => Err(Box::new(not_found())),
        Err(error) => Err(Box::new(page_unavailable(&error))),
    }
}

/// A page, and no redirect: a browser holds every redirect after a form against `form-action` (CSP 3), and an app may
/// send people on to another host.
pub(in crate::http) fn leave(opened: OpenedApp) -> Response {
    let Ok(refresh) = HeaderValue::from_str(&format!("0; url={}", opened.url)) else { return not_found() };
    let page = OpenAppTemplate { style: super::style::path(), app: opened.name, url: opened.url };
    let mut response = render(&page);
    response.headers_mut().insert(REFRESH, refresh);
    response
}
