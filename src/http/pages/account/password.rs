//! Another password.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::super::form_page::{Field, FormPage};
use super::super::{Form, Session};
use super::{Instead, Next, own_form, problem, proved};
use crate::accounts::Accounts;
use crate::authorization::SignedIn;
use crate::base::secret::Secret;
use crate::http::form::field;
use crate::http::pages::say;

fn page(session: &Session, signed_in: &SignedIn) -> FormPage {
    FormPage::new(say("password.another-password"))
        .says(say("password.few-words-good"))
        .says(say("password.everybody-else-who"))
        .asks(
            "/account/password",
            session.pages.form_token(Form::Password, &signed_in.hash),
            say("recover.change-password"),
        )
        .field(Field::password("new_password", say("recover.new-password"), "new-password"))
        .link("/account", say("contact.back-your-account"))
}

/// `GET /account/password`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::Password)?;
    Ok(page(&session, signed_in).respond())
}

/// `POST /account/password`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Password)?;
    let new = Secret::new(field(&pairs, "new_password").unwrap_or_default().to_owned());
    match accounts.change_password(signed_in, &new).await {
        Ok(()) => Ok(FormPage::new(say("password.password-was-changed"))
            .link("/account", say("contact.back-your-account"))
            .respond()),
        Err(error) => {
            let text = problem(&error, Next::Password)?;
            Ok(page(&session, signed_in).problem(Some(text)).respond())
        }
    }
}
