use std::path::PathBuf;
use std::sync::Arc;

use super::opened::Settings;
use super::{CliError, say};
use crate::accounts::redirect_uri;
use crate::base::clock::SystemClock;
use crate::base::random::SystemRandom;
use crate::base::secret::Secret;
use crate::config::{AppProof, Limits, SecretMethod, SourceAuthentication, SourceEntry, SourceView};
use crate::fhir::knowledge::Knowledge;
use crate::mapping::VendorProfiles;
use crate::practice;
use crate::storage::sources;
use crate::upstream::{Client, Connection, Credential};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Connect an EHR endpoint; one with the same base URL is brought up to date.
    Add(Box<Add>),
    /// Ask an EHR what it can do and how it answers, and propose a vendor profile. Nothing is stored or written.
    Probe(Probe),
    /// List them.
    List,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// The organization's name; it is entered if it is new.
    #[arg(long)]
    organization: String,
    /// The name people know.
    #[arg(long)]
    name: String,
    /// The FHIR base URL, without a trailing slash.
    #[arg(long)]
    base_url: String,
    /// The vendor profile.
    #[arg(long, default_value = "generic")]
    vendor: String,
    /// What the EHR shows: what the patient may see, or everything.
    #[arg(long, value_parser = ["patient", "system"], default_value = "system")]
    view: String,
    /// A private address range (CIDR) the endpoint lives in.
    #[arg(long)]
    private_address: Vec<String>,
    /// A file with the certificate authorities (PEM) that alone are trusted for the endpoint.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// The client id at the EHR: for SMART backend services with a key or a secret, or for people's own sign-ins.
    #[arg(long)]
    client_id: Option<String>,
    /// Each person signs in at the EHR and connects their own chart; without a key or a secret as a public client.
    #[arg(long, requires = "client_id")]
    per_patient: bool,
    /// The file with the client secret.
    #[arg(long, requires = "client_id", conflicts_with = "key_file")]
    secret_file: Option<PathBuf>,
    /// How the secret is sent.
    #[arg(long, value_parser = ["basic", "post"], default_value = "basic")]
    secret_method: String,
    /// The EHR's token endpoint.
    #[arg(long)]
    token_url: Option<String>,
    /// The file with the private key (PEM).
    #[arg(long, requires_all = ["client_id", "key_id"])]
    key_file: Option<PathBuf>,
    /// The key's `kid`.
    #[arg(long)]
    key_id: Option<String>,
    /// RS384 or ES384.
    #[arg(long, value_parser = ["RS384", "ES384"], default_value = "RS384")]
    algorithm: String,
    /// Scopes to ask the EHR for; what the way of signing in needs unless named.
    #[arg(long)]
    scope: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Probe {
    /// The FHIR base URL, without a trailing slash.
    base_url: String,
    /// A test patient's id at the EHR: each type is searched for that patient's data.
    #[arg(long)]
    patient: Option<String>,
    /// A file with an access token, for EHRs that answer nothing without.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// A private address range (CIDR) the endpoint lives in.
    #[arg(long)]
    private_address: Vec<String>,
    /// A file with the certificate authorities (PEM) that alone are trusted for the endpoint.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    if let Command::Probe(probe) = command {
        return probe.run().await;
    }
    let opened = settings.open().await?;
    match command {
        Command::Add(add) => {
            let name = add.organization.clone();
            let entry = add.entry()?;
            // The same rules as for the configuration file.
            entry.validate(opened.config.demo)?;
            let acts = opened.acts().await?;
            let organization = practice::connect_organization(&acts, &name, &[], &opened.clock, &opened.random).await?;
            let key = practice::connect_source(&acts, organization, &entry, &opened.clock, &opened.random).await?;
            say(key.as_str())?;
            if matches!(entry.authentication, SourceAuthentication::PerPatient { .. }) {
                let uri = redirect_uri(&opened.config.server.public_url, key);
                say(&format!("redirect URI to register at the EHR: {uri}"))?;
            }
        }
        Command::Probe(_) => {}
        Command::List => {
            for source in sources::all(&opened.db).await? {
                say(&format!("{}  {}  {}", source.key, source.name, source.base_url))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}

impl Probe {
    async fn run(self) -> Result<(), CliError> {
        let credential = match &self.token_file {
            // The same rule as for a source that is connected.
            Some(_) if !self.base_url.starts_with("https://") && self.private_address.is_empty() => {
                return Err("a token is sent over https only".into());
            }
            Some(file) => Credential::Token(Secret::new(std::fs::read_to_string(file)?.trim().to_owned())),
            None => Credential::None,
        };
        let connection = Connection::new(&self.base_url, &self.private_address, credential)?;
        let connection = connection.trusting(self.ca_file.as_deref())?;
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom::default()));
        let client = Arc::new(Client::new(connection, Limits::default(), clock, random));
        let (knowledge, vendors) = (Knowledge::embedded()?, VendorProfiles::embedded()?);
        let report = practice::probe(knowledge, &vendors, &client, self.patient.as_deref()).await?;
        say(&if self.json { serde_json::to_string_pretty(&report)? } else { report.to_text() })
    }
}

impl Add {
    fn entry(self) -> Result<SourceEntry, CliError> {
        let authentication = self.authentication()?;
        Ok(SourceEntry {
            organization: self.organization,
            name: self.name,
            base_url: self.base_url,
            vendor: self.vendor,
            authentication,
            view: if self.view == "patient" { SourceView::Patient } else { SourceView::System },
            private_addresses: self.private_address,
            ca_file: self.ca_file,
        })
    }

    fn authentication(&self) -> Result<SourceAuthentication, CliError> {
        let Some(client_id) = self.client_id.clone() else { return Ok(SourceAuthentication::None) };
        let method = if self.secret_method == "post" { SecretMethod::Post } else { SecretMethod::Basic };
        let key = self.key_file.clone().zip(self.key_id.clone());
        let scope = |usual: &str| self.scope.clone().unwrap_or_else(|| usual.to_owned());
        if self.per_patient {
            let proof = match (key, self.secret_file.clone()) {
                (Some((key_file, key_id)), _) => AppProof::Key { algorithm: self.algorithm.clone(), key_file, key_id },
                (None, Some(secret_file)) => AppProof::Secret { secret_file, method },
                (None, None) => AppProof::None,
            };
            let scope = scope("launch/patient patient/*.rs offline_access");
            return Ok(SourceAuthentication::PerPatient { client_id, proof, scope });
        }
        let token_url = self.token_url.clone().ok_or("--client-id needs --token-url, or --per-patient")?;
        let scope = scope("system/*.rs");
        match (key, self.secret_file.clone()) {
            (Some((key_file, key_id)), _) => {
                let algorithm = self.algorithm.clone();
                Ok(SourceAuthentication::BackendServices { client_id, token_url, algorithm, key_file, key_id, scope })
            }
            (None, Some(secret_file)) => {
                Ok(SourceAuthentication::ClientSecret { client_id, token_url, secret_file, method, scope })
            }
            (None, None) => Err("--client-id needs --key-file with --key-id, or --secret-file".into()),
        }
    }
}
