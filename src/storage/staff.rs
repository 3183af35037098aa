//! Who works for an organization, and as what.

use super::error::RowKey;
use super::statement::{execute, fetch_all, statements};
use super::{Executor, StorageError, Taken, Tx, generations};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, OrganizationId};
use crate::identity::{StaffAct, StaffRole};

statements! {
    INSERT = "INSERT INTO staff (account_id, organization_id, role, since) VALUES ($1, $2, $3, $4) \
              ON CONFLICT DO NOTHING";
    END = "UPDATE staff SET ended = $4 WHERE account_id = $1 AND organization_id = $2 AND role = $3 AND ended IS NULL";
    /// What apps were let see in that role.
    REVOKE_AT_WORK = "UPDATE authorizations SET revoked = $3 \
                      WHERE account_id = $1 AND organization_id = $2 AND revoked IS NULL";
    REVOKE_ALL_AT_WORK = "UPDATE authorizations SET revoked = $2 WHERE organization_id = $1 AND revoked IS NULL";
    END_ALL = "UPDATE staff SET ended = $2 WHERE organization_id = $1 AND ended IS NULL";
    OF_ACCOUNT = "SELECT s.account_id, s.organization_id, s.role, s.since FROM staff s \
                  JOIN accounts a ON a.id = s.account_id \
                  WHERE s.account_id = $1 AND s.ended IS NULL AND a.state = 'active' ORDER BY s.organization_id, s.role";
    OF_ORGANIZATION = "SELECT s.account_id, s.organization_id, s.role, s.since FROM staff s \
                       JOIN accounts a ON a.id = s.account_id \
                       WHERE s.organization_id = $1 AND s.ended IS NULL AND a.state = 'active' \
                       ORDER BY a.username_folded, s.role";
}

/// A role that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaffRow {
    /// Who.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
    /// As what.
    pub role: StaffRole,
    /// Since when.
    pub since: Instant,
}

/// Gives somebody a role.
///
/// # Errors
/// [`Taken::Key`] when they have it, [`StorageError::ReferenceMissing`] for an account or organization that is not there.
pub async fn insert(tx: &mut Tx, row: &StaffRow) -> Result<(), StorageError> {
    let (account, organization) = (row.account.to_string(), row.organization.to_string());
    let rows = execute!(tx, INSERT, account, organization, row.role.as_str(), row.since.micros())?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// Takes a role away, and moves the generation on: apps that were opened by it end with it.
///
/// # Errors
/// [`StorageError::NotFound`] when they do not have it.
pub async fn end(
    tx: &mut Tx,
    account: AccountId,
    organization: OrganizationId,
    role: StaffRole,
    at: Instant,
) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, END, account.to_string(), organization.to_string(), role.as_str(), at.micros())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "staff" });
    }
    if role.may(StaffAct::OpenApp) {
        // For good: whoever gets the role again opens them again.
        return leave(tx, account, organization, at).await;
    }
    generations::bump(tx);
    Ok(())
}

/// Ends what somebody let apps see at work there, and moves the generation on.
///
/// # Errors
/// [`StorageError`].
pub async fn leave(
    tx: &mut Tx,
    account: AccountId,
    organization: OrganizationId,
    at: Instant,
) -> Result<(), StorageError> {
    execute!(&mut *tx, REVOKE_AT_WORK, account.to_string(), organization.to_string(), at.micros())?;
    generations::bump(tx);
    Ok(())
}

/// Nobody works for an organization any more, nor do apps that were opened there; the generation moves on.
///
/// # Errors
/// [`StorageError`].
pub async fn end_all(tx: &mut Tx, organization: OrganizationId, at: Instant) -> Result<u64, StorageError> {
    execute!(&mut *tx, REVOKE_ALL_AT_WORK, organization.to_string(), at.micros())?;
    let rows = execute!(&mut *tx, END_ALL, organization.to_string(), at.micros())?;
    generations::bump(tx);
    Ok(rows)
}

/// The roles of an account that is open.
///
/// # Errors
/// [`StorageError`].
pub async fn of_account(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Vec<StaffRow>, StorageError> {
    let rows: Vec<(String, String, String, i64)> = fetch_all!(on, OF_ACCOUNT, account.to_string())?;
    rows.into_iter().map(read).collect()
}

/// The staff of an organization, by name.
///
/// # Errors
/// [`StorageError`].
pub async fn of_organization(
    on: impl Into<Executor<'_>>,
    organization: OrganizationId,
) -> Result<Vec<StaffRow>, StorageError> {
    let rows: Vec<(String, String, String, i64)> = fetch_all!(on, OF_ORGANIZATION, organization.to_string())?;
    rows.into_iter().map(read).collect()
}

fn read((account, organization, role, since): (String, String, String, i64)) -> Result<StaffRow, StorageError> {
    let key = RowKey { table: "staff", key: &account };
    Ok(StaffRow {
        account: key.parse("account_id", &account)?,
        organization: key.parse("organization_id", &organization)?,
        role: key.column("role", StaffRole::parse(&role))?,
        since: Instant::from_micros(since),
    })
}
