use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use super::client_request;
use crate::authorization::{AuthorizationServer, ClientEndpoint, TokenError};
use crate::http::error::no_store;
use crate::http::pages::PeerAddress;

/// `POST /oauth/token` (RFC 6749 §3.2).
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenError> {
    let request = client_request(ClientEndpoint::Token, address, &headers, &body)?;
    let answer = server.token(request).await?;
    Ok(no_store(Json(answer.to_json()).into_response()))
}
