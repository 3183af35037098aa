//! Where the holders of accounts can be written to.

use super::error::RowKey;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, ContactId};
use crate::identity::{Contact, ContactKind};

statements! {
    INSERT = "INSERT INTO contacts (id, account_id, kind, address, canonical, created) VALUES ($1, $2, $3, $4, $5, $6)";
    OF_ACCOUNT = "SELECT id, account_id, kind, address, created, verified, ended FROM contacts \
                  WHERE account_id = $1 AND ended IS NULL ORDER BY created, id";
    BY_ID = "SELECT id, account_id, kind, address, created, verified, ended FROM contacts WHERE id = $1";
    BY_EMAIL = "SELECT c.id, c.account_id, c.kind, c.address, c.created, c.verified, c.ended FROM contacts c \
                JOIN accounts a ON a.id = c.account_id WHERE c.kind = 'email' AND c.canonical = $1 \
                AND c.verified IS NOT NULL AND c.ended IS NULL AND a.state = 'active'";
    /// The mailbox must belong to nobody else, and the account must have no other of the kind.
    VERIFY = "UPDATE contacts SET verified = $2 WHERE id = $1 AND verified IS NULL AND ended IS NULL \
              AND NOT EXISTS (SELECT 1 FROM contacts o WHERE o.id <> contacts.id AND o.verified IS NOT NULL \
              AND o.ended IS NULL AND o.kind = contacts.kind \
              AND (o.account_id = contacts.account_id OR (o.kind = 'email' AND o.canonical = contacts.canonical)))";
    REVIVE = "UPDATE contacts SET ended = NULL WHERE id = $1 AND verified IS NOT NULL \
              AND NOT EXISTS (SELECT 1 FROM contacts o WHERE o.id <> contacts.id AND o.verified IS NOT NULL \
              AND o.ended IS NULL AND o.kind = contacts.kind \
              AND (o.account_id = contacts.account_id OR (o.kind = 'email' AND o.canonical = contacts.canonical)))";
    END = "UPDATE contacts SET ended = $2 WHERE id = $1 AND ended IS NULL";
    END_OF_KIND = "UPDATE contacts SET ended = $3 WHERE account_id = $1 AND kind = $2 AND verified IS NOT NULL \
                   AND ended IS NULL";
    END_UNVERIFIED = "UPDATE contacts SET ended = $3 WHERE account_id = $1 AND kind = $2 AND verified IS NULL \
                      AND ended IS NULL";
    END_ALL = "UPDATE contacts SET ended = $2 WHERE account_id = $1 AND ended IS NULL";
}

/// An address of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContact {
    /// Its id.
    pub id: ContactId,
    /// Whose.
    pub account: AccountId,
    /// The address.
    pub contact: Contact,
    /// When it was entered.
    pub created: Instant,
    /// When it was shown that the holder reads what goes there.
    pub verified: Option<Instant>,
    /// Since when it is not used any more.
    pub ended: Option<Instant>,
}

type Row = (String, String, String, String, i64, Option<i64>, Option<i64>);

fn read((id, account, kind, address, created, verified, ended): Row) -> Result<StoredContact, DatabaseInconsistency> {
    let key = RowKey { table: "contacts", key: &id };
    let kind = key.column("kind", ContactKind::parse(&kind))?;
    Ok(StoredContact {
        id: key.parse("id", &id)?,
        account: key.parse("account_id", &account)?,
        contact: key.column("address", Contact::new(kind, &address).ok())?,
        created: Instant::from_micros(created),
        verified: verified.map(Instant::from_micros),
        ended: ended.map(Instant::from_micros),
    })
}

/// Enters an address that is not verified.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(
    tx: &mut Tx,
    id: ContactId,
    account: AccountId,
    contact: &Contact,
    now: Instant,
) -> Result<(), StorageError> {
    let (address, canonical) = (contact.address(), contact.canonical());
    let kind = contact.kind().as_str();
    execute!(tx, INSERT, id.to_string(), account.to_string(), kind, address, canonical, now.micros()).map(drop)
}

/// The addresses of an account that are in use or wait to be verified.
///
/// # Errors
/// [`StorageError`].
pub async fn of_account(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Vec<StoredContact>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_ACCOUNT, account.to_string())?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// One address, in use or not.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: ContactId) -> Result<Option<StoredContact>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    Ok(row.map(read).transpose()?)
}

/// The verified mailbox of an open account, however it is spelled.
///
/// # Errors
/// [`StorageError`].
pub async fn by_email(on: impl Into<Executor<'_>>, email: &Contact) -> Result<Option<StoredContact>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_EMAIL, email.canonical())?;
    Ok(row.map(read).transpose()?)
}

/// Notes that the holder reads what goes to an address. False when the mailbox became somebody else's, or the account has
/// another of the kind.
///
/// # Errors
/// [`StorageError`].
pub async fn verify(tx: &mut Tx, id: ContactId, now: Instant) -> Result<bool, StorageError> {
    Ok(execute!(tx, VERIFY, id.to_string(), now.micros())? == 1)
}

/// Uses an address again that was verified once. False when it became somebody else's.
///
/// # Errors
/// [`StorageError`].
pub async fn revive(tx: &mut Tx, id: ContactId) -> Result<bool, StorageError> {
    Ok(execute!(tx, REVIVE, id.to_string())? == 1)
}

/// Uses an address no more.
///
/// # Errors
/// [`StorageError`].
pub async fn end(tx: &mut Tx, id: ContactId, now: Instant) -> Result<(), StorageError> {
    execute!(tx, END, id.to_string(), now.micros()).map(drop)
}

/// Uses an account's verified address of a kind no more.
///
/// # Errors
/// [`StorageError`].
pub async fn end_of_kind(tx: &mut Tx, account: AccountId, kind: ContactKind, now: Instant) -> Result<(), StorageError> {
    execute!(tx, END_OF_KIND, account.to_string(), kind.as_str(), now.micros()).map(drop)
}

/// Forgets an account's addresses of a kind that wait to be verified.
///
/// # Errors
/// [`StorageError`].
pub async fn end_unverified(
    tx: &mut Tx,
    account: AccountId,
    kind: ContactKind,
    now: Instant,
) -> Result<(), StorageError> {
    execute!(tx, END_UNVERIFIED, account.to_string(), kind.as_str(), now.micros()).map(drop)
}

/// Uses none of an account's addresses any more.
///
/// # Errors
/// [`StorageError`].
pub async fn end_all(tx: &mut Tx, account: AccountId, now: Instant) -> Result<(), StorageError> {
    execute!(tx, END_ALL, account.to_string(), now.micros()).map(drop)
}
