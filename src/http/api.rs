//! The portal API under `/api/v1`: what FHIR has no word for, for portal front ends. The same services as the pages, one
//! file per resource. `docs/openapi.json` describes it and is served at `/api/openapi.json`.

mod access;
mod apps;
mod error;
mod history;
mod launches;
mod openapi;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{delete, get, post};

use super::form::LONGEST_FORM;
use super::pages::Pages;
use crate::accounts::Accounts;
use crate::authorization::AuthorizationServer;
use crate::gateway::Gateway;

pub use error::Problem;

/// The API's routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<Pages>: FromRef<S>,
{
    Router::new()
        .route("/api/v1/apps", get(apps::list).fallback(error::method_not_allowed))
        .route("/api/v1/apps/{id}", delete(apps::disconnect).fallback(error::method_not_allowed))
        .route("/api/v1/people", get(access::people).fallback(error::method_not_allowed))
        .route("/api/v1/people/{grant}", delete(access::end).fallback(error::method_not_allowed))
        .route("/api/v1/access/history", get(history::get).fallback(error::method_not_allowed))
        .route("/api/v1/access/explain", get(access::explain).fallback(error::method_not_allowed))
        .route("/api/v1/launches", post(launches::create).fallback(error::method_not_allowed))
        .route("/api/openapi.json", get(openapi::get).fallback(error::method_not_allowed))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
}
