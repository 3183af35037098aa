//! The generation of rights, followed closely: what was cached before it moved on is not used.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::AuthorizationServer;
use crate::storage::{Db, generations};

/// How often the generation is read. With the time of one read it stays under 250 ms.
const INTERVAL: Duration = Duration::from_millis(200);
/// A read that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_millis(800);
/// Without a read that succeeded within this time nothing cached is used.
const TRUST: Duration = Duration::from_secs(1);

/// The newest known generation, and since when it is known to be the newest.
#[derive(Debug)]
pub(super) struct Generation {
    here: watch::Receiver<i64>,
    // The machine's steady clock: a clock that is set back must not keep a revoked token alive.
    polled: Mutex<Option<(i64, Instant)>>,
}

impl Generation {
    pub(super) fn new(db: &Db) -> Self {
        Self { here: db.generation(), polled: Mutex::new(None) }
    }

    /// The newest generation, or `None` when that is not certain.
    pub(super) fn current(&self) -> Option<i64> {
        let (polled, at) = (*self.polled.lock().unwrap_or_else(PoisonError::into_inner))?;
        // What this process committed counts at once; what others did, when the next read tells.
        (at.elapsed() < TRUST).then(|| polled.max(*self.here.borrow()))
    }

    async fn poll(&self, db: &Db) {
        let asked = Instant::now();
        match tokio::time::timeout(PATIENCE, generations::current(db)).await {
            Ok(Ok(generation)) => {
                *self.polled.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, asked));
            }
            Ok(Err(error)) => tracing::warn!(%error, "the generation of rights cannot be read"),
            Err(_) => tracing::warn!("reading the generation of rights took too long"),
        }
    }
}

impl AuthorizationServer {
    /// Follows changes of rights that other processes make. Never returns; to be spawned once beside the server.
    pub async fn watch(&self) {
        loop {
            self.generation.poll(&self.db).await;
            tokio::time::sleep(INTERVAL).await;
        }
    }
}
