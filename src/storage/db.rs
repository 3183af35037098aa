use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::postgres::PostgresDb;
use super::sqlite::SqliteDb;
use super::{StorageError, Tx};
use crate::config;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pub(super) backend: Backend,
    pub(super) shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) enum Backend {
    Sqlite(SqliteDb),
    Postgres(PostgresDb),
}

/// What the writing side tells the rest of the process.
#[derive(Debug)]
pub(super) struct Shared {
    commits: AtomicU64,
    writes: AtomicU64,
    statements: AtomicU64,
    pub(super) generation: watch::Sender<i64>,
    pub(super) halted: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(generation: i64) -> Arc<Self> {
        Arc::new(Self {
            commits: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            generation: watch::Sender::new(generation),
            halted: watch::Sender::new(false),
        })
    }

    /// Counts statements that the database was sent: each costs a way there and back.
    pub(super) fn sent(&self, statements: u64) {
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    /// Counts one commit of so many writes, and shows the generation it brought, before anybody is answered.
    pub(super) fn committed(&self, writes: usize, generation: Option<i64>) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(writes as u64, Ordering::Relaxed);
        if let Some(new) = generation {
            self.generation.send_if_modified(|current| {
                let moves = new > *current;
                *current = new.max(*current);
                moves
            });
        }
    }
}

impl Db {
    /// Opens the database of the configuration, creates it if it is a file that does not exist, and brings its schema
    /// to the newest.
    ///
    /// # Errors
    /// [`StorageError::Refused`] for settings or a schema it cannot work with, else what the database says.
    pub async fn open(config: &config::Storage) -> Result<Self, StorageError> {
        if let Some(path) = config.url.strip_prefix("sqlite:") {
            let (sqlite, shared) = SqliteDb::open(path.as_ref(), config.read_connections).await?;
            return Ok(Self { backend: Backend::Sqlite(sqlite), shared });
        }
        let Some(path) = config.url.strip_prefix("postgres:") else {
            return Err(StorageError::Refused("storage.url must begin with sqlite: or postgres:".to_owned()));
        };
        let url = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| StorageError::Refused(format!("cannot read {path}: {error}")))?;
        let (postgres, shared) = PostgresDb::open(url.trim(), config.read_connections).await?;
        Ok(Self { backend: Backend::Postgres(postgres), shared })
    }

    /// Does `work` whole or not at all, and answers when it is durable: power may fail the moment after.
    ///
    /// An `Err` or a panic of `work` rolls back this work alone. Work holds up all other writes on SQLite, so it does
    /// nothing but statements: no network, no password hashing, no other `Db::write` within (that would wait for
    /// itself until it is rolled back as [`StorageError::TookTooLong`]).
    ///
    /// PostgreSQL runs writes side by side at READ COMMITTED. A decision must therefore lie in the statement that
    /// changes the row (`UPDATE … WHERE state = 'active'`, `ON CONFLICT`), never in a read before it.
    ///
    /// # Errors
    /// What `work` returns, or a [`StorageError`] when it could not be run or made durable.
    pub async fn write<T, E>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.writer.write(work).await,
            // Boxed: sixteen kilobytes that every future which writes would carry, also on SQLite.
            Backend::Postgres(postgres) => Box::pin(postgres.write(&self.shared, work)).await,
        }
    }

    /// How many commits made writes durable since this process opened the database. On SQLite one commit, and one sync
    /// of the disk, serves many writes.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// How many writes were made durable since this process opened the database.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::Relaxed)
    }

    /// How many statements this process sent to the database since it opened it.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.shared.statements.load(Ordering::Relaxed)
    }

    /// The newest generation that this process committed, moved on before the write is answered: caches see a change
    /// made here at once. Changes made elsewhere show in [`super::generations::current`] only.
    #[must_use]
    pub fn generation(&self) -> watch::Receiver<i64> {
        self.shared.generation.subscribe()
    }

    /// Returns when no write can become durable any more because the disk failed. The process must end with an error:
    /// a sync that failed is never tried again, what it should have kept may be gone.
    pub async fn halted(&self) {
        let mut halted = self.shared.halted.subscribe();
        // The sender lives in `self`, so this ends with `true` only.
        let _ = halted.wait_for(|halted| *halted).await;
    }

    /// Finishes the writes that wait, then closes every connection.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.pool.close().await,
        }
    }

    /// Prepares every statement of every aggregate, and says how many there are.
    ///
    /// # Errors
    /// The first statement the database does not understand, as `file.NAME`.
    pub async fn prepare_all(&self) -> Result<usize, StorageError> {
        let mut prepared = 0;
        for (aggregate, statements) in super::AGGREGATES {
            for (name, statement) in *statements {
                self.prepare(statement)
                    .await
                    .map_err(|error| StorageError::Refused(format!("{aggregate}.{name}: {error}")))?;
                prepared += 1;
            }
        }
        Ok(prepared)
    }

    async fn prepare(&self, statement: &super::statement::Statement) -> Result<(), StorageError> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        match &self.backend {
            Backend::Sqlite(sqlite) => {
                sqlite.readers.acquire().await?.prepare(statement.sqlite.into_sql_str()).await?;
            }
            Backend::Postgres(postgres) => {
                postgres.pool.acquire().await?.prepare(statement.postgres.into_sql_str()).await?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.backend {
            Backend::Sqlite(_) => "Db(SQLite)",
            Backend::Postgres(_) => "Db(PostgreSQL)",
        })
    }
}
