use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use crate::authorization::{AuthorizationServer, TokenError};
use crate::http::error::no_store;
use crate::http::form::form_pairs;

/// `POST /oauth/revoke` (RFC 7009).
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenError> {
    server.revoke(super::authorization(&headers), form_pairs(&headers, &body)?).await?;
    Ok(no_store(StatusCode::OK.into_response()))
}
