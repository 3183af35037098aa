//! What an EHR says of itself, and how it answers harmless questions. For operators who connect one.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::errand::Errand;
use super::failure::SourceFailure;
use super::search::{Page, Start, Walk};

/// A CapabilityStatement of every type with every parameter has about two megabytes.
const METADATA_BYTES: usize = 8 * 1024 * 1024;
/// A discovery document is small.
const DISCOVERY_BYTES: usize = 64 * 1024;

/// What `metadata` says.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    /// `fhirVersion`.
    pub fhir_version: Option<String>,
    /// What it calls itself: software, publisher, name, title, implementation.
    pub names: Vec<String>,
    /// Its resource types.
    pub types: Vec<TypeCapabilities>,
}

/// What `metadata` says of one type.
#[derive(Clone, Debug, Default)]
pub struct TypeCapabilities {
    /// The type's name.
    pub name: String,
    /// Interaction codes.
    pub interactions: Vec<String>,
    /// Search parameters.
    pub parameters: Vec<String>,
    /// `searchInclude`.
    pub includes: Vec<String>,
    /// `searchRevInclude`.
    pub revincludes: Vec<String>,
}

/// What `.well-known/smart-configuration` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SmartConfiguration {
    /// Where people sign in.
    pub authorization_endpoint: Option<String>,
    /// Where tokens come from.
    pub token_endpoint: Option<String>,
    /// SMART capabilities.
    pub capabilities: Vec<String>,
    /// PKCE methods.
    pub code_challenge_methods_supported: Vec<String>,
    /// Client authentication.
    pub token_endpoint_auth_methods_supported: Vec<String>,
}

impl Errand {
    /// The first page of a search, read by `read`.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub async fn first_page<T>(
        &self,
        resource_type: &str,
        pairs: &[(String, String)],
        mut read: impl FnMut(Bytes) -> Result<T, SourceFailure>,
    ) -> Result<T, SourceFailure> {
        let walk = Walk { start: Start::First { resource_type, pairs }, seen: &[], spent: 0 };
        let once = |body: Bytes| Ok(Page { content: read(body)?, resources: 0, next: None, wants_next: false });
        let mut walked = self.walk(walk, once).await;
        match (walked.pages.pop(), walked.failure) {
            (Some(page), _) => Ok(page.content),
            (None, failure) => Err(failure.unwrap_or(SourceFailure::Malformed)),
        }
    }
}

impl Client {
    /// Reads `metadata`.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub async fn capabilities(&self) -> Result<Capabilities, SourceFailure> {
        let body = self.connection.open_document(&["metadata"], &self.limits, METADATA_BYTES).await?;
        let statement: Value = serde_json::from_slice(&body).map_err(|_| SourceFailure::Malformed)?;
        if statement.get("resourceType").and_then(Value::as_str) != Some("CapabilityStatement") {
            return Err(SourceFailure::Malformed);
        }
        Ok(capabilities(&statement))
    }

    /// Reads `.well-known/smart-configuration`.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub async fn smart_configuration(&self) -> Result<SmartConfiguration, SourceFailure> {
        let path = [".well-known", "smart-configuration"];
        let body = self.connection.open_document(&path, &self.limits, DISCOVERY_BYTES).await?;
        serde_json::from_slice(&body).map_err(|_| SourceFailure::Malformed)
    }

    /// Pauses between questions, so that a probe is no burden.
    pub async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A name as a terminal may show it: no control characters, and not more than a line.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect()
}

fn capabilities(statement: &Value) -> Capabilities {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let names = [
        statement.pointer("/software/name"),
        statement.get("publisher"),
        statement.get("name"),
        statement.get("title"),
        statement.pointer("/implementation/description"),
    ];
    let list = |value: &Value, name: &str, member: Option<&str>| -> Vec<String> {
        let items = value.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| text(member.map_or(Some(item), |member| item.get(member)))).collect()
    };
    let rest = statement.get("rest").and_then(Value::as_array).into_iter().flatten();
    let server = rest.filter(|rest| rest.get("mode").and_then(Value::as_str) != Some("client"));
    let resources = server.flat_map(|rest| rest.get("resource").and_then(Value::as_array).into_iter().flatten());
    let of_type = |row: &Value| {
        Some(TypeCapabilities {
            name: text(row.get("type"))?,
            interactions: list(row, "interaction", Some("code")),
            parameters: list(row, "searchParam", Some("name")),
            includes: list(row, "searchInclude", None),
            revincludes: list(row, "searchRevInclude", None),
        })
    };
    Capabilities {
        fhir_version: text(statement.get("fhirVersion")).map(|version| plain(&version)),
        names: names.into_iter().filter_map(text).map(|name| plain(&name)).collect(),
        types: resources.filter_map(of_type).collect(),
    }
}
