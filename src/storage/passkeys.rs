//! Keys that people sign in with.

use super::error::RowKey;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, PasskeyId};

statements! {
    INSERT = "INSERT INTO passkeys \
              (id, account_id, credential_id, public_key, sign_count, name, backed_up, created) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    OF_ACCOUNT = "SELECT id, account_id, credential_id, public_key, sign_count, name, backed_up, created, last_used \
                  FROM passkeys WHERE account_id = $1 ORDER BY created, id";
    BY_CREDENTIAL = "SELECT p.id, p.account_id, p.credential_id, p.public_key, p.sign_count, p.name, p.backed_up, \
                     p.created, p.last_used FROM passkeys p JOIN accounts a ON a.id = p.account_id \
                     WHERE p.credential_id = $1 AND a.state = 'active'";
    USE = "UPDATE passkeys SET sign_count = $3, backed_up = $4, last_used = $5 WHERE id = $1 AND sign_count = $2";
    DELETE = "DELETE FROM passkeys WHERE account_id = $1 AND id = $2";
    DELETE_ALL = "DELETE FROM passkeys WHERE account_id = $1";
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPasskey {
    /// Its id here.
    pub id: PasskeyId,
    /// Whose.
    pub account: AccountId,
    /// Its own id.
    pub credential: Vec<u8>,
    /// Its public half, as a COSE key.
    pub public_key: Vec<u8>,
    /// How often it signed.
    pub sign_count: u32,
    /// The browser that it was made with.
    pub name: String,
    /// A copy of it is kept elsewhere.
    pub backed_up: bool,
    /// When it was made.
    pub created: Instant,
    /// When somebody last signed in with it.
    pub last_used: Option<Instant>,
}

type Row = (String, String, Vec<u8>, Vec<u8>, i64, String, i64, i64, Option<i64>);

fn read(
    (id, account, credential, public_key, sign_count, name, backed_up, created, last_used): Row,
) -> Result<StoredPasskey, DatabaseInconsistency> {
    let key = RowKey { table: "passkeys", key: &id };
    Ok(StoredPasskey {
        id: key.parse("id", &id)?,
        account: key.parse("account_id", &account)?,
        sign_count: key.column("sign_count", u32::try_from(sign_count).ok())?,
        backed_up: backed_up == 1,
        created: Instant::from_micros(created),
        last_used: last_used.map(Instant::from_micros),
        credential,
        public_key,
        name,
    })
}

/// Keeps a key. False where it is known already.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, new: &StoredPasskey) -> Result<bool, StorageError> {
    let rows = execute!(
        tx,
        INSERT,
        new.id.to_string(),
        new.account.to_string(),
        new.credential.as_slice(),
        new.public_key.as_slice(),
        i64::from(new.sign_count),
        new.name.as_str(),
        i64::from(new.backed_up),
        new.created.micros()
    )?;
    Ok(rows == 1)
}

/// The keys of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn of_account(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Vec<StoredPasskey>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_ACCOUNT, account.to_string())?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// The key with its own id, of an open account.
///
/// # Errors
/// [`StorageError`].
pub async fn by_credential(
    on: impl Into<Executor<'_>>,
    credential: &[u8],
) -> Result<Option<StoredPasskey>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_CREDENTIAL, credential)?;
    Ok(row.map(read).transpose()?)
}

/// Notes a use. False when it was used otherwise meanwhile.
///
/// # Errors
/// [`StorageError`].
pub async fn note_use(
    tx: &mut Tx,
    known: &StoredPasskey,
    (sign_count, backed_up): (u32, bool),
    now: Instant,
) -> Result<bool, StorageError> {
    let (before, after) = (i64::from(known.sign_count), i64::from(sign_count));
    let id = known.id.to_string();
    Ok(execute!(tx, USE, id, before, after, i64::from(backed_up), now.micros())? == 1)
}

/// Forgets a key. False if there was none.
///
/// # Errors
/// [`StorageError`].
pub async fn delete(tx: &mut Tx, account: AccountId, id: PasskeyId) -> Result<bool, StorageError> {
    Ok(execute!(tx, DELETE, account.to_string(), id.to_string())? == 1)
}

/// Forgets every key of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_all(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, DELETE_ALL, account.to_string()).map(drop)
}
