//! Group commit: one task owns the one connection that writes, and makes many writes durable with one sync of the disk.
//!
//! While the disk syncs one group, the next one gathers in the queue; a group waits a moment for as many as came the last
//! time. A write runs in a savepoint of its own, so that one that fails takes nothing else with it. What the audit trail
//! has to say of a group, and the access tokens that it issues to those who keep their refresh token, are entered once, at
//! its end. Nobody is answered before the COMMIT of the group returned.

use std::collections::VecDeque;
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
use super::refreshes::{self, Reissue};
use super::{StorageError, Tx, sqlite};

/// Writes that one commit serves at most.
const LARGEST_GROUP: usize = 256;
/// A group that worked so long takes no further write: the first of it waits for the last.
const LONGEST_GROUP: Duration = Duration::from_millis(50);
/// How long a group waits for those who were answered a moment ago and ask again. They cost one sync together where
/// they would cost two, and one statement each instead of six.
const GATHERING: Duration = Duration::from_millis(1);
/// Writes that may wait. Beyond it callers wait for room, and no longer than [`ROOM_WAIT`].
const QUEUE: usize = 1024;
/// How long a caller waits for room in the queue.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// A write that runs longer is rolled back: it stands in everybody's way.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(5);

/// The way to the writing task.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Message>);

/// Who waits to hear whether a token was issued.
type Issued = oneshot::Sender<Result<bool, StorageError>>;

enum Message {
    Write(Box<dyn Write>),
    /// Done with all others of its group in one statement.
    Reissue(Box<Reissue>, Issued),
    Close(oneshot::Sender<()>),
}

/// A write in the queue, whatever its types.
trait Write: Send {
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
    work: W,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, W> Write for Queued<T, E, W>
where
    T: Send + 'static,
    E: From<StorageError> + Send + 'static,
    W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Ran> {
        Box::pin(async move {
            let Self { work, answer } = *self;
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
        let gathered = VecDeque::new();
        tokio::spawn(Task { queue, gathered, expected: 1, tx, options, shared }.run());
        Self(sender)
    }

    pub(super) async fn write<T, E>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Write(Box::new(Queued { work, answer }))).await?;
        answered.await.unwrap_or_else(|_| Err(StorageError::Halted.into()))
    }

    /// Whether the token was issued: false when what it rests on has ended.
    pub(super) async fn reissue(&self, reissue: Reissue) -> Result<bool, StorageError> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Reissue(Box::new(reissue), answer)).await?;
        answered.await.unwrap_or(Err(StorageError::Halted))
    }

    async fn send(&self, message: Message) -> Result<(), StorageError> {
        self.0.send_timeout(message, ROOM_WAIT).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => StorageError::unavailable("queue full"),
            mpsc::error::SendTimeoutError::Closed(_) => StorageError::Halted,
        })
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.0.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl Message {
    /// Answers it without doing it.
    fn refuse(self, error: StorageError) {
        match self {
            Self::Write(write) => write.refuse(error),
            Self::Reissue(_, answer) => drop(answer.send(Err(error))),
            // Closing is what happens next.
            Self::Close(_) => {}
        }
    }
}

struct Task {
    queue: mpsc::Receiver<Message>,
    /// Taken from the queue and not begun.
    gathered: VecDeque<Message>,
    /// How many are expected for the next group.
    expected: usize,
    tx: Tx,
    options: SqliteConnectOptions,
    shared: Arc<Shared>,
}

/// What became of a group so far.
#[derive(Default)]
struct Group {
    ran: Vec<Ran>,
    /// To be done together at its end.
    reissues: Vec<(Box<Reissue>, Issued)>,
    closing: Option<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self) {
        let mut closing = None;
        while closing.is_none() && self.gather().await {
            let mut group = Group::default();
            let done = self.group(&mut group).await;
            closing = group.closing;
            if let Err(error) = done
                && !self.recover(&error).await
            {
                self.shared.halted.send_replace(true);
                break;
            }
        }
        self.queue.close();
        while let Some(message) = self.gathered.pop_front() {
            message.refuse(StorageError::Halted);
        }
        while let Some(message) = self.queue.recv().await {
            message.refuse(StorageError::Halted);
        }
        let TxConnection::Sqlite(connection) = self.tx.connection else { return };
        // The last connection to close folds the log back into the file.
        let _ = sqlx::Connection::close(connection).await;
        drop(closing);
    }

    /// Waits for the first of a group, and a moment for as many as were there the last time. False when nobody can
    /// come any more.
    async fn gather(&mut self) -> bool {
        if self.gathered.is_empty() {
            let Some(first) = self.queue.recv().await else { return false };
            self.gathered.push_back(first);
        }
        let until = Instant::now() + GATHERING;
        while self.gathered.len() < self.expected.min(LARGEST_GROUP) {
            match tokio::time::timeout_at(until, self.queue.recv()).await {
                Ok(Some(message)) => self.gathered.push_back(message),
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    fn next(&mut self) -> Option<Message> {
        self.gathered.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// Runs what gathered, commits once, then answers all of them.
    async fn group(&mut self, group: &mut Group) -> Result<(), StorageError> {
        if let Err(error) = self.execute("BEGIN IMMEDIATE").await {
            self.refuse_waiting(&error, group);
            // Locked by another process: nothing is broken.
            return if matches!(error, StorageError::Unavailable { .. }) { Ok(()) } else { Err(error) };
        }
        // A group that was not committed may have left some behind.
        self.tx.acts.clear();
        let outcome = self.run_all(group).await;
        match &outcome {
            Ok(generation) => {
                let kept = group.ran.iter().filter(|one| one.keep).count();
                if kept > 0 {
                    self.shared.committed(kept, *generation);
                }
            }
            Err(error) => tracing::error!(%error, writes = group.ran.len(), "a group of writes was not committed"),
        }
        self.shared.sent(std::mem::take(&mut self.tx.statements));
        self.expected = group.ran.len() + self.queue.len();
        let committed = outcome.map(drop).map_err(StorageError::into_not_committed);
        for Ran { answer, .. } in group.ran.drain(..) {
            answer(committed.clone());
        }
        if let Err(error) = &committed {
            for (_, answer) in group.reissues.drain(..) {
                let _ = answer.send(Err(error.clone()));
            }
        }
        committed
    }

    async fn run_all(&mut self, group: &mut Group) -> Result<Option<i64>, StorageError> {
        let started = Instant::now();
        let (mut bumps, mut taken) = (false, 0);
        while group.closing.is_none() && taken < LARGEST_GROUP && started.elapsed() < LONGEST_GROUP {
            taken += 1;
            match self.next() {
                Some(Message::Write(write)) if write.is_wanted() => {
                    bumps |= self.run_one(write, &mut group.ran).await?
                }
                Some(Message::Reissue(reissue, answer)) if !answer.is_closed() => {
                    group.reissues.push((reissue, answer));
                }
                Some(Message::Close(done)) => group.closing = Some(done),
                Some(Message::Write(_) | Message::Reissue(..)) => {}
                None => break,
            }
        }
        self.reissue_all(group).await?;
        super::audit::append_acts(&mut self.tx).await?;
        self.tx.bumps_generation = bumps;
        let generation = super::generations::advance(&mut self.tx).await?;
        self.execute("COMMIT").await?;
        Ok(generation)
    }

    /// Runs a write, and says whether it moves the generation on.
    async fn run_one(&mut self, write: Box<dyn Write>, ran: &mut Vec<Ran>) -> Result<bool, StorageError> {
        if let Err(error) = self.execute("SAVEPOINT one_write").await {
            write.refuse(error.clone());
            return Err(error);
        }
        self.tx.bumps_generation = false;
        let acts = self.tx.acts.len();
        let done = write.run(&mut self.tx).await;
        let keep = done.keep;
        ran.push(done);
        if !keep {
            self.tx.acts.truncate(acts);
            self.execute("ROLLBACK TO one_write").await?;
        }
        self.execute("RELEASE one_write").await?;
        Ok(keep && self.tx.bumps_generation)
    }

    /// Issues all access tokens of the group that repeat a refresh token, after whatever else it changes.
    async fn reissue_all(&mut self, group: &mut Group) -> Result<(), StorageError> {
        if group.reissues.is_empty() {
            return Ok(());
        }
        let wanted = group.reissues.iter().map(|(reissue, _)| &reissue.new);
        let issued = refreshes::reissue_all(&mut self.tx, wanted).await?;
        for (reissue, answer) in group.reissues.drain(..) {
            let Reissue { new, chain, record } = *reissue;
            let is_issued = issued.contains(&new.hash);
            if is_issued {
                self.tx.acts.push((chain, record));
            }
            let answer = move |committed: Result<(), StorageError>| {
                let _ = answer.send(committed.map(|()| is_issued));
            };
            group.ran.push(Ran { keep: is_issued, answer: Box::new(answer) });
        }
        Ok(())
    }

    /// Another process holds the file: whoever waits has waited long enough.
    fn refuse_waiting(&mut self, error: &StorageError, group: &mut Group) {
        while group.closing.is_none() {
            match self.next() {
                Some(Message::Close(done)) => group.closing = Some(done),
                Some(message) => message.refuse(error.clone()),
                None => break,
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
