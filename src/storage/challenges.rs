//! What can be answered once, by whoever has a link, a code or a key.

use super::error::RowKey;
use super::statement::{execute, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::AccountId;
use crate::identity::named;

statements! {
    INSERT = "INSERT INTO challenges (hash, purpose, account_id, subject, code_hash, sealed, tries, created, expires) \
              VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)";
    GET = "SELECT hash, purpose, account_id, subject, code_hash, sealed, tries, created, expires FROM challenges \
           WHERE hash = $1 AND purpose = $2 AND expires > $3";
    NEWEST = "SELECT hash, purpose, account_id, subject, code_hash, sealed, tries, created, expires FROM challenges \
              WHERE account_id = $1 AND purpose = $2 AND subject = $3 AND expires > $4 \
              ORDER BY created DESC, hash LIMIT 1";
    TRY = "UPDATE challenges SET tries = tries + 1 WHERE hash = $1 AND tries < $2";
    TAKE = "DELETE FROM challenges WHERE hash = $1 AND purpose = $2 AND expires > $3";
    DELETE_OF_ACCOUNT = "DELETE FROM challenges WHERE account_id = $1 AND purpose = $2";
    DELETE_ALL = "DELETE FROM challenges WHERE account_id = $1";
    DELETE_EXPIRED = "DELETE FROM challenges WHERE hash IN \
                      (SELECT hash FROM challenges WHERE expires < $1 ORDER BY expires LIMIT $2)";
}

named! {
    /// What answering does.
    Purpose {
        /// An address is verified.
        ConfirmContact = "confirm-contact",
        /// The change of an address is undone.
        UndoContact = "undo-contact",
        /// The way back into an account begins.
        Recovery = "recovery",
        /// A passkey is registered.
        RegisterPasskey = "register-passkey",
        /// Somebody signs in with a passkey.
        UsePasskey = "use-passkey",
        /// Somebody signs in elsewhere.
        FederatedSignIn = "federated-sign-in",
        /// Somebody says that what was proved elsewhere is about them.
        ProvedElsewhere = "proved-elsewhere",
    }
}

/// A question that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The hash of the link's value, or of the challenge itself.
    pub hash: [u8; 32],
    /// What answering does.
    pub purpose: Purpose,
    /// Whose it is, where that is known.
    pub account: Option<AccountId>,
    /// What it is about.
    pub subject: String,
    /// The keyed hash of the code that answers it too.
    pub code_hash: Option<Vec<u8>>,
    /// What is needed at the answer, sealed.
    pub sealed: Option<Vec<u8>>,
    /// How often a code was tried.
    pub tries: u32,
    /// When it was asked.
    pub created: Instant,
    /// Until when it can be answered.
    pub expires: Instant,
}

type Row = (Vec<u8>, String, Option<String>, String, Option<Vec<u8>>, Option<Vec<u8>>, i64, i64, i64);

fn read(
    (hash, purpose, account, subject, code_hash, sealed, tries, created, expires): Row,
) -> Result<Challenge, DatabaseInconsistency> {
    let key = RowKey { table: "challenges", key: &purpose };
    Ok(Challenge {
        hash: key.column("hash", hash.try_into().ok())?,
        account: account.map(|id| key.parse("account_id", &id)).transpose()?,
        tries: key.column("tries", u32::try_from(tries).ok())?,
        purpose: key.column("purpose", Purpose::parse(&purpose))?,
        subject,
        code_hash,
        sealed,
        created: Instant::from_micros(created),
        expires: Instant::from_micros(expires),
    })
}

/// Asks.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, new: &Challenge) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        new.hash.to_vec(),
        new.purpose.as_str(),
        new.account.map(|id| id.to_string()),
        new.subject.as_str(),
        new.code_hash.clone(),
        new.sealed.clone(),
        new.created.micros(),
        new.expires.micros()
    )
    .map(drop)
}

/// The question with this hash, while it can be answered.
///
/// # Errors
/// [`StorageError`].
pub async fn get(
    on: impl Into<Executor<'_>>,
    hash: &[u8; 32],
    purpose: Purpose,
    now: Instant,
) -> Result<Option<Challenge>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, GET, hash.to_vec(), purpose.as_str(), now.micros())?;
    Ok(row.map(read).transpose()?)
}

/// The newest question of an account about a thing, while it can be answered.
///
/// # Errors
/// [`StorageError`].
pub async fn newest(
    on: impl Into<Executor<'_>>,
    account: AccountId,
    purpose: Purpose,
    subject: &str,
    now: Instant,
) -> Result<Option<Challenge>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, NEWEST, account.to_string(), purpose.as_str(), subject, now.micros())?;
    Ok(row.map(read).transpose()?)
}

/// Counts a try of the code before it is looked at. False when there were `most` already.
///
/// # Errors
/// [`StorageError`].
pub async fn try_code(tx: &mut Tx, hash: &[u8; 32], most: u32) -> Result<bool, StorageError> {
    Ok(execute!(tx, TRY, hash.to_vec(), i64::from(most))? == 1)
}

/// Answers a question. True for exactly one caller, before its end.
///
/// # Errors
/// [`StorageError`].
pub async fn take(tx: &mut Tx, hash: &[u8; 32], purpose: Purpose, now: Instant) -> Result<bool, StorageError> {
    Ok(execute!(tx, TAKE, hash.to_vec(), purpose.as_str(), now.micros())? == 1)
}

/// Withdraws an account's questions of a kind.
///
/// # Errors
/// [`StorageError`].
pub async fn withdraw(tx: &mut Tx, account: AccountId, purpose: Purpose) -> Result<(), StorageError> {
    execute!(tx, DELETE_OF_ACCOUNT, account.to_string(), purpose.as_str()).map(drop)
}

/// Withdraws all questions of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn withdraw_all(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, DELETE_ALL, account.to_string()).map(drop)
}

/// Forgets what could not be answered any more before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_expired(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_EXPIRED, end.micros(), most)
}
