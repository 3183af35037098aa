//! Keys that sign id_tokens; their private halves are sealed.

use super::statement::{execute, fetch_all, statements};
use super::{Executor, StorageError, Tx};
use crate::base::clock::Instant;

statements! {
    INSERT_FIRST = "INSERT INTO signing_keys (kid, ordinal, algorithm, sealed, created, signs_from) \
                    VALUES ($1, 1, 'RS256', $2, $3, 0) ON CONFLICT DO NOTHING";
    /// Behind all others. Of two at once one fails on the ordinal, and nothing of it is done.
    INSERT_NEXT = "INSERT INTO signing_keys (kid, ordinal, algorithm, sealed, created, signs_from) \
                   SELECT $1, COALESCE(MAX(ordinal), 0) + 1, 'RS256', $2, $3, $4 FROM signing_keys";
    ALL = "SELECT kid, sealed, created, signs_from FROM signing_keys ORDER BY ordinal";
    DELETE = "DELETE FROM signing_keys WHERE kid = $1";
    DELETE_FOLLOWED = "DELETE FROM signing_keys WHERE ordinal < \
                       (SELECT MAX(k.ordinal) FROM signing_keys k WHERE k.signs_from < $1)";
}

/// A sealed key and its id.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// PKCS #8, sealed and bound to the id.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created: Instant,
    /// From when on it signs, unless another one begins later.
    pub signs_from: Instant,
}

type Row = (String, Vec<u8>, i64, i64);

/// Stores the first key. Does nothing when there is one: of two processes that start at once, one wins.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_first(tx: &mut Tx, key: &SealedKey) -> Result<(), StorageError> {
    execute!(tx, INSERT_FIRST, key.kid.as_str(), key.sealed.as_slice(), key.created.micros()).map(drop)
}

/// Stores a key that follows the others, and moves the generation on.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_next(tx: &mut Tx, key: &SealedKey) -> Result<(), StorageError> {
    super::generations::bump(tx);
    let (created, signs_from) = (key.created.micros(), key.signs_from.micros());
    execute!(tx, INSERT_NEXT, key.kid.as_str(), key.sealed.as_slice(), created, signs_from).map(drop)
}

/// Every key, in the order in which they came.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<SealedKey>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ALL)?;
    let key = |(kid, sealed, created, signs_from): Row| SealedKey {
        kid,
        sealed,
        created: Instant::from_micros(created),
        signs_from: Instant::from_micros(signs_from),
    };
    Ok(rows.into_iter().map(key).collect())
}

/// Forgets a key at once, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none with this id.
pub async fn delete(tx: &mut Tx, kid: &str) -> Result<(), StorageError> {
    super::generations::bump(tx);
    let rows = execute!(tx, DELETE, kid)?;
    if rows == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "signing_keys" }) }
}

/// Forgets keys that one which began to sign before `before` follows, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_followed(tx: &mut Tx, before: Instant) -> Result<u64, StorageError> {
    execute!(tx, DELETE_FOLLOWED, before.micros())
}
