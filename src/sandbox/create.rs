//! create (FHIR R4 `http` §create).

use axum::http::StatusCode;
use axum::http::header;
use bytes::Bytes;
use serde_json::json;

use super::document::Document;
use super::ehr::Call;
use super::outcome::Answer;
use super::read::represent;
use crate::fhir::model::{self, ProblemCode};
use crate::fhir::scan::ScanError;

pub(super) async fn create(call: &Call<'_>, type_name: &str) -> Result<Answer, Answer> {
    if call.header(header::HeaderName::from_static("if-none-exist")).is_some() {
        return Err(Answer::outcome(StatusCode::PRECONDITION_FAILED, "not-supported", "no conditional create"));
    }
    let mut document = accept(call, type_name).await?;
    // The server assigns the id; one that the client sends is ignored (FHIR R4 `http` §create).
    document.set_id(&call.ehr.random.uuid().to_string());
    let stored = call.ehr.store.write().put(document, call.ehr.arrival()).map_err(unscannable)?;
    let location = format!("{}/{}/_history/{}", call.ehr.base, stored.key(), stored.version);
    Ok(represent(call.ehr, &stored, StatusCode::CREATED).with(header::LOCATION, &location))
}

pub(super) fn unscannable(error: ScanError) -> Answer {
    Answer::outcome(StatusCode::BAD_REQUEST, "structure", &error.to_string())
}

/// Checks the body of a create or update with the typed model (FHIR R4 `http` §create: 400 or 422 when it is no
/// resource or not a valid one), off the workers because it takes its time.
async fn check(type_name: &str, body: Bytes) -> Result<(), Answer> {
    let allowed = type_name.to_owned();
    let checked = tokio::task::spawn_blocking(move || model::validate(&body, &[&allowed])).await;
    let Ok(checked) = checked else {
        return Err(Answer::outcome(StatusCode::INTERNAL_SERVER_ERROR, "exception", "the check did not end"));
    };
    let problems = match checked {
        Ok(_) => return Ok(()),
        Err(problems) => problems,
    };
    let unreadable = problems.iter().any(|problem| problem.code == ProblemCode::Structure);
    let status = if unreadable { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
    let issues: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({"severity": "error", "code": problem.code.as_str(), "diagnostics": problem.details,
                "expression": [problem.expression]})
        })
        .collect();
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    Err(Answer::fhir(status, Bytes::from(serde_json::to_vec(&outcome).unwrap_or_default())))
}

/// The body as a resource of this type.
pub(super) async fn accept(call: &Call<'_>, type_name: &str) -> Result<Document, Answer> {
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
    check(type_name, call.body.clone()).await?;
    Ok(document)
}
