use std::path::PathBuf;

use super::opened::Settings;
use super::{CliError, say};
use crate::config::{SourceAuthentication, SourceEntry, SourceView};
use crate::practice;
use crate::storage::sources;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Connect an EHR endpoint; one with the same base URL is brought up to date.
    Add(Box<Add>),
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
    /// SMART backend services: the client id at the EHR.
    #[arg(long, requires_all = ["token_url", "key_file", "key_id"])]
    client_id: Option<String>,
    /// The EHR's token endpoint.
    #[arg(long)]
    token_url: Option<String>,
    /// The file with the private key (PEM).
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The key's `kid`.
    #[arg(long)]
    key_id: Option<String>,
    /// RS384 or ES384.
    #[arg(long, value_parser = ["RS384", "ES384"], default_value = "RS384")]
    algorithm: String,
    /// Scopes to ask the EHR for.
    #[arg(long, default_value = "system/*.rs")]
    scope: String,
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    match command {
        Command::Add(add) => {
            let name = add.organization.clone();
            let entry = add.entry();
            // The same rules as for the configuration file.
            entry.validate(opened.config.demo)?;
            let acts = opened.acts().await?;
            let organization = practice::connect_organization(&acts, &name, &[], &opened.clock, &opened.random).await?;
            let key = practice::connect_source(&acts, organization, &entry, &opened.clock, &opened.random).await?;
            say(key.as_str())?;
        }
        Command::List => {
            for source in sources::all(&opened.db).await? {
                say(&format!("{}  {}  {}", source.key, source.name, source.base_url))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}

impl Add {
    fn entry(self) -> SourceEntry {
        let authentication = match (self.client_id, self.token_url, self.key_file, self.key_id) {
            (Some(client_id), Some(token_url), Some(key_file), Some(key_id)) => SourceAuthentication::BackendServices {
                client_id,
                token_url,
                algorithm: self.algorithm,
                key_file,
                key_id,
                scope: self.scope,
            },
            _ => SourceAuthentication::None,
        };
        SourceEntry {
            organization: self.organization,
            name: self.name,
            base_url: self.base_url,
            vendor: self.vendor,
            authentication,
            view: if self.view == "patient" { SourceView::Patient } else { SourceView::System },
            private_addresses: self.private_address,
        }
    }
}
