//! history of an instance (FHIR R4 `http` §history), on one page.

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

use super::ehr::Call;
use super::outcome::Answer;
use super::read::{etag, not_found, refuse_others};
use super::store::{Shelf, Stored};

pub(super) fn history(call: &Call<'_>, type_name: &str, id: &str) -> Result<Answer, Answer> {
    let shelves = call.ehr.store.read();
    let versions = shelves.shelf(type_name).map(|shelf| Shelf::versions(shelf, id)).unwrap_or_default();
    if versions.is_empty() {
        return Err(not_found());
    }
    versions.iter().try_for_each(|stored| refuse_others(call, stored))?;
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "history",
        "total": versions.len(),
        "link": [{"relation": "self", "url": format!("{}/{type_name}/{id}/_history", call.ehr.base)}],
        "entry": versions.iter().map(|stored| entry(&call.ehr.base, stored)).collect::<Vec<Value>>(),
    });
    Ok(Answer::fhir(StatusCode::OK, Bytes::from(serde_json::to_vec(&bundle).unwrap_or_default())))
}

fn entry(base: &str, stored: &Stored) -> Value {
    json!({
        "fullUrl": format!("{base}/{}", stored.key()),
        "resource": serde_json::from_slice::<Value>(&stored.bytes).unwrap_or_default(),
        "request": {"method": "PUT", "url": stored.key()},
        "response": {"status": "200", "etag": etag(stored), "lastModified": stored.last_updated},
    })
}
