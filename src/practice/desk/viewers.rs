//! Who sees what of a patient's record at this organization, for its privacy officer.

use std::sync::Arc;

use super::{Desk, DeskError, StaffMember, covered};
use crate::access::Subject;
use crate::audit::{ActKind, EXPLAINED_ACCESS};
use crate::authorization::{active_links, page_subject};
use crate::base::id::{AccountId, GrantId, PersonId};
use crate::consent::{GrantScope, Right, Standing};
use crate::gateway::grants_of;
use crate::identity::{GrantBasis, GrantState, Period, StaffAct, ViewReason};
use crate::storage::{StorageError, accounts, consent};

/// Somebody who may act for a patient.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The name they sign in with.
    pub name: String,
    /// By what right.
    pub basis: GrantBasis,
    /// How the grant stands, in a word.
    pub state: &'static str,
    /// What their right hangs on.
    pub standing: Standing,
}

/// A patient with everybody who may act for them.
#[derive(Clone, Debug)]
pub struct Viewed {
    /// The patient's name.
    pub patient: String,
    /// The record as the patient sees it at this organization, and nowhere else.
    pub subject: Arc<Subject>,
    /// Who may act for them.
    pub viewers: Vec<Viewer>,
}

impl Desk {
    /// Everybody who may act for the patient with this record number, and first whoever would be `new`, by that right as it is
    /// where nothing more is said. A patient of whom nobody is linked has none. The patient reads in the audit trail
    /// that staff looked, and why.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn viewers(
        &self,
        member: &StaffMember,
        number: &str,
        new: Option<GrantBasis>,
        reason: Option<ViewReason>,
    ) -> Result<Viewed, DeskError> {
        covered(member, StaffAct::ExplainAccess)?;
        let reason = reason.filter(|reason| *reason != ViewReason::Treatment);
        let reason = reason.ok_or_else(|| DeskError::Refused("reason", "say why you look".to_owned()))?;
        let (patient, person) = self.linked(member, number).await?;
        let act = self.act(ActKind::Staff, member).about(person).by_way_of(EXPLAINED_ACCESS).under(reason.as_str());
        self.acts.record(act).await?;
        let own: Vec<_> = self.sources_of(member).await?.into_iter().map(|source| source.key).collect();
        let mut charts = active_links(&self.db, person).await?;
        // What other organizations know of the patient is not this one's to see.
        charts.retain(|chart| own.contains(&chart.source));
        let mut viewers = Vec::new();
        if let Some(basis) = new {
            viewers.push(self.would_be(person, basis).await?);
        }
        for grant in grants_of(&self.db, person).await? {
            let account = accounts::by_id(&self.db, grant.account).await?;
            let mut standing = consent::standing(&self.db, grant.account, person, false).await?;
            standing.rights.retain(|right| right.grant == grant.id);
            let state = match grant.state {
                GrantState::Pending => "waits",
                GrantState::Active => "active",
                GrantState::Suspended { .. } => "suspended",
                GrantState::Ended { .. } => "ended",
            };
            let name = account.map_or_else(String::new, |account| account.username.typed().to_owned());
            viewers.push(Viewer { name, basis: grant.basis, state, standing });
        }
        let subject = page_subject((member.account, person), charts, &*self.random, self.clock.now());
        let subject = subject.ok_or(DeskError::NotFound)?;
        Ok(Viewed { patient: patient.display(), subject: Arc::new(subject), viewers })
    }

    /// Somebody who was not let in yet: what they would see, under all that is laid down about the person.
    async fn would_be(&self, person: PersonId, basis: GrantBasis) -> Result<Viewer, StorageError> {
        let nobody = AccountId::mint(&*self.random);
        let mut standing = consent::standing(&self.db, nobody, person, false).await?;
        standing.rights.push(Right {
            grant: GrantId::mint(&*self.random),
            basis,
            period: Period { from: self.clock.now(), until: None },
            scope: GrantScope::of_basis(basis),
        });
        Ok(Viewer { name: "Somebody new".to_owned(), basis, state: "not let in", standing })
    }
}
