use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::client_request;
use crate::authorization::{AuthorizationServer, ClientEndpoint, TokenError};
use crate::http::error::no_store;
use crate::http::pages::PeerAddress;

/// `POST /oauth/par` (RFC 9126 §2).
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenError> {
    let request = client_request(ClientEndpoint::PushedRequests, address, &headers, &body)?;
    let answer = server.push(request).await?;
    Ok(no_store((StatusCode::CREATED, Json(answer.to_json())).into_response()))
}
