//! The OAuth endpoints, one file each.

mod authorize;
mod bearer;
mod consent;
mod encounter;
mod introspect;
mod par;
mod register;
mod revoke;
mod token;
mod userinfo;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::from_fn;
use http::{HeaderMap, HeaderValue, header};

use super::cors::any_origin;
use super::form::{LONGEST_FORM, form_pairs};
use super::pages::Pages;
use crate::accounts::Accounts;
use crate::authorization::{AuthorizationServer, ClientEndpoint, ClientRequest};
use crate::gateway::Gateway;
use crate::http::route::{delete, get, post, put};
use crate::oauth::error::OauthError;

pub use bearer::{NotAuthenticated, authenticate, bearer_token};

/// The OAuth routes of programs.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    let scripted = Router::new()
        .route("/oauth/token", post(token::post))
        .route("/oauth/revoke", post(revoke::post))
        .route("/oauth/par", post(par::post))
        .route("/oauth/userinfo", get(userinfo::get).merge(post(userinfo::get)))
        .layer(from_fn(any_origin));
    Router::new()
        .route("/oauth/introspect", post(introspect::post))
        .route("/oauth/register", post(register::post))
        .route("/oauth/register/{client}", get(register::get).merge(put(register::put)).merge(delete(register::delete)))
        .merge(scripted)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// The OAuth routes of people. The authorization endpoint answers browsers, never scripts of other origins (RFC 9700 §2.6).
pub fn consent_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/oauth/authorize", get(authorize::get).merge(post(authorize::post)))
        .route("/oauth/consent", get(consent::get).merge(post(consent::post)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// The page of an authorization on which a visit is chosen: the one that reads a record.
pub fn encounter_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/oauth/encounter", get(encounter::get).merge(post(encounter::post)))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// A request of a client to one of the endpoints that it authenticates at.
fn client_request<'h>(
    endpoint: ClientEndpoint,
    address: Option<IpAddr>,
    headers: &'h HeaderMap,
    body: &[u8],
) -> Result<ClientRequest<'h>, OauthError> {
    let text = |value: &'h HeaderValue| value.to_str().unwrap_or_default();
    Ok(ClientRequest {
        endpoint,
        authorization: headers.get(header::AUTHORIZATION).map(text),
        proofs: headers.get_all("dpop").iter().map(text).collect(),
        address,
        form: form_pairs(headers, body)?,
    })
}
