//! Health and numbers for operators, on a listener of its own.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::get;

use super::metrics::{self, RequestCounts};
use crate::gateway::Gateway;

use crate::storage::{Db, generations};

/// `/healthz`: the process runs. `/readyz`: its database answers. `/metrics`: what happened so far.
pub fn router<S>(counts: Arc<RequestCounts>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Arc<Gateway>: FromRef<S>,
{
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route(
        "/metrics",
        get(move |gateway: State<Arc<Gateway>>, db: State<Db>| metrics::get(gateway, db, counts.clone())),
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
