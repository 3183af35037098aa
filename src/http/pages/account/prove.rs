//! Whoever sits there shows once more who they are.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use super::super::form_page::{Field, FormPage};
use super::super::{Form, PeerAddress, Session, see_other};
use super::{Instead, Next, own_form, problem, waiting, who};
use crate::accounts::Accounts;
use crate::authorization::SignedIn;
use crate::base::secret::Secret;
use crate::http::form::{field, query_pairs};
use crate::http::pages::{say, say_with};

fn page(accounts: &Accounts, session: &Session, signed_in: &SignedIn, next: Next) -> FormPage {
    let page = FormPage::new(say("prove.title"))
        .says(say("prove.before-you-go"))
        .asks("/account/prove", session.pages.form_token(Form::Prove, &signed_in.hash), say("sign-in.go-on"))
        .hidden("next", next.name())
        .field(Field::password("password", say("account.password"), "current-password"))
        .link("/account", say("contact.back-your-account"));
    accounts.providers().fold(page, |page, (key, name)| {
        page.link_named(
            format!("/sign-in/with/{key}?again=yes&next=/account"),
            say_with("prove.or-sign-in-again", &[("name", name)]),
        )
    })
}

/// `GET /account/prove`.
pub(super) async fn get(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, Instead> {
    let pairs = query_pairs(query.as_deref());
    Ok(page(&accounts, &session, who(&session)?, Next::of(field(&pairs, "next"))).respond())
}

/// `POST /account/prove`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, pairs) = own_form(&session, &headers, &body, Form::Prove)?;
    let next = Next::of(field(&pairs, "next"));
    let password = Secret::new(field(&pairs, "password").unwrap_or_default().to_owned());
    match accounts.prove(signed_in, &password, address).await {
        Ok(begun) => {
            let mut response = see_other(next.path());
            session.pages.set_session(&mut response, begun.cookie.expose());
            Ok(response)
        }
        Err(error) => {
            let text = problem(&error, next)?;
            Ok(waiting(page(&accounts, &session, signed_in, next).problem(Some(text)).respond(), &error))
        }
    }
}
