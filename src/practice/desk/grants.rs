//! Who acts for a patient, as staff look at it, suspend it, and decide what comes of that (portal design, 2.10 and 3.8
//! scenario 44).

use futures_util::FutureExt;

use super::{Desk, DeskError, StaffMember, Wanted, covered};
use crate::audit::{Act, ActKind};
use crate::authorization::{active_links, current_person};
use crate::base::clock::Instant;
use crate::base::id::{GrantId, OrganizationId, PersonId, StaffTaskId};
use crate::consent::GrantScope;
use crate::gateway::grants_of;
use crate::identity::matching::ChartPatient;
use crate::identity::{Grant, GrantBasis, GrantState, StaffAct, StatusReason};
use crate::mail::{Letter, template};
use crate::organization::SourceKey;
use crate::practice::told;
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{StorageError, Tx, accounts, consent, grants, links};

/// Somebody who acts for a patient here, or did.
#[derive(Clone, Debug)]
pub struct Acting {
    /// The grant.
    pub grant: GrantId,
    /// The name they sign in with.
    pub name: String,
    /// By what right.
    pub basis: GrantBasis,
    /// How it stands.
    pub state: GrantState,
    /// Since when it works.
    pub from: Instant,
    /// Whether the member may suspend it.
    pub may_suspend: bool,
    /// Whether the member may decide what comes of its suspension.
    pub may_settle: bool,
}

/// What comes of a grant that was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It works again.
    Resumed,
    /// It ends.
    Ended(StatusReason),
}

impl Desk {
    /// The one record of that number at the member's own sources, and whose it is.
    pub(super) async fn linked(
        &self,
        member: &StaffMember,
        number: &str,
    ) -> Result<(ChartPatient, PersonId), DeskError> {
        let wanted = Wanted { number: number.to_owned(), family: String::new(), birth_date: String::new() };
        let mut found = self.find(member, &wanted).await?;
        let (Some(only), true) = (found.pop(), found.is_empty()) else {
            return Err(DeskError::Refused("number", "this number is that of no one record".to_owned()));
        };
        let link = links::active_at(&self.db, only.source, &only.patient.id).await?;
        let link = link.ok_or_else(|| DeskError::Refused("number", "nobody has linked this record".to_owned()))?;
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        Ok((only.patient, person))
    }

    /// Who acts for the patient with this record number at the member's practice.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn acting_for(&self, member: &StaffMember, number: &str) -> Result<(String, Vec<Acting>), DeskError> {
        covered(member, StaffAct::SuspendGrant)?;
        let (patient, person) = self.linked(member, number).await?;
        self.acts.record(self.act(ActKind::Staff, member).about(person).by_way_of("grants")).await?;
        let mut acting = Vec::new();
        for grant in grants_of(&self.db, person).await? {
            if !self.is_here(member, &grant, person).await? {
                continue;
            }
            let account = accounts::by_id(&self.db, grant.account).await?;
            let is_open = is_open(&grant, self.clock.now());
            acting.push(Acting {
                grant: grant.id,
                name: account.map_or_else(String::new, |account| account.username.typed().to_owned()),
                basis: grant.basis,
                from: grant.period.from,
                may_suspend: is_open && grant.state == GrantState::Active,
                may_settle: is_open && settles(member, &grant.state),
                state: grant.state,
            });
        }
        Ok((patient.display(), acting))
    }

    /// Suspends a grant: it does nothing until the privacy officer decides. Both sides are told, unless staff wrote down that
    /// telling the patient would harm.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn suspend_grant(&self, member: &StaffMember, id: GrantId) -> Result<(), DeskError> {
        covered(member, StaffAct::SuspendGrant)?;
        let (grant, person) = self.open_grant(member, id).await?;
        if grant.state != GrantState::Active {
            return Err(DeskError::NotFound);
        }
        let (now, reason) = (self.clock.now(), StatusReason::SuspendedPendingReview);
        let state = GrantState::Suspended { at: now, reason, by: Some(member.organization) };
        let task = StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization: member.organization,
            kind: StaffTaskKind::GrantSuspended,
            object: object(id),
            person: Some(person),
            created: now,
        };
        let act = self.grant_act(member, (id, person), ("suspend", reason));
        self.change(&grant, state, act, move |tx| async move { staff_tasks::insert(tx, &task).await }.boxed()).await
    }

    /// Decides what comes of a grant that the member's own practice suspended.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn settle_grant(
        &self,
        member: &StaffMember,
        id: GrantId,
        settlement: Settlement,
    ) -> Result<(), DeskError> {
        covered(member, StaffAct::SettleGrant)?;
        let (grant, person) = self.open_grant(member, id).await?;
        if !settles(member, &grant.state) {
            return Err(DeskError::NotFound);
        }
        let now = self.clock.now();
        let (state, step, reason) = match settlement {
            Settlement::Resumed => (GrantState::Active, "resume", StatusReason::Reactivated),
            Settlement::Ended(reason) if reason.ends() && reason.is_for_staff() => {
                (GrantState::Ended { at: now, reason }, "end", reason)
            }
            Settlement::Ended(_) => return Err(DeskError::Refused("reason", "choose why".to_owned())),
        };
        let (organization, by) = (member.organization, member.account);
        let act = self.grant_act(member, (id, person), (step, reason));
        self.change(&grant, state, act, move |tx| {
            async move {
                let about = (organization, StaffTaskKind::GrantSuspended, object(id));
                staff_tasks::close_about(tx, (about.0, about.1, &about.2), (now, by, reason.as_str())).await
            }
            .boxed()
        })
        .await
    }

    /// A grant that a member of staff may change, and whose record it is for: it goes for their own practice, and they are
    /// neither of the two.
    async fn open_grant(&self, member: &StaffMember, id: GrantId) -> Result<(Grant, PersonId), DeskError> {
        let grant = grants::by_id(&self.db, id).await?.ok_or(DeskError::NotFound)?;
        let person = current_person(&self.db, grant.person).await?.unwrap_or(grant.person);
        if !is_open(&grant, self.clock.now()) || !self.is_here(member, &grant, person).await? {
            return Err(DeskError::NotFound);
        }
        let subject = accounts::by_person(&self.db, person).await?;
        if grant.account == member.account || subject.is_some_and(|subject| subject.id == member.account) {
            let act = self.act(ActKind::Grant, member).by_way_of("suspend").on("Grant", id).refused("own");
            self.acts.record(act).await?;
            return Err(DeskError::Refused("second", "somebody else of the staff must decide this".to_owned()));
        }
        Ok((grant, person))
    }

    /// Whether a grant goes for a chart of the member's own practice.
    async fn is_here(&self, member: &StaffMember, grant: &Grant, person: PersonId) -> Result<bool, StorageError> {
        let own: Vec<SourceKey> = self.sources_of(member).await?.into_iter().map(|source| source.key).collect();
        let scope = consent::scope(&self.db, grant.id).await?.unwrap_or_else(|| GrantScope::of_basis(grant.basis));
        let charts = active_links(&self.db, person).await?;
        let is_covered = |source: SourceKey| own.contains(&source) && scope.covers_source(member.organization, source);
        Ok(charts.iter().any(|chart| is_covered(chart.source)))
    }

    fn grant_act(
        &self,
        member: &StaffMember,
        (id, person): (GrantId, PersonId),
        (step, reason): (&'static str, StatusReason),
    ) -> Act {
        self.act(ActKind::Grant, member).about(person).on("Grant", id).by_way_of(step).under(reason.as_str())
    }

    /// Writes a new state with what goes with it, the entry in the audit trail and the letters, or nothing of it.
    async fn change<F>(&self, grant: &Grant, state: GrantState, act: Act, more: F) -> Result<(), DeskError>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> futures_util::future::BoxFuture<'t, Result<(), StorageError>> + Send + 'static,
    {
        let changed = template::SharingChanged { sign_in: self.outbox.link("/sign-in") };
        let letters: Vec<Letter> = told::both_sides(&self.db, &self.outbox, grant, &changed).await?;
        let (id, before) = (grant.id, grant.state.clone());
        let done = self.acts.write(move |tx| {
            async move {
                // Somebody may have been quicker.
                let now = grants::by_id(&mut *tx, id).await?.filter(|grant| grant.state == before);
                now.ok_or(StorageError::NotFound { table: "grants" })?;
                grants::set_state(tx, id, &state).await?;
                more(&mut *tx).await?;
                for letter in letters {
                    letter.queue(&mut *tx).await?;
                }
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Err(StorageError::NotFound { .. }) => Err(DeskError::NotFound),
            other => Ok(other?),
        }
    }
}

fn object(id: GrantId) -> String {
    format!("Grant/{id}")
}

pub(super) fn is_open(grant: &Grant, now: Instant) -> bool {
    !matches!(grant.state, GrantState::Ended { .. }) && grant.period.until.is_none_or(|until| now < until)
}

/// What a practice suspended, its own privacy officer decides about, and nobody else's.
fn settles(member: &StaffMember, state: &GrantState) -> bool {
    let by_own: Option<OrganizationId> = Some(member.organization);
    member.may(StaffAct::SettleGrant) && matches!(state, GrantState::Suspended { by, .. } if *by == by_own)
}
