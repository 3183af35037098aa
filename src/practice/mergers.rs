//! Organizations change: one takes a new name, becomes part of another, is divided, or closes (portal design, 2.9). Accounts,
//! persons and links are their people's, and stay.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::access::Identification;
use crate::accounts::is_one_human;
use crate::audit::{Act, ActKind, Acts};
use crate::authorization::current_person;
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{AccountId, LinkId, OrganizationId, StaffTaskId};
use crate::base::random::SharedRandom;
use crate::gateway::Sources;
use crate::identity::matching::same_family_name;
use crate::identity::{Link, LinkState};
use crate::mail::{Letter, Outbox, template};
use crate::organization::{Mapping, Organization, OrganizationState, SourceKey};
use crate::storage::mergers::{self, Merger};
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{Db, StorageError, accounts, claims, contacts, invitations, links, organizations, sources, staff};
use crate::upstream::SourceFailure;

/// Links that one look takes at most.
const STRETCH: i64 = 100;
/// A record that could not be asked for is asked for again after this.
const SOON: Duration = Duration::from_secs(600);

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum MergerError {
    /// One of the organizations is not there or not open any more, or both are one.
    #[error("there is no such open organization")]
    NoOrganization,
    /// The sources of the mapping are not those of the two organizations.
    #[error("the mapping is of other sources")]
    OtherSources,
    /// The source was taken over before.
    #[error("this source was taken over before")]
    Before,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What organizations become, and what that does to links.
pub struct Mergers {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    outbox: Outbox,
}

impl fmt::Debug for Mergers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mergers").finish_non_exhaustive()
    }
}

/// What became of an absorption so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Links with a row in the mapping: looked at one by one from now on.
    pub to_move: usize,
    /// Links without one: their people must come to the desk.
    pub to_reconfirm: usize,
}

impl Mergers {
    /// The mergers of this installation.
    #[must_use]
    pub fn new(acts: Acts, outbox: Outbox, clock: SharedClock, random: SharedRandom) -> Self {
        Self { db: acts.db().clone(), acts, clock, random, outbox }
    }

    async fn open(&self, id: OrganizationId) -> Result<Organization, MergerError> {
        let found = organizations::by_id(&self.db, id).await?;
        found.filter(|known| known.state == OrganizationState::Active).ok_or(MergerError::NoOrganization)
    }

    /// A new name; the old one is found as well from now on.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn rename(&self, id: OrganizationId, name: &str, by: Option<AccountId>) -> Result<(), MergerError> {
        if self.open(id).await?.name == name {
            return Ok(());
        }
        let (now, name) = (self.clock.now(), name.to_owned());
        let act = self.act("rename", id).by(by).under(if by.is_some() { "staff" } else { "operator" });
        let done = self.acts.write(move |tx| {
            async move {
                organizations::rename(tx, id, &name, now).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        Ok(done.await?)
    }

    /// One organization becomes part of another, whose EHR has its records under the ids of the mapping. What waited for the
    /// one waits for the other; its staff have to be appointed anew. Links with a row are held against the new record, one by
    /// one, and lead there if it is about the same human; those without go on at the old source for as long as that answers,
    /// and the desk is told.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn absorb(
        &self,
        from: OrganizationId,
        into: OrganizationId,
        mapping: Mapping,
    ) -> Result<Absorbed, MergerError> {
        let (from, into) = (self.open(from).await?.id, self.open(into).await?.id);
        if from == into {
            return Err(MergerError::NoOrganization);
        }
        let owner = async |key| sources::by_key(&self.db, key).await.map(|source| source.map(|one| one.organization));
        if owner(mapping.from).await? != Some(from) || owner(mapping.into).await? != Some(into) {
            return Err(MergerError::OtherSources);
        }
        let now = self.clock.now();
        let there = links::active_at_source(&self.db, mapping.from).await?;
        let (to_move, rest): (Vec<Link>, Vec<Link>) =
            there.into_iter().partition(|link| mapping.rows.contains_key(&link.patient));
        let tasks: Vec<StaffTask> = rest.iter().map(|link| self.reconfirm(link, into, now)).collect();
        let letters = self.letters(to_move.iter().chain(&rest)).await?;
        let report = Absorbed { to_move: to_move.len(), to_reconfirm: rest.len() };
        let merger = Merger {
            source: mapping.from,
            into: mapping.into,
            from_organization: from,
            into_organization: into,
            effective: now,
        };
        let act = self.act("absorb", from).under(&format!("into {into}"));
        let done = self.acts.write(move |tx| {
            async move {
                mergers::insert(tx, &merger, &mapping).await?;
                organizations::set_state(tx, from, OrganizationState::Absorbed { at: now, by: into }).await?;
                sources::hand_over(tx, from, into).await?;
                invitations::hand_over(tx, from, into).await?;
                claims::hand_over(tx, from, into).await?;
                staff_tasks::hand_over(tx, from, into).await?;
                staff::end_all(tx, from, now).await?;
                for task in &tasks {
                    staff_tasks::insert(tx, task).await?;
                }
                queue(tx, letters).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        match done.await {
            Ok(()) => Ok(report),
            Err(StorageError::AlreadyTaken(_)) => Err(MergerError::Before),
            Err(error) => Err(error.into()),
        }
    }

    /// A source goes to an organization of its own: links to it, and codes and what waits for it, go along.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn split(&self, source: SourceKey, name: &str) -> Result<OrganizationId, MergerError> {
        let known = sources::by_key(&self.db, source).await?.ok_or(MergerError::OtherSources)?;
        let old = self.open(known.organization).await?;
        let now = self.clock.now();
        let id = OrganizationId::mint(&*self.random);
        let new = Organization {
            id,
            name: name.to_owned(),
            alias: Vec::new(),
            former_names: vec![old.name.clone()],
            brand: crate::config::Brand::default(),
            created: now,
            changed: None,
            ..old
        };
        let there = links::active_at_source(&self.db, source).await?;
        let letters = self.letters(there.iter()).await?;
        let act = self.act("split", old.id).under(&format!("into {id}"));
        let done = self.acts.write(move |tx| {
            async move {
                organizations::insert(tx, &new).await?;
                sources::hand_over_one(tx, source, id).await?;
                invitations::hand_over_of_source(tx, source, id).await?;
                queue(tx, letters).await?;
                Ok::<_, StorageError>((id, Some(act)))
            }
            .boxed()
        });
        Ok(done.await?)
    }

    /// An organization closes: its sources are asked no more, links to them are frozen, codes end, nobody works there.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn close(&self, id: OrganizationId) -> Result<(), MergerError> {
        self.open(id).await?;
        let now = self.clock.now();
        let own: Vec<_> =
            sources::all(&self.db).await?.into_iter().filter(|source| source.organization == id).collect();
        let mut there = Vec::new();
        for source in &own {
            there.extend(links::active_at_source(&self.db, source.key).await?);
        }
        let letters = self.letters(there.iter()).await?;
        let act = self.act("close", id);
        let done = self.acts.write(move |tx| {
            async move {
                organizations::set_state(tx, id, OrganizationState::Closed { at: now }).await?;
                for link in &there {
                    let frozen = LinkState::Frozen { at: now, reason: "organization-closed".to_owned() };
                    links::set_state(tx, link.id, &frozen).await?;
                    invitations::end_of_chart(tx, link.source, &link.patient, "revoked", now).await?;
                }
                for source in own.iter().filter(|source| source.state.is_active()) {
                    sources::retire(tx, source.id, now).await?;
                }
                invitations::end_of_organization(tx, id, now).await?;
                staff::end_all(tx, id, now).await?;
                queue(tx, letters).await?;
                Ok::<_, StorageError>(((), Some(act)))
            }
            .boxed()
        });
        Ok(done.await?)
    }

    fn reconfirm(&self, link: &Link, organization: OrganizationId, created: Instant) -> StaffTask {
        StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization,
            kind: StaffTaskKind::Reconfirm,
            object: format!("Link/{}", link.id),
            person: Some(link.person),
            created,
        }
    }

    /// One notice for each account whose own record is concerned. It says that there is something new, and no name: names of
    /// practices tell what they treat.
    async fn letters<'l>(&self, there: impl Iterator<Item = &'l Link>) -> Result<Vec<Letter>, StorageError> {
        let mut told = std::collections::BTreeSet::new();
        let mut letters = Vec::new();
        for link in there {
            let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
            let Some(account) = accounts::by_person(&self.db, person).await? else { continue };
            if !told.insert(account.id) {
                continue;
            }
            let language = accounts::language(&self.db, account.id).await?;
            for known in contacts::of_account(&self.db, account.id).await? {
                if known.verified.is_some() && self.outbox.reaches(known.contact.kind()) {
                    let news = template::News { sign_in: self.outbox.link("/sign-in") };
                    letters.push(self.outbox.letter(&known.contact, language, &news));
                }
            }
        }
        Ok(letters)
    }

    fn act(&self, how: &str, id: OrganizationId) -> Act {
        let act = Act::new(ActKind::Organization, self.clock.now(), &*self.random).by_way_of(how);
        act.on("Organization", id).under("operator")
    }

    /// Looks at links that are to lead to new records, and says at how many. One that does not answer waits.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn run_once(&self, sources: &Arc<Sources>) -> Result<usize, StorageError> {
        let now = self.clock.now();
        let waiting = mergers::waiting(&self.db, now.minus(SOON), STRETCH).await?;
        for (link, source, patient) in &waiting {
            if let Err(error) = self.follow(sources, *link, (*source, patient), now).await {
                tracing::warn!(%error, "a link was not brought to its new record");
            }
        }
        Ok(waiting.len())
    }

    async fn follow(
        &self,
        all: &Arc<Sources>,
        id: LinkId,
        (source, patient): (SourceKey, &str),
        now: Instant,
    ) -> Result<(), StorageError> {
        let Some(link) = links::by_id(&self.db, id).await?.filter(|link| link.state.is_active()) else { return Ok(()) };
        let leave = Identification::for_link(source);
        let chart = match all.chart_patient(&leave, source, patient).await {
            Ok(chart) => chart,
            Err(SourceFailure::NotFound) => return self.refuse(&link, "no-such-record", now).await,
            Err(_) => {
                let write = self
                    .db
                    .write(move |tx| async move { mergers::tried(tx, link.source, &link.patient, now).await }.boxed());
                return write.await;
            }
        };
        // Birth date, given name and family name, as the portal design has it: an id that slipped by one row is somebody else.
        let fits = link.demographics.as_ref().is_some_and(|known| {
            chart.demographics().is_some_and(|new| is_one_human(&new, known))
                && chart.names.iter().any(|name| same_family_name(&known.family, &name.family))
        });
        if !fits || !chart.is_active() || chart.is_deceased || chart.replaced_by.is_some() {
            return self.refuse(&link, "another-human", now).await;
        }
        match links::active_at(&self.db, source, patient).await? {
            Some(other)
                if current_person(&self.db, other.person).await? != current_person(&self.db, link.person).await? =>
            {
                self.refuse(&link, "taken", now).await
            }
            other => self.bring(link, (source, patient.to_owned()), other.is_some(), now).await,
        }
    }

    /// The link leads to the new record, or ends where another of the same person does already.
    async fn bring(
        &self,
        link: Link,
        (source, patient): (SourceKey, String),
        is_there: bool,
        now: Instant,
    ) -> Result<(), StorageError> {
        let act = Act::new(ActKind::Link, now, &*self.random).about(link.person).on("Link", link.id);
        let act = act.by_way_of("absorbed").under("mapping");
        self.acts
            .write(move |tx| {
                async move {
                    invitations::move_chart(tx, (link.source, &link.patient), (source, &patient)).await?;
                    if is_there {
                        links::end(tx, link.id, now, "merged").await?;
                    } else {
                        links::bring_to(tx, link.id, (source, &patient), now).await?;
                    }
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// The mapping is wrong about this record: the link stays where it is, and the desk is told.
    async fn refuse(&self, link: &Link, reason: &'static str, now: Instant) -> Result<(), StorageError> {
        let Some(merger) = mergers::by_source(&self.db, link.source).await? else { return Ok(()) };
        let task = self.reconfirm(link, merger.into_organization, now);
        let act = Act::new(ActKind::Link, now, &*self.random).about(link.person).on("Link", link.id);
        let (act, link) = (act.by_way_of("absorbed").refused(reason), link.clone());
        self.acts
            .write(move |tx| {
                async move {
                    mergers::refuse(tx, link.source, &link.patient, reason).await?;
                    staff_tasks::insert(tx, &task).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }
}

async fn queue(tx: &mut crate::storage::Tx, letters: Vec<Letter>) -> Result<(), StorageError> {
    for letter in letters {
        letter.queue(&mut *tx).await?;
    }
    Ok(())
}
