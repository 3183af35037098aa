use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use crate::authorization::{AuthorizationServer, TokenError};
use crate::http::error::no_store;
use crate::http::form::form_pairs;

/// `POST /oauth/introspect` (RFC 7662).
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenError> {
    let answer = server.introspect(super::authorization(&headers), form_pairs(&headers, &body)?).await?;
    Ok(no_store(Json(answer.to_json()).into_response()))
}
