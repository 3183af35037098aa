use super::opened::Settings;
use super::{CliError, say};
use crate::config::Brand;
use crate::mapping::ReleasePolicies;
use crate::practice;
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
