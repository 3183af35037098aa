//! `metadata`: a CapabilityStatement that says what the server does and no more.

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

use super::ehr::Ehr;
use super::outcome::Answer;
use crate::fhir::ResourceType;

pub(super) fn capabilities(ehr: &Ehr) -> Answer {
    let shelves = ehr.store.read();
    let mut types: Vec<&str> = ResourceType::ALL.iter().map(|known| known.as_str()).chain(shelves.types()).collect();
    types.sort_unstable();
    types.dedup();
    let resources: Vec<Value> = types.into_iter().map(resource).collect();
    let mut rest = json!({"mode": "server", "resource": resources});
    if ehr.settings.require_authentication
        && let Some(members) = rest.as_object_mut()
    {
        members.insert("security".to_owned(), security(&ehr.settings.token_url()));
    }
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": ehr.clock.now().to_fhir(),
        "kind": "instance",
        "software": {"name": "Chartgate sandbox EHR", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "A sandbox with made-up data", "url": ehr.base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [rest],
    });
    Answer::fhir(StatusCode::OK, Bytes::from(serde_json::to_vec(&statement).unwrap_or_default()))
}

fn resource(type_name: &str) -> Value {
    let interactions = ["read", "vread", "search-type", "create", "update"].map(|code| json!({"code": code}));
    json!({
        "type": type_name,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalRead": "not-match",
        "searchParam": [{"name": "_id", "type": "token"}],
    })
}

fn security(token_url: &str) -> Value {
    json!({
        "service": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "SMART-on-FHIR",
        }]}],
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{"url": "token", "valueUri": token_url}],
        }],
    })
}
