use super::opened::Settings;
use super::{CliError, say};
use crate::base::id::OrganizationId;
use crate::identity::{StaffRole, Username};
use crate::practice;
use crate::storage::{accounts, staff};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Give an account a role at an organization: front-desk, proxy-registrar, clinician, privacy-officer, support,
    /// administrator.
    Add {
        /// The name that the account signs in with.
        username: String,
        /// The organization.
        organization: OrganizationId,
        /// The role.
        role: String,
    },
    /// Who works for an organization, and as what.
    List {
        /// The organization.
        organization: OrganizationId,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    match command {
        Command::Add { username, organization, role } => {
            let role = StaffRole::parse(&role).ok_or_else(|| format!("{role} is not a role"))?;
            let username = Username::new(&username)?;
            let account = accounts::by_username(&opened.db, &username).await?.ok_or("there is no such account")?;
            let acts = opened.acts().await?;
            practice::appoint(&acts, &*opened.random, opened.clock.now(), (account.id, organization, role)).await?;
            say(&format!("{} {}", username.typed(), role.as_str()))?;
        }
        Command::List { organization } => {
            for row in staff::of_organization(&opened.db, organization).await? {
                let account = accounts::by_id(&opened.db, row.account).await?;
                let name = account.map_or_else(String::new, |account| account.username.typed().to_owned());
                say(&format!("{name} {}", row.role.as_str()))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}
