//! People who ask for the way back in, until a job has looked who they are.

use super::error::RowKey;
use super::statement::{execute, fetch_all, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::RecoveryId;

statements! {
    INSERT = "INSERT INTO recovery_requests (id, sealed, created) VALUES ($1, $2, $3)";
    WAITING = "SELECT id, sealed, created FROM recovery_requests ORDER BY created, id LIMIT $1";
    TAKE = "DELETE FROM recovery_requests WHERE id = $1";
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryRequest {
    /// The id of the request.
    pub id: RecoveryId,
    /// The name or address that was typed, sealed: people mistype passwords there.
    pub sealed: Vec<u8>,
    /// When.
    pub created: Instant,
}

/// Keeps a request.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, new: &RecoveryRequest) -> Result<(), StorageError> {
    execute!(tx, INSERT, new.id.to_string(), new.sealed.as_slice(), new.created.micros()).map(drop)
}

/// The requests that wait, the oldest first, so many at most.
///
/// # Errors
/// [`StorageError`].
pub async fn waiting(on: impl Into<Executor<'_>>, most: i64) -> Result<Vec<RecoveryRequest>, StorageError> {
    let rows: Vec<(String, Vec<u8>, i64)> = fetch_all!(on, WAITING, most)?;
    let read = |(id, sealed, created): (String, Vec<u8>, i64)| {
        let key = RowKey { table: "recovery_requests", key: &id };
        let id = key.parse("id", &id)?;
        Ok::<_, DatabaseInconsistency>(RecoveryRequest { id, sealed, created: Instant::from_micros(created) })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Takes a request. True for exactly one caller.
///
/// # Errors
/// [`StorageError`].
pub async fn take(tx: &mut Tx, id: RecoveryId) -> Result<bool, StorageError> {
    Ok(execute!(tx, TAKE, id.to_string())? == 1)
}
