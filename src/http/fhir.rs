//! The FHIR surface under `/fhir`: one file per interaction.

mod bearer;
mod error;
mod metadata;
mod parameters;
mod read;
mod respond;
mod search;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderName, Method, header};
use axum::routing::{any, get, post};
use tower_http::cors::{Any, CorsLayer};

use crate::authorization::AuthorizationServer;
use crate::gateway::Gateway;

pub use error::not_served;
pub use metadata::Metadata;

/// Every route of the FHIR surface. What is not here is answered by [`not_served`], with or without a token.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Gateway>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Metadata>: FromRef<S>,
{
    Router::new()
        .route("/fhir/metadata", get(metadata::get))
        .route("/fhir/{type}", get(search::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/_search", post(search::post).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}", get(read::get).fallback(error::method_not_allowed))
        .route("/fhir", any(error::method_not_allowed))
        .route("/fhir/", any(error::method_not_allowed))
        .layer(cors())
}

/// SMART App Launch 2.2, "Considerations for Cross-Origin Resource Sharing": any origin, never with cookies.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("prefer"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            header::ETAG,
            header::LAST_MODIFIED,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("x-request-id"),
        ])
        .max_age(std::time::Duration::from_secs(600))
}
