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
use crate::identity::TotpSecret;

const PATH: &str = "/account/second-factor";

fn token(session: &Session, signed_in: &SignedIn) -> String {
    session.pages.form_token(Form::SecondFactor, &signed_in.hash)
}

fn overview(session: &Session, signed_in: &SignedIn, has: SecondFactors) -> FormPage {
    let token = || token(session, signed_in);
    let page = FormPage::new("Second factor and saved codes").link("/account/saved-codes", "New saved codes");
    let page = page.link("/account", "Back to your account").says(match has.codes {
        0 => "You have no saved codes. With one of them you get back in when you forget your password.".to_owned(),
        1 => "You have one saved code left.".to_owned(),
        codes => format!("You have {codes} saved codes left."),
    });
    if has.totp {
        return page
            .says("At each sign-in you type what your authenticator shows. To end that, type your password.")
            .asks("/account/second-factor/off", token(), "Do not ask for it any more")
            .field(Field::password("password", "Password", "current-password"));
    }
    page.says("An authenticator is an app that shows six digits. With it, your password alone lets nobody in.").asks(
        PATH,
        token(),
        "Set up an authenticator",
    )
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
    Ok(FormPage::new("Set up an authenticator")
        .says("Enter this into the authenticator as a new account, by hand:")
        .lists(vec![secret.typed()])
        .link_to(secret.uri("Chartgate", &username), "Or open the authenticator on this device")
        .says("Then type the six digits that it shows.")
        .asks("/account/second-factor/confirm", token(session, signed_in), "Use this authenticator")
        .field(Field::text("code", "Code", "one-time-code")))
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
        Ok(codes) => Ok(codes_page("Your authenticator is in use", &codes)),
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
        .says("Write these codes down, or print them. Each gets you in once when you have nothing else. They are not shown again.")
        .lists(codes.iter().map(|code| code.expose().clone()).collect())
        .link(PATH, "I have them")
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
        Ok(()) => Ok(FormPage::new("Your authenticator is not asked for any more").link(PATH, "Back").respond()),
        Err(error) => failed(&accounts, &session, signed_in, &error).await,
    }
}

/// `GET /account/saved-codes`.
pub(super) async fn codes(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::SavedCodes)?;
    Ok(FormPage::new("New saved codes")
        .says("You get ten codes. The old ones are no good any more.")
        .asks("/account/saved-codes", token(&session, signed_in), "Show new codes")
        .link(PATH, "Back")
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
        Ok(codes) => Ok(codes_page("Your new codes", &codes)),
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
