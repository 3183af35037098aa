//! The style sheet and the one script, under names that change with their content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::base::hash::{base32, sha256};

const STYLE: &str = include_str!("../../../static/chartgate.css");

const SCRIPT: &str = include_str!("../../../static/passkey.js");

static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = base32(&sha256(SCRIPT.as_bytes()));
    format!("passkey.{}.js", hash.get(..16).unwrap_or_default())
});

static NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = base32(&sha256(STYLE.as_bytes()));
    format!("chartgate.{}.css", hash.get(..16).unwrap_or_default())
});

/// Where the style sheet is.
pub(in crate::http) fn path() -> String {
    format!("/static/{}", *NAME)
}

/// Where the script of passkeys is.
pub(super) fn script_path() -> String {
    format!("/static/{}", *SCRIPT_NAME)
}

/// `GET /static/{file}`.
pub(super) async fn get(Path(file): Path<String>) -> Response {
    let (text, media_type) = match file {
        file if file == *NAME => (STYLE, "text/css; charset=utf-8"),
        file if file == *SCRIPT_NAME => (SCRIPT, "text/javascript; charset=utf-8"),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut response = text.into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
