//! Health and numbers for operators, on a listener of its own.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;

use super::metrics::{self, RequestCounts};
use crate::accounts::Accounts;
use crate::authorization::AuthorizationServer;
use crate::gateway::Gateway;
use crate::http::route::get;
use crate::storage::{Db, generations};

/// `/healthz`: the process runs. `/readyz`: its database answers. `/metrics`: what happened so far.
pub fn router<S>(counts: Arc<RequestCounts>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route(
        "/metrics",
        get(move |gateway, server, accounts, db| metrics::get(gateway, server, accounts, db, counts.clone())),
    )
}

async fn healthz() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn readyz(State(db): State<Db>) -> StatusCode {
    match generations::current(&db).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
