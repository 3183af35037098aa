//! Discovery documents, under the issuer and under the FHIR base.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::cors::any_origin;
use super::error::oauth_json;
use crate::authorization::AuthorizationServer;
use crate::http::route::get;
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
        .route("/.well-known/jwks.json", get(jwks))
        .route("/smart-style.json", get(smart_style));
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

/// The look of our own pages (SMART App Launch 2.2 §2.0.14.1), in the values of the style sheet.
async fn smart_style() -> Response {
    document(json!({
        "color_background": "#ffffff",
        "color_error": "#a11212",
        "color_highlight": "#0b5a8a",
        "color_modal_backdrop": "#1b1f24",
        "color_success": "#0b5a8a",
        "color_text": "#1b1f24",
        "dim_border_radius": "6px",
        "dim_font_size": "17px",
        "dim_spacing_size": "16px",
        "font_family_body": "system-ui, sans-serif",
        "font_family_heading": "system-ui, sans-serif",
    }))
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
