use sqlx::error::ErrorKind;

/// Why the database did not do what was asked. Holds no stored value: nothing of a record can reach a log through it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// A unique value belongs to somebody else.
    #[error("already taken: {0:?}")]
    AlreadyTaken(Taken),
    /// A row that this one points to is not there.
    #[error("refers to a row that does not exist")]
    ReferenceMissing,
    /// A row that must be there, in the state it must be in, is not.
    #[error("no such row in {table}")]
    NotFound {
        /// The table.
        table: &'static str,
    },
    /// A stored row fits no state of its entity.
    #[error(transparent)]
    Inconsistent(#[from] DatabaseInconsistency),
    /// No connection, no room in the queue, locked by another process, or disk full: a later try may succeed.
    #[error("database unavailable ({code})")]
    Unavailable {
        /// SQLSTATE, SQLite result code, or a word.
        code: String,
    },
    /// The write was not confirmed as durable: it is not stored, or, if the disk or the server failed in that very
    /// moment, only what is found after a restart tells.
    #[error("commit failed ({code})")]
    NotCommitted {
        /// SQLSTATE, SQLite result code, or a word.
        code: String,
    },
    /// The write took too long and was rolled back.
    #[error("write took too long and was rolled back")]
    TookTooLong,
    /// The write panicked and was rolled back.
    #[error("write panicked and was rolled back")]
    Panicked,
    /// Writing stopped for good: the disk failed a sync, or the database was closed. The process must end.
    #[error("database takes no more writes")]
    Halted,
    /// The database is not one this program can work with.
    #[error("database refused: {0}")]
    Refused(String),
    /// Any other failure, by its code.
    #[error("database error ({code})")]
    Database {
        /// SQLSTATE, SQLite result code, or a word.
        code: String,
    },
}

/// Which unique value was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The key of a row.
    Key,
    /// A username, in its folded form.
    Username,
    /// A person, by another account as its own.
    PersonOfAccount,
    /// A source key.
    SourceKey,
    /// A chart, by another active link.
    Chart,
    /// A person, by another merge that stands.
    MergedPerson,
}

/// A stored row that fits no state of its entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}.{column} of row {row} is inconsistent")]
pub struct DatabaseInconsistency {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row, by its key.
    pub row: String,
}

impl StorageError {
    pub(super) fn unavailable(word: &str) -> Self {
        Self::Unavailable { code: word.to_owned() }
    }

    /// What a failed commit is to those who wait for it.
    pub(super) fn into_not_committed(self) -> Self {
        match self {
            Self::Unavailable { code } | Self::Database { code } => Self::NotCommitted { code },
            other => other,
        }
    }

    /// Whether the disk itself failed (SQLite's `SQLITE_IOERR` family): what a sync lost, no later sync brings back.
    pub(super) fn is_disk_failure(&self) -> bool {
        match self {
            Self::Unavailable { code } | Self::Database { code } | Self::NotCommitted { code } => {
                code.strip_prefix("sqlite:").and_then(|c| c.parse::<u32>().ok()).is_some_and(|c| c & 0xff == 10)
            }
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => match inner.kind() {
                ErrorKind::UniqueViolation => Self::AlreadyTaken(Taken::Key),
                ErrorKind::ForeignKeyViolation => Self::ReferenceMissing,
                _ => from_code(inner.as_ref()),
            },
            sqlx::Error::PoolTimedOut => Self::unavailable("no connection"),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Halted,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => Self::unavailable("connection lost"),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Database { code: "decode".to_owned() },
            sqlx::Error::ColumnNotFound(column) => Self::Database { code: format!("no column {column}") },
            sqlx::Error::RowNotFound => Self::Database { code: "no row".to_owned() },
            _ => Self::Database { code: "driver".to_owned() },
        }
    }
}

fn from_code(error: &dyn sqlx::error::DatabaseError) -> StorageError {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // The low byte of an extended code is the primary one: BUSY, LOCKED, FULL pass; the rest does not.
        let primary = code.parse::<u32>().unwrap_or_default() & 0xff;
        let code = format!("sqlite:{code}");
        return if matches!(primary, 5 | 6 | 13) {
            StorageError::Unavailable { code }
        } else {
            StorageError::Database { code }
        };
    }
    // PostgreSQL: connection (08), serialization and deadlock (40), resources (53), shutdown (57), lock wait (55P03).
    let passes = ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)) || code == "55P03";
    let code = code.into_owned();
    if passes { StorageError::Unavailable { code } } else { StorageError::Database { code } }
}

/// A row as it is read back, to name it when it fits no state of its entity.
#[derive(Clone, Copy)]
pub(super) struct RowKey<'r> {
    pub(super) table: &'static str,
    pub(super) key: &'r str,
}

impl RowKey<'_> {
    pub(super) fn inconsistent(&self, column: &'static str) -> DatabaseInconsistency {
        DatabaseInconsistency { table: self.table, column, row: self.key.to_owned() }
    }

    /// The value of `column`, or the fault that it has none that makes sense.
    pub(super) fn column<T>(&self, column: &'static str, value: Option<T>) -> Result<T, DatabaseInconsistency> {
        value.ok_or_else(|| self.inconsistent(column))
    }

    /// The value of a text `column` in its own type.
    pub(super) fn parse<T: std::str::FromStr>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, DatabaseInconsistency> {
        self.column(column, text.parse().ok())
    }

    /// The value of a JSON `column`.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
        text: &str,
    ) -> Result<T, DatabaseInconsistency> {
        self.column(column, serde_json::from_str(text).ok())
    }
}

/// JSON for a column. Fails for no type that is stored: they have text keys and finite numbers.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|_| StorageError::Database { code: "json".to_owned() })
}
