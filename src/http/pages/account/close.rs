//! The end of an account.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::super::form_page::FormPage;
use super::super::{Form, Session};
use super::{Instead, Next, own_form, problem, proved};
use crate::accounts::Accounts;
use crate::http::pages::{say, say_with};

/// `GET /account/close`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::Close)?;
    let ends = accounts.closing(signed_in).await?;
    let mut items = vec![say("close.nobody-can-sign").to_owned()];
    if ends.apps > 0 {
        items.push(say_with("close.apps", &[("count", &ends.apps.to_string())]));
    }
    if ends.grants > 0 {
        items.push(say_with("close.grants", &[("count", &ends.grants.to_string())]));
    }
    items.push(say("close.what-your-practices").to_owned());
    let form_token = session.pages.form_token(Form::CloseAccount, &signed_in.hash);
    let page = FormPage::new(say("account.close")).says(say("close.cannot-be-undone")).lists(items);
    let page = page.asks("/account/close", form_token, say("close.close-my-account"));
    Ok(page.link("/account", say("close.keep")).respond())
}

/// `POST /account/close`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Instead> {
    let (signed_in, _) = own_form(&session, &headers, &body, Form::CloseAccount)?;
    if let Err(error) = accounts.close(signed_in).await {
        let text = problem(&error, Next::Close)?;
        return Ok(FormPage::new(say("close.account-was-not"))
            .says(text)
            .link("/account", say("close.back"))
            .respond());
    }
    let page = FormPage::new(say("close.your-account-closed")).says(say("close.what-your-practices"));
    let mut response = page.respond();
    session.pages.clear_session(&mut response);
    Ok(response)
}
