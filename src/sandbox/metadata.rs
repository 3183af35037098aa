//! `metadata`: a CapabilityStatement that says what the server does and no more.

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

use super::ehr::Ehr;
use super::outcome::Answer;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{SearchKind, SearchParameter, TypeFacts};

pub(super) fn capabilities(ehr: &Ehr) -> Answer {
    let shelves = ehr.store.read();
    let mut types: Vec<&str> = ResourceType::ALL.iter().map(|known| known.as_str()).chain(shelves.types()).collect();
    types.sort_unstable();
    types.dedup();
    let resources: Vec<Value> = types.into_iter().map(|type_name| resource(ehr, type_name)).collect();
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

fn resource(ehr: &Ehr, type_name: &str) -> Value {
    let interactions =
        ["read", "vread", "history-instance", "search-type", "create", "update"].map(|code| json!({"code": code}));
    let mut row = json!({
        "type": type_name,
        "interaction": interactions,
        "versioning": if ehr.settings.versioned { "versioned-update" } else { "no-version" },
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": false,
        "conditionalRead": if ehr.settings.versioned { "not-match" } else { "not-supported" },
        "searchParam": [{"name": "_id", "type": "token"}],
    });
    if let (Some(resource_type), Some(members)) = (ResourceType::parse(type_name), row.as_object_mut()) {
        let facts = ehr.knowledge.of(resource_type);
        let parameters: Vec<Value> = facts.parameters.iter().map(search_parameter).collect();
        members.insert("searchParam".to_owned(), Value::Array(parameters));
        let mut insert = |name: &str, values: Vec<String>| {
            // An empty array is not FHIR JSON.
            if !values.is_empty() {
                members.insert(name.to_owned(), json!(values));
            }
        };
        insert("searchInclude", includes(facts));
        insert("searchRevInclude", revincludes(facts));
    }
    row
}

fn search_parameter(parameter: &SearchParameter) -> Value {
    json!({"name": parameter.name, "type": parameter.kind.as_str(), "definition": parameter.definition})
}

fn includes(facts: &TypeFacts) -> Vec<String> {
    let references = facts.parameters.iter().filter(|parameter| parameter.kind == SearchKind::Reference);
    references.map(|parameter| format!("{}:{}", facts.resource_type, parameter.name)).collect()
}

/// Any reference parameter of any type can be followed backwards; named are those that US Core asks for.
fn revincludes(facts: &TypeFacts) -> Vec<String> {
    let mut values: Vec<String> = facts.revincludes.iter().map(|required| required.value.clone()).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn security(token_url: &str) -> Value {
    json!({
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{"url": "token", "valueUri": token_url}],
        }],
        "service": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "SMART-on-FHIR",
        }]}],
    })
}
