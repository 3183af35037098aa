//! What an account can reach: its persons and where their charts are.

use super::Accounts;
use crate::authorization::{active_links, person_name, reachable};
use crate::base::id::{AccountId, PersonId};
use crate::identity::GrantBasis;
use crate::storage::{StorageError, accounts, organizations, sources};

/// A person that an account may act for.
#[derive(Clone, Debug)]
pub struct PersonOverview {
    /// The person as it stands now, merges followed.
    pub person: PersonId,
    /// The name, as the first chart wrote it when it was linked.
    pub name: Option<String>,
    /// By what right, for anybody else than the account's holder.
    pub basis: Option<GrantBasis>,
    /// The practices with a chart of the person, by name.
    pub sources: Vec<String>,
}

/// What an account can reach.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The name it signs in with.
    pub username: String,
    /// The holder first, then everybody by whose grant the account may act.
    pub persons: Vec<PersonOverview>,
}

impl Accounts {
    /// What an account can reach; `None` when it is not open.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn overview(&self, account: AccountId) -> Result<Option<Overview>, StorageError> {
        let Some(account) = accounts::by_id(&self.db, account).await?.filter(|a| a.is_active()) else {
            return Ok(None);
        };
        let reachable = reachable(&self.db, account.id, account.person, self.clock.now()).await?;
        let mut persons = Vec::with_capacity(reachable.len());
        for (person, basis, _) in reachable {
            let links = active_links(&self.db, person).await?;
            let mut names = Vec::new();
            for link in &links {
                let Some(source) = sources::by_key(&self.db, link.source).await? else { continue };
                let organization = organizations::by_id(&self.db, source.organization).await?;
                let name = organization.map_or(source.name, |organization| organization.name);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            persons.push(PersonOverview { person, name: person_name(&links), basis, sources: names });
        }
        Ok(Some(Overview { username: account.username.typed().to_owned(), persons }))
    }
}
