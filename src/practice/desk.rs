//! What staff of an organization do: find a patient in their own EHR, write down what they saw, hand out, renew and end
//! codes, decide claims, and close what waits. Each asks for the act first: what a role does not cover is not there.

mod apps;
mod claims;
mod find;
mod grants;
mod issue;
mod links;
mod organization;
mod proxies;
mod reviews;
mod session;
mod tasks;
mod viewers;

use std::fmt;
use std::sync::Arc;

use crate::accounts::CodeHashes;
use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::SharedClock;
use crate::base::id::AccountId;
use crate::base::keys::MasterKey;
use crate::base::random::SharedRandom;
use crate::gateway::Sources;
use crate::identity::{StaffAct, StaffMember, StaffRole};
use crate::mail::Outbox;
use crate::organization::{Organization, Source, SourceKey};
use crate::storage::staff::StaffRow;
use crate::storage::{Db, StorageError, accounts, organizations, sources, staff};

pub use claims::{QueuedClaim, Ruling};
pub use find::{Found, Wanted};
pub use grants::{Acting, Settlement};
pub use issue::{Handed, Issued, NewInvitation, NewProofing, Seen};
pub use links::{Exposed, Exposure, LookedBy, Stopped};
pub use organization::Standing;
pub use proxies::{Approval, QueuedProxy};
pub use reviews::{Review, ToReview};
pub use session::AtWork;
pub use tasks::TaskLine;
pub use viewers::{Viewed, Viewer};

/// The staff side of every organization.
pub struct Desk {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    hashes: CodeHashes,
    sources: Arc<Sources>,
    outbox: Outbox,
    second_factor: bool,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Why staff do not get what they ask for.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No role of theirs covers it.
    #[error("your role does not cover this")]
    NotYours,
    /// Work takes more than a password.
    #[error("work begins with a second factor")]
    NeedsSecondFactor,
    /// It is not there, or belongs to another organization.
    #[error("there is no such thing here")]
    NotFound,
    /// Something that was typed cannot be so: the field, and what is wrong with it.
    #[error("{0}: {1}")]
    Refused(&'static str, String),
    /// The EHR did not answer.
    #[error("the EHR did not answer: try again in a moment")]
    Unreachable,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Desk {
    /// The staff side of this installation.
    #[must_use]
    pub fn new(
        (acts, sources, outbox): (Acts, Arc<Sources>, Outbox),
        master_key: &MasterKey,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        Self {
            db: acts.db().clone(),
            hashes: CodeHashes::new(master_key),
            acts,
            clock,
            random,
            sources,
            outbox,
            second_factor: true,
        }
    }

    /// The same, where work begins with a password alone unless `needed`.
    #[must_use]
    pub const fn with_second_factor(mut self, needed: bool) -> Self {
        self.second_factor = needed;
        self
    }

    /// Where somebody is staff, and as what.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn memberships(&self, account: AccountId) -> Result<Vec<(Organization, StaffMember)>, StorageError> {
        let mut found: Vec<(Organization, StaffMember)> = Vec::new();
        for row in staff::of_account(&self.db, account).await? {
            if let Some((_, member)) = found.iter_mut().find(|(known, _)| known.id == row.organization) {
                member.roles.push(row.role);
            } else if let Some(organization) = organizations::by_id(&self.db, row.organization).await? {
                let member = StaffMember { account, organization: organization.id, roles: vec![row.role] };
                found.push((organization, member));
            }
        }
        Ok(found)
    }

    /// Gives somebody a role at the member's own organization. Nobody gives themselves one.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn appoint(&self, member: &StaffMember, username: &str, role: StaffRole) -> Result<(), DeskError> {
        let account = self.colleague(member, username, role).await?;
        let row = StaffRow { account, organization: member.organization, role, since: self.clock.now() };
        let act = self.act(ActKind::Staff, member).by_way_of("appoint").on("Account", account).under(role.as_str());
        let done = self.acts.write(move |tx| {
            Box::pin(async move {
                staff::insert(tx, &row).await?;
                Ok::<_, StorageError>(((), Some(act)))
            })
        });
        match done.await {
            Err(StorageError::AlreadyTaken(_)) => Err(DeskError::Refused("role", "they have this role".to_owned())),
            other => Ok(other?),
        }
    }

    /// Takes a role away.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn dismiss(&self, member: &StaffMember, username: &str, role: StaffRole) -> Result<(), DeskError> {
        let account = self.colleague(member, username, role).await?;
        let (organization, now) = (member.organization, self.clock.now());
        let act = self.act(ActKind::Staff, member).by_way_of("dismiss").on("Account", account).under(role.as_str());
        let done = self.acts.write(move |tx| {
            Box::pin(async move {
                staff::end(tx, account, organization, role, now).await?;
                Ok::<_, StorageError>(((), Some(act)))
            })
        });
        match done.await {
            Err(StorageError::NotFound { .. }) => Err(DeskError::NotFound),
            other => Ok(other?),
        }
    }

    async fn colleague(&self, member: &StaffMember, username: &str, role: StaffRole) -> Result<AccountId, DeskError> {
        covered(member, StaffAct::EditStaff)?;
        // It reaches beyond the practice, so nobody there gives it.
        if role == StaffRole::Operator {
            return Err(DeskError::NotYours);
        }
        let username = crate::identity::Username::new(username).map_err(|_| DeskError::NotFound)?;
        let account = accounts::by_username(&self.db, &username).await?.filter(crate::identity::Account::is_active);
        match account {
            Some(account) if account.id == member.account => {
                Err(DeskError::Refused("username", "somebody else must change your own roles".to_owned()))
            }
            Some(account) => Ok(account.id),
            None => Err(DeskError::NotFound),
        }
    }

    /// The staff of the member's organization: name to sign in with, and role.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn staff(&self, member: &StaffMember) -> Result<Vec<(String, StaffRole)>, DeskError> {
        covered(member, StaffAct::EditStaff)?;
        let mut found = Vec::new();
        for row in staff::of_organization(&self.db, member.organization).await? {
            let account = accounts::by_id(&self.db, row.account).await?;
            found.push((account.map_or_else(String::new, |a| a.username.typed().to_owned()), row.role));
        }
        Ok(found)
    }

    /// The sources of an organization that are asked.
    async fn sources_of(&self, member: &StaffMember) -> Result<Vec<Source>, StorageError> {
        let mut all = sources::all(&self.db).await?;
        all.retain(|source| source.organization == member.organization && source.state.is_active());
        Ok(all)
    }

    /// One of the organization's own sources.
    async fn own_source(&self, member: &StaffMember, key: &str) -> Result<SourceKey, DeskError> {
        let own = self.sources_of(member).await?;
        own.iter().map(|source| source.key).find(|known| known.as_str() == key).ok_or(DeskError::NotFound)
    }

    fn act(&self, kind: ActKind, member: &StaffMember) -> Act {
        Act::new(kind, self.clock.now(), &*self.random).by(member.account)
    }
}

/// Refuses what no role of the member covers.
fn covered(member: &StaffMember, act: StaffAct) -> Result<(), DeskError> {
    if member.may(act) { Ok(()) } else { Err(DeskError::NotYours) }
}
