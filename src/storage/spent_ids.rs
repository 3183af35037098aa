//! What may be used once: ids of assertions, by their hashes, as long as they would be accepted.

use super::statement::{execute, fetch_optional, statements};
use super::{StorageError, Tx};
use crate::base::clock::Instant;

statements! {
    INSERT = "INSERT INTO spent_ids (hash, expires) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
    GET = "SELECT expires FROM spent_ids WHERE hash = $1";
    DELETE_EXPIRED = "DELETE FROM spent_ids WHERE hash IN \
                      (SELECT hash FROM spent_ids WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// Uses an id up. True for exactly one caller, however many try at once.
///
/// # Errors
/// [`StorageError`].
pub async fn spend(tx: &mut Tx, id: &[u8; 32], expires: Instant) -> Result<bool, StorageError> {
    let rows = execute!(tx, INSERT, id.to_vec(), expires.micros())?;
    Ok(rows == 1)
}

/// Whether an id was used up, and is remembered.
///
/// # Errors
/// [`StorageError`].
pub async fn is_spent(tx: &mut Tx, id: &[u8; 32]) -> Result<bool, StorageError> {
    let row: Option<(i64,)> = fetch_optional!(tx, GET, id.to_vec())?;
    Ok(row.is_some())
}

/// Forgets ids that nobody would accept since `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}
