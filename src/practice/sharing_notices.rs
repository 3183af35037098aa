//! Who is told that what they share changes on a day.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::accounts::letters_to;
use crate::authorization::{active_links, current_person};
use crate::base::clock::SharedClock;
use crate::consent::{BirthDate, DueNotice, due_notices};
use crate::gateway::Sources;
use crate::identity::Grant;
use crate::mail::{Day, Letter, Outbox, template};
use crate::storage::{Db, StorageError, accounts, consent, grants, proxy_requests, sharing_notices};

/// Grants that are looked at together.
const BATCH: i64 = 200;

/// The notices of one installation.
pub struct SharingNotices {
    db: Db,
    sources: Arc<Sources>,
    outbox: Outbox,
    clock: SharedClock,
}

impl fmt::Debug for SharingNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharingNotices").finish_non_exhaustive()
    }
}

impl SharingNotices {
    /// The notices of this database.
    #[must_use]
    pub const fn new(db: Db, sources: Arc<Sources>, outbox: Outbox, clock: SharedClock) -> Self {
        Self { db, sources, outbox, clock }
    }

    /// Looks at every grant that works, and writes to both sides of those of which something is due. How many notices it were.
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
    async fn due(&self, grant: &Grant) -> Result<Vec<DueNotice>, StorageError> {
        let person = current_person(&self.db, grant.person).await?.unwrap_or(grant.person);
        let standing = consent::standing(&self.db, grant.account, person, false).await?;
        let Some(right) = standing.rights.iter().find(|right| right.grant == grant.id) else { return Ok(Vec::new()) };
        let mut due = Vec::new();
        let sources = self.sources.all();
        for link in active_links(&self.db, person).await? {
            let rules = sources.get(&link.source).and_then(|source| source.consent.as_ref());
            let (Some(rules), Some(known)) = (rules, &link.demographics) else { continue };
            let birth = [BirthDate::parse(&known.birth_date)];
            due.extend(due_notices(right, &birth, (&rules.policy, &rules.zone), self.clock.now()));
        }
        due.sort_unstable();
        due.dedup();
        Ok(due)
    }

    /// Writes to whoever holds the grant and to whose record it is, once for each notice. Whose record it is hears nothing
    /// where staff wrote down that telling them would harm.
    async fn tell(&self, grant: &Grant, due: DueNotice) -> Result<bool, StorageError> {
        let midnight = due.day.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let Some(midnight) = midnight.map(|day| day.timestamp().as_microsecond()) else { return Ok(false) };
        let day = Day(crate::base::clock::Instant::from_micros(midnight));
        let ends = template::SharingEnds { sign_in: self.outbox.link("/sign-in"), day };
        let mut letters: Vec<Letter> = letters_to(&self.db, &self.outbox, grant.account, &ends).await?;
        let is_silent = match grant.evidence.strip_prefix("Proofing/").and_then(|id| id.parse().ok()) {
            Some(proofing) => proxy_requests::is_silent(&self.db, proofing).await?,
            None => false,
        };
        if !is_silent && let Some(subject) = accounts::by_person(&self.db, grant.person).await? {
            letters.extend(letters_to(&self.db, &self.outbox, subject.id, &ends).await?);
        }
        let (id, now) = (grant.id, self.clock.now());
        self.db
            .write(move |tx| {
                async move {
                    // Another process may have told them a moment ago.
                    let is_first = sharing_notices::insert(tx, id, due, now).await?;
                    if is_first {
                        for letter in letters {
                            letter.queue(&mut *tx).await?;
                        }
                    }
                    Ok::<_, StorageError>(is_first)
                }
                .boxed()
            })
            .await
    }
}
