//! create (FHIR R4 `http` §create).

use axum::http::StatusCode;
use axum::http::header;

use super::document::Document;
use super::ehr::Call;
use super::outcome::Answer;
use super::read::represent;

pub(super) fn create(call: &Call<'_>, type_name: &str) -> Result<Answer, Answer> {
    if call.header(header::HeaderName::from_static("if-none-exist")).is_some() {
        return Err(Answer::outcome(StatusCode::PRECONDITION_FAILED, "not-supported", "no conditional create"));
    }
    let mut document = accept(call, type_name)?;
    // The server assigns the id; one that the client sends is ignored (FHIR R4 `http` §create).
    document.set_id(&call.ehr.random.uuid().to_string());
    let stored = call.ehr.store.write().put(document, call.ehr.arrival());
    let location = format!("{}/{}/_history/{}", call.ehr.base, stored.key(), stored.version);
    Ok(represent(&stored, StatusCode::CREATED).with(header::LOCATION, &location))
}

/// The body as a resource of this type.
pub(super) fn accept(call: &Call<'_>, type_name: &str) -> Result<Document, Answer> {
    let refused = |diagnostics: &str| Answer::outcome(StatusCode::BAD_REQUEST, "invalid", diagnostics);
    let content_type = call.header(header::CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !matches!(media_type, "application/fhir+json" | "application/json") {
        let diagnostics = "Content-Type must be application/fhir+json";
        return Err(Answer::outcome(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", diagnostics));
    }
    let document = Document::parse(&call.body).map_err(|error| refused(&error.to_string()))?;
    if document.type_name != type_name {
        return Err(refused("resourceType is not the type of the URL"));
    }
    Ok(document)
}
