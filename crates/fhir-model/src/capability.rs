//! CapabilityStatement of the kind `instance`: what this server can do.

use fhirbolt::model::r4::resources::{
    CapabilityStatement, CapabilityStatementImplementation, CapabilityStatementRest,
    CapabilityStatementRestInteraction, CapabilityStatementRestResource, CapabilityStatementRestResourceInteraction,
    CapabilityStatementRestResourceOperation, CapabilityStatementRestResourceSearchParam,
    CapabilityStatementRestSecurity, CapabilityStatementSoftware,
};
use fhirbolt::model::r4::types::{CodeableConcept, Coding, Extension, ExtensionValue};

use crate::ModelError;

/// SMART App Launch 2.2, "Using the CapabilityStatement": where the OAuth endpoints stand.
const OAUTH_URIS: &str = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
const SECURITY_SERVICE: &str = "http://terminology.hl7.org/CodeSystem/restful-security-service";

/// What a server says of itself. FHIR version (4.0.1), kind (`instance`), status (`active`) and mode (`server`) are
/// fixed.
#[derive(Debug, Clone, Default)]
pub struct CapabilityInput {
    /// When this statement last changed: a FHIR dateTime.
    pub date: String,
    /// The product and its version.
    pub software_name: String,
    /// The product's version.
    pub software_version: String,
    /// The FHIR base URL.
    pub implementation_url: String,
    /// One sentence on this installation.
    pub implementation_description: String,
    /// Formats, as codes or MIME types.
    pub format: Vec<String>,
    /// Canonical URLs of the statements that this one fulfils.
    pub instantiates: Vec<String>,
    /// Canonical URLs of implementation guides, with `|version`.
    pub implementation_guide: Vec<String>,
    /// The OAuth endpoints; without them, no SMART service is announced.
    pub oauth: Option<OauthUris>,
    /// System-level interactions (`batch`, `search-system`).
    pub interactions: Vec<String>,
    /// System-level operations.
    pub operations: Vec<Operation>,
    /// One row for each type served.
    pub resources: Vec<ResourceCapability>,
}

/// The OAuth endpoints, absolute URLs.
#[derive(Debug, Clone, Default)]
pub struct OauthUris {
    /// Authorization endpoint.
    pub authorize: String,
    /// Token endpoint.
    pub token: String,
    /// Introspection endpoint.
    pub introspect: Option<String>,
    /// Revocation endpoint.
    pub revoke: Option<String>,
    /// Dynamic registration endpoint.
    pub register: Option<String>,
    /// Where people manage their apps.
    pub manage: Option<String>,
}

/// What can be done with one resource type.
#[derive(Debug, Clone, Default)]
pub struct ResourceCapability {
    /// The type.
    pub resource_type: String,
    /// Canonical URLs of supported profiles.
    pub supported_profiles: Vec<String>,
    /// Interactions at type and instance level.
    pub interactions: Vec<Interaction>,
    /// `no-version`, `versioned` or `versioned-update`.
    pub versioning: Option<&'static str>,
    /// Whether old versions can be read.
    pub read_history: Option<bool>,
    /// Whether an update may create.
    pub update_create: Option<bool>,
    /// Whether a create may be conditional.
    pub conditional_create: Option<bool>,
    /// `not-supported`, `modified-since`, `not-match` or `full-support`.
    pub conditional_read: Option<&'static str>,
    /// `_include` values.
    pub search_includes: Vec<String>,
    /// `_revinclude` values.
    pub search_rev_includes: Vec<String>,
    /// Search parameters.
    pub search_params: Vec<SearchParamCapability>,
    /// Operations on the type or its instances.
    pub operations: Vec<Operation>,
}

/// An interaction, with a word on it where it needs one.
#[derive(Debug, Clone, Default)]
pub struct Interaction {
    /// A code of the value set `type-restful-interaction`: `read`, `search-type`, …
    pub code: &'static str,
    /// Markdown.
    pub documentation: Option<String>,
}

/// A search parameter.
#[derive(Debug, Clone, Default)]
pub struct SearchParamCapability {
    /// Its name in the URL.
    pub name: String,
    /// A code of the value set `search-param-type`.
    pub kind: String,
    /// Canonical URL of its definition.
    pub definition: Option<String>,
    /// Markdown.
    pub documentation: Option<String>,
}

/// An operation.
#[derive(Debug, Clone, Default)]
pub struct Operation {
    /// Its name, without `$`.
    pub name: String,
    /// Canonical URL of its definition.
    pub definition: String,
}

/// A CapabilityStatement in JSON.
///
/// # Errors
/// The model refuses it: a required element is missing.
pub fn capability_statement(input: &CapabilityInput) -> Result<Vec<u8>, ModelError> {
    let statement = CapabilityStatement {
        status: "active".into(),
        date: input.date.as_str().into(),
        kind: "instance".into(),
        instantiates: all(&input.instantiates),
        software: Some(CapabilityStatementSoftware {
            name: input.software_name.as_str().into(),
            version: Some(input.software_version.as_str().into()),
            ..Default::default()
        }),
        implementation: Some(CapabilityStatementImplementation {
            description: input.implementation_description.as_str().into(),
            url: Some(input.implementation_url.as_str().into()),
            ..Default::default()
        }),
        fhir_version: "4.0.1".into(),
        format: all(&input.format),
        implementation_guide: all(&input.implementation_guide),
        rest: vec![rest(input)],
        ..Default::default()
    };
    let refused = |reason: String| ModelError { resource_type: "CapabilityStatement", reason };
    fhirbolt::json::to_vec(&statement, None).map_err(|error| refused(error.to_string()))
}

fn rest(input: &CapabilityInput) -> CapabilityStatementRest {
    CapabilityStatementRest {
        mode: "server".into(),
        security: Some(security(input.oauth.as_ref())),
        resource: input.resources.iter().map(resource).collect(),
        interaction: input
            .interactions
            .iter()
            .map(|code| CapabilityStatementRestInteraction { code: code.as_str().into(), ..Default::default() })
            .collect(),
        operation: input.operations.iter().map(operation).collect(),
        ..Default::default()
    }
}

fn security(oauth: Option<&OauthUris>) -> CapabilityStatementRestSecurity {
    let smart = || CodeableConcept {
        coding: vec![Coding {
            system: Some(SECURITY_SERVICE.into()),
            code: Some("SMART-on-FHIR".into()),
            ..Default::default()
        }],
        text: Some("OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)".into()),
        ..Default::default()
    };
    CapabilityStatementRestSecurity {
        extension: oauth.map(oauth_uris).into_iter().collect(),
        cors: Some(true.into()),
        service: oauth.map(|_| smart()).into_iter().collect(),
        ..Default::default()
    }
}

fn oauth_uris(uris: &OauthUris) -> Extension {
    let named = [
        ("authorize", Some(&uris.authorize)),
        ("token", Some(&uris.token)),
        ("introspect", uris.introspect.as_ref()),
        ("revoke", uris.revoke.as_ref()),
        ("register", uris.register.as_ref()),
        ("manage", uris.manage.as_ref()),
    ];
    let part = |(name, uri): (&str, Option<&String>)| {
        uri.map(|uri| Extension {
            url: name.to_owned(),
            value: Some(ExtensionValue::Uri(uri.as_str().into())),
            ..Default::default()
        })
    };
    Extension {
        url: OAUTH_URIS.to_owned(),
        extension: named.into_iter().filter_map(part).collect(),
        ..Default::default()
    }
}

fn resource(row: &ResourceCapability) -> CapabilityStatementRestResource {
    CapabilityStatementRestResource {
        r#type: row.resource_type.as_str().into(),
        supported_profile: all(&row.supported_profiles),
        interaction: row
            .interactions
            .iter()
            .map(|interaction| CapabilityStatementRestResourceInteraction {
                code: interaction.code.into(),
                documentation: interaction.documentation.as_deref().map(Into::into),
                ..Default::default()
            })
            .collect(),
        versioning: row.versioning.map(Into::into),
        read_history: row.read_history.map(Into::into),
        update_create: row.update_create.map(Into::into),
        conditional_create: row.conditional_create.map(Into::into),
        conditional_read: row.conditional_read.map(Into::into),
        search_include: all(&row.search_includes),
        search_rev_include: all(&row.search_rev_includes),
        search_param: row.search_params.iter().map(search_param).collect(),
        operation: row.operations.iter().map(operation).collect(),
        ..Default::default()
    }
}

fn search_param(row: &SearchParamCapability) -> CapabilityStatementRestResourceSearchParam {
    CapabilityStatementRestResourceSearchParam {
        name: row.name.as_str().into(),
        definition: row.definition.as_deref().map(Into::into),
        r#type: row.kind.as_str().into(),
        documentation: row.documentation.as_deref().map(Into::into),
        ..Default::default()
    }
}

fn operation(row: &Operation) -> CapabilityStatementRestResourceOperation {
    CapabilityStatementRestResourceOperation {
        name: row.name.as_str().into(),
        definition: row.definition.as_str().into(),
        ..Default::default()
    }
}

/// The model's types are made from text; its own name for each stays out of sight.
fn all<T>(texts: &[String]) -> Vec<T>
where
    T: for<'t> From<&'t str>,
{
    texts.iter().map(|text| T::from(text)).collect()
}
