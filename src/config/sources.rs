use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Brand, ConfigError};

/// A practice, as the operator's file names it.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationEntry {
    /// Short name within the file, to refer to it.
    pub key: String,
    /// The name people know.
    pub name: String,
    /// The policy of release in `mappings/policy/release.toml`: what its sources with `view = "system"` hold back.
    #[serde(default = "standard")]
    pub release_policy: String,
    /// How it shows itself to people who look for it.
    #[serde(default)]
    pub brand: Brand,
}

fn standard() -> String {
    "standard".to_owned()
}

/// One EHR FHIR endpoint of a practice.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// The `key` of its organization.
    pub organization: String,
    /// The name people know, such as the department or the product.
    pub name: String,
    /// The FHIR base URL, without a trailing slash.
    pub base_url: String,
    /// The vendor profile in `mappings/ehr/`.
    #[serde(default = "generic")]
    pub vendor: String,
    /// How the gateway proves itself.
    #[serde(default)]
    pub authentication: SourceAuthentication,
    /// Whose view the EHR gives: what the patient may see, or everything.
    #[serde(default)]
    pub view: SourceView,
    /// Private address ranges (CIDR) this source may live in; none means public addresses only.
    #[serde(default)]
    pub private_addresses: Vec<String>,
    /// The certificate authorities (PEM, in a file) that alone are trusted for its base URL and token endpoint; none means
    /// those that the system trusts. Read when the source is connected.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn generic() -> String {
    "generic".to_owned()
}

/// How the gateway proves itself to a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SourceAuthentication {
    /// Not at all: for sandboxes.
    #[default]
    None,
    /// SMART backend services: `private_key_jwt` (SMART App Launch 2.2, Backend Services).
    BackendServices {
        /// The client id that the EHR gave out.
        client_id: String,
        /// The EHR's token endpoint.
        token_url: String,
        /// `RS384` or `ES384`.
        algorithm: String,
        /// The private key, PEM, in a file.
        key_file: PathBuf,
        /// The `kid` the EHR knows the key by.
        key_id: String,
        /// Scopes to ask for.
        scope: String,
    },
    /// `client_credentials` with a secret, for EHRs without signed assertions.
    ClientSecret {
        /// The client id that the EHR gave out.
        client_id: String,
        /// The EHR's token endpoint.
        token_url: String,
        /// The secret, in a file.
        secret_file: PathBuf,
        /// How it is sent.
        #[serde(default)]
        method: SecretMethod,
        /// Scopes to ask for.
        scope: String,
    },
    /// Each person signs in at the EHR, and the gateway sees there what that person sees (SMART App Launch 2.2, standalone
    /// launch). The EHR must know `{public_url}/connect/callback/{source key}` as redirect URI.
    PerPatient {
        /// The client id that the EHR gave out.
        client_id: String,
        /// How the gateway proves that it is this client.
        #[serde(default)]
        proof: AppProof,
        /// Scopes to ask for.
        #[serde(default = "patient_scopes")]
        scope: String,
    },
}

/// How a client secret is sent (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretMethod {
    /// In the `Authorization` header.
    #[default]
    Basic,
    /// In the form.
    Post,
}

/// How the gateway proves to an EHR's authorization server which client it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AppProof {
    /// Not at all: a public client, with PKCE alone.
    #[default]
    None,
    /// A secret.
    Secret {
        /// The secret, in a file.
        secret_file: PathBuf,
        /// How it is sent.
        #[serde(default)]
        method: SecretMethod,
    },
    /// `private_key_jwt`.
    Key {
        /// `RS384` or `ES384`.
        algorithm: String,
        /// The private key, PEM, in a file.
        key_file: PathBuf,
        /// The `kid` the EHR knows the key by.
        key_id: String,
    },
}

fn patient_scopes() -> String {
    "launch/patient patient/*.rs offline_access".to_owned()
}

/// Whose view a source gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceView {
    /// What the EHR shows the patient.
    Patient,
    /// Everything, also what waits for release.
    #[default]
    System,
}

pub(super) fn validate(
    organizations: &[OrganizationEntry],
    sources: &[SourceEntry],
    demo: bool,
) -> Result<(), ConfigError> {
    let mut keys = BTreeSet::new();
    for organization in organizations {
        if !keys.insert(organization.key.as_str()) {
            return Err(ConfigError::refused("organization.key", format!("{} stands twice", organization.key)));
        }
        organization.brand.validate("organization.brand")?;
    }
    let mut bases = BTreeSet::new();
    for source in sources {
        if !keys.contains(source.organization.as_str()) {
            return Err(ConfigError::refused(
                "source.organization",
                format!("{} is not the key of an organization", source.organization),
            ));
        }
        source.validate(demo)?;
        if !bases.insert(source.base_url.as_str()) {
            return Err(ConfigError::refused("source.base_url", format!("{} stands twice", source.base_url)));
        }
    }
    Ok(())
}

impl SourceEntry {
    /// Refuses what is unsafe: plain HTTP outside the demo, other algorithms than SMART's.
    ///
    /// # Errors
    /// [`ConfigError::Refused`].
    pub fn validate(&self, demo: bool) -> Result<(), ConfigError> {
        validate_base_url(&self.base_url, demo)?;
        if let Some(range) = self.private_addresses.iter().find(|range| range.parse::<ipnet::IpNet>().is_err()) {
            return Err(ConfigError::refused("source.private_addresses", format!("{range} is not a CIDR range")));
        }
        self.authentication.validate(demo)
    }
}

impl SourceAuthentication {
    fn validate(&self, demo: bool) -> Result<(), ConfigError> {
        let (algorithm, token_url) = match self {
            Self::None => (None, None),
            Self::BackendServices { algorithm, token_url, .. } => (Some(algorithm), Some(token_url)),
            Self::ClientSecret { token_url, .. } => (None, Some(token_url)),
            Self::PerPatient { proof: AppProof::Key { algorithm, .. }, .. } => (Some(algorithm), None),
            Self::PerPatient { .. } => (None, None),
        };
        if algorithm.is_some_and(|algorithm| !matches!(algorithm.as_str(), "RS384" | "ES384")) {
            return Err(ConfigError::refused("source.authentication.algorithm", "must be RS384 or ES384"));
        }
        if let Self::PerPatient { scope, .. } = self
            && !scope.split_whitespace().any(|scope| scope == "launch/patient")
        {
            // Otherwise the EHR does not say whose chart it opens.
            return Err(ConfigError::refused("source.authentication.scope", "must hold launch/patient"));
        }
        if token_url.is_some_and(|url| !url.starts_with("https://")) && !demo {
            return Err(ConfigError::refused("source.authentication.token_url", "must be https"));
        }
        Ok(())
    }
}

fn has_user(url: &url::Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn validate_base_url(base_url: &str, demo: bool) -> Result<(), ConfigError> {
    let refused = |reason: &str| Err(ConfigError::refused("source.base_url", format!("{base_url}: {reason}")));
    let Ok(url) = url::Url::parse(base_url) else { return refused("must be an absolute URL") };
    if base_url.ends_with('/') || url.query().is_some() || url.fragment().is_some() || has_user(&url) {
        return refused("must have no trailing slash, query, fragment or user");
    }
    // References are compared with it text by text: another spelling of the same URL would make every one foreign.
    if url.as_str().trim_end_matches('/') != base_url {
        return refused(&format!("must be spelled {}", url.as_str().trim_end_matches('/')));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if demo => Ok(()),
        _ => refused("must be https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(base_url: &str, private: &str) -> Result<(), ConfigError> {
        SourceEntry {
            organization: "x".to_owned(),
            name: "X".to_owned(),
            base_url: base_url.to_owned(),
            vendor: generic(),
            authentication: SourceAuthentication::None,
            view: SourceView::Patient,
            private_addresses: vec![private.to_owned()],
            ca_file: None,
        }
        .validate(false)
    }

    #[test]
    fn a_base_url_has_one_spelling() {
        for good in ["https://ehr.example/fhir", "https://ehr.example", "https://ehr.example:8443/api/FHIR/R4"] {
            assert!(source(good, "10.0.0.0/8").is_ok(), "{good}");
        }
        for bad in [
            "https://EHR.example/fhir",
            "https://ehr.example:443/fhir",
            "https://ehr.example/a/../fhir",
            "https://ehr.example/fhir/",
            "https://user@ehr.example/fhir",
            "https://:word@ehr.example/fhir",
            "http://ehr.example/fhir",
            "ftp://ehr.example/fhir",
            "ehr.example/fhir",
        ] {
            assert!(source(bad, "10.0.0.0/8").is_err(), "{bad}");
        }
        assert!(source("https://ehr.example/fhir", "ten-net").is_err());
    }
    #[test]
    fn credentials_are_sent_where_they_are_safe_and_say_whose_chart() {
        let token_url = |url: &str| SourceAuthentication::ClientSecret {
            client_id: "gw".to_owned(),
            token_url: url.to_owned(),
            secret_file: "s".into(),
            method: SecretMethod::Basic,
            scope: "system/*.rs".to_owned(),
        };
        assert!(token_url("https://ehr.example/token").validate(false).is_ok());
        assert!(token_url("http://ehr.example/token").validate(false).is_err());
        let own = |scope: &str| SourceAuthentication::PerPatient {
            client_id: "gw".to_owned(),
            proof: AppProof::None,
            scope: scope.to_owned(),
        };
        assert!(own(&patient_scopes()).validate(false).is_ok());
        for scope in ["", "patient/*.rs", "launch/patients patient/*.rs"] {
            assert!(own(scope).validate(true).is_err(), "{scope}");
        }
        let key = AppProof::Key { algorithm: "HS256".to_owned(), key_file: "k".into(), key_id: "1".to_owned() };
        let signed =
            SourceAuthentication::PerPatient { client_id: "gw".to_owned(), proof: key, scope: patient_scopes() };
        assert!(signed.validate(true).is_err());
    }
}
