//! One file: one connection that writes, several that read.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::StorageError;
use super::db::Shared;
use super::migrate;
use super::writer::Writer;

/// How long a write waits for another process that holds the file, before its caller is told to come again.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long a read waits for a free connection.
const READ_WAIT: Duration = Duration::from_secs(5);
/// Page cache of the connection that writes, in KiB (a negative value means that unit).
const WRITER_CACHE: &str = "-1024";
/// Page cache of each connection that reads: the kernel caches the file as well.
const READER_CACHE: &str = "-512";
/// The write-ahead log is cut back to this many bytes once a checkpoint emptied it.
const LOG_LIMIT: &str = "67108864";
/// Pages in the log before they are taken over into the file (16 MB; SQLite's own measure is a quarter of it): what is
/// written again and again meanwhile, such as the ends of indexes, is taken over once.
const CHECKPOINT_AFTER: &str = "4000";
/// A reader that idled so long is closed; its memory and its thread go with it.
const READER_IDLE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct SqliteDb {
    pub(super) writer: Writer,
    pub(super) readers: SqlitePool,
}

impl SqliteDb {
    pub(super) async fn open(path: &Path, readers: u32) -> Result<(Self, Arc<Shared>), StorageError> {
        private(path)?;
        let options = writing(path);
        // The writer comes first: a read-only connection cannot create the file, nor switch it to WAL.
        let mut connection = connect(&options).await?;
        migrate::sqlite(&mut connection).await?;
        let generation = sqlx::query_scalar(super::generations::CURRENT.sqlite).fetch_one(&mut connection).await?;
        let shared = Shared::new(generation);
        let readers = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(readers)
            .acquire_timeout(READ_WAIT)
            .idle_timeout(READER_IDLE)
            .max_lifetime(None)
            // A local file does not hang up: no round trip to ask.
            .test_before_acquire(false)
            .connect_lazy_with(reading(path));
        let writer = Writer::start(connection, options, Arc::clone(&shared));
        Ok((Self { writer, readers }, shared))
    }

    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Makes the file readable by its owner alone, or refuses one that is not; SQLite gives its side files the same mode.
fn private(path: &Path) -> Result<(), StorageError> {
    let refused = |why: String| StorageError::Refused(format!("{}: {why}", path.display()));
    let created = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    let mode =
        created.and_then(|file| file.metadata()).map_err(|error| refused(error.to_string()))?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(refused("others can read it; chmod 600".to_owned())) }
}

/// Connects with `options`.
pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, StorageError> {
    Ok(options.connect().await?)
}

fn common(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(LOCK_WAIT)
        .pragma("temp_store", "MEMORY")
        .pragma("trusted_schema", "OFF")
}

fn writing(path: &Path) -> SqliteConnectOptions {
    common(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs the log at every commit; NORMAL loses acknowledged commits when the power fails.
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("journal_size_limit", LOG_LIMIT)
        .pragma("wal_autocheckpoint", CHECKPOINT_AFTER)
        .statement_cache_capacity(256)
        .thread_name(|_| "storage-writer".to_owned())
}

fn reading(path: &Path) -> SqliteConnectOptions {
    common(path).read_only(true).pragma("cache_size", READER_CACHE).thread_name(|id| format!("storage-reader-{id}"))
}
