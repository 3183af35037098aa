//! Grants: who may act for whom.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, generations, source_tokens};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, PersonId};
use crate::identity::{Grant, GrantBasis, GrantState, Period, StatusReason};

statements! {
    INSERT = "INSERT INTO grants (id, account_id, person_id, basis, valid_from, valid_until, evidence, created, state, \
              state_since, state_reason, suspended_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
              ON CONFLICT DO NOTHING";
    BY_ID = "SELECT id, account_id, person_id, basis, valid_from, valid_until, evidence, created, state, state_since, \
             state_reason, suspended_by FROM grants WHERE id = $1";
    OF_PERSON = "SELECT id, account_id, person_id, basis, valid_from, valid_until, evidence, created, state, \
                 state_since, state_reason, suspended_by FROM grants WHERE person_id = $1 ORDER BY created, id";
    OF_ACCOUNT = "SELECT id, account_id, person_id, basis, valid_from, valid_until, evidence, created, state, \
                  state_since, state_reason, suspended_by FROM grants WHERE account_id = $1 ORDER BY created, id";
    ACTIVE_FOR_ACCOUNT = "SELECT id, account_id, person_id, basis, valid_from, valid_until, evidence, created, state, \
                          state_since, state_reason, suspended_by FROM grants WHERE account_id = $1 AND state = 'active' \
                          AND valid_from <= $2 AND (valid_until IS NULL OR valid_until > $2) ORDER BY created, id";
    ACTIVE_AFTER = "SELECT id, account_id, person_id, basis, valid_from, valid_until, evidence, created, state, \
                    state_since, state_reason, suspended_by FROM grants WHERE state = 'active' AND id > $1 ORDER BY id LIMIT $2";
    /// What the holder let apps do with the person's record, unless another right to it stands.
    REVOKE_APPS = "UPDATE authorizations SET revoked = $2 WHERE revoked IS NULL AND id IN (\
                   SELECT a.id FROM grants g \
                   JOIN authorizations a ON a.account_id = g.account_id \
                   JOIN accounts c ON c.id = g.account_id \
                   LEFT JOIN person_aliases gp ON gp.alias_id = g.person_id AND gp.undone IS NULL \
                   LEFT JOIN person_aliases ap ON ap.alias_id = a.person_id AND ap.undone IS NULL \
                   LEFT JOIN person_aliases cp ON cp.alias_id = c.person_id AND cp.undone IS NULL \
                   WHERE g.id = $1 AND a.organization_id IS NULL \
                   AND COALESCE(ap.person_id, a.person_id) = COALESCE(gp.person_id, g.person_id) \
                   AND (c.person_id IS NULL \
                   OR COALESCE(cp.person_id, c.person_id) <> COALESCE(gp.person_id, g.person_id)) \
                   AND NOT EXISTS (SELECT 1 FROM grants o \
                   LEFT JOIN person_aliases op ON op.alias_id = o.person_id AND op.undone IS NULL \
                   WHERE o.account_id = g.account_id AND o.id <> g.id AND o.state = 'active' \
                   AND COALESCE(op.person_id, o.person_id) = COALESCE(gp.person_id, g.person_id)))";
    SET_STATE = "UPDATE grants SET state = $2, state_since = $3, state_reason = $4, suspended_by = $5 WHERE id = $1 AND state <> 'ended'";
}

row! {
    struct Row {
        id: String,
        account_id: String,
        person_id: String,
        basis: String,
        valid_from: i64,
        valid_until: Option<i64>,
        evidence: String,
        created: i64,
        state: String,
        state_since: Option<i64>,
        state_reason: Option<String>,
        suspended_by: Option<String>,
    }
}

impl TryFrom<Row> for Grant {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "grants", key: &row.id };
        let reason = row.state_reason.as_deref();
        let reason = reason.map(|text| key.column("state_reason", StatusReason::parse(text))).transpose()?;
        let by = row.suspended_by.as_deref().map(|text| key.parse("suspended_by", text)).transpose()?;
        let state = match (row.state.as_str(), row.state_since.map(Instant::from_micros), reason) {
            ("pending", None, None) => GrantState::Pending,
            ("active", None, None) => GrantState::Active,
            ("suspended", Some(at), Some(reason)) => GrantState::Suspended { at, reason, by },
            ("ended", Some(at), Some(reason)) => GrantState::Ended { at, reason },
            _ => return Err(key.inconsistent("state")),
        };
        Ok(Self {
            id: key.parse("id", &row.id)?,
            account: key.parse("account_id", &row.account_id)?,
            person: key.parse("person_id", &row.person_id)?,
            basis: key.column("basis", GrantBasis::parse(&row.basis))?,
            period: Period {
                from: Instant::from_micros(row.valid_from),
                until: row.valid_until.map(Instant::from_micros),
            },
            created: Instant::from_micros(row.created),
            state,
            evidence: row.evidence,
        })
    }
}

/// A state as its four columns.
fn columns(state: &GrantState) -> (&'static str, Option<i64>, Option<&'static str>, Option<String>) {
    match state {
        GrantState::Pending => ("pending", None, None, None),
        GrantState::Active => ("active", None, None, None),
        GrantState::Suspended { at, reason, by } => {
            ("suspended", Some(at.micros()), Some(reason.as_str()), by.map(|id| id.to_string()))
        }
        GrantState::Ended { at, reason } => ("ended", Some(at.micros()), Some(reason.as_str()), None),
    }
}

/// Enters a grant, and moves the generation on.
///
/// # Errors
/// [`Taken::Key`]; [`StorageError::ReferenceMissing`] when the account or the person is not there.
pub async fn insert(tx: &mut Tx, grant: &Grant) -> Result<(), StorageError> {
    let (state, since, reason, by) = columns(&grant.state);
    let rows = execute!(
        &mut *tx,
        INSERT,
        grant.id.to_string(),
        grant.account.to_string(),
        grant.person.to_string(),
        grant.basis.as_str(),
        grant.period.from.micros(),
        grant.period.until.map(Instant::micros),
        &grant.evidence,
        grant.created.micros(),
        state,
        since,
        reason,
        by
    )?;
    if rows != 1 {
        return Err(StorageError::AlreadyTaken(Taken::Key));
    }
    generations::bump(tx);
    Ok(())
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: GrantId) -> Result<Option<Grant>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Every grant to act for this person, in whatever state, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_person(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Vec<Grant>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_PERSON, person.to_string())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Every grant that this account holds, in whatever state, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_account(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Vec<Grant>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_ACCOUNT, account.to_string())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The grants by which this account may act at `now`, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn active_for_account(
    on: impl Into<Executor<'_>>,
    account: AccountId,
    now: Instant,
) -> Result<Vec<Grant>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ACTIVE_FOR_ACCOUNT, account.to_string(), now.micros())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Grants that work, their periods aside, in the order of their ids: those behind this one.
///
/// # Errors
/// [`StorageError`].
pub async fn active_after(on: impl Into<Executor<'_>>, after: &str, most: i64) -> Result<Vec<Grant>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ACTIVE_AFTER, after, most)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Decides, suspends, resumes or ends a grant, and moves the generation on. What ended stays ended: what its holder's sign-ins
/// at EHRs gave for the person is gone, and what apps of its holder could do there is revoked, so that no later grant brings
/// it back.
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such grant or it ended already.
pub async fn set_state(tx: &mut Tx, id: GrantId, state: &GrantState) -> Result<(), StorageError> {
    let (name, since, reason, by) = columns(state);
    let rows = execute!(&mut *tx, SET_STATE, id.to_string(), name, since, reason, by)?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "grants" });
    }
    if let GrantState::Ended { at, .. } = state {
        source_tokens::delete_of_grant(tx, id).await?;
        execute!(&mut *tx, REVOKE_APPS, id.to_string(), at.micros())?;
    }
    generations::bump(tx);
    Ok(())
}

/// Ends a grant: `set_state` with [`GrantState::Ended`].
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such grant or it ended already.
pub async fn end(tx: &mut Tx, id: GrantId, at: Instant, reason: StatusReason) -> Result<(), StorageError> {
    set_state(tx, id, &GrantState::Ended { at, reason }).await
}
