use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{NotAuthenticated, authenticate};
use crate::authorization::{AuthorizationServer, TokenError};
use crate::http::error::no_store;

/// `GET` and `POST /oauth/userinfo` (OpenID Connect Core §5.3).
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, TokenError> {
    let subject = match authenticate(&server, &method, "/oauth/userinfo", &headers).await {
        Ok(subject) => subject,
        Err(NotAuthenticated::Unavailable(error)) => return Err(error.into()),
        Err(refused) => return Ok(challenge(StatusCode::UNAUTHORIZED, refused.challenge())),
    };
    Ok(match server.userinfo(&subject).await? {
        Some(answer) => no_store(Json(answer.to_json()).into_response()),
        None => challenge(StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\", scope=\"openid\""),
    })
}

/// RFC 6750 §3.
fn challenge(status: StatusCode, value: &'static str) -> Response {
    let mut response = no_store(status.into_response());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
    response
}
