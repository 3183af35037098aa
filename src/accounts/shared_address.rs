//! A minor who names an address that somebody else reads: what is written to them must not be read by a parent (portal design,
//! 3.8 scenario 20). Nobody gets it a second time; staff of the minor's practices hear of it.

use std::collections::BTreeSet;

use super::Accounts;
use super::claims::is_minor;
use crate::authorization::{active_links, current_person};
use crate::base::id::{AccountId, StaffTaskId};
use crate::identity::{Contact, ContactKind};
use crate::storage::staff_tasks::{StaffTask, StaffTaskKind};
use crate::storage::{StorageError, accounts, contacts, sources};

impl Accounts {
    /// What staff find when an account enters an address later on. Nothing of one that is nobody's yet, and of those of age.
    pub(super) async fn of_shared_address(
        &self,
        account: AccountId,
        contact: &Contact,
    ) -> Result<Vec<StaffTask>, StorageError> {
        let holder = match contact.kind() {
            ContactKind::Email => contacts::by_email(&self.db, contact).await?,
            ContactKind::Phone => None,
        };
        let own = accounts::by_id(&self.db, account).await?.and_then(|account| account.person);
        let (Some(_), Some(own)) = (holder.filter(|holder| holder.account != account), own) else {
            return Ok(Vec::new());
        };
        let now = self.clock.now();
        let person = current_person(&self.db, own).await?.unwrap_or(own);
        let links = active_links(&self.db, person).await?;
        let mut births = links.iter().filter_map(|link| link.demographics.as_ref()).map(|known| &known.birth_date);
        if !births.any(|born| is_minor(born, now)) {
            return Ok(Vec::new());
        }
        let mut organizations = BTreeSet::new();
        for link in &links {
            organizations.extend(sources::by_key(&self.db, link.source).await?.map(|source| source.organization));
        }
        let task = |organization| StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization,
            kind: StaffTaskKind::ContactShared,
            object: format!("Person/{person}"),
            person: Some(person),
            created: now,
        };
        Ok(organizations.into_iter().map(task).collect())
    }
}
