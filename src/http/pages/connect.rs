//! "Connect my record at this practice", and the way back from it.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{ErrorPage, Form, Session, forbidden, not_found, render, render_with, see_other};
use crate::accounts::{ChartAccess, ChartAccessError, LaunchAnswer};
use crate::base::id::LinkId;
use crate::base::secret::Secret;
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::say;

/// What the page before the sign-in at the EHR says.
#[derive(Template)]
#[template(path = "connect.html")]
pub(super) struct ConnectTemplate {
    style: String,
    form_token: String,
    practice: String,
    link: String,
}

/// The page from which the browser goes on to the EHR.
#[derive(Template)]
#[template(path = "leave.html")]
pub(super) struct LeaveTemplate {
    style: String,
    practice: String,
    url: String,
}

/// What the page says before a chart is disconnected.
#[derive(Template)]
#[template(path = "disconnect.html")]
pub(super) struct DisconnectTemplate {
    style: String,
    form_token: String,
    practice: String,
    link: String,
}

/// The browser goes there by itself.
pub(super) const REFRESH: HeaderName = HeaderName::from_static("refresh");

#[cfg(test)]
pub(super) fn samples(hostile: &str) -> [Result<String, askama::Error>; 3] {
    let text = || hostile.to_owned();
    [
        ConnectTemplate { style: text(), form_token: text(), practice: text(), link: text() }.render(),
        LeaveTemplate { style: text(), practice: text(), url: text() }.render(),
        DisconnectTemplate { style: text(), form_token: text(), practice: text(), link: text() }.render(),
    ]
}

/// `GET /connect?link=…`.
pub(super) async fn get(
    State(access): State<Arc<ChartAccess>>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let Some(link) = link_of(&query_pairs(query.as_deref())) else { return not_found() };
    match access.invitation(signed_in, link).await {
        Ok(practice) => render(&ConnectTemplate {
            style: super::style::path(),
            form_token: session.pages.form_token(Form::Connect, &signed_in.hash),
            practice,
            link: link.to_string(),
        }),
        Err(error) => refusal(&error),
    }
}

/// `POST /connect`: to the EHR's sign-in.
pub(super) async fn post(
    State(access): State<Arc<ChartAccess>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let form = form_pairs(&headers, &body).unwrap_or_default();
    if !session.pages.is_own_form(&headers, Form::Connect, &signed_in.hash, field(&form, "form_token")) {
        return forbidden();
    }
    let Some(link) = link_of(&form) else { return not_found() };
    match access.begin(signed_in, link).await {
        Ok((url, practice)) => leave(url.to_string(), practice),
        Err(error) => refusal(&error),
    }
}

/// A page, and no redirect: a browser holds every redirect after a form against `form-action` (CSP 3), and an EHR may
/// send people on to a sign-in at a host that nobody here knows.
fn leave(url: String, practice: String) -> Response {
    let Ok(refresh) = HeaderValue::from_str(&format!("0; url={url}")) else { return not_found() };
    let mut response = render(&LeaveTemplate { style: super::style::path(), practice, url });
    response.headers_mut().insert(REFRESH, refresh);
    response
}

/// `GET /connect/callback/{source}`: back from the EHR's sign-in (RFC 6749 §4.1.2).
pub(super) async fn callback(
    State(access): State<Arc<ChartAccess>>,
    Path(source): Path<String>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let pairs = query_pairs(query.as_deref());
    let text = |name: &str| field(&pairs, name).map(str::to_owned);
    let Some(state) = text("state") else { return refusal(&ChartAccessError::Stale) };
    let (state, code) = (Secret::new(state), text("code").map(Secret::new));
    match access.finish(signed_in, LaunchAnswer { source, state, code, issuer: text("iss") }).await {
        Ok(()) => see_other("/"),
        Err(error) => refusal(&error),
    }
}

/// `GET /disconnect?link=…`.
pub(super) async fn confirm(
    State(access): State<Arc<ChartAccess>>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let Some(link) = link_of(&query_pairs(query.as_deref())) else { return not_found() };
    match access.connected(signed_in, link).await {
        Ok(practice) => render(&DisconnectTemplate {
            style: super::style::path(),
            form_token: session.pages.form_token(Form::Disconnect, &signed_in.hash),
            practice,
            link: link.to_string(),
        }),
        Err(error) => refusal(&error),
    }
}

/// `POST /disconnect`.
pub(super) async fn disconnect(
    State(access): State<Arc<ChartAccess>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let form = form_pairs(&headers, &body).unwrap_or_default();
    if !session.pages.is_own_form(&headers, Form::Disconnect, &signed_in.hash, field(&form, "form_token")) {
        return forbidden();
    }
    let Some(link) = link_of(&form) else { return not_found() };
    match access.disconnect(signed_in, link).await {
        Ok(()) => see_other("/"),
        Err(error) => refusal(&error),
    }
}

fn link_of(pairs: &[(String, String)]) -> Option<LinkId> {
    field(pairs, "link")?.parse().ok()
}

/// What people read when a record was not connected. What the EHR said is not repeated: it may say anything.
fn refusal(error: &ChartAccessError) -> Response {
    let (status, text) = match error {
        ChartAccessError::NotFound => return not_found(),
        ChartAccessError::Storage(error) => return page_unavailable(error),
        ChartAccessError::Unreachable(_) => (StatusCode::BAD_GATEWAY, say("chart.practice-cannot-be")),
        ChartAccessError::Stale => (StatusCode::BAD_REQUEST, say("chart.sign-took-too")),
        ChartAccessError::Refused => (StatusCode::FORBIDDEN, say("chart.practice-did-not")),
        ChartAccessError::OtherPatient => (StatusCode::FORBIDDEN, say("chart.at-practice-another")),
        ChartAccessError::NotTheirs => (StatusCode::FORBIDDEN, say("chart.somebody-else-connected")),
    };
    render_with(status, &ErrorPage::new(say("chart.not-changed"), text), None)
}
