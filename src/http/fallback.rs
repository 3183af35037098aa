//! What no route has, in the form of the surface it was asked on.

use axum::http::Uri;
use axum::response::Response;

use super::{fhir, pages};

/// Not found: an OperationOutcome below `/fhir`, a page elsewhere.
pub async fn not_found(uri: Uri) -> Response {
    if uri.path() == "/fhir" || uri.path().starts_with("/fhir/") { fhir::not_served() } else { pages::not_found() }
}
