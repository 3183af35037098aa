//! The style sheet, under a name that changes with its content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::base::hash::{base32, sha256};

const STYLE: &str = include_str!("../../../static/chartgate.css");

static NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = base32(&sha256(STYLE.as_bytes()));
    format!("chartgate.{}.css", hash.get(..16).unwrap_or_default())
});

/// Where the style sheet is.
pub(super) fn path() -> String {
    format!("/static/{}", *NAME)
}

/// `GET /static/{file}`.
pub(super) async fn get(Path(file): Path<String>) -> Response {
    if file != *NAME {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = STYLE.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
