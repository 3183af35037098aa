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

/// `GET /account/close`.
pub(super) async fn get(State(accounts): State<Arc<Accounts>>, session: Session) -> Result<Response, Instead> {
    let signed_in = proved(&accounts, &session, Next::Close)?;
    let ends = accounts.closing(signed_in).await?;
    let mut items = vec!["Nobody can sign in with it any more.".to_owned()];
    if ends.apps > 0 {
        items.push(format!("Connected apps are let in no more: {}.", ends.apps));
    }
    if ends.grants > 0 {
        items.push(format!("You cannot act for other people any more: {}.", ends.grants));
    }
    items.push("What your practices keep is not touched.".to_owned());
    let form_token = session.pages.form_token(Form::CloseAccount, &signed_in.hash);
    let page = FormPage::new("Close the account").says("This cannot be undone:").lists(items);
    let page = page.asks("/account/close", form_token, "Close my account for good");
    Ok(page.link("/account", "Keep it").respond())
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
        return Ok(FormPage::new("The account was not closed").says(text).link("/account", "Back").respond());
    }
    let page = FormPage::new("Your account is closed").says("What your practices keep is not touched.");
    let mut response = page.respond();
    session.pages.clear_session(&mut response);
    Ok(response)
}
