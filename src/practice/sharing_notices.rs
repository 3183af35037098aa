//! Who is told that what they share changes on a day, that a review was missed, and that whoever they let in has died.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::authorization::{active_links, current_person};
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::{OrganizationId, PersonId, StaffTaskId};
use crate::base::random::SharedRandom;
use crate::consent::{BirthDate, DueNotice, Right, Rule, Standing, due_notices};
use crate::gateway::Sources;
use crate::identity::{Grant, GrantBasis, Link};
use crate::mail::{Day, Letter, Outbox, template};
use crate::practice::told::{both_sides, subject};
use crate::storage::staff_tasks::{self, StaffTask, StaffTaskKind};
use crate::storage::{Db, StorageError, consent, grants, sharing_notices};

/// Grants that are looked at together.
const BATCH: i64 = 200;

/// The notices of one installation.
pub struct SharingNotices {
    db: Db,
    sources: Arc<Sources>,
    outbox: Outbox,
    clock: SharedClock,
    random: SharedRandom,
}

/// Stands for "so many days before" where the day is over.
const OVERDUE: i64 = -1;

/// Stands there for a death of whoever holds the grant, on the day from which it is laid down.
const HOLDER_DIED: i64 = -2;

/// Something to tell, and to whose staff besides.
struct Telling {
    person: PersonId,
    due: DueNotice,
    desks: BTreeSet<OrganizationId>,
}

impl fmt::Debug for SharingNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharingNotices").finish_non_exhaustive()
    }
}

impl SharingNotices {
    /// The notices of this database.
    #[must_use]
    pub fn new(db: Db, sources: Arc<Sources>, outbox: Outbox, (clock, random): (SharedClock, SharedRandom)) -> Self {
        Self { db, sources, outbox, clock, random }
    }

    /// Looks at every grant that has not ended, and writes to both sides of those of which something is due. Where a review was
    /// missed, staff have a task. How many notices it were.
    ///
    /// # Errors
    /// [`StorageError`]; what was told before it stays told.
    pub async fn look(&self) -> Result<usize, StorageError> {
        let (mut told, mut after) = (0_usize, String::new());
        loop {
            let some = grants::active_after(&self.db, &after, BATCH).await?;
            let Some(last) = some.last() else { return Ok(told) };
            after = last.id.to_string();
            for grant in &some {
                for due in self.due(grant).await? {
                    told = told.saturating_add(usize::from(self.tell(grant, due).await?));
                }
            }
        }
    }

    /// What is due of a grant, by the rules of every practice that the person has a chart at.
    async fn due(&self, grant: &Grant) -> Result<Vec<Telling>, StorageError> {
        let person = current_person(&self.db, grant.person).await?.unwrap_or(grant.person);
        let standing = consent::standing(&self.db, grant.account, person, false).await?;
        let Some(right) = standing.rights.iter().find(|right| right.grant == grant.id) else { return Ok(Vec::new()) };
        let (now, links) = (self.clock.now(), active_links(&self.db, person).await?);
        match standing.lets_act(right, now) {
            Err(Rule::ReviewDue) => return Ok(self.overdue(right, (person, &links)).into_iter().collect()),
            Err(Rule::HolderDeceased) => return Ok(holder_died(&standing, person, now).into_iter().collect()),
            _ => {}
        }
        let mut due = Vec::new();
        let sources = self.sources.all();
        for link in links {
            let rules = sources.get(&link.source).and_then(|source| source.consent.as_ref());
            let (Some(rules), Some(known)) = (rules, &link.demographics) else { continue };
            let birth = [BirthDate::parse(&known.birth_date)];
            due.extend(due_notices(right, &birth, (&rules.policy, &rules.zone), now));
        }
        due.sort_unstable();
        due.dedup();
        Ok(due.into_iter().map(|due| Telling { person, due, desks: BTreeSet::new() }).collect())
    }

    /// A review that was missed (portal design, 3.8 scenario 42). What the person gave themselves is theirs to look at; of
    /// everything else the practices that it covers are told.
    fn overdue(&self, right: &Right, (person, links): (PersonId, &[Link])) -> Option<Telling> {
        let due = DueNotice { day: utc_date(right.review_by()?)?, before: OVERDUE };
        let sources = self.sources.all();
        let desk = |link: &Link| {
            let organization = sources.get(&link.source)?.source.organization;
            right.scope.covers_source(organization, link.source).then_some(organization)
        };
        let is_own_word = right.basis == GrantBasis::PatientConsent;
        let desks = if is_own_word { BTreeSet::new() } else { links.iter().filter_map(desk).collect() };
        Some(Telling { person, due, desks })
    }

    /// Writes to whoever holds the grant and to whose record it is, once for each notice. Whose record it is hears nothing
    /// where staff wrote down that telling them would harm.
    async fn tell(&self, grant: &Grant, telling: Telling) -> Result<bool, StorageError> {
        let Telling { person, due, desks } = telling;
        let sign_in = self.outbox.link("/sign-in");
        let midnight = due.day.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let Some(midnight) = midnight.map(|day| day.timestamp().as_microsecond()) else { return Ok(false) };
        let ends = template::SharingEnds { sign_in: sign_in.clone(), day: Day(Instant::from_micros(midnight)) };
        let changed = template::SharingChanged { sign_in };
        let all: Vec<Letter> = match due.before {
            OVERDUE => both_sides(&self.db, &self.outbox, grant, &changed).await?,
            // What comes to the dead is read by others.
            HOLDER_DIED => subject(&self.db, &self.outbox, grant, &changed).await?,
            _ => both_sides(&self.db, &self.outbox, grant, &ends).await?,
        };
        let (id, now) = (grant.id, self.clock.now());
        let task = |organization| StaffTask {
            id: StaffTaskId::mint(&*self.random),
            organization,
            kind: StaffTaskKind::ReviewOverdue,
            object: format!("Grant/{id}"),
            person: Some(person),
            created: now,
        };
        let tasks: Vec<StaffTask> = desks.into_iter().map(task).collect();
        self.db
            .write(move |tx| {
                async move {
                    // Another process may have told them a moment ago.
                    let is_first = sharing_notices::insert(tx, id, due, now).await?;
                    if is_first {
                        for letter in all {
                            letter.queue(&mut *tx).await?;
                        }
                        for task in &tasks {
                            staff_tasks::insert(tx, task).await?;
                        }
                    }
                    Ok::<_, StorageError>(is_first)
                }
                .boxed()
            })
            .await
    }
}

/// Whoever they let in has died (portal design, 2.10): the earliest day that is laid down and holds.
fn holder_died(standing: &Standing, person: PersonId, now: Instant) -> Option<Telling> {
    let held = standing.holder_died.iter().filter(|period| period.covers(now));
    let day = utc_date(held.map(|period| period.from).min()?)?;
    Some(Telling { person, due: DueNotice { day, before: HOLDER_DIED }, desks: BTreeSet::new() })
}

fn utc_date(at: Instant) -> Option<jiff::civil::Date> {
    let at = jiff::Timestamp::from_microsecond(at.micros()).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}
