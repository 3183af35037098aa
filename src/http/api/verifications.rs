//! What staff saw of whoever is signed in: Provenance and VerificationResult.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::Problem;
use super::account::answer;
use super::session::Caller;
use crate::accounts::Accounts;
use crate::identity::Verification;

/// `GET /api/v1/verifications`: a FHIR Bundle (`collection`), both resources of each.
pub(super) async fn list(State(accounts): State<Arc<Accounts>>, Caller(who): Caller) -> Result<Response, Problem> {
    let found = accounts.verifications(&who).await?;
    let both = |one: &Verification| [json!({"resource": one.provenance()}), json!({"resource": one.result()})];
    let entries: Vec<Value> = found.iter().flat_map(both).collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "collection"});
    // FHIR has no empty arrays.
    if let Some(members) = bundle.as_object_mut().filter(|_| !entries.is_empty()) {
        members.insert("entry".to_owned(), Value::Array(entries));
    }
    let mut response = answer(bundle);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
    Ok(response)
}
