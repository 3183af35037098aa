//! Keys that sign id_tokens; their private halves are sealed.

use super::statement::{execute, fetch_all, statements};
use super::{Executor, StorageError, Tx};
use crate::base::clock::Instant;

statements! {
    INSERT = "INSERT INTO signing_keys (kid, ordinal, algorithm, sealed, created) VALUES ($1, 1, 'RS256', $2, $3) \
              ON CONFLICT DO NOTHING";
    ALL = "SELECT kid, sealed FROM signing_keys ORDER BY ordinal";
}

/// A sealed key and its id.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// PKCS #8, sealed and bound to the id.
    pub sealed: Vec<u8>,
}

/// Stores the first key. Does nothing when there is one: of two processes that start at once, one wins.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_first(tx: &mut Tx, key: &SealedKey, created: Instant) -> Result<(), StorageError> {
    execute!(tx, INSERT, key.kid.as_str(), key.sealed.as_slice(), created.micros()).map(drop)
}

/// Every key, oldest first: the first one signs.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<SealedKey>, StorageError> {
    let rows: Vec<(String, Vec<u8>)> = fetch_all!(on, ALL)?;
    Ok(rows.into_iter().map(|(kid, sealed)| SealedKey { kid, sealed }).collect())
}
