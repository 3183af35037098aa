use super::opened::Settings;
use super::{CliError, say};
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
        Command::List => {
            for organization in organizations::all(&opened.db).await? {
                say(&format!("{}  {}", organization.id, organization.name))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}
