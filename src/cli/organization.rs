use super::opened::Settings;
use super::{CliError, say};
use crate::config::Brand;
use crate::mapping::{ConsentPolicies, ReleasePolicies, time_zone};
use crate::practice;
use crate::storage::consent::PolicyChoice;
use crate::storage::organizations;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Enter an organization; one of the same name is kept.
    Add {
        /// The name people know.
        name: String,
        /// Other names people search for.
        #[arg(long)]
        alias: Vec<String>,
    },
    /// Choose what an organization's sources with the full view hold back from patients.
    ReleasePolicy {
        /// The organization's id, as `list` shows it.
        id: String,
        /// A policy in `mappings/policy/release.toml`.
        policy: String,
    },
    /// Choose by which policy an organization decides about proxies, and the time zone it lives in.
    ConsentPolicy {
        /// The organization's id, as `list` shows it.
        id: String,
        /// A policy in `mappings/policy/age-bands.toml`.
        policy: String,
        /// The time zone (IANA), such as `America/New_York`.
        time_zone: String,
    },
    /// Say how an organization shows itself to people who look for it: a TOML file with the fields of
    /// `organization.brand` in the configuration.
    Brand {
        /// The organization's id, as `list` shows it.
        id: String,
        /// The file.
        file: std::path::PathBuf,
    },
    /// List them.
    List,
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    match command {
        Command::Add { name, alias } => {
            let acts = opened.acts().await?;
            let id = practice::connect_organization(&acts, &name, &alias, &opened.clock, &opened.random).await?;
            say(&id.to_string())?;
        }
        Command::ReleasePolicy { id, policy } => {
            let id = id.parse().map_err(|_| format!("{id} is not the id of an organization"))?;
            ReleasePolicies::embedded()?.by_name(&policy)?;
            let acts = opened.acts().await?;
            practice::adopt_release_policy(&acts, id, &policy, (&opened.clock, &opened.random)).await?;
        }
        Command::ConsentPolicy { id, policy, time_zone: zone } => {
            let id = id.parse().map_err(|_| format!("{id} is not the id of an organization"))?;
            ConsentPolicies::embedded()?.by_name(&policy)?;
            time_zone(&zone)?;
            let acts = opened.acts().await?;
            let choice = PolicyChoice { policy, time_zone: zone };
            practice::adopt_consent_policy(&acts, &*opened.random, opened.clock.now(), id, choice).await?;
        }
        Command::Brand { id, file } => {
            let id = id.parse().map_err(|_| format!("{id} is not the id of an organization"))?;
            let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let brand: Brand =
                toml::from_str(&text).map_err(|error| format!("{}: {}", file.display(), error.message()))?;
            brand.validate("brand")?;
            let acts = opened.acts().await?;
            practice::adopt_brand(&acts, id, &brand, (&opened.clock, &opened.random)).await?;
        }
        Command::List => {
            for organization in organizations::all(&opened.db).await? {
                say(&format!("{}  {}", organization.id, organization.name))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}
