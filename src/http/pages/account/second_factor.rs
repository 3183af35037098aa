//! The authenticator and the saved codes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::super::form_page::{Field, FormPage};
use super::super::{Form, Session};
use super::{Instead, Next, own_form, problem, proved};
use crate::accounts::{AccountError, Accounts, SecondFactors};
use crate::authorization::SignedIn;
use crate::base::secret::Secret;
use crate::http::form::field;
use crate::http::pages::{say, say_with};
use crate::identity::TotpSecret;

const PATH: &str = "/account/second-factor";

fn token(session: &Session, signed_in: &SignedIn) -> String {
    session.pages.form_token(Form::SecondFactor, &signed_in.hash)
}

fn overview(session: &Session, signed_in: &SignedIn, has: SecondFactors) -> FormPage {
    let token = || token(session, signed_in);
    let page =
        FormPage::new(say("account.second-factor")).link("/account/saved-codes", say("second-factor.new-saved-codes"));
    let page = page.link("/account", say("contact.back-your-account")).says(match has.codes {
        0 => say("second-factor.you-have-no").to_owned(),
        1 => say("second-factor.you-have-one").to_owned(),
        codes => say_with("second-factor.you-have-saved", &[("codes", &codes.to_string())]),
    });
    if has.totp {
        return page
            .says(say("second-factor.at-each-sign"))
            .asks("/account/second-factor/off", token(), say("second-factor.do-not-ask"))
            .field(Field::password("password", say("account.password"), "current-password"));
    }
    page.says(say("second-factor.about-authenticator")).asks(PATH, token(), say("second-factor.set-up"))
}

/// `GET /account/second-factor`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::SecondFactor)?;
    let has = accounts.second_factors(signed_in.account).await?;
    Ok(overview(&session, signed_in, has).respond())
}

async fn secret_page(
    accounts: &Accounts,
    session: &Session,
    signed_in: &SignedIn,
    secret: &TotpSecret,
) -> Result<FormPage, Instead> {
    let username = accounts.username(signed_in.account).await?.unwrap_or_default();
    Ok(FormPage::new(say("second-factor.set-up"))
        .says(say("second-factor.enter-into-authenticator"))
        .lists(vec![secret.typed()])
        .link_to(secret.uri("Chartgate", &username), say("second-factor.open-authenticator-device"))
        .says(say("second-factor.then-type-six"))
        .asks("/account/second-factor/confirm", token(session, signed_in), say("second-factor.use-authenticator"))
        .field(Field::text("code", say("contact.code"), "one-time-code")))
}

/// `POST /account/second-factor`: a new secret.
pub(super) async fn begin(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, _) = own_form(&session, &headers, &body, Form::SecondFactor)?;
    match accounts.begin_totp(signed_in).await {
        Ok(secret) => Ok(secret_page(&accounts, &session, signed_in, &secret).await?.respond()),
        Err(error) => failed(&accounts, &session, signed_in, &error).await,
    }
}

/// `POST /account/second-factor/confirm`: the first password of it.
pub(super) async fn confirm(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::SecondFactor)?;
    match accounts.confirm_totp(signed_in, field(&pairs, "code").unwrap_or_default()).await {
        Ok(codes) => Ok(codes_page(say("second-factor.your-authenticator-use"), &codes)),
        Err(error) => {
            let text = problem(&error, Next::SecondFactor)?;
            let Ok(secret) = accounts.waiting_totp(signed_in).await else {
                return failed(&accounts, &session, signed_in, &error).await;
            };
            Ok(secret_page(&accounts, &session, signed_in, &secret).await?.problem(Some(text)).respond())
        }
    }
}

fn codes_page(title: &str, codes: &[Secret<String>]) -> Response {
    FormPage::new(title)
        .says(say("second-factor.write-these-codes"))
        .lists(codes.iter().map(|code| code.expose().clone()).collect())
        .link(PATH, say("second-factor.i-have-them"))
        .respond()
}

/// `POST /account/second-factor/off`.
pub(super) async fn off(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::SecondFactor)?;
    let password = Secret::new(field(&pairs, "password").unwrap_or_default().to_owned());
    match accounts.end_totp(signed_in, &password).await {
        Ok(()) => {
            Ok(FormPage::new(say("second-factor.your-authenticator-not")).link(PATH, say("close.back")).respond())
        }
        Err(error) => failed(&accounts, &session, signed_in, &error).await,
    }
}

/// `GET /account/saved-codes`.
pub(super) async fn codes(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::SavedCodes)?;
    Ok(FormPage::new(say("second-factor.new-saved-codes"))
        .says(say("second-factor.you-get-ten"))
        .asks("/account/saved-codes", token(&session, signed_in), say("second-factor.show-new-codes"))
        .link(PATH, say("close.back"))
        .respond())
}

/// `POST /account/saved-codes`.
pub(super) async fn renew(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, _) = own_form(&session, &headers, &body, Form::SecondFactor)?;
    match accounts.renew_codes(signed_in).await {
        Ok(codes) => Ok(codes_page(say("second-factor.your-new-codes"), &codes)),
        Err(error) => failed(&accounts, &session, signed_in, &error).await,
    }
}

async fn failed(
    accounts: &Accounts,
    session: &Session,
    signed_in: &SignedIn,
    error: &AccountError,
) -> Result<Response, Instead> {
    let text = problem(error, Next::SecondFactor)?;
    let has = accounts.second_factors(signed_in.account).await?;
    Ok(overview(session, signed_in, has).problem(Some(text)).respond())
}
