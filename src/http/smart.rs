//! Discovery documents, under the issuer and under the FHIR base.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, header};
use serde_json::Value;

use super::cors::any_origin;
use super::error::oauth_json;
use crate::authorization::AuthorizationServer;
use crate::oauth::error::{ErrorCode, OauthError};

type Server = State<Arc<AuthorizationServer>>;

/// The discovery routes.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<AuthorizationServer>: FromRef<S>,
{
    let mut router = Router::new()
        .route("/.well-known/oauth-authorization-server", get(oauth_authorization_server))
        .route("/.well-known/jwks.json", get(jwks));
    for root in ["", "/fhir"] {
        router = router
            .route(&format!("{root}/.well-known/smart-configuration"), get(smart_configuration))
            .route(&format!("{root}/.well-known/openid-configuration"), get(openid_configuration));
    }
    router.layer(from_fn(any_origin))
}

/// Public and the same for everybody for as long as the process runs.
fn document(document: Value) -> Response {
    let mut response = Json(document).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

async fn smart_configuration(State(server): Server) -> Response {
    document(server.endpoints().smart_configuration())
}

async fn openid_configuration(State(server): Server) -> Response {
    document(server.endpoints().openid_configuration())
}

async fn oauth_authorization_server(State(server): Server) -> Response {
    document(server.endpoints().oauth_authorization_server())
}

async fn jwks(State(server): Server) -> Response {
    match server.jwks().await {
        Ok(keys) => document(keys),
        Err(error) => {
            tracing::error!(%error, "the signing keys cannot be read");
            oauth_json(OauthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment"))
        }
    }
}
