//! The icon, at the place where browsers look for one without being told.

use axum::response::IntoResponse;
use http::header;

const ICON: &str = include_str!("../../../static/icon.svg");

/// `GET /favicon.ico`. Browsers go by the content type, not by the name.
pub(super) async fn get() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, ICON)
}
