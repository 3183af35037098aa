//! The end of a link, by whose record it is: in one click, and at once everywhere.

use futures_util::FutureExt;

use super::Accounts;
use crate::audit::ActKind;
use crate::authorization::{SignedIn, active_links, current_person};
use crate::base::id::{LinkId, PersonId, StaffTaskId};
use crate::identity::Link;
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{StorageError, accounts, authorizations, invitations, links, organizations, sources};

/// Why somebody ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnlinkReason {
    /// They do not want it here.
    Unwanted,
    /// It is somebody else's record.
    NotMine,
}

/// A link of one's own, as its page shows it.
#[derive(Clone, Debug)]
pub struct OwnLink {
    /// Its id.
    pub link: LinkId,
    /// Where.
    pub practice: String,
}

impl Accounts {
    /// The practice of a link of the account's own record.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn own_link(&self, session: &SignedIn, id: LinkId) -> Result<Option<OwnLink>, StorageError> {
        let Some((_, link)) = self.found_link(session, id).await? else { return Ok(None) };
        let Some(source) = sources::by_key(&self.db, link.source).await? else { return Ok(None) };
        let organization = organizations::by_id(&self.db, source.organization).await?;
        Ok(Some(OwnLink { link: id, practice: organization.map_or(source.name, |organization| organization.name) }))
    }

    async fn found_link(&self, session: &SignedIn, id: LinkId) -> Result<Option<(PersonId, Link)>, StorageError> {
        let own = accounts::by_id(&self.db, session.account).await?.and_then(|account| account.person);
        let Some(own) = own else { return Ok(None) };
        let Some(person) = current_person(&self.db, own).await? else { return Ok(None) };
        let links = active_links(&self.db, person).await?;
        Ok(links.into_iter().find(|link| link.id == id).map(|link| (person, link)))
    }

    /// Ends a link of the account's own record. One that is somebody else's record also ends everything that apps may do
    /// with this person's, ends open codes for the chart, and tells the practice (portal design, 2.10). False when there
    /// is no such link.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unlink(&self, session: &SignedIn, id: LinkId, why: UnlinkReason) -> Result<bool, StorageError> {
        let Some((person, link)) = self.found_link(session, id).await? else { return Ok(false) };
        let Some(source) = sources::by_key(&self.db, link.source).await? else { return Ok(false) };
        let now = self.clock.now();
        let is_wrong = why == UnlinkReason::NotMine;
        let apps = if is_wrong { authorizations::open_of_person(&self.db, person).await? } else { Vec::new() };
        let task = is_wrong.then(|| StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization: source.organization,
            kind: StaffTaskKind::WrongRecord,
            object: format!("Link/{id}"),
            person: Some(person),
            created: now,
        });
        let account = session.account;
        let reason = if is_wrong { "not-mine" } else { "unwanted" };
        let act = self.new_act(ActKind::Link).by(session.account).about(person).on("Link", id).by_way_of("unlink");
        let act = act.under(reason);
        self.acts
            .write(move |tx| {
                async move {
                    links::end(tx, id, now, reason).await?;
                    if let Some(task) = &task {
                        invitations::end_of_chart(tx, link.source, &link.patient, "revoked", now).await?;
                        for app in &apps {
                            authorizations::revoke(tx, app.id, now).await?;
                        }
                        // Whoever acts for the person must not see what this account links next.
                        accounts::clear_person(tx, account).await?;
                        staff_tasks::insert(tx, task).await?;
                    }
                    Ok((true, Some(act)))
                }
                .boxed()
            })
            .await
    }
}
