//! read and vread (FHIR R4 `http` §read, §vread).

use axum::http::StatusCode;
use axum::http::header;
use bytes::Bytes;

use super::document::Document;
use super::ehr::{Call, Ehr};
use super::outcome::Answer;
use super::store::{Shelves, Stored};

pub(super) fn read(call: &Call<'_>, type_name: &str, id: &str) -> Result<Answer, Answer> {
    let shelves = call.ehr.store.read();
    let stored = shelves.get(type_name, id).ok_or_else(not_found)?;
    refuse_others(call, stored)?;
    if let Some(disguised) = call.hit.wrong_patient()
        && let Some(other) = another_patients(&shelves, stored)
    {
        return Ok(if disguised { disguise(call.ehr, other, id) } else { represent(call.ehr, other, StatusCode::OK) });
    }
    if call.ehr.settings.versioned
        && call.header(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == etag(stored)))
    {
        return Ok(Answer::fhir(StatusCode::NOT_MODIFIED, Bytes::new()).with(header::ETAG, &etag(stored)));
    }
    Ok(native(call, stored).unwrap_or_else(|| represent(call.ehr, stored, StatusCode::OK)))
}

/// What a Binary holds, for whoever does not ask for FHIR (FHIR R4 binary.html §2.39.4).
fn native(call: &Call<'_>, stored: &Stored) -> Option<Answer> {
    let accept = call.header(header::ACCEPT).unwrap_or("*/*");
    if stored.type_name != "Binary" || accept.contains("json") {
        return None;
    }
    let binary = Document::parse(&stored.bytes).ok()?;
    let text = |name: &str| binary.body.get(name).and_then(serde_json::Value::as_str);
    let mut answer = represent(call.ehr, stored, StatusCode::OK);
    answer.body = Bytes::from(data_encoding::BASE64.decode(text("data")?.as_bytes()).ok()?);
    text("contentType")?.clone_into(&mut answer.content_type);
    Some(answer)
}

pub(super) fn vread(call: &Call<'_>, type_name: &str, id: &str, version: &str) -> Result<Answer, Answer> {
    let shelves = call.ehr.store.read();
    let version = version.parse().map_err(|_| not_found())?;
    let stored = shelves.shelf(type_name).and_then(|shelf| shelf.version(id, version)).ok_or_else(not_found)?;
    refuse_others(call, stored)?;
    Ok(represent(call.ehr, stored, StatusCode::OK))
}

/// A patient's token opens nothing of others.
pub(super) fn refuse_others(call: &Call<'_>, stored: &Stored) -> Result<(), Answer> {
    match &call.patient {
        Some(patient) if is_of_others(stored, &[patient.as_str()]) => {
            Err(Answer::outcome(StatusCode::FORBIDDEN, "forbidden", "of another patient"))
        }
        _ => Ok(()),
    }
}

pub(super) fn not_found() -> Answer {
    Answer::outcome(StatusCode::NOT_FOUND, "not-found", "no such resource")
}

/// The resource with its `ETag` and `Last-Modified`.
pub(super) fn represent(ehr: &Ehr, stored: &Stored, status: StatusCode) -> Answer {
    let mut answer = Answer::fhir(status, stored.bytes.clone());
    if ehr.settings.versioned {
        answer = answer.with(header::ETAG, &etag(stored));
    }
    match http_date(&stored.last_updated) {
        Some(date) => answer.with(header::LAST_MODIFIED, &date),
        None => answer,
    }
}

pub(super) fn etag(stored: &Stored) -> String {
    format!("W/\"{}\"", stored.version)
}

/// RFC 9110 §5.6.7; `None` when the instant cannot be read.
fn http_date(instant: &str) -> Option<String> {
    let timestamp: jiff::Timestamp = instant.parse().ok()?;
    Some(timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// A resource of the same type that is about other patients only.
fn another_patients<'a>(shelves: &'a Shelves, asked: &Stored) -> Option<&'a Stored> {
    let patients: Vec<&str> = asked.patients().collect();
    shelves.shelf(&asked.type_name)?.iter().find(|stored| is_of_others(stored, &patients))
}

/// Whether a resource is about somebody, and nobody of `patients`.
pub(super) fn is_of_others(stored: &Stored, patients: &[&str]) -> bool {
    stored.patients().next().is_some() && !stored.patients().any(|patient| patients.contains(&patient))
}

fn disguise(ehr: &Ehr, other: &Stored, id: &str) -> Answer {
    let mut answer = represent(ehr, other, StatusCode::OK);
    if let Ok(mut document) = Document::parse(&other.bytes) {
        document.set_id(id);
        answer.body = Bytes::from(document.to_bytes());
    }
    answer
}
