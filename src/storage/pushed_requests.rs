//! Authorization requests that clients pushed (RFC 9126), sealed, by the hashes of their addresses.

use super::statement::{execute, fetch_optional, statements};
use super::{StorageError, Tx};
use crate::base::clock::Instant;
use crate::oauth::client::ClientId;

statements! {
    INSERT = "INSERT INTO pushed_requests (hash, client_id, sealed, expires) VALUES ($1, $2, $3, $4)";
    TAKE = "DELETE FROM pushed_requests WHERE hash = $1 AND client_id = $2 AND expires > $3 RETURNING sealed";
    DELETE_EXPIRED = "DELETE FROM pushed_requests WHERE hash IN \
                      (SELECT hash FROM pushed_requests WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// Stores a request.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &ClientId,
    sealed: &[u8],
    expires: Instant,
) -> Result<(), StorageError> {
    execute!(tx, INSERT, hash.to_vec(), client.as_str(), sealed, expires.micros()).map(drop)
}

/// Takes a request of this client up: the one who gets it is the only one.
///
/// # Errors
/// [`StorageError`].
pub async fn take(
    tx: &mut Tx,
    hash: &[u8; 32],
    client: &ClientId,
    now: Instant,
) -> Result<Option<Vec<u8>>, StorageError> {
    let row: Option<(Vec<u8>,)> = fetch_optional!(tx, TAKE, hash.to_vec(), client.as_str(), now.micros())?;
    Ok(row.map(|(sealed,)| sealed))
}

/// Forgets requests that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}
