use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::client_request;
use crate::authorization::{AuthorizationServer, ClientEndpoint, TokenError};
use crate::http::error::no_store;
use crate::http::pages::PeerAddress;

/// `POST /oauth/revoke` (RFC 7009).
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, TokenError> {
    let request = client_request(ClientEndpoint::Revocation, address, &headers, &body)?;
    server.revoke(request).await?;
    Ok(no_store(StatusCode::OK.into_response()))
}
