//! The sign-in page.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::agent::browser_in_words;
use super::{Browser, Form, Pages, PeerAddress, Session, forbidden, page_for, see_other};
use crate::accounts::{Accounts, NewSession, SignIn, SignInError};
use crate::authorization::AuthorizationServer;
use crate::base::secret::Secret;
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs, query_pairs};
use crate::http::pages::{say, say_with};
use crate::storage::sessions::SessionState;

/// What the sign-in page shows.
#[derive(Clone, Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInTemplate {
    style: String,
    form_token: String,
    request: Option<String>,
    /// Where it goes on afterwards.
    next: Option<&'static str>,
    username: String,
    problem: Option<String>,
    /// Where else people can sign in: key and name.
    providers: Vec<(String, String)>,
}

/// Where a sign-in may lead to beside the first page. Whatever else is asked for leads there (security design, W04).
const NEXT: [&str; 7] = ["/invite/confirm", "/claim", "/clinic", "/apps", "/account", "/people", "/record"];

/// The page of ours that was asked for, if it is one.
pub(super) fn next_page(asked: Option<&str>) -> Option<&'static str> {
    NEXT.into_iter().find(|known| asked == Some(known))
}

impl SignInTemplate {
    fn new(browser: &Browser, request: Option<String>) -> Self {
        Self {
            style: super::style::path(),
            form_token: browser.pages.form_token(Form::SignIn, browser.value().as_bytes()),
            request,
            next: None,
            username: String::new(),
            problem: None,
            providers: browser.pages.providers().to_vec(),
        }
    }

    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self {
            style: text(),
            form_token: text(),
            request: Some(text()),
            next: None,
            username: text(),
            problem: Some(text()),
            providers: vec![(text(), text())],
        }
    }
}

/// The page, on the way to answering an app if there is a `request`; `hint` is the name it proposes.
pub(super) fn page(browser: &Browser, request: Option<String>, hint: Option<String>) -> Response {
    let page = SignInTemplate { username: hint.unwrap_or_default(), ..SignInTemplate::new(browser, request) };
    page_for(browser, StatusCode::OK, &page)
}

/// `GET /sign-in`.
pub(super) async fn get(browser: Browser, session: Session, RawQuery(query): RawQuery) -> Response {
    let next = next_page(field(&query_pairs(query.as_deref()), "next"));
    // Work begins right after a sign-in only: whoever is signed in for long signs in again.
    if session.signed_in().is_some() && next != Some("/clinic") {
        return see_other(next.unwrap_or("/"));
    }
    page_for(&browser, StatusCode::OK, &SignInTemplate { next, ..SignInTemplate::new(&browser, None) })
}

/// `POST /sign-in`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    State(server): State<Arc<AuthorizationServer>>,
    browser: Browser,
    session: Session,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(pairs) = form_pairs(&headers, &body) else { return forbidden() };
    if !browser.pages.is_own_form(&headers, Form::SignIn, browser.value().as_bytes(), field(&pairs, "form_token")) {
        return forbidden();
    }
    let text = |name| field(&pairs, name).unwrap_or_default().to_owned();
    let sealed = Some(text("request")).filter(|sealed| server.is_resumable(sealed, browser.value()));
    let next = next_page(field(&pairs, "next"));
    let (username, password) = (text("username"), Secret::new(text("password")));
    let request = SignIn {
        username: username.clone(),
        password,
        address,
        previous: session.cookie.clone(),
        browser: browser_in_words(&headers),
    };
    match accounts.sign_in(request).await {
        Ok(begun) => signed_in(&browser.pages, &begun, (sealed.as_deref(), next)),
        Err(error) => {
            let page = SignInTemplate { username, next, ..SignInTemplate::new(&browser, sealed) };
            refused(page, &browser, &error)
        }
    }
}

fn signed_in(pages: &Pages, begun: &NewSession, way: (Option<&str>, Option<&str>)) -> Response {
    let mut response = match (begun.state, way) {
        (SessionState::Open, (sealed, next)) => see_other(&on_from(sealed, next)),
        (_, (None, None)) => see_other("/sign-in/second-factor"),
        (_, (None, Some(next))) => see_other(&format!("/sign-in/second-factor?next={next}")),
        (_, (Some(sealed), _)) => see_other(&format!("/sign-in/second-factor?request={sealed}")),
    };
    pages.set_session(&mut response, begun.cookie.expose());
    response
}

/// Where somebody goes who is signed in now: on to answering an app, to the page that was asked for, or to their records.
pub(super) fn on_from(sealed: Option<&str>, next: Option<&str>) -> String {
    let answering = sealed.map(|sealed| format!("/oauth/consent?request={sealed}"));
    answering.unwrap_or_else(|| next.unwrap_or("/").to_owned())
}

fn refused(mut page: SignInTemplate, browser: &Browser, error: &SignInError) -> Response {
    let (status, wait) = match error {
        SignInError::Wrong | SignInError::Password(crate::accounts::PasswordError::Length) => {
            page.problem = Some(say("sign-in.username-password-not").to_owned());
            (StatusCode::UNPROCESSABLE_ENTITY, None)
        }
        SignInError::Throttled(throttled) => {
            let seconds = throttled.wait.as_secs().max(1);
            page.problem = Some(say_with("sign-in.too-many", &[("time", &in_words(seconds))]));
            (StatusCode::TOO_MANY_REQUESTS, Some(seconds))
        }
        SignInError::Password(error) => return page_unavailable(error),
        SignInError::Storage(error) => return page_unavailable(error),
    };
    let mut response = page_for(browser, status, &page);
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub(super) fn in_words(seconds: u64) -> String {
    match seconds {
        1 => say("sign-in.second").to_owned(),
        2..=119 => say_with("sign-in.seconds", &[("seconds", &seconds.to_string())]),
        _ => say_with("sign-in.minutes", &[("minutes", &seconds.div_ceil(60).to_string())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule: nothing but the pages of the list, letter by letter.
    #[test]
    fn w04_a_sign_in_leads_nowhere_else() {
        for page in NEXT {
            assert_eq!(next_page(Some(page)), Some(page));
        }
        for elsewhere in [
            "//evil.test",
            "/\\evil.test",
            "\\/evil.test",
            "https:evil.test",
            "https://evil.test/clinic",
            "%2f%2fevil.test",
            "javascript:alert(1)",
            "/clinic/../../evil",
            "/clinic@evil.test",
            "/clinic ",
            " /clinic",
            "/CLINIC",
            "",
            "/oauth/consent",
        ] {
            assert_eq!(next_page(Some(elsewhere)), None, "{elsewhere}");
        }
        assert_eq!(next_page(None), None);
    }
}
