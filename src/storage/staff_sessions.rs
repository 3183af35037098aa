//! Browsers signed in to work, by the hash of their cookie.

use std::time::Duration;

use super::error::RowKey;
use super::statement::{execute, fetch_optional, statements};
use super::{Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, OrganizationId};

statements! {
    INSERT = "INSERT INTO staff_sessions (hash, account_id, organization_id, signed_in, last_used, expires) \
              VALUES ($1, $2, $3, $4, $4, $5)";
    GET = "SELECT account_id, organization_id, signed_in, last_used, expires FROM staff_sessions WHERE hash = $1";
    IS_AT_WORK = "SELECT 1 FROM staff_sessions WHERE account_id = $1 AND organization_id = $2 AND expires > $3 \
                  AND last_used > $4 LIMIT 1";
    TOUCH = "UPDATE staff_sessions SET last_used = $2 WHERE hash = $1 AND last_used < $2";
    DELETE = "DELETE FROM staff_sessions WHERE hash = $1";
    DELETE_OF_ACCOUNT = "DELETE FROM staff_sessions WHERE account_id = $1";
    DELETE_EXPIRED = "DELETE FROM staff_sessions WHERE hash IN \
                      (SELECT hash FROM staff_sessions WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

/// Work ends when nothing was done for so long (portal design, 2.8).
pub const IDLE: Duration = Duration::from_secs(20 * 60);

/// A browser signed in to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaffSession {
    /// Who.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
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
pub async fn insert(tx: &mut Tx, hash: &[u8; 32], session: &StaffSession) -> Result<(), StorageError> {
    let (account, organization) = (session.account.to_string(), session.organization.to_string());
    let (signed_in, expires) = (session.signed_in.micros(), session.expires.micros());
    execute!(tx, INSERT, hash.to_vec(), account, organization, signed_in, expires).map(drop)
}

/// Whether the account is at work there now, in whatever browser.
///
/// # Errors
/// [`StorageError`].
pub async fn is_at_work(
    on: impl Into<Executor<'_>>,
    (account, organization): (AccountId, OrganizationId),
    now: Instant,
) -> Result<bool, StorageError> {
    let (account, organization, since) = (account.to_string(), organization.to_string(), now.minus(IDLE).micros());
    let found: Option<(i32,)> = fetch_optional!(on, IS_AT_WORK, account, organization, now.micros(), since)?;
    Ok(found.is_some())
}

/// The session with this hash. Whether it ended, and whether its account still has a role, is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<StaffSession>, StorageError> {
    let row: Option<(String, String, i64, i64, i64)> = fetch_optional!(on, GET, hash.to_vec())?;
    let Some((account, organization, signed_in, last_used, expires)) = row else { return Ok(None) };
    let key = RowKey { table: "staff_sessions", key: &account };
    Ok(Some(StaffSession {
        account: key.parse("account_id", &account)?,
        organization: key.parse("organization_id", &organization)?,
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

/// Ends a session, if there is one.
///
/// # Errors
/// [`StorageError`].
pub async fn delete(tx: &mut Tx, hash: &[u8; 32]) -> Result<(), StorageError> {
    execute!(tx, DELETE, hash.to_vec()).map(drop)
}

/// Ends every session of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_of_account(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, DELETE_OF_ACCOUNT, account.to_string()).map(drop)
}

/// Forgets sessions that ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}
