//! Group commit: one task owns the one connection that writes, and makes many writes durable with one sync of the disk.
//!
//! While the disk syncs one group, the next one gathers in the queue. A write of several statements runs in a savepoint
//! of its own, so that one that fails takes nothing else with it. What the audit trail has to say of a group is entered
//! once, at its end. Nobody is answered before the COMMIT of the group returned.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::db::Shared;
use super::executor::TxConnection;
use super::{StorageError, Tx, sqlite};

/// Writes that one commit serves at most.
const LARGEST_GROUP: usize = 256;
/// A group that worked so long takes no further write: the first of it waits for the last.
const LONGEST_GROUP: Duration = Duration::from_millis(50);
/// Writes that may wait. Beyond it callers wait for room, and no longer than [`ROOM_WAIT`].
const QUEUE: usize = 1024;
/// How long a caller waits for room in the queue.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// A write that runs longer is rolled back: it stands in everybody's way.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(5);

/// The way to the writing task.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Message>);

enum Message {
    Write(Box<dyn Write>),
    Close(oneshot::Sender<()>),
}

/// How much a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Whatever it likes.
    Any,
    /// One statement: it happens or it does not, and nothing has to be undone behind it.
    OneStatement,
}

/// A write in the queue, whatever its types.
trait Write: Send {
    fn extent(&self) -> Extent;
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool;
    /// Runs it; the answer is held back.
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Ran>;
    /// Answers it without running it.
    fn refuse(self: Box<Self>, error: StorageError);
}

/// A write that ran, and is not answered yet.
struct Ran {
    /// Whether its changes stay.
    keep: bool,
    /// Answers, with what became of the commit.
    answer: Box<dyn FnOnce(Result<(), StorageError>) + Send>,
}

struct Queued<T, E, W> {
    extent: Extent,
    work: W,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Write for Queued<T, E, W>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
    W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn extent(&self) -> Extent {
        self.extent
    }

    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Ran> {
        Box::pin(async move {
            let Self { work, answer, .. } = *self;
            let run = AssertUnwindSafe(async { work(tx).await }).catch_unwind();
            let result = match tokio::time::timeout(LONGEST_WRITE, run).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(StorageError::Panicked.into()),
                Err(_) => Err(StorageError::TookTooLong.into()),
            };
            let keep = result.is_ok();
            // Even a refusal may rest on what an earlier write of the group did, so it falls with the commit too.
            let answer = Box::new(move |committed: Result<(), StorageError>| {
                let _ = answer.send(committed.map_err(E::from).and(result));
            });
            Ran { keep, answer }
        })
    }

    fn refuse(self: Box<Self>, error: StorageError) {
        let _ = self.answer.send(Err(error.into()));
    }
}

impl Writer {
    /// Starts the task that owns `connection`; `options` make a new one should it break.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions, shared: Arc<Shared>) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let tx = Tx::new(TxConnection::Sqlite(connection));
        tokio::spawn(Task { queue, tx, options, shared }.run());
        Self(sender)
    }

    pub(super) async fn write<T, E>(
        &self,
        extent: Extent,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let message = Message::Write(Box::new(Queued { extent, work, answer }));
        match self.0.send_timeout(message, ROOM_WAIT).await {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(StorageError::Halted.into())),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(StorageError::unavailable("queue full").into()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(StorageError::Halted.into()),
        }
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.0.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

struct Task {
    queue: mpsc::Receiver<Message>,
    tx: Tx,
    options: SqliteConnectOptions,
    shared: Arc<Shared>,
}

impl Task {
    async fn run(mut self) {
        let mut closing = None;
        while closing.is_none() {
            match self.queue.recv().await {
                Some(Message::Write(first)) => {
                    if let Err(error) = self.group(first, &mut closing).await
                        && !self.recover(&error).await
                    {
                        self.shared.halted.send_replace(true);
                        break;
                    }
                }
                Some(Message::Close(done)) => closing = Some(done),
                None => break,
            }
        }
        self.queue.close();
        while let Some(message) = self.queue.recv().await {
            if let Message::Write(write) = message {
                write.refuse(StorageError::Halted);
            }
        }
        let TxConnection::Sqlite(connection) = self.tx.connection else { return };
        // The last connection to close folds the log back into the file.
        let _ = sqlx::Connection::close(connection).await;
        drop(closing);
    }

    /// Runs `first` and what gathered behind it, commits once, then answers all of them.
    async fn group(
        &mut self,
        first: Box<dyn Write>,
        closing: &mut Option<oneshot::Sender<()>>,
    ) -> Result<(), StorageError> {
        if let Err(error) = self.execute("BEGIN IMMEDIATE").await {
            first.refuse(error.clone());
            self.refuse_waiting(&error, closing);
            // Locked by another process: nothing is broken.
            return if matches!(error, StorageError::Unavailable { .. }) { Ok(()) } else { Err(error) };
        }
        // A group that was not committed may have left some behind.
        self.tx.acts.clear();
        let mut ran = Vec::new();
        let outcome = self.run_all(first, &mut ran, closing).await;
        match &outcome {
            Ok(generation) => {
                let kept = ran.iter().filter(|one| one.keep).count();
                if kept > 0 {
                    self.shared.committed(kept, *generation);
                }
            }
            Err(error) => tracing::error!(%error, writes = ran.len(), "a group of writes was not committed"),
        }
        self.shared.sent(std::mem::take(&mut self.tx.statements));
        let committed = outcome.map(drop).map_err(StorageError::into_not_committed);
        for Ran { answer, .. } in ran {
            answer(committed.clone());
        }
        committed
    }

    async fn run_all(
        &mut self,
        first: Box<dyn Write>,
        ran: &mut Vec<Ran>,
        closing: &mut Option<oneshot::Sender<()>>,
    ) -> Result<Option<i64>, StorageError> {
        let started = Instant::now();
        let mut bumps = false;
        let mut next = Some(first);
        while let Some(write) = next.take() {
            if write.is_wanted() {
                let extent = write.extent();
                if extent == Extent::Any
                    && let Err(error) = self.execute("SAVEPOINT one_write").await
                {
                    write.refuse(error.clone());
                    return Err(error);
                }
                self.tx.bumps_generation = false;
                let acts = self.tx.acts.len();
                let done = write.run(&mut self.tx).await;
                let keep = done.keep;
                ran.push(done);
                match (keep, extent) {
                    (true, _) => bumps |= self.tx.bumps_generation,
                    (false, Extent::Any) => {
                        self.tx.acts.truncate(acts);
                        self.execute("ROLLBACK TO one_write").await?;
                    }
                    // Nothing says how far it came, or whether SQLite ended the transaction with it.
                    (false, Extent::OneStatement) => return Err(StorageError::unavailable("a statement failed")),
                }
                if extent == Extent::Any {
                    self.execute("RELEASE one_write").await?;
                }
            }
            if ran.len() < LARGEST_GROUP && started.elapsed() < LONGEST_GROUP && closing.is_none() {
                next = match self.queue.try_recv() {
                    Ok(Message::Write(write)) => Some(write),
                    Ok(Message::Close(done)) => {
                        *closing = Some(done);
                        None
                    }
                    Err(_) => None,
                };
            }
        }
        super::audit::append_acts(&mut self.tx).await?;
        self.tx.bumps_generation = bumps;
        let generation = super::generations::advance(&mut self.tx).await?;
        self.execute("COMMIT").await?;
        Ok(generation)
    }

    /// Another process holds the file: whoever waits has waited long enough.
    fn refuse_waiting(&mut self, error: &StorageError, closing: &mut Option<oneshot::Sender<()>>) {
        while closing.is_none() {
            match self.queue.try_recv() {
                Ok(Message::Write(write)) => write.refuse(error.clone()),
                Ok(Message::Close(done)) => *closing = Some(done),
                Err(_) => break,
            }
        }
    }

    /// Brings the connection back to where a group can begin. False when writing must stop for good.
    async fn recover(&mut self, error: &StorageError) -> bool {
        // After a failed sync the kernel may have dropped the pages and call the next sync a success.
        if error.is_disk_failure() {
            return false;
        }
        if self.execute("ROLLBACK").await.is_ok() {
            return true;
        }
        // Either no transaction was open, or the connection is in an unknown state: take a fresh one.
        match sqlite::connect(&self.options).await {
            Ok(fresh) => {
                self.tx = Tx::new(TxConnection::Sqlite(fresh));
                true
            }
            Err(_) => false,
        }
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), StorageError> {
        let TxConnection::Sqlite(connection) = &mut self.tx.connection else { return Err(StorageError::Halted) };
        self.tx.statements += 1;
        sqlx::query(sql).execute(connection).await?;
        Ok(())
    }
}
