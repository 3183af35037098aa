//! Configuration: a TOML file, then environment variables `CHARTGATE_{SECTION}_{FIELD}` over it.
//!
//! Secrets are never in it: it names files that hold them. `docs/config.schema.json` is its schema.

mod brand;
mod cache;
mod identity_providers;
mod limits;
mod log;
mod mail;
mod oauth;
mod server;
mod sources;
mod storage;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use brand::{Brand, BrandIdentifier};
pub use cache::{Cache, Freshness};
pub use identity_providers::IdentityProvider;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use mail::{Mail, SmtpSecurity};
pub use oauth::{Oauth, RegistrationPolicy};
pub use server::{Server, Tls};
pub use sources::{AppProof, OrganizationEntry, SecretMethod, SourceAuthentication, SourceEntry, SourceView};
pub use storage::Storage;

/// The whole configuration of one gateway.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Tables that say what local codes mean, of the form of `mappings/terminology/`.
    pub terminology_files: Vec<PathBuf>,
    /// Addresses and URLs.
    pub server: Server,
    /// The database and the master key.
    pub storage: Storage,
    /// Lifetimes of codes, tokens and sessions.
    pub oauth: Oauth,
    /// What one request may cost.
    pub limits: Limits,
    /// Answers of sources that are kept.
    pub cache: Cache,
    /// Log lines.
    pub log: Log,
    /// E-mail.
    pub mail: Mail,
    /// Practices.
    #[serde(rename = "organization")]
    pub organizations: Vec<OrganizationEntry>,
    /// Their EHR endpoints.
    #[serde(rename = "source")]
    pub sources: Vec<SourceEntry>,
    /// Where else people can sign in.
    #[serde(rename = "identity_provider")]
    pub identity_providers: Vec<IdentityProvider>,
    /// Set by `chartgate demo` alone, never by a file or the environment: allows loopback without TLS.
    #[serde(skip)]
    pub demo: bool,
}

/// A configuration that cannot be used, in one line that names the setting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or a field that does not exist.
    #[error("configuration: {0}")]
    Malformed(String),
    /// A value that must not be.
    #[error("{setting}: {reason}")]
    Refused {
        /// The setting, `section.field`.
        setting: String,
        /// Why it is refused.
        reason: String,
    },
}

impl ConfigError {
    pub(crate) fn refused(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { setting: setting.into(), reason: reason.into() }
    }
}

impl Config {
    /// The JSON schema of the configuration file.
    ///
    /// # Errors
    /// [`ConfigError::Malformed`] if the schema cannot be written, a fault of ours.
    pub fn schema() -> Result<String, ConfigError> {
        serde_json::to_string_pretty(&schemars::schema_for!(Self))
            .map_err(|error| ConfigError::Malformed(error.to_string()))
    }

    /// Reads the file (if any), lays the environment over it, and validates the result. `demo` allows loopback without
    /// TLS; only a command can ask for it.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        demo: bool,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?
                .parse::<toml::Table>()
                .map_err(|error| ConfigError::Malformed(error.message().to_owned()))?,
            None => toml::Table::new(),
        };
        overlay(&mut table, environment)?;
        let mut config: Self = table.try_into().map_err(|error| ConfigError::Malformed(error.message().to_owned()))?;
        config.demo = demo;
        config.validate()?;
        Ok(config)
    }

    /// Whether apps register themselves.
    #[must_use]
    pub fn registration(&self) -> RegistrationPolicy {
        let usual = if self.demo { RegistrationPolicy::Open } else { RegistrationPolicy::Closed };
        self.oauth.registration.unwrap_or(usual)
    }

    /// Whether staff begin work only with more than a password.
    #[must_use]
    pub fn staff_second_factor(&self) -> bool {
        self.oauth.staff_second_factor.unwrap_or(!self.demo)
    }

    /// Refuses settings that are unsafe or contradict each other.
    ///
    /// # Errors
    /// [`ConfigError::Refused`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.server.validate(self.demo)?;
        self.storage.validate()?;
        self.oauth.validate()?;
        self.limits.validate()?;
        self.cache.validate()?;
        self.mail.validate()?;
        // While a document is passed on, its source may pause for all of its time, and then nothing is written either.
        if self.server.idle_seconds.saturating_mul(1_000) <= self.limits.document_deadline_ms {
            return Err(ConfigError::refused(
                "server.idle_seconds",
                "must be longer than limits.document_deadline_ms: documents of slow sources would be cut off",
            ));
        }
        identity_providers::validate(&self.identity_providers, self.demo)?;
        sources::validate(&self.organizations, &self.sources, self.demo)
    }
}

/// Lays `CHARTGATE_{SECTION}_{FIELD}` over the file. A value is read as TOML if it is that, else as text.
fn overlay(table: &mut toml::Table, environment: impl Iterator<Item = (String, String)>) -> Result<(), ConfigError> {
    const SECTIONS: [&str; 7] = ["server", "storage", "oauth", "limits", "cache", "log", "mail"];
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix("CHARTGATE_") else { continue };
        let rest = rest.to_ascii_lowercase();
        let Some((section, field)) = SECTIONS.iter().find_map(|s| Some((*s, rest.strip_prefix(s)?.strip_prefix('_')?)))
        else {
            continue;
        };
        let parsed = format!("v = {value}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut t| t.remove("v"))
            .unwrap_or(toml::Value::String(value));
        let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        entry
            .as_table_mut()
            .ok_or_else(|| ConfigError::refused(section, "must be a table"))?
            .insert(field.to_owned(), parsed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chartgate.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())), false)
    }

    const GOOD: &str = "[server]\npublic_url = \"https://gateway.example\"\ntrusted_proxies = [\"127.0.0.1\"]\n";

    #[test]
    fn environment_goes_over_the_file() {
        let config = load(GOOD, &[("CHARTGATE_LIMITS_MAX_COUNT", "77"), ("CHARTGATE_STORAGE_URL", "sqlite:/x.db")]);
        let config = config.unwrap();
        assert_eq!(config.limits.max_count, 77);
        assert_eq!(config.storage.url, "sqlite:/x.db");
    }

    #[test]
    fn unknown_fields_are_refused_by_name() {
        let error = load(&format!("{GOOD}tls_off = true\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("tls_off"), "{error}");
    }

    #[test]
    fn s14_unsafe_settings_are_refused_outside_demo() {
        for (text, setting) in [
            ("[server]\npublic_url = \"http://gateway.example\"\n", "server.public_url"),
            ("[server]\npublic_url = \"https://gateway.example/x?y\"\n", "server.public_url"),
            ("[server]\npublic_url = \"https://gateway.example\"\n", "server.trusted_proxies"),
            (
                "[server]\npublic_url=\"https://g.example\"\ntrusted_proxies=[\"127.0.0.1\"]\n\
                 operations_listen=\"0.0.0.0:9090\"\n",
                "server.operations_listen",
            ),
        ] {
            let error = load(text, &[]).unwrap_err().to_string();
            assert!(error.starts_with(setting), "{setting}: {error}");
        }
    }

    #[test]
    fn a_document_may_take_all_of_its_time_before_its_connection_counts_as_idle() {
        for (idle, document, is_good) in
            [(75, 60_000, true), (61, 60_000, true), (60, 60_000, false), (60, 59_999, true)]
        {
            let text = format!("{GOOD}idle_seconds = {idle}\n[limits]\ndocument_deadline_ms = {document}\n");
            let loaded = load(&text, &[]);
            assert_eq!(loaded.is_ok(), is_good, "{idle} {document}");
            if let Err(error) = loaded {
                assert!(error.to_string().starts_with("server.idle_seconds: "), "{error}");
            }
        }
        assert!(load(&format!("{GOOD}idle_seconds = 30\n"), &[]).is_err(), "against the default as well");
    }

    #[test]
    fn the_committed_schema_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(committed.trim_end(), Config::schema().unwrap(), "run: chartgate schema > docs/config.schema.json");
    }

    #[test]
    fn demo_cannot_be_set_from_outside() {
        assert!(load(&format!("demo = true\n{GOOD}"), &[]).is_err());
    }

    #[test]
    fn a_source_on_plain_http_is_refused_outside_demo() {
        let text = format!(
            "{GOOD}[[organization]]\nkey=\"riverside\"\nname=\"R\"\n[[source]]\norganization=\"riverside\"\n\
             name=\"EHR\"\nbase_url=\"http://ehr.example/fhir\"\n"
        );
        let error = load(&text, &[]).unwrap_err().to_string();
        assert!(error.contains("base_url"), "{error}");
    }
}
