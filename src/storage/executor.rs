use std::fmt;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

use super::audit::{AuditRow, Chain};
use super::{Db, StorageError, db};

/// A write under way: what is done with it happens whole or not at all. [`Db::write`] hands it out.
pub struct Tx {
    pub(super) connection: TxConnection,
    pub(super) bumps_generation: bool,
    /// Acts done in it: entered in the audit trail at its end, together with those of its group.
    pub(super) acts: Vec<(Chain, AuditRow)>,
    /// Statements sent since they were last counted.
    pub(super) statements: u64,
}

pub(super) enum TxConnection {
    Sqlite(SqliteConnection),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) const fn new(connection: TxConnection) -> Self {
        Self { connection, bumps_generation: false, acts: Vec::new(), statements: 0 }
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("bumps_generation", &self.bumps_generation).finish_non_exhaustive()
    }
}

/// Where a statement runs: within a write, or on a connection that reads.
///
/// Reads take `impl Into<Executor>`, so that they serve `&Db` and `&mut Tx` alike.
#[derive(Debug)]
pub enum Executor<'e> {
    /// The last committed state.
    Read(&'e Db),
    /// The state that this write sees, its own changes included.
    Write(&'e mut Tx),
}

impl<'e> From<&'e Db> for Executor<'e> {
    fn from(db: &'e Db) -> Self {
        Self::Read(db)
    }
}

impl<'e> From<&'e mut Tx> for Executor<'e> {
    fn from(tx: &'e mut Tx) -> Self {
        Self::Write(tx)
    }
}

impl<'e> Executor<'e> {
    pub(super) async fn connection(self) -> Result<Connection<'e>, StorageError> {
        Ok(match self {
            Self::Read(db) => {
                db.shared.sent(1);
                match &db.backend {
                    db::Backend::Sqlite(sqlite) => Connection::Sqlite(Held::Pooled(sqlite.readers.acquire().await?)),
                    db::Backend::Postgres(db) => Connection::Postgres(Held::Pooled(db.pool.acquire().await?)),
                }
            }
            Self::Write(tx) => {
                tx.statements += 1;
                match &mut tx.connection {
                    TxConnection::Sqlite(connection) => Connection::Sqlite(Held::Borrowed(connection)),
                    TxConnection::Postgres(transaction) => Connection::Postgres(Held::Borrowed(transaction)),
                }
            }
        })
    }
}

pub(super) enum Connection<'e> {
    Sqlite(Held<'e, Sqlite, SqliteConnection>),
    Postgres(Held<'e, Postgres, PgConnection>),
}

pub(super) enum Held<'e, D: sqlx::Database, C> {
    Pooled(PoolConnection<D>),
    Borrowed(&'e mut C),
}

impl<D: sqlx::Database<Connection = C>, C> Held<'_, D, C> {
    pub(super) fn get(&mut self) -> &mut C {
        match self {
            Self::Pooled(connection) => connection,
            Self::Borrowed(connection) => connection,
        }
    }
}
