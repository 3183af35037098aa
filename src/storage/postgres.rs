//! A PostgreSQL server: a pool of connections, each write its own transaction.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::db::Shared;
use super::executor::TxConnection;
use super::writer::LONGEST_WRITE;
use super::{StorageError, Tx, audit, migrate};

/// Connections beyond those that read, for writes.
const WRITE_CONNECTIONS: u32 = 4;
/// How long an operation waits for a free connection.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct PostgresDb {
    pub(super) pool: PgPool,
}

impl PostgresDb {
    pub(super) async fn open(url: &str, readers: u32) -> Result<(Self, Arc<Shared>), StorageError> {
        let options: PgConnectOptions = url
            .parse()
            // The parser's message may quote the URL, and with it the password.
            .map_err(|_| StorageError::Refused("the file of storage.url holds no PostgreSQL URL".to_owned()))?;
        // Acknowledged means durable, whatever the server's default is.
        let options = options.application_name("chartgate").options([("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new()
            .min_connections(0)
            .max_connections(readers.saturating_add(WRITE_CONNECTIONS))
            .acquire_timeout(WAIT)
            .connect_with(options)
            .await?;
        let mut connection = pool.acquire().await?;
        migrate::postgres(&mut connection).await?;
        let generation = sqlx::query_scalar(super::generations::CURRENT.postgres).fetch_one(&mut *connection).await?;
        drop(connection);
        Ok((Self { pool }, Shared::new(generation)))
    }

    pub(super) async fn write<T, E>(
        &self,
        shared: &Shared,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send,
    ) -> Result<T, E>
    where
        E: From<StorageError>,
    {
        let transaction = self.pool.begin().await.map_err(StorageError::from)?;
        let mut tx = Tx::new(TxConnection::Postgres(transaction));
        let run = AssertUnwindSafe(async {
            let value = work(&mut tx).await?;
            audit::append_acts(&mut tx).await?;
            Ok::<_, E>(value)
        })
        .catch_unwind();
        // Dropping an unfinished transaction rolls it back before the connection is used again.
        let answer = match tokio::time::timeout(LONGEST_WRITE, run).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(StorageError::Panicked.into()),
            Err(_) => return Err(StorageError::TookTooLong.into()),
        };
        // The last statement, so that the one row all changes meet at is locked for the shortest time, by everybody in
        // the same order.
        let generation = super::generations::advance(&mut tx).await?;
        let tx_statements = tx.statements;
        if let TxConnection::Postgres(transaction) = tx.connection {
            transaction.commit().await.map_err(|error| StorageError::from(error).into_not_committed())?;
        }
        // What begins and commits it is sent as well.
        shared.sent(tx_statements + 2);
        shared.committed(1, generation);
        Ok(answer)
    }
}
