//! The portal API under `/api/v1`: what FHIR has no word for, for portal front ends. The same services as the pages, one
//! file per resource. `docs/openapi.json` describes it and is served at `/api/openapi.json`.

mod access;
mod account;
mod apps;
mod body;
mod claims;
mod contacts;
mod credentials;
mod error;
mod history;
mod launches;
mod links;
mod openapi;
mod organizations;
mod redemptions;
mod session;
mod sharing;
mod verifications;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::MethodRouter;

use super::brands::Directory;
use super::form::LONGEST_FORM;
use super::pages::Pages;
use crate::accounts::{Accounts, Claims, Redemptions};
use crate::authorization::AuthorizationServer;
use crate::gateway::Gateway;
use crate::http::route::{delete, get, post, put};
use crate::storage::Db;

pub use error::{Problem, head_too_large};

/// The API's routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Claims>: FromRef<S>,
    Arc<Directory>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
    Arc<Redemptions>: FromRef<S>,
    Db: FromRef<S>,
{
    Router::new()
        .route("/api/v1/apps", only(get(apps::list)))
        .route("/api/v1/apps/{id}", only(delete(apps::disconnect)))
        .route("/api/v1/people", only(get(access::people)))
        .route("/api/v1/people/{grant}", only(delete(access::end)))
        .merge(sharing_router())
        .route("/api/v1/access/history", only(get(history::get)))
        .route("/api/v1/access/explain", only(get(access::explain)))
        .route("/api/v1/launches", only(post(launches::create)))
        .route("/api/openapi.json", only(get(openapi::get)))
        .merge(account_router())
        .merge(link_router())
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}

/// Signing in, and one's own account.
fn account_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/api/v1/sessions", only(post(session::sign_in)))
        .route("/api/v1/sessions/second-factor", only(post(session::second_factor)))
        .route("/api/v1/sessions/current", only(delete(session::sign_out)))
        .route("/api/v1/account", only(get(account::get).merge(delete(account::close))))
        .route("/api/v1/account/proof", only(post(account::prove)))
        .route("/api/v1/account/password", only(put(account::password)))
        .route("/api/v1/account/language", only(put(account::language)))
        .route("/api/v1/account/sessions", only(get(account::sessions).merge(delete(account::end_others))))
        .route("/api/v1/account/sessions/{id}", only(delete(account::end_one)))
        .route("/api/v1/account/contacts", only(get(contacts::list).merge(post(contacts::add))))
        .route("/api/v1/account/contacts/{id}/confirmation", only(post(contacts::confirm)))
        .route("/api/v1/account/second-factor", only(get(credentials::second_factor).merge(post(credentials::begin))))
        .route("/api/v1/account/second-factor/confirmation", only(post(credentials::confirm)))
        .route("/api/v1/account/second-factor/end", only(post(credentials::end)))
        .route("/api/v1/account/saved-codes", only(post(credentials::renew_codes)))
        .route("/api/v1/account/passkeys", only(get(credentials::passkeys).merge(post(credentials::add_passkey))))
        .route("/api/v1/account/passkeys/question", only(post(credentials::ask)))
        .route("/api/v1/identity-providers", only(get(credentials::providers)))
        .route("/api/v1/account/identities", only(get(credentials::identities)))
        .route("/api/v1/account/identities/{id}", only(delete(credentials::disconnect)))
        .route("/api/v1/account/passkeys/{id}", only(delete(credentials::remove_passkey)))
}

/// Who is to see one's record, and whose one asks to see.
fn sharing_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
    Arc<Redemptions>: FromRef<S>,
{
    Router::new()
        .route("/api/v1/people/invitations", only(post(sharing::invite)))
        .route("/api/v1/people/invitations/preview", only(post(sharing::preview)))
        .route("/api/v1/people/requests", only(get(sharing::requests).post(sharing::ask)))
        .route("/api/v1/people/requests/{id}", only(delete(sharing::take_back)))
        .route("/api/v1/people/{grant}/assent", only(put(sharing::assent).delete(sharing::end_assent)))
        .route("/api/v1/people/{grant}/view", only(get(sharing::view)))
}

/// Which charts are whose.
fn link_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Accounts>: FromRef<S>,
    Arc<Claims>: FromRef<S>,
    Arc<Directory>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
    Arc<Redemptions>: FromRef<S>,
    Db: FromRef<S>,
{
    Router::new()
        .route("/api/v1/organizations", only(get(organizations::find)))
        .route("/api/v1/redemptions", only(post(redemptions::begin)))
        .route("/api/v1/redemptions/current", only(get(redemptions::current)))
        .route("/api/v1/redemptions/current/account", only(post(redemptions::sign_up)))
        .route("/api/v1/redemptions/current/confirmation", only(post(redemptions::confirm)))
        .route("/api/v1/redemptions/current/renewal", only(post(redemptions::renew)))
        .route("/api/v1/claims", only(post(claims::make)))
        .route("/api/v1/claims/code", only(post(claims::prove)))
        .route("/api/v1/verifications", only(get(verifications::list)))
        .route("/api/v1/links", only(get(links::list)))
        .route("/api/v1/links/{id}", only(delete(links::unlink)))
        .route("/api/v1/links/{id}/not-mine", only(post(links::not_mine)))
}

/// Every other method is told so as a problem.
fn only<S: Clone + Send + Sync + 'static>(methods: MethodRouter<S>) -> MethodRouter<S> {
    methods.fallback(error::method_not_allowed)
}
