//! An activation code on its way to a link or a grant. Between two requests it lies sealed in a cookie of the browser that
//! showed it, as it does between two pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Problem;
use super::account::{answer, done};
use super::body::Sent;
use super::session::{Caller, Visitor, begun_with};
use crate::accounts::{
    Accounts, AnswerError, Answered, Answers, ConfirmError, Confirmed, NewAccount, Pending, Redemptions, RenewError,
    Typist,
};
use crate::base::secret::Secret;
use crate::http::error::no_store;
use crate::http::pages::browser_in_words;
use crate::identity::Language;

/// A code and what goes with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRedemption {
    code: Secret<String>,
    birth_date: String,
    family: String,
    #[serde(default)]
    own_birth_date: String,
}

impl Visitor {
    /// The code that is being redeemed here.
    fn sealed(&self) -> &str {
        self.browser.pages.redemption(&self.headers).unwrap_or_default()
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Mistyped => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the code was mistyped; no try was spent")
            }
            AnswerError::Wrong => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "code, birth date and name do not go together")
            }
            AnswerError::TooMany => Self::too_many(None),
            AnswerError::Storage(error) => error.into(),
        }
    }
}

/// `POST /api/v1/redemptions`.
pub(super) async fn begin(
    State(redemptions): State<Arc<Redemptions>>,
    visitor: Visitor,
    Sent(new): Sent<NewRedemption>,
) -> Result<Response, Problem> {
    let NewRedemption { code, birth_date, family, own_birth_date } = new;
    let account = visitor.session.signed_in().map(|signed_in| signed_in.account);
    let typist = Typist { browser: visitor.browser.value(), address: visitor.address, account };
    let answered = redemptions.answer(Answers { code, birth_date, family, own_birth_date }, typist).await?;
    let (body, sealed) = match answered {
        Answered::Ready(sealed) => (json!({"state": "ready"}), Some(sealed)),
        Answered::Expired { sealed, contact } => (json!({"state": "expired", "contact": contact}), Some(sealed)),
        Answered::Ended => (json!({"state": "ended"}), None),
    };
    let mut response = answer(body);
    visitor.browser.remember(&mut response);
    visitor.browser.pages.set_redemption(&mut response, sealed.as_deref());
    Ok(response)
}

/// `GET /api/v1/redemptions/current`: whom the code is for, as far as may be told before a yes.
pub(super) async fn current(
    State(redemptions): State<Arc<Redemptions>>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let pending = pending(&redemptions, &visitor).await?;
    Ok(answer(json!({
        "organization": pending.organization,
        "initials": pending.initials,
        "birth_year": pending.birth_year,
        "for_another": pending.invitation.proxy.is_some(),
    })))
}

async fn pending(redemptions: &Redemptions, visitor: &Visitor) -> Result<Pending, Problem> {
    redemptions.pending(visitor.sealed(), visitor.browser.value()).await?.ok_or(Problem::NOT_FOUND)
}

/// A name and a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    username: String,
    password: Secret<String>,
    #[serde(default)]
    language: Option<String>,
}

/// `POST /api/v1/redemptions/current/account`: a new account, for whoever has shown a code that is good.
pub(super) async fn sign_up(
    State(redemptions): State<Arc<Redemptions>>,
    State(accounts): State<Arc<Accounts>>,
    visitor: Visitor,
    Sent(new): Sent<NewUser>,
) -> Result<Response, Problem> {
    pending(&redemptions, &visitor).await?;
    let account = NewAccount {
        // A name that is an address is one to write to, once it is shown to be theirs.
        email: Some(new.username.clone()).filter(|name| name.contains('@')),
        username: new.username,
        password: new.password,
        language: new.language.as_deref().and_then(Language::parse).unwrap_or(Language::English),
        person: None,
        address: visitor.address,
        browser: browser_in_words(&visitor.headers),
        previous: visitor.session.cookie.clone(),
    };
    let begun = accounts.sign_up(account).await?;
    let body = Json(json!({"account": begun.account.to_string()}));
    Ok(begun_with((StatusCode::CREATED, body).into_response(), &visitor.browser.pages, &begun))
}

/// "This is me", or not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    is_me: bool,
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::Gone => Self::NOT_FOUND,
            ConfirmError::Review => Self::new(StatusCode::CONFLICT, "the practice must look at this first"),
            ConfirmError::Held => {
                Self::new(StatusCode::FORBIDDEN, "this waits until 24 hours after the recovery").named("held")
            }
            ConfirmError::Storage(error) => error.into(),
        }
    }
}

/// `POST /api/v1/redemptions/current/confirmation`.
pub(super) async fn confirm(
    State(redemptions): State<Arc<Redemptions>>,
    Caller(who): Caller,
    visitor: Visitor,
    Sent(said): Sent<Answer>,
) -> Result<Response, Problem> {
    let (sealed, browser) = (visitor.sealed(), visitor.browser.value());
    let mut response = if said.is_me {
        let (person, granted) = match redemptions.confirm(sealed, browser, who.account).await? {
            Confirmed::Linked(person) => (person, false),
            Confirmed::Granted(person) => (person, true),
        };
        answer(json!({"person": person.to_string(), "for_another": granted}))
    } else {
        redemptions.deny(sealed, browser, who.account).await?;
        done()
    };
    visitor.browser.pages.set_redemption(&mut response, None);
    Ok(response)
}

/// `POST /api/v1/redemptions/current/renewal`: a new code for one that ended, to the contact on file.
pub(super) async fn renew(State(redemptions): State<Arc<Redemptions>>, visitor: Visitor) -> Result<Response, Problem> {
    let sent = redemptions.renew(visitor.sealed(), visitor.browser.value()).await;
    let contact = sent.map_err(|error| match error {
        RenewError::Gone => Problem::NOT_FOUND,
        RenewError::AskStaff => Problem::new(StatusCode::CONFLICT, "ask the practice for a new code"),
        RenewError::Storage(error) => error.into(),
    })?;
    let mut response = no_store((StatusCode::ACCEPTED, Json(json!({ "contact": contact }))).into_response());
    visitor.browser.pages.set_redemption(&mut response, None);
    Ok(response)
}
