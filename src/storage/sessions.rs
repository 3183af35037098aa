//! Signed-in browsers, by the hash of their cookie.

use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::AccountId;

statements! {
    INSERT = "INSERT INTO sessions (hash, account_id, signed_in, last_used, expires) VALUES ($1, $2, $3, $3, $4)";
    GET = "SELECT s.account_id, s.signed_in, s.last_used, s.expires FROM sessions s \
           JOIN accounts a ON a.id = s.account_id WHERE s.hash = $1 AND a.state = 'active'";
    TOUCH = "UPDATE sessions SET last_used = $2 WHERE hash = $1 AND last_used < $2";
    DELETE = "DELETE FROM sessions WHERE hash = $1 RETURNING account_id";
    DELETE_EXPIRED = "DELETE FROM sessions WHERE hash IN \
                      (SELECT hash FROM sessions WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// A signed-in browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Who signed in; an account that is open.
    pub account: AccountId,
    /// When.
    pub signed_in: Instant,
    /// The last request, to within a minute.
    pub last_used: Instant,
    /// When it ends, whatever happens.
    pub expires: Instant,
}

/// Stores a new session.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, hash: &[u8; 32], session: &StoredSession) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        hash.to_vec(),
        session.account.to_string(),
        session.signed_in.micros(),
        session.expires.micros()
    )
    .map(drop)
}

/// The session with this hash, if its account is open. Whether it ended is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<StoredSession>, StorageError> {
    let row: Option<(String, i64, i64, i64)> = fetch_optional!(on, GET, hash.to_vec())?;
    let Some((account, signed_in, last_used, expires)) = row else { return Ok(None) };
    let Ok(id) = account.parse() else {
        return Err(DatabaseInconsistency { table: "sessions", column: "account_id", row: account }.into());
    };
    Ok(Some(StoredSession {
        account: id,
        signed_in: Instant::from_micros(signed_in),
        last_used: Instant::from_micros(last_used),
        expires: Instant::from_micros(expires),
    }))
}

/// Notes a use of the session.
///
/// # Errors
/// [`StorageError`].
pub async fn touch(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<(), StorageError> {
    execute!(tx, TOUCH, hash.to_vec(), now.micros()).map(drop)
}

/// Forgets sessions that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}

/// Ends a session, and says whose it was if there was one.
///
/// # Errors
/// [`StorageError`].
pub async fn delete(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<AccountId>, StorageError> {
    let row: Option<(String,)> = fetch_optional!(tx, DELETE, hash.to_vec())?;
    let Some((account,)) = row else { return Ok(None) };
    let broken = |_| DatabaseInconsistency { table: "sessions", column: "account_id", row: account.clone() };
    Ok(Some(account.parse().map_err(broken)?))
}
