//! Links are held against the charts that they lead to: charts are merged, given to somebody else, or end, and nobody may
//! see another's because of it (portal design, 2.10).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use crate::access::Identification;
use crate::accounts::{is_one_human, letters_to};
use crate::audit::{Act, ActKind, Acts};
use crate::authorization::current_person;
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{OrganizationId, StaffTaskId};
use crate::base::random::SharedRandom;
use crate::gateway::Sources;
use crate::identity::matching::{ChartPatient, same_family_name};
use crate::identity::{Demographics, Link, LinkState};
use crate::mail::{Letter, Outbox, template};
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{Db, StorageError, accounts, invitations, links, sources};
use crate::upstream::SourceFailure;

/// A merge is followed from one record to the next so often at most.
const MOST_HOPS: usize = 5;
/// Links that one look takes at most.
const STRETCH: i64 = 100;
/// A chart that could not be asked is asked again after this.
const SOON: Duration = Duration::from_secs(600);
/// A link is held against its chart once in this time.
const EVERY: Duration = Duration::from_secs(6 * 3_600);

/// Holds links against their charts.
pub struct ChartCheck {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    sources: Arc<Sources>,
    outbox: Outbox,
}

impl fmt::Debug for ChartCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChartCheck").finish_non_exhaustive()
    }
}

/// What a look at a chart shows.
enum Finding {
    /// It is about whom it was.
    Same,
    /// It could not be asked, or may not be.
    Unknown,
    /// It became another record, which is about the same human.
    Moved(String),
    /// It became a record that does not fit: nobody can tell whose data that holds now.
    Mixed(String),
    /// No data may flow: why, for staff.
    Freeze(StaffTaskKind),
    /// The patient died: staff are told, the owner's proxies see no more.
    Died,
}

impl ChartCheck {
    /// The check on this database.
    #[must_use]
    pub fn new(
        (acts, sources, outbox): (Acts, Arc<Sources>, Outbox),
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        Self { db: acts.db().clone(), acts, clock, random, sources, outbox }
    }

    /// Looks at the links whose turn it is, and says at how many.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn run_once(&self) -> Result<usize, StorageError> {
        let now = self.clock.now();
        let due = links::unchecked(&self.db, now.minus(EVERY), STRETCH).await?;
        for link in &due {
            // What went wrong with one must not keep the others waiting.
            if let Err(error) = self.check(link).await {
                tracing::warn!(%error, "a link was not held against its chart");
            }
        }
        Ok(due.len())
    }

    /// Holds one link against its chart, and acts on what it finds.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn check(&self, link: &Link) -> Result<(), StorageError> {
        let now = self.clock.now();
        match self.look(link).await? {
            Finding::Same => self.note(link, now).await,
            // Soon again, behind the others: one EHR that is down must not hold up the rest.
            Finding::Unknown => self.note(link, now.minus(EVERY).plus(SOON)).await,
            Finding::Moved(patient) => self.follow(link, patient, now).await,
            Finding::Freeze(kind) => self.freeze(link, kind, now).await,
            Finding::Mixed(survivor) => {
                // Whoever reads the record that it was merged into may read what was this one's.
                if let Some(other) = links::active_at(&self.db, link.source, &survivor).await? {
                    self.freeze(&other, StaffTaskKind::MergeMismatch, now).await?;
                }
                self.freeze(link, StaffTaskKind::MergeMismatch, now).await
            }
            Finding::Died => self.freeze(link, StaffTaskKind::Deceased, now).await,
        }
    }

    async fn look(&self, link: &Link) -> Result<Finding, StorageError> {
        // Links of the operator's own making carry no snapshot: there is nothing to hold them against.
        let Some(known) = &link.demographics else { return Ok(Finding::Same) };
        let leave = Identification::for_link(link.source);
        let mut seen = vec![link.patient.clone()];
        let mut current = match self.sources.chart_patient(&leave, link.source, &link.patient).await {
            Ok(patient) => patient,
            Err(SourceFailure::NotFound) if self.sources.may_identify(link.source) => {
                return Ok(Finding::Freeze(StaffTaskKind::ChartGone));
            }
            Err(_) => return Ok(Finding::Unknown),
        };
        while let Some(next) = current.replaced_by.clone() {
            if seen.contains(&next) || seen.len() > MOST_HOPS {
                return Ok(Finding::Freeze(StaffTaskKind::MergeMismatch));
            }
            current = match self.sources.chart_patient(&leave, link.source, &next).await {
                Ok(patient) => patient,
                Err(SourceFailure::NotFound) => return Ok(Finding::Freeze(StaffTaskKind::MergeMismatch)),
                Err(_) => return Ok(Finding::Unknown),
            };
            seen.push(next);
        }
        Ok(verdict(known, &current, seen.len() > 1))
    }

    async fn note(&self, link: &Link, now: Instant) -> Result<(), StorageError> {
        let id = link.id;
        self.db.write(move |tx| async move { links::checked(tx, id, now).await }.boxed()).await
    }

    /// The chart was merged into another record of the same human: the link leads there from now on, and its holder is told
    /// that there is something new. Where somebody else is
    /// linked to that record, the newer of the two links is frozen until staff decide.
    async fn follow(&self, link: &Link, patient: String, now: Instant) -> Result<(), StorageError> {
        // While staff decide about the other record, nobody comes to see it by this one.
        if links::frozen_at(&self.db, (link.source, &patient)).await?.is_some() {
            return self.note(link, now).await;
        }
        if let Some(other) = links::active_at(&self.db, link.source, &patient).await? {
            let newer = if other.linked > link.linked { &other } else { link };
            if current_person(&self.db, other.person).await? != current_person(&self.db, link.person).await? {
                return self.freeze(newer, StaffTaskKind::TwoOnOneChart, now).await;
            }
            // Both charts were this person's: one link is enough.
            let (id, act) = (link.id, self.act(link).by_way_of("merged"));
            return self
                .acts
                .write(move |tx| {
                    async move {
                        links::end(tx, id, now, "merged").await?;
                        Ok(((), Some(act)))
                    }
                    .boxed()
                })
                .await;
        }
        let letters = self.news(link).await?;
        let (link, act) = (link.clone(), self.act(link).by_way_of("re-pointed"));
        self.acts
            .write(move |tx| {
                async move {
                    invitations::end_of_chart(tx, link.source, &link.patient, "revoked", now).await?;
                    links::move_to(tx, link.id, &patient, now).await?;
                    for letter in letters {
                        letter.queue(&mut *tx).await?;
                    }
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// No data flows through the link any more, open codes for the chart end, and the organization's staff are told.
    async fn freeze(&self, link: &Link, kind: StaffTaskKind, now: Instant) -> Result<(), StorageError> {
        let Some(organization) = self.organization_of(link).await? else { return Ok(()) };
        let task = StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization,
            kind,
            object: format!("Link/{}", link.id),
            person: Some(link.person),
            created: now,
        };
        let (link, act) = (link.clone(), self.act(link).by_way_of("freeze").under(kind.as_str()));
        self.acts
            .write(move |tx| {
                async move {
                    let frozen = LinkState::Frozen { at: now, reason: kind.as_str().to_owned() };
                    links::set_state(tx, link.id, &frozen).await?;
                    invitations::end_of_chart(tx, link.source, &link.patient, "revoked", now).await?;
                    staff_tasks::insert(tx, &task).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    async fn news(&self, link: &Link) -> Result<Vec<Letter>, StorageError> {
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        let Some(holder) = accounts::by_person(&self.db, person).await? else { return Ok(Vec::new()) };
        let news = template::News { sign_in: self.outbox.link("/sign-in") };
        letters_to(&self.db, &self.outbox, holder.id, &news).await
    }

    async fn organization_of(&self, link: &Link) -> Result<Option<OrganizationId>, StorageError> {
        Ok(sources::by_key(&self.db, link.source).await?.map(|source| source.organization))
    }

    fn act(&self, link: &Link) -> Act {
        Act::new(ActKind::Link, self.clock.now(), &*self.random).about(link.person).on("Link", link.id)
    }
}

/// What a chart that was found shows: `moved` when it is not the one that was linked.
fn verdict(known: &Demographics, now: &ChartPatient, moved: bool) -> Finding {
    let is_one = now.demographics().is_some_and(|now| is_one_human(&now, known));
    // After a merge, names must agree, too: two people share a birth date more often than one thinks.
    let is_named = now.names.iter().any(|name| same_family_name(&known.family, &name.family));
    match (is_one, moved) {
        (false, false) => Finding::Freeze(StaffTaskKind::ChartChanged),
        (false, true) => Finding::Mixed(now.id.clone()),
        (true, true) if !is_named => Finding::Mixed(now.id.clone()),
        _ if now.is_deceased => Finding::Died,
        (true, true) => Finding::Moved(now.id.clone()),
        (true, false) if !now.is_active() => Finding::Freeze(StaffTaskKind::ChartGone),
        (true, false) => Finding::Same,
    }
}
