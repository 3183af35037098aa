//! Sign-out.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::{Form, Session, forbidden, see_other};
use crate::accounts::Accounts;
use crate::http::error::page_unavailable;
use crate::http::form::{field, form_pairs};

/// `POST /sign-out`.
pub(super) async fn post(
    State(accounts): State<Arc<Accounts>>,
    session: Session,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(signed_in) = session.signed_in() else { return see_other("/sign-in") };
    let token = form_pairs(&headers, &body).unwrap_or_default();
    if !session.pages.is_own_form(&headers, Form::SignOut, &signed_in.hash, field(&token, "form_token")) {
        return forbidden();
    }
    if let Err(error) = accounts.sign_out(session.cookie.as_deref().unwrap_or_default()).await {
        return page_unavailable(&error);
    }
    let mut response = see_other("/sign-in");
    session.pages.clear_session(&mut response);
    session.pages.set_person_in_view(&mut response, None);
    response
}
