use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::bearer_token;
use crate::authorization::{AuthorizationServer, RegisterError};
use crate::http::error::no_store;
use crate::http::pages::PeerAddress;
use crate::oauth::error::{ErrorCode, OauthError};

type Server = State<Arc<AuthorizationServer>>;

/// `POST /oauth/register` (RFC 7591 §3).
pub(super) async fn post(
    State(server): Server,
    PeerAddress(address): PeerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RegisterError> {
    check_media_type(&headers)?;
    let registration = server.register(address, &body).await?;
    Ok(no_store((StatusCode::CREATED, Json(registration.to_json())).into_response()))
}

/// `GET /oauth/register/{client}` (RFC 7592 §2.1).
pub(super) async fn get(
    State(server): Server,
    Path(client): Path<String>,
    headers: HeaderMap,
) -> Result<Response, RegisterError> {
    let registration = server.registered(&client, bearer_token(&headers)).await?;
    Ok(no_store(Json(registration.to_json()).into_response()))
}

/// `PUT /oauth/register/{client}` (RFC 7592 §2.2).
pub(super) async fn put(
    State(server): Server,
    Path(client): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RegisterError> {
    check_media_type(&headers)?;
    let registration = server.register_again(&client, bearer_token(&headers), &body).await?;
    Ok(no_store(Json(registration.to_json()).into_response()))
}

/// `DELETE /oauth/register/{client}` (RFC 7592 §2.3).
pub(super) async fn delete(
    State(server): Server,
    Path(client): Path<String>,
    headers: HeaderMap,
) -> Result<Response, RegisterError> {
    server.deregister(&client, bearer_token(&headers)).await?;
    Ok(no_store(StatusCode::NO_CONTENT.into_response()))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), OauthError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(OauthError::new(ErrorCode::InvalidClientMetadata, "the body must be application/json"))
    }
}
