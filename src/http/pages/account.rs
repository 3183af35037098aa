//! The pages on which people look after their account.

mod close;
mod confirm;
mod contact;
mod identities;
mod passkeys;
mod password;
mod prove;
mod second_factor;
mod sessions;
mod undo;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

#[cfg(test)]
pub(super) use contact::ContactTemplate;
#[cfg(test)]
pub(super) use identities::IdentitiesTemplate;
#[cfg(test)]
pub(super) use passkeys::PasskeysTemplate;
#[cfg(test)]
pub(super) use sessions::SessionsTemplate;

use super::{Form, Pages, Session, forbidden, not_found, render, see_other};
use crate::accounts::{AccountError, Accounts};
use crate::authorization::SignedIn;
use crate::http::error::page_unavailable;
use crate::http::form::{LONGEST_FORM, form_pairs};
use crate::http::pages::{say, say_with, told};
use crate::http::route::{get, post};
use crate::storage::StorageError;

/// The routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/account", get(overview))
        .route("/account/prove", get(prove::get).merge(post(prove::post)))
        .route("/account/password", get(password::get).merge(post(password::post)))
        .route("/account/contact", get(contact::get).merge(post(contact::post)))
        .route("/account/contact/code", post(contact::code))
        .route("/account/contact/confirm", get(confirm::get).merge(post(confirm::post)))
        .route("/account/language", post(contact::language))
        .route("/account/sessions", get(sessions::get).merge(post(sessions::post)))
        .route("/account/second-factor", get(second_factor::get).merge(post(second_factor::begin)))
        .route("/account/second-factor/confirm", post(second_factor::confirm))
        .route("/account/second-factor/off", post(second_factor::off))
        .route("/account/saved-codes", get(second_factor::codes).merge(post(second_factor::renew)))
        .route("/account/passkeys", get(passkeys::get).merge(post(passkeys::post)))
        .route("/account/passkeys/remove", post(passkeys::remove))
        .route("/account/identities", get(identities::get))
        .route("/account/identities/connect", post(identities::connect))
        .route("/account/identities/disconnect", post(identities::disconnect))
        .route("/account/close", get(close::get).merge(post(close::post)))
        .route("/undo-contact", get(undo::get).merge(post(undo::post)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// Where a page sends somebody who is to show once more who they are: pages by name, so that no address comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Overview,
    Password,
    Contact,
    Close,
    SecondFactor,
    SavedCodes,
    Passkeys,
    Share,
    Identities,
    Find,
}

impl Next {
    const ALL: [Self; 10] = [
        Self::Overview,
        Self::Password,
        Self::Contact,
        Self::Close,
        Self::SecondFactor,
        Self::SavedCodes,
        Self::Passkeys,
        Self::Share,
        Self::Identities,
        Self::Find,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Overview => "account",
            Self::Password => "password",
            Self::Contact => "contact",
            Self::Close => "close",
            Self::SecondFactor => "second-factor",
            Self::SavedCodes => "saved-codes",
            Self::Passkeys => "passkeys",
            Self::Share => "share",
            Self::Identities => "identities",
            Self::Find => "find",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/account",
            Self::Password => "/account/password",
            Self::Contact => "/account/contact",
            Self::Close => "/account/close",
            Self::SecondFactor => "/account/second-factor",
            Self::SavedCodes => "/account/saved-codes",
            Self::Passkeys => "/account/passkeys",
            Self::Share => "/people/invite",
            Self::Identities => "/account/identities",
            Self::Find => "/find",
        }
    }

    /// The page of that name, or the overview.
    fn of(name: Option<&str>) -> Self {
        Self::ALL.into_iter().find(|next| Some(next.name()) == name).unwrap_or(Self::Overview)
    }

    /// To the proof, and back.
    fn by_proof(self) -> Response {
        see_other(&format!("/account/prove?next={}", self.name()))
    }
}

/// What is answered instead.
#[derive(Debug)]
pub(super) struct Instead(Box<Response>);

impl Instead {
    pub(super) fn of(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Instead {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<StorageError> for Instead {
    fn from(error: StorageError) -> Self {
        Self::of(page_unavailable(&error))
    }
}

/// The pairs of a form.
pub(super) type Pairs = Vec<(String, String)>;

/// Who is signed in, or the way to the sign-in.
pub(super) fn who(session: &Session) -> Result<&SignedIn, Instead> {
    session.signed_in().ok_or_else(|| Instead::of(see_other("/sign-in")))
}

/// Who is signed in and showed who they are a moment ago, or the way to that.
pub(super) fn proved<'s>(accounts: &Accounts, session: &'s Session, next: Next) -> Result<&'s SignedIn, Instead> {
    let signed_in = who(session)?;
    if accounts.is_proved(signed_in) { Ok(signed_in) } else { Err(Instead::of(next.by_proof())) }
}

/// A form of our own page, sent by who is signed in.
pub(super) fn own_form<'s>(
    session: &'s Session,
    headers: &HeaderMap,
    body: &[u8],
    form: Form,
) -> Result<(&'s SignedIn, Pairs), Instead> {
    let signed_in = who(session)?;
    let pairs = form_pairs(headers, body).map_err(|_| Instead::of(forbidden()))?;
    let token = crate::http::form::field(&pairs, "form_token");
    if !session.pages.is_own_form(headers, form, &signed_in.hash, token) {
        return Err(Instead::of(forbidden()));
    }
    Ok((signed_in, pairs))
}

/// What a page says of a refusal, if it is one that whoever sits there can mend; else the page that is shown instead.
pub(super) fn problem(error: &AccountError, next: Next) -> Result<String, Instead> {
    Ok(match error {
        AccountError::NotProved => return Err(Instead::of(next.by_proof())),
        AccountError::NotFound => return Err(Instead::of(not_found())),
        AccountError::Storage(error) => return Err(Instead::of(page_unavailable(error))),
        AccountError::Password(crate::accounts::PasswordError::Unavailable) => {
            return Err(Instead::of(page_unavailable(error)));
        }
        AccountError::Wrong => say("account.not-right-too").to_owned(),
        AccountError::Throttled(throttled) => {
            let seconds = throttled.wait.as_secs().max(1);
            say_with("sign-in.too-many", &[("time", &super::sign_in::in_words(seconds))])
        }
        AccountError::Held => say("invite.held").to_owned(),
        AccountError::Contact(error) => say_with("account.look-again", &[("why", &told(error))]),
        AccountError::Username(error) => say_with("account.look-again", &[("why", &told(error))]),
        AccountError::UsernameTaken => say("account.username-cannot-be").to_owned(),
        AccountError::Password(error) => say_with("account.choose-password", &[("why", &told(error))]),
        AccountError::Elsewhere(error) => {
            tracing::warn!(%error, "a sign-in elsewhere failed");
            say("account.other-site-does").to_owned()
        }
        AccountError::IdentityTaken => say("account.sign-connected-another").to_owned(),
        AccountError::NotProofed => say("account.other-site-did").to_owned(),
        AccountError::LastWay => say("account.last-way-sign").to_owned(),
    })
}

/// 429 where somebody has to wait.
pub(super) fn waiting(mut response: Response, error: &AccountError) -> Response {
    if let AccountError::Throttled(throttled) = error {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(throttled.wait.as_secs().max(1)));
    }
    response
}

/// What the overview shows.
#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountTemplate {
    style: String,
    username: String,
    contacts: Vec<String>,
    sessions: usize,
    has_providers: bool,
}

impl AccountTemplate {
    #[cfg(test)]
    pub(super) fn sample(hostile: &str) -> Self {
        let text = || hostile.to_owned();
        Self { style: text(), username: text(), contacts: vec![text()], sessions: 2, has_providers: true }
    }
}

/// `GET /account`.
async fn overview(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = who(&session)?;
    let Some(username) = accounts.username(signed_in.account).await? else {
        return Ok(see_other("/sign-in"));
    };
    let contacts = accounts.contacts(signed_in.account).await?.contacts;
    let verified = contacts.iter().filter(|contact| contact.verified.is_some());
    Ok(render(&AccountTemplate {
        style: super::style::path(),
        username,
        contacts: verified.map(|contact| contact.contact.address().to_owned()).collect(),
        sessions: accounts.devices(signed_in).await?.len(),
        has_providers: accounts.providers().next().is_some(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule (security design W04): where a page leads afterwards is one of its own, whatever the address says.
    #[test]
    fn w04_no_address_comes_from_outside() {
        for name in [
            "//evil.test",
            "/\\evil.test",
            "https:evil.test",
            "%2f%2fevil.test",
            "javascript:alert(1)",
            "",
            "/",
            "account/..",
            "http://evil.test",
            "PASSWORD",
        ] {
            assert_eq!(Next::of(Some(name)), Next::Overview, "{name}");
        }
        for next in Next::ALL {
            assert_eq!(Next::of(Some(next.name())), next);
            assert!(next.path().starts_with("/account") || matches!(next, Next::Share | Next::Find));
        }
    }
}
