use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

/// The description of the API.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// `GET /api/openapi.json`.
pub(super) async fn get() -> Response {
    let mut response = OPENAPI.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
