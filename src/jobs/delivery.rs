//! Sends what waits to be sent. Several processes may do it at once: each mail is taken by one. A crash between sending and
//! noting it sends a mail twice, with the same Message-ID.

use std::time::Duration;

use futures_util::FutureExt;

use crate::base::clock::SharedClock;
use crate::base::id::MailId;
use crate::mail::{Carrier, Failed, Outbox};
use crate::storage::mails::{self, DueMail, MailState};
use crate::storage::{Db, StorageError};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Mails taken at a time.
const BATCH: i64 = 50;
/// A mail that was taken is given up by a process that died, and taken again, after this.
const CLAIM: Duration = Duration::from_secs(300);
/// The waits between tries; the last one repeats.
const GAPS: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1_800),
    Duration::from_secs(3_600),
];

/// The job.
#[derive(Debug)]
pub struct Delivery {
    db: Db,
    outbox: Outbox,
    carrier: Carrier,
    clock: SharedClock,
    /// Held by a round: whoever asks for one afterwards finds everything ended that was taken before.
    round: tokio::sync::Mutex<()>,
}

impl Delivery {
    /// The job on this database, by this way.
    #[must_use]
    pub fn new(db: Db, outbox: Outbox, carrier: Carrier, clock: SharedClock) -> Self {
        Self { db, outbox, carrier, clock, round: tokio::sync::Mutex::default() }
    }

    /// Runs as long as the process does.
    pub async fn run(&self) {
        if !self.carrier.carries() {
            tracing::warn!("neither mail.smtp_host nor mail.outbox_dir is set: nothing is sent to people");
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(error) = self.run_once().await {
                tracing::warn!(%error, "mail was not sent");
            }
        }
    }

    /// Sends everything that is due, and says how many were sent.
    ///
    /// # Errors
    /// [`StorageError`]; what was sent before it stays sent.
    pub async fn run_once(&self) -> Result<usize, StorageError> {
        let _round = self.round.lock().await;
        let mut sent = 0;
        loop {
            let due = mails::due(&self.db, self.clock.now(), BATCH).await?;
            let is_last = due.len() < usize::try_from(BATCH).unwrap_or_default();
            for mail in due {
                sent += usize::from(self.deliver(mail).await?);
            }
            if is_last {
                return Ok(sent);
            }
        }
    }

    async fn deliver(&self, mail: DueMail) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let (id, attempts, expires) = (mail.id, mail.attempts, mail.expires);
        if now >= expires {
            return self.end(id, MailState::Dropped).await.map(|()| false);
        }
        let taken = mail.clone();
        let until = now.plus(CLAIM);
        let is_ours = self.db.write(move |tx| async move { mails::claim(tx, &taken, until).await }.boxed()).await?;
        if !is_ours {
            return Ok(false);
        }
        let carried = match (self.carrier.carries(), self.outbox.open(&mail)) {
            (false, _) => Err(Failed::ForNow),
            (true, Ok(parcel)) => self.carrier.carry(&parcel).await,
            (true, Err(error)) => {
                tracing::error!(%error, "a mail was dropped");
                Err(Failed::ForGood)
            }
        };
        match carried {
            Ok(()) => self.end(id, MailState::Sent).await.map(|()| true),
            Err(Failed::ForGood) => self.end(id, MailState::Bounced).await.map(|()| false),
            Err(Failed::ForNow) => {
                let gap = usize::try_from(attempts).ok().and_then(|n| GAPS.get(n)).or(GAPS.last());
                let later = self.clock.now().plus(gap.copied().unwrap_or(CLAIM));
                self.db.write(move |tx| async move { mails::postpone(tx, id, later).await }.boxed()).await?;
                Ok(false)
            }
        }
    }

    async fn end(&self, id: MailId, state: MailState) -> Result<(), StorageError> {
        let now = self.clock.now();
        self.db.write(move |tx| async move { mails::end(tx, id, state, now).await }.boxed()).await
    }
}
