use super::opened::{Opened, Settings};
use super::{CliError, say};
use crate::base::id::{AccountId, OrganizationId};
use crate::identity::{StaffRole, Username};
use crate::practice;
use crate::storage::{accounts, staff};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Give an account a role at an organization: front-desk, proxy-registrar, clinician, privacy-officer, support,
    /// administrator; operator, who registers apps for all practices.
    Add {
        /// The name that the account signs in with.
        username: String,
        /// The organization.
        organization: OrganizationId,
        /// The role.
        role: String,
    },
    /// Take a role away: what was begun by it ends at once.
    Remove {
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
            let (username, row) = row(&opened, &username, organization, &role).await?;
            practice::appoint(&opened.acts().await?, &*opened.random, opened.clock.now(), row).await?;
            say(&format!("{} {}", username.typed(), row.2.as_str()))?;
        }
        Command::Remove { username, organization, role } => {
            let (_, row) = row(&opened, &username, organization, &role).await?;
            practice::dismiss(&opened.acts().await?, &*opened.random, opened.clock.now(), row).await?;
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

/// What a role is given or taken by, as it was typed.
async fn row(
    opened: &Opened,
    username: &str,
    organization: OrganizationId,
    role: &str,
) -> Result<(Username, (AccountId, OrganizationId, StaffRole)), CliError> {
    let role = StaffRole::parse(role).ok_or_else(|| format!("{role} is not a role"))?;
    let username = Username::new(username)?;
    let account = accounts::by_username(&opened.db, &username).await?.ok_or("there is no such account")?;
    Ok((username, (account.id, organization, role)))
}
