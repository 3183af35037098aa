//! Sign-ins elsewhere that lead to accounts here: by issuer and subject, and by nothing else.

use super::error::RowKey;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, FederatedIdentityId};

statements! {
    INSERT = "INSERT INTO federated_identities (id, issuer, subject, account_id, created) VALUES ($1, $2, $3, $4, $5) \
              ON CONFLICT DO NOTHING";
    BY_SUBJECT = "SELECT f.id, f.issuer, f.subject, f.account_id, f.created, f.last_used FROM federated_identities f \
                  JOIN accounts a ON a.id = f.account_id \
                  WHERE f.issuer = $1 AND f.subject = $2 AND a.state = 'active'";
    HOLDER = "SELECT account_id FROM federated_identities WHERE issuer = $1 AND subject = $2";
    OF_ACCOUNT = "SELECT id, issuer, subject, account_id, created, last_used FROM federated_identities \
                  WHERE account_id = $1 ORDER BY created, id";
    USE = "UPDATE federated_identities SET last_used = $2 WHERE id = $1";
    DELETE = "DELETE FROM federated_identities WHERE account_id = $1 AND id = $2";
    DELETE_ALL = "DELETE FROM federated_identities WHERE account_id = $1";
}

/// A sign-in elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct FederatedIdentity {
    /// Its name in lists.
    pub id: FederatedIdentityId,
    /// Who says so.
    pub issuer: String,
    /// Whom they mean.
    pub subject: String,
    /// Whose account it leads to.
    pub account: AccountId,
    /// When it was connected.
    pub created: Instant,
    /// When somebody last signed in by it.
    pub last_used: Option<Instant>,
}

// A subject is as telling as a name to whoever knows the provider.
impl std::fmt::Debug for FederatedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FederatedIdentity").field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

type Row = (String, String, String, String, i64, Option<i64>);

fn read((id, issuer, subject, account, created, last_used): Row) -> Result<FederatedIdentity, DatabaseInconsistency> {
    let key = RowKey { table: "federated_identities", key: &id };
    Ok(FederatedIdentity {
        id: key.parse("id", &id)?,
        account: key.parse("account_id", &account)?,
        created: Instant::from_micros(created),
        last_used: last_used.map(Instant::from_micros),
        issuer,
        subject,
    })
}

/// Connects one. False where issuer and subject are connected already, to whomever.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, new: &FederatedIdentity) -> Result<bool, StorageError> {
    let (id, account, created) = (new.id.to_string(), new.account.to_string(), new.created.micros());
    Ok(execute!(tx, INSERT, id, &new.issuer, &new.subject, account, created)? == 1)
}

/// The one of an open account.
///
/// # Errors
/// [`StorageError`].
pub async fn by_subject(
    on: impl Into<Executor<'_>>,
    issuer: &str,
    subject: &str,
) -> Result<Option<FederatedIdentity>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_SUBJECT, issuer, subject)?;
    Ok(row.map(read).transpose()?)
}

/// Whose account it leads to, open or not.
///
/// # Errors
/// [`StorageError`].
pub async fn holder(
    on: impl Into<Executor<'_>>,
    issuer: &str,
    subject: &str,
) -> Result<Option<AccountId>, StorageError> {
    let row: Option<(String,)> = fetch_optional!(on, HOLDER, issuer, subject)?;
    let key = RowKey { table: "federated_identities", key: issuer };
    Ok(row.map(|(account,)| key.parse("account_id", &account)).transpose()?)
}

/// Those of an account, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_account(
    on: impl Into<Executor<'_>>,
    account: AccountId,
) -> Result<Vec<FederatedIdentity>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_ACCOUNT, account.to_string())?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Notes a sign-in.
///
/// # Errors
/// [`StorageError`].
pub async fn note_use(tx: &mut Tx, id: FederatedIdentityId, now: Instant) -> Result<(), StorageError> {
    execute!(tx, USE, id.to_string(), now.micros()).map(drop)
}

/// Disconnects one of an account. False if it has none such.
///
/// # Errors
/// [`StorageError`].
pub async fn delete(tx: &mut Tx, account: AccountId, id: FederatedIdentityId) -> Result<bool, StorageError> {
    Ok(execute!(tx, DELETE, account.to_string(), id.to_string())? == 1)
}

/// Disconnects all of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_all(tx: &mut Tx, account: AccountId) -> Result<(), StorageError> {
    execute!(tx, DELETE_ALL, account.to_string()).map(drop)
}
