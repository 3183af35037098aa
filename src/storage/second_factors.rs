//! What is shown beside a password: one-time passwords of a generator, and saved codes.

use super::statement::{execute, fetch_optional, fetch_value, statements};
use super::{Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::AccountId;

statements! {
    PUT = "INSERT INTO totp (account_id, sealed, created, last_step) VALUES ($1, $2, $3, 0) \
           ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed, created = excluded.created, last_step = 0 \
           WHERE totp.confirmed IS NULL";
    GET = "SELECT sealed, confirmed FROM totp WHERE account_id = $1";
    USE_STEP = "UPDATE totp SET last_step = $2, confirmed = COALESCE(confirmed, $3) \
                WHERE account_id = $1 AND last_step < $2";
    DELETE = "DELETE FROM totp WHERE account_id = $1";
    INSERT_CODE = "INSERT INTO recovery_codes (account_id, hash, created) VALUES ($1, $2, $3)";
    USE_CODE = "DELETE FROM recovery_codes WHERE account_id = $1 AND hash = $2";
    DELETE_CODES = "DELETE FROM recovery_codes WHERE account_id = $1";
    COUNT_CODES = "SELECT count(*) FROM recovery_codes WHERE account_id = $1";
}

/// A generator of one-time passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTotp {
    /// Its secret, sealed.
    pub sealed: Vec<u8>,
    /// When its holder first showed a password of it; before that it counts for nothing.
    pub confirmed: Option<Instant>,
}

/// Keeps a new generator's secret. False where a confirmed one is.
///
/// # Errors
/// [`StorageError`].
pub async fn put_totp(tx: &mut Tx, account: AccountId, sealed: &[u8], now: Instant) -> Result<bool, StorageError> {
    Ok(execute!(tx, PUT, account.to_string(), sealed, now.micros())? == 1)
}

/// The generator of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn totp(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Option<StoredTotp>, StorageError> {
    let row: Option<(Vec<u8>, Option<i64>)> = fetch_optional!(on, GET, account.to_string())?;
    Ok(row.map(|(sealed, confirmed)| StoredTotp { sealed, confirmed: confirmed.map(Instant::from_micros) }))
}

/// Uses up a step, and with it all before; the first one confirms the generator. True for exactly one caller.
///
/// # Errors
/// [`StorageError`].
pub async fn use_step(tx: &mut Tx, account: AccountId, step: i64, now: Instant) -> Result<bool, StorageError> {
    Ok(execute!(tx, USE_STEP, account.to_string(), step, now.micros())? == 1)
}

/// Forgets the generator. False if there was none.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_totp(tx: &mut Tx, account: AccountId) -> Result<bool, StorageError> {
    Ok(execute!(tx, DELETE, account.to_string())? == 1)
}

/// Keeps a saved code, by its keyed hash.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_code(tx: &mut Tx, account: AccountId, hash: &[u8; 32], now: Instant) -> Result<(), StorageError> {
    execute!(tx, INSERT_CODE, account.to_string(), hash.to_vec(), now.micros()).map(drop)
}

/// Uses a saved code up. True for exactly one caller.
///
/// # Errors
/// [`StorageError`].
pub async fn use_code(tx: &mut Tx, account: AccountId, hash: &[u8; 32]) -> Result<bool, StorageError> {
    Ok(execute!(tx, USE_CODE, account.to_string(), hash.to_vec())? == 1)
}

/// Forgets the saved codes.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_codes(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, DELETE_CODES, account.to_string()).map(drop)
}

/// How many saved codes are left.
///
/// # Errors
/// [`StorageError`].
pub async fn codes_left(on: impl Into<Executor<'_>>, account: AccountId) -> Result<u64, StorageError> {
    let count: i64 = fetch_value!(on, COUNT_CODES, account.to_string())?;
    Ok(u64::try_from(count).unwrap_or(0))
}
