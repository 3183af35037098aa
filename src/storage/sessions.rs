//! Signed-in browsers, by the hash of their cookie.

use super::error::RowKey;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, SessionId};
use crate::identity::named;

statements! {
    INSERT = "INSERT INTO sessions \
              (hash, id, account_id, signed_in, last_used, expires, proved, factors, browser, state) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    GET = "SELECT s.id, s.account_id, s.signed_in, s.last_used, s.expires, s.proved, s.factors, s.browser, s.state \
           FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.hash = $1 AND a.state = 'active'";
    OF_ACCOUNT = "SELECT id, account_id, signed_in, last_used, expires, proved, factors, browser, state \
                  FROM sessions WHERE account_id = $1 AND state = 'open' AND expires > $2 \
                  ORDER BY last_used DESC, id";
    TOUCH = "UPDATE sessions SET last_used = $2 WHERE hash = $1 AND last_used < $2";
    ROTATE = "UPDATE sessions SET hash = $2, proved = $3, last_used = $3 WHERE hash = $1 AND state = 'open'";
    ADVANCE = "UPDATE sessions SET hash = $2, state = $3, factors = $4, signed_in = $5, proved = $5, last_used = $5, \
               expires = $6 WHERE hash = $1 AND state = $7";
    DELETE = "DELETE FROM sessions WHERE hash = $1 RETURNING account_id";
    DELETE_ONE = "DELETE FROM sessions WHERE account_id = $1 AND id = $2";
    DELETE_OTHERS = "DELETE FROM sessions WHERE account_id = $1 AND hash <> $2";
    DELETE_EXPIRED = "DELETE FROM sessions WHERE hash IN \
                      (SELECT hash FROM sessions WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

named! {
    /// How far a sign-in has come.
    SessionState {
        /// Somebody is signed in.
        Open = "open",
        /// The password was right; the second factor is missing.
        SecondFactor = "second-factor",
        /// Somebody came by the link that leads back in, and may do nothing but that.
        Recovery = "recovery",
    }
}

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Its name in lists.
    pub id: SessionId,
    /// Who signed in; an account that is open.
    pub account: AccountId,
    /// When.
    pub signed_in: Instant,
    /// The last request, to within a minute.
    pub last_used: Instant,
    /// When it ends, whatever happens.
    pub expires: Instant,
    /// When whoever sits there last showed who they are.
    pub proved: Instant,
    /// By what: `password`, `password totp`, `passkey`, ….
    pub factors: String,
    /// The browser, in a few words.
    pub browser: String,
    /// How far the sign-in has come.
    pub state: SessionState,
}

type Row = (String, String, i64, i64, i64, i64, String, String, String);

fn read(
    (id, account, signed_in, last_used, expires, proved, factors, browser, state): Row,
) -> Result<StoredSession, DatabaseInconsistency> {
    let key = RowKey { table: "sessions", key: &id };
    Ok(StoredSession {
        id: key.parse("id", &id)?,
        account: key.parse("account_id", &account)?,
        signed_in: Instant::from_micros(signed_in),
        last_used: Instant::from_micros(last_used),
        expires: Instant::from_micros(expires),
        proved: Instant::from_micros(proved),
        state: key.column("state", SessionState::parse(&state))?,
        factors,
        browser,
    })
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
        session.id.to_string(),
        session.account.to_string(),
        session.signed_in.micros(),
        session.last_used.micros(),
        session.expires.micros(),
        session.proved.micros(),
        session.factors.as_str(),
        session.browser.as_str(),
        session.state.as_str()
    )
    .map(drop)
}

/// The session with this hash, if its account is open. Whether it ended, and how far it has come, is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn get(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<StoredSession>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, GET, hash.to_vec())?;
    Ok(row.map(read).transpose()?)
}

/// Where an account is signed in and can still be at `now`, the last used first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_account(
    on: impl Into<Executor<'_>>,
    account: AccountId,
    now: Instant,
) -> Result<Vec<StoredSession>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_ACCOUNT, account.to_string(), now.micros())?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Notes a use of the session.
///
/// # Errors
/// [`StorageError`].
pub async fn touch(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<(), StorageError> {
    execute!(tx, TOUCH, hash.to_vec(), now.micros()).map(drop)
}

/// Whoever sits there showed once more who they are: the session goes on under another hash. False if it had ended.
///
/// # Errors
/// [`StorageError`].
pub async fn rotate(tx: &mut Tx, old: &[u8; 32], new: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let rows = execute!(tx, ROTATE, old.to_vec(), new.to_vec(), now.micros())?;
    Ok(rows == 1)
}

/// The next step of a sign-in.
#[derive(Clone, Debug)]
pub struct Advance {
    /// From where.
    pub from: SessionState,
    /// To where.
    pub to: SessionState,
    /// What was shown by now.
    pub factors: String,
    /// When it ends.
    pub expires: Instant,
}

/// A sign-in comes a step further, under another hash. False if it had ended or was taken further already.
///
/// # Errors
/// [`StorageError`].
pub async fn advance(
    tx: &mut Tx,
    (old, new): (&[u8; 32], &[u8; 32]),
    step: &Advance,
    now: Instant,
) -> Result<bool, StorageError> {
    let rows = execute!(
        tx,
        ADVANCE,
        old.to_vec(),
        new.to_vec(),
        step.to.as_str(),
        step.factors.as_str(),
        now.micros(),
        step.expires.micros(),
        step.from.as_str()
    )?;
    Ok(rows == 1)
}

/// Ends one session of an account. False if there was none.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_one(tx: &mut Tx, account: AccountId, id: SessionId) -> Result<bool, StorageError> {
    Ok(execute!(tx, DELETE_ONE, account.to_string(), id.to_string())? > 0)
}

/// Ends every session of an account but the one with this hash, and says how many it were. Without one: all.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_others(tx: &mut Tx, account: AccountId, but: Option<&[u8; 32]>) -> Result<u64, StorageError> {
    // Work ends with the sessions that it began from: whoever took one over must not stay at work.
    super::staff_sessions::delete_of_account(&mut *tx, account).await?;
    execute!(tx, DELETE_OTHERS, account.to_string(), but.map_or_else(Vec::new, |hash| hash.to_vec()))
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
