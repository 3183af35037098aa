//! Removes what ended: sessions, codes, tokens, and authorizations of which nothing is left. A few rows in each write, so
//! that nobody waits behind it. The audit trail is not touched.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::base::clock::{Instant, SharedClock};
use crate::storage::{
    Db, StorageError, Tx, authorizations, challenges, launches, mails, pushed_requests, sessions, signing_keys,
    spent_ids, staff_sessions, system_tokens, tokens,
};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(60);
/// Rows that one write removes at most.
const BATCH: i64 = 500;
/// Stretches of authorizations that are looked at each time; the next time goes on behind them.
const STRETCHES: usize = 20;
/// Sessions and tokens are kept for so long after their end: clocks of several machines differ.
const GRACE: Duration = Duration::from_secs(3_600);
/// Codes are kept for so long after their end: one that is replayed ends what it stood for (RFC 9700 §4.5).
const CODES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// A signing key is kept for so long after the next one began to sign: its public half leaves the key set long before.
const KEYS_KEPT: Duration = Duration::from_secs(86_400);

/// What became of a mail is known for so long.
const MAILS_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Signed-in browsers.
    pub sessions: u64,
    /// Browsers at work.
    pub staff_sessions: u64,
    /// Apps opened from here.
    pub launches: u64,
    /// Authorization codes.
    pub codes: u64,
    /// Access tokens.
    pub access_tokens: u64,
    /// Refresh tokens.
    pub refresh_tokens: u64,
    /// Access tokens of backend services.
    pub system_tokens: u64,
    /// Authorization requests that were pushed.
    pub pushed_requests: u64,
    /// Ids that could be used once.
    pub spent_ids: u64,
    /// Signing keys that another one followed.
    pub signing_keys: u64,
    /// Links and codes that nobody answered.
    pub challenges: u64,
    /// What became of mails.
    pub mails: u64,
    /// Authorizations.
    pub authorizations: u64,
}

/// The job.
#[derive(Debug)]
pub struct Expiry {
    db: Db,
    clock: SharedClock,
    /// The last authorization that was looked at.
    position: String,
}

impl Expiry {
    /// The job on this database.
    #[must_use]
    pub const fn new(db: Db, clock: SharedClock) -> Self {
        Self { db, clock, position: String::new() }
    }

    /// Runs as long as the process does.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.run_once().await {
                Ok(removed) if removed == Removed::default() => {}
                Ok(removed) => tracing::info!(?removed, "removed what had ended"),
                Err(error) => tracing::warn!(%error, "what had ended was not removed"),
            }
        }
    }

    /// Removes everything that is due.
    ///
    /// # Errors
    /// [`StorageError`]; what was removed before it stays removed.
    pub async fn run_once(&mut self) -> Result<Removed, StorageError> {
        let now = self.clock.now();
        let ended = now.minus(GRACE);
        let codes = now.minus(CODES_KEPT);
        let followed = now.minus(KEYS_KEPT);
        let told = now.minus(MAILS_KEPT);
        // In this order: what refers to another goes before it.
        Ok(Removed {
            sessions: self.all(move |tx| Box::pin(sessions::delete_expired(tx, ended, BATCH))).await?,
            staff_sessions: self.all(move |tx| Box::pin(staff_sessions::delete_expired(tx, ended, BATCH))).await?,
            launches: self.all(move |tx| Box::pin(launches::delete_expired(tx, ended, BATCH))).await?,
            codes: self.all(move |tx| Box::pin(authorizations::delete_expired_codes(tx, codes, BATCH))).await?,
            access_tokens: self.all(move |tx| Box::pin(tokens::delete_expired_access(tx, ended, BATCH))).await?,
            refresh_tokens: self.all(move |tx| Box::pin(tokens::delete_expired_refresh(tx, ended, BATCH))).await?,
            system_tokens: self.all(move |tx| Box::pin(system_tokens::delete_expired(tx, ended, BATCH))).await?,
            pushed_requests: self.all(move |tx| Box::pin(pushed_requests::delete_expired(tx, ended, BATCH))).await?,
            spent_ids: self.all(move |tx| Box::pin(spent_ids::delete_expired(tx, ended, BATCH))).await?,
            signing_keys: self.all(move |tx| Box::pin(signing_keys::delete_followed(tx, followed))).await?,
            challenges: self.all(move |tx| Box::pin(challenges::delete_expired(tx, ended, BATCH))).await?,
            mails: self.all(move |tx| Box::pin(mails::delete_ended(tx, told, BATCH))).await?,
            authorizations: self.abandoned(codes).await?,
        })
    }

    /// Repeats a write until it finds less than a whole batch.
    async fn all(
        &self,
        work: impl for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<u64, StorageError>> + Copy + Send + 'static,
    ) -> Result<u64, StorageError> {
        let mut sum = 0_u64;
        loop {
            let removed = self.db.write(work).await?;
            sum = sum.saturating_add(removed);
            if removed < BATCH.unsigned_abs() {
                return Ok(sum);
            }
        }
    }

    /// Authorizations of which nothing is left, a stretch of ids at a time.
    async fn abandoned(&mut self, before: Instant) -> Result<u64, StorageError> {
        let mut sum = 0_u64;
        for _ in 0..STRETCHES {
            let stretch = authorizations::stretch(&self.db, &self.position, before, BATCH).await?;
            let Some(last) = stretch.last else {
                self.position.clear();
                break;
            };
            if stretch.abandoned > 0 {
                let (after, until) = (self.position.clone(), last.clone());
                let removed = self
                    .db
                    .write::<_, StorageError>(move |tx| {
                        Box::pin(async move { authorizations::delete_abandoned(tx, &after, &until, before).await })
                    })
                    .await?;
                sum = sum.saturating_add(removed);
            }
            self.position = last;
        }
        Ok(sum)
    }
}
