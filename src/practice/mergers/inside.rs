//! The writes: all that follows from one change happens in one, as the links, codes and leave stand in that moment.

use std::collections::{BTreeMap, BTreeSet};

use super::{Absorbed, CLOSED, MergerError, scopes};
use crate::audit::{Act, ActKind};
use crate::base::clock::Instant;
use crate::base::id::{OrganizationId, PersonId, StaffTaskId};
use crate::base::random::SharedRandom;
use crate::consent::Succession;
use crate::identity::{Link, LinkState, PersonState, StatusReason};
use crate::mail::{Outbox, template};
use crate::organization::{Mapping, Organization, OrganizationState, SourceKey};
use crate::storage::mergers::{self, Merger};
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{
    StorageError, Tx, accounts, claims, consent, contacts, invitations, links, organizations, persons, proxy_requests,
    sources, staff,
};

/// What a write needs beside the database.
pub(super) struct Inside {
    pub(super) random: SharedRandom,
    pub(super) outbox: Outbox,
    pub(super) now: Instant,
}

impl Inside {
    pub(super) async fn absorb(
        &self,
        tx: &mut Tx,
        (from, into): (OrganizationId, OrganizationId),
        mapping: &Mapping,
    ) -> Result<Absorbed, MergerError> {
        let all = sources::all(&mut *tx).await?;
        let owner = |key| all.iter().find(|source| source.key == key).map(|source| source.organization);
        if owner(mapping.from) != Some(from) || owner(mapping.into) != Some(into) {
            return Err(MergerError::OtherSources);
        }
        let merger = Merger {
            source: mapping.from,
            into: mapping.into,
            from_organization: from,
            into_organization: into,
            effective: self.now,
        };
        mergers::insert(&mut *tx, &merger, mapping).await?;
        organizations::set_state(tx, from, OrganizationState::Absorbed { at: self.now, by: into }).await?;
        let own: BTreeSet<SourceKey> =
            all.iter().filter(|source| source.organization == from).map(|source| source.key).collect();
        // Before anything is the other's: leave is read as it stands.
        let taken_over = (mapping.from, mapping.into);
        let what = Succession::Absorbed { from, sources: own.clone(), into, taken_over };
        let leave = scopes::succeed(tx, &what).await?;
        sources::hand_over(tx, from, into).await?;
        invitations::hand_over(tx, from, into).await?;
        proxy_requests::hand_over(tx, from, into).await?;
        claims::hand_over(tx, from, into).await?;
        staff_tasks::hand_over(tx, from, into).await?;
        staff::end_all(tx, from, self.now).await?;
        let mut there = Vec::new();
        for key in own {
            there.extend(links::active_at_source(&mut *tx, key).await?);
        }
        let (to_move, rest): (Vec<Link>, Vec<Link>) =
            there.into_iter().partition(|link| link.source == mapping.from && mapping.rows.contains_key(&link.patient));
        for link in rest.iter().filter(|link| link.source == mapping.from) {
            staff_tasks::insert(&mut *tx, &self.task(link, into, StaffTaskKind::Reconfirm)).await?;
        }
        self.tell(tx, to_move.iter().chain(&rest)).await?;
        let to_reconfirm = rest.iter().filter(|link| link.source == mapping.from).count();
        Ok(Absorbed { to_move: to_move.len(), to_reconfirm, leave, changes: Vec::new() })
    }

    pub(super) async fn split(
        &self,
        tx: &mut Tx,
        from: OrganizationId,
        (source, new): (SourceKey, &Organization),
    ) -> Result<(), MergerError> {
        organizations::insert(&mut *tx, new).await?;
        if let Some(choice) = consent::policy(&mut *tx, from).await? {
            consent::set_policy(tx, new.id, &choice).await?;
        }
        scopes::succeed(tx, &Succession::Split { from, source, into: new.id }).await?;
        sources::hand_over_one(tx, source, new.id).await?;
        invitations::hand_over_of_source(tx, source, new.id).await?;
        proxy_requests::hand_over_of_source(tx, source, new.id).await?;
        claims::hand_over_of_source(tx, source, new.id).await?;
        staff_tasks::hand_over_of_source(tx, source, new.id).await?;
        let there = links::active_at_source(&mut *tx, source).await?;
        Ok(self.tell(tx, there.iter()).await?)
    }

    /// What is to be recorded of each link.
    pub(super) async fn close(&self, tx: &mut Tx, id: OrganizationId) -> Result<Vec<Act>, MergerError> {
        organizations::set_state(tx, id, OrganizationState::Closed { at: self.now }).await?;
        let own: Vec<_> =
            sources::all(&mut *tx).await?.into_iter().filter(|source| source.organization == id).collect();
        let (mut there, mut acts) = (Vec::new(), Vec::new());
        for source in &own {
            there.extend(links::active_at_source(&mut *tx, source.key).await?);
        }
        for link in &there {
            let frozen = LinkState::Frozen { at: self.now, reason: CLOSED.to_owned() };
            links::set_state(tx, link.id, &frozen).await?;
            let act = Act::new(ActKind::Link, self.now, &*self.random).about(link.person).on("Link", link.id);
            acts.push(act.by_way_of("freeze").under(CLOSED));
        }
        for source in own.iter().filter(|source| source.state.is_active()) {
            sources::retire(tx, source.id, self.now).await?;
        }
        invitations::end_of_organization(tx, id, self.now).await?;
        proxy_requests::end_of_organization(tx, id, self.now, StatusReason::PracticeClosed).await?;
        claims::end_of_organization(tx, id, self.now).await?;
        staff_tasks::end_of_organization(tx, id, self.now, CLOSED).await?;
        staff::end_all(tx, id, self.now).await?;
        self.tell(tx, there.iter()).await?;
        Ok(acts)
    }

    /// A link leads to the record that its own became, or ends where another of the same person does already.
    pub(super) async fn bring(
        &self,
        tx: &mut Tx,
        link: &Link,
        (source, patient): (SourceKey, &str),
        is_there: bool,
    ) -> Result<(), StorageError> {
        let organization = sources::by_key(&mut *tx, source).await?.map(|source| source.organization);
        let organization = organization.ok_or(StorageError::NotFound { table: "sources" })?;
        let (old, new) = ((link.source, link.patient.as_str()), (source, patient));
        let person = current(tx, link.person).await?;
        let is_lost = scopes::follow(tx, person, (organization, link.source, source), is_there).await?;
        let is_ended = scopes::end_limited_codes(tx, old, self.now).await?;
        invitations::move_chart(tx, old, new).await?;
        proxy_requests::move_chart(tx, old, new).await?;
        claims::move_chart(tx, old, new).await?;
        if is_there {
            links::end(tx, link.id, self.now, "merged").await?;
        } else {
            links::bring_to(tx, link.id, new, self.now).await?;
        }
        if is_lost || is_ended {
            staff_tasks::insert(tx, &self.task(link, organization, StaffTaskKind::ReconfirmProxy)).await?;
        }
        Ok(())
    }

    pub(super) fn task(&self, link: &Link, organization: OrganizationId, kind: StaffTaskKind) -> StaffTask {
        StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization,
            kind,
            object: format!("Link/{}", link.id),
            person: Some(link.person),
            created: self.now,
        }
    }

    /// One notice for each account whose own record is concerned. It says that there is something new, and no name: names of
    /// practices tell what they treat.
    async fn tell(&self, tx: &mut Tx, there: impl Iterator<Item = &Link>) -> Result<(), StorageError> {
        let mut told = BTreeSet::new();
        let mut currents: BTreeMap<PersonId, PersonId> = BTreeMap::new();
        for link in there {
            let person = match currents.get(&link.person) {
                Some(known) => *known,
                None => current(tx, link.person).await?,
            };
            currents.insert(link.person, person);
            let Some(account) = accounts::by_person(&mut *tx, person).await? else { continue };
            if !told.insert(account.id) {
                continue;
            }
            let language = accounts::language(&mut *tx, account.id).await?;
            for known in contacts::of_account(&mut *tx, account.id).await? {
                if known.verified.is_some() && self.outbox.reaches(known.contact.kind()) {
                    let news = template::News { sign_in: self.outbox.link("/sign-in") };
                    self.outbox.letter(&known.contact, language, &news).queue(&mut *tx).await?;
                }
            }
        }
        Ok(())
    }
}

/// The person that `id` stands for now, as this write sees it.
async fn current(tx: &mut Tx, id: PersonId) -> Result<PersonId, StorageError> {
    let person = persons::by_id(tx, id).await?;
    Ok(person.map_or(id, |person| match person.state {
        PersonState::Current => person.id,
        PersonState::MergedInto { person, .. } => person,
    }))
}
