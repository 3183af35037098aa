//! update (FHIR R4 `http` §update), also as create with an id that the client chose.

use axum::http::StatusCode;
use axum::http::header;

use super::create::{accept, unscannable};
use super::ehr::Call;
use super::outcome::Answer;
use super::read::{etag, represent};

pub(super) async fn update(call: &Call<'_>, type_name: &str, id: &str) -> Result<Answer, Answer> {
    let document = accept(call, type_name).await?;
    if document.id() != Some(id) {
        return Err(Answer::outcome(StatusCode::BAD_REQUEST, "invalid", "the body's id is not the id of the URL"));
    }
    let mut shelves = call.ehr.store.write();
    let present = shelves.get(type_name, id);
    if let Some(wanted) = call.header(header::IF_MATCH)
        && present.map(etag).as_deref() != Some(wanted.trim())
    {
        return Err(Answer::outcome(StatusCode::PRECONDITION_FAILED, "conflict", "another version is current"));
    }
    let status = if present.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let stored = shelves.put(document, call.ehr.arrival()).map_err(unscannable)?;
    let location = format!("{}/{}/_history/{}", call.ehr.base, stored.key(), stored.version);
    Ok(represent(call.ehr, &stored, status).with(header::LOCATION, &location))
}
