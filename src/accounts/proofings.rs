//! What staff saw of whoever has the account, for their own eyes.

use super::Accounts;
use crate::authorization::{SignedIn, active_links, current_person};
use crate::identity::Verification;
use crate::storage::{StorageError, accounts, organizations, proofings};

impl Accounts {
    /// The proofings by which the charts of the account's own record were linked, the newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn verifications(&self, who: &SignedIn) -> Result<Vec<Verification>, StorageError> {
        let own = accounts::by_id(&self.db, who.account).await?.and_then(|account| account.person);
        let Some(own) = own else { return Ok(Vec::new()) };
        let Some(person) = current_person(&self.db, own).await? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for link in active_links(&self.db, person).await? {
            for proofing in proofings::of_link(&self.db, &link).await? {
                let organization = organizations::by_id(&self.db, proofing.organization).await?;
                let holds = self.clock.now() < proofing.valid_until()
                    && link.demographics.as_ref().is_none_or(|known| *known == proofing.demographics);
                let organization = organization.map_or_else(String::new, |organization| organization.name);
                found.push(Verification { proofing, person, link: link.id, organization, holds });
            }
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.proofing.recorded));
        Ok(found)
    }
}
