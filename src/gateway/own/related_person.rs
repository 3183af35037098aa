//! Who acts for a person.

use serde_json::Value;

use crate::base::id::{AccountId, PersonId};
use crate::consent::exchange::related_person;
use crate::gateway::Gateway;
use crate::identity::Grant;
use crate::storage::{StorageError, accounts, consent};

impl Gateway {
    /// A RelatedPerson for each grant to act for a person, or for those of one holder. Active while the grant is in force.
    pub(super) async fn related_persons(
        &self,
        person: PersonId,
        holder: Option<AccountId>,
    ) -> Result<Vec<Value>, StorageError> {
        let mut all = Vec::new();
        for grant in self.grants_of(person).await? {
            if holder.is_none_or(|holder| holder == grant.account) {
                let name = accounts::by_id(&self.db, grant.account).await?.map(|a| a.username.typed().to_owned());
                let is_active = self.is_in_force(person, &grant).await?;
                all.push(related_person(&grant, person, name.as_deref(), is_active));
            }
        }
        Ok(all)
    }

    async fn is_in_force(&self, person: PersonId, grant: &Grant) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let standing = consent::standing(&self.db, grant.account, person, false).await?;
        let right = standing.rights.iter().find(|right| right.grant == grant.id);
        Ok(grant.is_active(now) && right.is_some_and(|right| standing.lets_act(right, now).is_ok()))
    }
}
