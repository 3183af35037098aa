//! The FHIR surface under `/fhir`: one file per interaction.

mod batch;
mod bearer;
mod compartment_search;
mod content;
mod docref;
mod error;
mod everything;
mod history;
mod metadata;
mod parameters;
mod read;
mod respond;
mod search;
mod vread;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::{HeaderName, Method, header};
use tower_http::cors::{Any, CorsLayer};

use crate::authorization::AuthorizationServer;
use crate::gateway::Gateway;
use crate::http::route::{get, post};

pub(in crate::http) use content::download;
pub use error::{head_too_large, not_served};
pub use metadata::Metadata;

/// Every route of the FHIR surface. What is not here is answered by [`not_served`], with or without a token.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Gateway>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Metadata>: FromRef<S>,
{
    reads()
        .route("/fhir", post(batch::post::<S>).fallback(error::method_not_allowed))
        .route("/fhir/", post(batch::post::<S>).fallback(error::method_not_allowed))
        .layer(cors())
}

/// The interactions on a type or an instance: what an entry of a batch may ask for.
fn reads<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Gateway>: FromRef<S>,
    Arc<AuthorizationServer>: FromRef<S>,
    Arc<Metadata>: FromRef<S>,
{
    Router::new()
        .route("/fhir/metadata", get(metadata::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}", get(search::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/_search", post(search::post).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}", get(read::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}/_history", get(history::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}/_history/{version}", get(vread::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}/$everything", get(everything::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/$docref", get(docref::get).merge(post(docref::post)).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}/{member}", get(compartment_search::get).fallback(error::method_not_allowed))
        .route("/fhir/{type}/{id}/{member}/_search", post(compartment_search::post).fallback(error::method_not_allowed))
        .fallback(|| async { not_served() })
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
            header::IF_MODIFIED_SINCE,
            HeaderName::from_static("dpop"),
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
