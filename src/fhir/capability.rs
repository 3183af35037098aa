//! What the gateway says of itself: the CapabilityStatement, made from the same tables that it works with.

use super::ResourceType;
use super::knowledge::{AuthorizationKind, Edge, Knowledge};
use super::model::{
    CapabilityInput, InteractionCapability, ModelError, OauthUris, Operation, ResourceCapability,
    SearchParamCapability, capability_statement,
};

/// The canonical URL of US Core 6.1.0's server requirements.
const US_CORE_SERVER: &str = "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server|6.1.0";

/// Interactions that a source may lack.
const VERSIONS: [&str; 2] = ["vread", "history-instance"];

/// The CapabilityStatement of a gateway whose FHIR base is `base_url`.
///
/// # Errors
/// When the typed model refuses it: a fault of ours.
pub fn statement(knowledge: &Knowledge, base_url: &str, oauth: OauthUris) -> Result<Vec<u8>, ModelError> {
    let served = ResourceType::ALL.iter().filter(|kind| is_served(knowledge, **kind));
    capability_statement(&CapabilityInput {
        // The day on which what is said here last changed.
        date: "2026-11-22".to_owned(),
        software_name: "Chartgate".to_owned(),
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        implementation_url: base_url.to_owned(),
        implementation_description: "One record per person, joined from several practices".to_owned(),
        format: vec!["application/fhir+json".to_owned(), "json".to_owned()],
        instantiates: vec![US_CORE_SERVER.to_owned()],
        oauth: Some(oauth),
        interactions: vec!["batch".to_owned()],
        resources: served.map(|kind| resource(knowledge, *kind)).collect(),
        ..CapabilityInput::default()
    })
}

fn is_served(knowledge: &Knowledge, resource_type: ResourceType) -> bool {
    !matches!(knowledge.of(resource_type).authorization, AuthorizationKind::Refused)
}

fn operations(resource_type: ResourceType) -> Vec<Operation> {
    let (name, definition) = match resource_type {
        ResourceType::Patient => ("everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything"),
        ResourceType::DocumentReference => ("docref", "http://hl7.org/fhir/us/core/OperationDefinition/docref"),
        _ => return Vec::new(),
    };
    vec![Operation { name: name.to_owned(), definition: definition.to_owned() }]
}

fn resource(knowledge: &Knowledge, resource_type: ResourceType) -> ResourceCapability {
    let facts = knowledge.of(resource_type);
    let interaction = |code| InteractionCapability {
        code,
        documentation: VERSIONS.contains(&code).then(|| "As far as the practice's EHR keeps versions".to_owned()),
    };
    let is_searched = resource_type != ResourceType::Binary;
    // What Chartgate itself keeps is shown as it is now.
    let has_versions = is_searched && facts.authorization != AuthorizationKind::Own;
    let parameters = facts.parameters.iter().filter(|_| is_searched).map(|parameter| SearchParamCapability {
        name: parameter.name.clone(),
        kind: parameter.kind.as_str().to_owned(),
        definition: (!parameter.definition.is_empty()).then(|| parameter.definition.clone()),
        documentation: None,
    });
    ResourceCapability {
        resource_type: resource_type.to_string(),
        supported_profiles: facts.profiles.clone(),
        interactions: ["read", "vread", "history-instance", "search-type"]
            .into_iter()
            .filter(|code| *code == "read" || if VERSIONS.contains(code) { has_versions } else { is_searched })
            .map(interaction)
            .collect(),
        operations: operations(resource_type),
        versioning: Some(if has_versions { "versioned" } else { "no-version" }),
        conditional_read: Some("full-support"),
        search_includes: facts.followed.iter().map(Edge::to_text).collect(),
        search_rev_includes: facts.followed_back.iter().map(Edge::to_text).collect(),
        search_params: parameters.collect(),
        ..ResourceCapability::default()
    }
}
