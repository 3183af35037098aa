use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use crate::authorization::{AuthorizationServer, AuthorizeError};
use crate::http::form::{form_pairs, query_pairs};
use crate::http::pages::{Browser, Session, answer, see_other};

/// `GET /oauth/authorize` (RFC 6749 §3.1).
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    browser: Browser,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, AuthorizeError> {
    let pairs = query_pairs(query.as_deref());
    let answered = match pairs.as_slice() {
        [(name, sealed)] if name == "posted" => {
            server.resume_posted(sealed, browser.value(), session.signed_in()).await?
        }
        _ => server.authorize(pairs, browser.value(), session.signed_in()).await?,
    };
    Ok(answer(answered, &browser, &session))
}

/// `POST /oauth/authorize` (SMART App Launch 2.2, `authorize-post`). The form comes from the client's site, so browsers
/// send no cookie with it and none is looked at: the request goes on as a GET, which carries them.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AuthorizeError> {
    let mut pairs = query_pairs(query.as_deref());
    pairs.extend(form_pairs(&headers, &body)?);
    Ok(match server.authorize_posted(pairs).await? {
        Ok(sealed) => see_other(&format!("/oauth/authorize?posted={sealed}")),
        Err(redirect) => see_other(&redirect.0),
    })
}
