//! Practices.

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, generations};
use crate::base::clock::Instant;
use crate::base::id::OrganizationId;
use crate::config::Brand;
use crate::organization::{Organization, OrganizationState};

statements! {
    INSERT = "INSERT INTO organizations (id, name, alias, former_names, created, state, ended, absorbed_by, \
              release_policy, brand, changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
              ON CONFLICT (id) DO NOTHING";
    ALL = "SELECT id, name, alias, former_names, created, state, ended, absorbed_by, release_policy, brand, changed \
           FROM organizations ORDER BY created, id";
    BY_ID = "SELECT id, name, alias, former_names, created, state, ended, absorbed_by, release_policy, brand, changed \
             FROM organizations WHERE id = $1";
    SET_RELEASE_POLICY = "UPDATE organizations SET release_policy = $2 WHERE id = $1";
    RENAME = "UPDATE organizations SET name = $2, former_names = $3, changed = $4 WHERE id = $1";
    SET_STATE = "UPDATE organizations SET state = $2, ended = $3, absorbed_by = $4 WHERE id = $1 AND state = 'active'";
    /// The row is held until the write ends, so that nobody closes it meanwhile.
    HOLD_OPEN = {
        sqlite: "SELECT id FROM organizations WHERE id = $1 AND state = 'active'",
        postgres: "SELECT id FROM organizations WHERE id = $1 AND state = 'active' FOR SHARE",
    };
    SET_BRAND = "UPDATE organizations SET brand = $2, changed = $3 WHERE id = $1";
}

row! {
    struct Row {
        id: String,
        name: String,
        alias: String,
        former_names: String,
        created: i64,
        state: String,
        ended: Option<i64>,
        absorbed_by: Option<String>,
        release_policy: String,
        brand: String,
        changed: Option<i64>,
    }
}

impl TryFrom<Row> for Organization {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "organizations", key: &row.id };
        let ended = row.ended.map(Instant::from_micros);
        let state = match (row.state.as_str(), ended, &row.absorbed_by) {
            ("active", None, None) => OrganizationState::Active,
            ("closed", Some(at), None) => OrganizationState::Closed { at },
            ("absorbed", Some(at), Some(by)) => OrganizationState::Absorbed { at, by: key.parse("absorbed_by", by)? },
            _ => return Err(key.inconsistent("state")),
        };
        Ok(Self {
            id: key.parse("id", &row.id)?,
            alias: key.json("alias", &row.alias)?,
            former_names: key.json("former_names", &row.former_names)?,
            release_policy: row.release_policy,
            brand: key.json("brand", &row.brand)?,
            changed: row.changed.map(Instant::from_micros),
            created: Instant::from_micros(row.created),
            state,
            name: row.name,
        })
    }
}

/// A state as its three columns.
fn columns(state: OrganizationState) -> (&'static str, Option<i64>, Option<String>) {
    match state {
        OrganizationState::Active => ("active", None, None),
        OrganizationState::Closed { at } => ("closed", Some(at.micros()), None),
        OrganizationState::Absorbed { at, by } => ("absorbed", Some(at.micros()), Some(by.to_string())),
    }
}

/// Ends an open organization, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not there or not open.
pub async fn set_state(tx: &mut Tx, id: OrganizationId, state: OrganizationState) -> Result<(), StorageError> {
    let (state, ended, absorbed_by) = columns(state);
    if execute!(&mut *tx, SET_STATE, id.to_string(), state, ended, &absorbed_by)? != 1 {
        return Err(StorageError::NotFound { table: "organizations" });
    }
    generations::bump(tx);
    Ok(())
}

/// Makes sure that an organization is open, and stays so until the write ends: a closed one takes nothing new in.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when it is not open or not there: the one is as the other.
pub async fn hold_open(tx: &mut Tx, id: OrganizationId) -> Result<(), StorageError> {
    let row: Option<(String,)> = fetch_optional!(tx, HOLD_OPEN, id.to_string())?;
    row.map(drop).ok_or(StorageError::ReferenceMissing)
}

/// Enters an organization.
///
/// # Errors
/// [`Taken::Key`], or [`StorageError::ReferenceMissing`] for an absorber that is not there.
pub async fn insert(tx: &mut Tx, organization: &Organization) -> Result<(), StorageError> {
    let (state, ended, absorbed_by) = columns(organization.state);
    let (alias, former_names) = (to_json(&organization.alias)?, to_json(&organization.former_names)?);
    let brand = to_json(&organization.brand)?;
    let rows = execute!(
        tx,
        INSERT,
        organization.id.to_string(),
        &organization.name,
        &alias,
        &former_names,
        organization.created.micros(),
        state,
        ended,
        &absorbed_by,
        &organization.release_policy,
        &brand,
        organization.changed.map(Instant::micros)
    )?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// All of them, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<Organization>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ALL)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: OrganizationId) -> Result<Option<Organization>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Gives it a new name; the old one joins the former names, and the generation moves on.
///
/// # Errors
/// [`StorageError::NotFound`].
pub async fn rename(tx: &mut Tx, id: OrganizationId, name: &str, now: Instant) -> Result<(), StorageError> {
    let missing = StorageError::NotFound { table: "organizations" };
    let Some(organization) = by_id(&mut *tx, id).await? else { return Err(missing) };
    let mut former_names = organization.former_names;
    former_names.push(organization.name);
    let former_names = to_json(&former_names)?;
    if execute!(&mut *tx, RENAME, id.to_string(), name, &former_names, now.micros())? != 1 {
        return Err(missing);
    }
    generations::bump(tx);
    Ok(())
}

/// Changes how it shows itself.
///
/// # Errors
/// [`StorageError::NotFound`].
pub async fn set_brand(tx: &mut Tx, id: OrganizationId, brand: &Brand, now: Instant) -> Result<(), StorageError> {
    let rows = execute!(tx, SET_BRAND, id.to_string(), &to_json(brand)?, now.micros())?;
    if rows == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "organizations" }) }
}

/// Changes its policy of release, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`].
pub async fn set_release_policy(tx: &mut Tx, id: OrganizationId, policy: &str) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, SET_RELEASE_POLICY, id.to_string(), policy)?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "organizations" });
    }
    generations::bump(tx);
    Ok(())
}
