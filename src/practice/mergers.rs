//! Organizations change: one takes a new name, becomes part of another, is divided, or closes (portal design, 2.9). Accounts,
//! persons and links are their people's, and stay.

mod inside;
mod scopes;
mod terms;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use self::inside::Inside;
use crate::access::Identification;
use crate::accounts::is_one_human;
use crate::audit::{Act, ActKind, Acts};
use crate::authorization::current_person;
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{AccountId, LinkId, OrganizationId};
use crate::base::random::SharedRandom;
use crate::consent::RuleKind;
use crate::gateway::Sources;
use crate::identity::matching::same_family_name;
use crate::identity::{Link, LinkState};
use crate::mail::Outbox;
use crate::organization::{Mapping, Organization, OrganizationState, SourceKey};
use crate::storage::staff_tasks::{self, StaffTaskKind};
use crate::storage::{Db, StorageError, Tx, consent, links, mergers, organizations, persons, sources};
use crate::upstream::SourceFailure;

pub use scopes::Rewritten;

/// Links that one look takes at most.
const STRETCH: i64 = 100;
/// A record that could not be asked for is asked for again after this.
const SOON: Duration = Duration::from_secs(600);
/// Why links do not flow, and what came of what waited, where the organization is closed.
const CLOSED: &str = "organization-closed";

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
    /// Other rules would hold for the records of the one, and nobody said that this is meant. A line for each.
    #[error("other rules would hold for these records; nothing was changed:\n  {}", .0.join("\n  "))]
    Differs(Vec<String>),
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absorbed {
    /// Links with a row in the mapping: looked at one by one from now on.
    pub to_move: usize,
    /// Links without one: their people must come to the desk.
    pub to_reconfirm: usize,
    /// What is different for the records now, a line each.
    pub changes: Vec<String>,
    /// Whose leave names one of the organizations.
    pub leave: Rewritten,
}

impl Mergers {
    /// The mergers of this installation.
    #[must_use]
    pub fn new(acts: Acts, outbox: Outbox, clock: SharedClock, random: SharedRandom) -> Self {
        Self { db: acts.db().clone(), acts, clock, random, outbox }
    }

    fn inside(&self) -> Inside {
        Inside { random: self.random.clone(), outbox: self.outbox.clone(), now: self.clock.now() }
    }

    /// A new name; the old one is found as well from now on.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn rename(&self, id: OrganizationId, name: &str, by: Option<AccountId>) -> Result<(), MergerError> {
        let (now, name) = (self.clock.now(), name.to_owned());
        let act = self.act("rename", id).by(by).under(if by.is_some() { "staff" } else { "operator" });
        let done = self.acts.write(move |tx| {
            async move {
                if open(tx, id).await?.name == name {
                    return Ok(((), None));
                }
                organizations::rename(tx, id, &name, now).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        });
        done.await
    }

    /// One organization becomes part of another, whose EHR has its records under the ids of the mapping. What waited for the
    /// one waits for the other; its staff have to be appointed anew. Links with a row are held against the new record, one by
    /// one, and lead there if it is about the same human; those without go on at the old source for as long as that answers,
    /// and the desk is told. Leave that names one of the two shows nobody more than before. Where other rules would hold for
    /// the records, nothing is done unless `accepts` says that this is meant.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn absorb(
        &self,
        from: OrganizationId,
        into: OrganizationId,
        mapping: Mapping,
        accepts: bool,
    ) -> Result<Absorbed, MergerError> {
        if from == into {
            return Err(MergerError::NoOrganization);
        }
        let (inside, act) = (self.inside(), self.act("absorb", from));
        let done = self.acts.write(move |tx| {
            async move {
                let (old, new) = (open(tx, from).await?, open(tx, into).await?);
                let changes = terms::changes(&mut *tx, &old, &new).await?;
                if !changes.is_empty() && !accepts {
                    return Err(MergerError::Differs(changes));
                }
                let act = act.under(&format!("into {into}{}", if changes.is_empty() { "" } else { ", other rules" }));
                let report = inside.absorb(tx, (from, into), &mapping).await?;
                Ok((Absorbed { changes, ..report }, Some(act)))
            }
            .boxed()
        });
        match done.await {
            Err(MergerError::Storage(StorageError::AlreadyTaken(_))) => Err(MergerError::Before),
            other => other,
        }
    }

    /// A source goes to an organization of its own, with the same rules: links to it, and codes and what waits for it, go
    /// along. Leave that names the old one goes as far as before.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn split(&self, source: SourceKey, name: &str) -> Result<OrganizationId, MergerError> {
        let (inside, name) = (self.inside(), name.to_owned());
        let random = self.random.clone();
        let done = self.acts.write(move |tx| {
            async move {
                let known = sources::by_key(&mut *tx, source).await?.ok_or(MergerError::OtherSources)?;
                let old = open(tx, known.organization).await?;
                let id = OrganizationId::mint(&*random);
                let act = Act::new(ActKind::Organization, inside.now, &*random).by_way_of("split");
                let act = act.on("Organization", old.id).under(&format!("into {id}"));
                let new = Organization {
                    id,
                    name,
                    alias: Vec::new(),
                    former_names: vec![old.name.clone()],
                    brand: crate::config::Brand::default(),
                    created: inside.now,
                    changed: None,
                    ..old
                };
                inside.split(tx, known.organization, (source, &new)).await?;
                Ok((id, Some(act)))
            }
            .boxed()
        });
        done.await
    }

    /// An organization closes: its sources are asked no more, links to them are frozen, codes and what waits end, nobody
    /// works there, and nothing new comes in.
    ///
    /// # Errors
    /// [`MergerError`].
    pub async fn close(&self, id: OrganizationId) -> Result<(), MergerError> {
        let (inside, act) = (self.inside(), self.act("close", id));
        let done = self.acts.write_all(move |tx| {
            async move {
                open(tx, id).await?;
                let mut acts = inside.close(tx, id).await?;
                acts.push(act);
                Ok(((), acts))
            }
            .boxed()
        });
        done.await
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
        let found = links::by_id(&self.db, id).await?;
        let Some(link) = found.filter(|link| !matches!(link.state, LinkState::Ended { .. })) else { return Ok(()) };
        let leave = Identification::for_link(source);
        let chart = match all.chart_patient(&leave, source, patient).await {
            Ok(chart) => chart,
            Err(SourceFailure::NotFound) => return self.refuse(&link, "no-such-record").await,
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
        if !fits || !chart.is_active() || chart.is_deceased {
            return self.refuse(&link, "another-human").await;
        }
        // What staff keep from proxies is known by its ids at the old source: at the new one it would be seen.
        if self.has_flags(&link).await? {
            return self.refuse(&link, "kept-from-proxies").await;
        }
        let there = links::active_at(&self.db, source, patient).await?;
        if let Some(other) = &there {
            if current_person(&self.db, other.person).await? != current_person(&self.db, link.person).await? {
                return self.refuse(&link, "taken").await;
            }
            // What staff stopped flows by the other link: they have to look.
            if !link.state.is_active() {
                return self.refuse(&link, "frozen").await;
            }
        }
        self.bring(link, (source, patient.to_owned()), there.is_some()).await
    }

    async fn has_flags(&self, link: &Link) -> Result<bool, StorageError> {
        let person = current_person(&self.db, link.person).await?.unwrap_or(link.person);
        let mut persons = persons::aliases_of(&self.db, person).await?;
        persons.push(person);
        for person in persons {
            let flags = consent::rules_of(&self.db, person).await?;
            let is_here =
                |kind: &RuleKind| matches!(kind, RuleKind::Flag { source, .. } if *source == link.source.as_str());
            if flags.iter().any(|known| is_here(&known.rule.kind)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The link leads to the new record, or ends where another of the same person does already.
    async fn bring(
        &self,
        link: Link,
        (source, patient): (SourceKey, String),
        is_there: bool,
    ) -> Result<(), StorageError> {
        let inside = self.inside();
        let act = Act::new(ActKind::Link, inside.now, &*self.random).about(link.person).on("Link", link.id);
        let act = act.by_way_of("absorbed").under("mapping");
        self.acts
            .write(move |tx| {
                async move {
                    inside.bring(tx, &link, (source, &patient), is_there).await?;
                    Ok(((), Some(act)))
                }
                .boxed()
            })
            .await
    }

    /// The mapping is wrong about this record, or does not say enough: the link stays where it is, and the desk is told.
    async fn refuse(&self, link: &Link, reason: &'static str) -> Result<(), StorageError> {
        let Some(merger) = mergers::by_source(&self.db, link.source).await? else { return Ok(()) };
        let inside = self.inside();
        let task = inside.task(link, merger.into_organization, StaffTaskKind::Reconfirm);
        let act = Act::new(ActKind::Link, inside.now, &*self.random).about(link.person).on("Link", link.id);
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

async fn open(tx: &mut Tx, id: OrganizationId) -> Result<Organization, MergerError> {
    let found = organizations::by_id(tx, id).await?;
    found.filter(|known| known.state == OrganizationState::Active).ok_or(MergerError::NoOrganization)
}
