use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, OwnedPermit, Receiver, Sender};

use super::acts::Acts;
use super::entry::Entry;
use crate::storage::audit::{self, Chain};
use crate::storage::{Db, StorageError};

/// Entries that may wait to be inserted.
const QUEUE: usize = 4_096;
/// Entries inserted at once. Many, so that a slow sync of the disk does not fill the queue under load.
const BATCH: usize = 2_048;
/// How long an entry may wait for others.
const WAIT: Duration = Duration::from_millis(50);

/// The queue of the audit trail.
#[derive(Clone, Debug)]
pub struct AuditLog {
    queue: Sender<Entry>,
    healthy: Arc<AtomicBool>,
}

/// Nothing may be read at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot take another entry")]
pub struct NoPlace;

/// A place in the queue: an entry put there cannot be turned away.
#[derive(Debug)]
pub struct Place(OwnedPermit<Entry>);

impl Place {
    /// Records the entry.
    pub fn record(self, entry: Entry) {
        self.0.send(entry);
    }
}

impl AuditLog {
    /// Starts the task that inserts, into this process's chain.
    #[must_use]
    pub fn start(acts: &Acts) -> Self {
        let (db, chain) = (acts.db().clone(), acts.chain().clone());
        let (queue, entries) = mpsc::channel(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let writer = Writer { db, chain, healthy: healthy.clone() };
        tokio::spawn(writer.run(entries));
        Self { queue, healthy }
    }

    /// How many entries wait to be inserted, places that are taken included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Whether the last insert succeeded.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Takes a place before anything is fetched.
    ///
    /// # Errors
    /// [`NoPlace`] when the queue is full or the last insert failed.
    pub fn reserve(&self) -> Result<Place, NoPlace> {
        if !self.is_healthy() {
            return Err(NoPlace);
        }
        self.queue.clone().try_reserve_owned().map(Place).map_err(|_| NoPlace)
    }
}

struct Writer {
    db: Db,
    chain: Chain,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    async fn run(self, mut entries: Receiver<Entry>) {
        let mut batch = Vec::with_capacity(BATCH);
        while entries.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH && !entries.is_closed() {
                tokio::time::sleep(WAIT).await;
                while batch.len() < BATCH {
                    let Ok(entry) = entries.try_recv() else { break };
                    batch.push(entry);
                }
            }
            self.insert(&batch).await;
            batch.clear();
        }
    }

    /// Tries until the entries are durable: none is given up while the process lives.
    async fn insert(&self, batch: &[Entry]) {
        let mut pause = Duration::from_millis(100);
        loop {
            let rows: Vec<_> = batch.iter().map(Entry::row).collect();
            let chain = self.chain.clone();
            let inserted = self
                .db
                .write::<_, StorageError>(move |tx| Box::pin(async move { audit::append(tx, &chain, &rows).await }))
                .await;
            match inserted {
                Ok(()) => {
                    self.healthy.store(true, Ordering::Release);
                    return;
                }
                Err(error) => {
                    self.healthy.store(false, Ordering::Release);
                    tracing::error!(%error, "the audit trail cannot be written: reads are refused");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }
}
