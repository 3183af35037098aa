//! The control path `/__sandbox/`: faults and the request log over HTTP, beside FHIR and only when switched on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::ehr::Ehr;
use super::faults::Fault;

pub(super) async fn get_faults(State(ehr): State<Arc<Ehr>>) -> Json<Vec<Fault>> {
    Json(ehr.faults.current())
}

pub(super) async fn put_faults(State(ehr): State<Arc<Ehr>>, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    ehr.faults.set(faults);
    StatusCode::NO_CONTENT
}

pub(super) async fn delete_faults(State(ehr): State<Arc<Ehr>>) -> StatusCode {
    ehr.faults.clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn get_requests(State(ehr): State<Arc<Ehr>>) -> Json<Value> {
    let requests = &ehr.requests;
    Json(json!({"fhir": requests.fhir_count(), "token": requests.token_count(), "requests": requests.all()}))
}

pub(super) async fn delete_requests(State(ehr): State<Arc<Ehr>>) -> StatusCode {
    ehr.requests.clear();
    StatusCode::NO_CONTENT
}

/// Takes every access token back, as an EHR does at night.
pub(super) async fn delete_tokens(State(ehr): State<Arc<Ehr>>) -> StatusCode {
    ehr.tokens.revoke_all();
    StatusCode::NO_CONTENT
}
