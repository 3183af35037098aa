//! EHR endpoints, and the keys that their ids begin with.

use std::path::PathBuf;

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, fetch_value, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, generations};
use crate::base::clock::Instant;
use crate::base::id::{OrganizationId, SourceId};
use crate::config::SourceView;
use crate::organization::{Source, SourceKey, SourceState};

statements! {
    INSERT = "INSERT INTO sources (id, key, organization_id, name, base_url, vendor, authentication, data_view, \
              private_addresses, ca_file, created, state, ended) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
    ALL = "SELECT id, key, organization_id, name, base_url, vendor, authentication, data_view, private_addresses, \
           ca_file, created, state, ended FROM sources ORDER BY created, id";
    BY_KEY = "SELECT id, key, organization_id, name, base_url, vendor, authentication, data_view, private_addresses, \
              ca_file, created, state, ended FROM sources WHERE key = $1";
    KEY_IS_ALIAS = "SELECT count(*) FROM source_key_aliases WHERE alias = $1";
    UPDATE = "UPDATE sources SET name = $2, base_url = $3, vendor = $4, authentication = $5, data_view = $6, \
              private_addresses = $7, ca_file = $8 WHERE id = $1 AND state = 'active'";
    HAND_OVER = "UPDATE sources SET organization_id = $2 WHERE organization_id = $1";
    HAND_OVER_ONE = "UPDATE sources SET organization_id = $2 WHERE key = $1";
    RETIRE = "UPDATE sources SET state = 'retired', ended = $2 WHERE id = $1 AND state = 'active'";
    INSERT_ALIAS = "INSERT INTO source_key_aliases (alias, key, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    ALIASES = "SELECT alias, key FROM source_key_aliases ORDER BY alias";
}

row! {
    struct Row {
        id: String,
        key: String,
        organization_id: String,
        name: String,
        base_url: String,
        vendor: String,
        authentication: String,
        data_view: String,
        private_addresses: String,
        ca_file: Option<String>,
        created: i64,
        state: String,
        ended: Option<i64>,
    }
}

impl TryFrom<Row> for Source {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "sources", key: &row.id };
        let state = match (row.state.as_str(), row.ended) {
            ("active", None) => SourceState::Active,
            ("retired", Some(at)) => SourceState::Retired { at: Instant::from_micros(at) },
            _ => return Err(key.inconsistent("state")),
        };
        let view = match row.data_view.as_str() {
            "patient" => SourceView::Patient,
            "system" => SourceView::System,
            _ => return Err(key.inconsistent("data_view")),
        };
        Ok(Self {
            id: key.parse("id", &row.id)?,
            key: key.parse("key", &row.key)?,
            organization: key.parse("organization_id", &row.organization_id)?,
            authentication: key.json("authentication", &row.authentication)?,
            view,
            private_addresses: key.json("private_addresses", &row.private_addresses)?,
            ca_file: row.ca_file.map(PathBuf::from),
            created: Instant::from_micros(row.created),
            state,
            name: row.name,
            base_url: row.base_url,
            vendor: row.vendor,
        })
    }
}

const fn view_name(view: SourceView) -> &'static str {
    match view {
        SourceView::Patient => "patient",
        SourceView::System => "system",
    }
}

fn path(source: &Source) -> Option<String> {
    source.ca_file.as_ref().map(|file| file.to_string_lossy().into_owned())
}

/// Connects a source, and moves the generation on: running processes take it over.
///
/// # Errors
/// [`Taken::SourceKey`] when the key, or an alias of one, is taken (mint another and try again; nothing is lost but
/// this statement); [`StorageError::ReferenceMissing`] when the organization is not there.
pub async fn insert(tx: &mut Tx, source: &Source) -> Result<(), StorageError> {
    let aliased: i64 = fetch_value!(&mut *tx, KEY_IS_ALIAS, source.key.as_str())?;
    if aliased != 0 {
        return Err(StorageError::AlreadyTaken(Taken::SourceKey));
    }
    let (authentication, private_addresses) = (to_json(&source.authentication)?, to_json(&source.private_addresses)?);
    let (state, ended) = match source.state {
        SourceState::Active => ("active", None),
        SourceState::Retired { at } => ("retired", Some(at.micros())),
    };
    let rows = execute!(
        &mut *tx,
        INSERT,
        source.id.to_string(),
        source.key.as_str(),
        source.organization.to_string(),
        &source.name,
        &source.base_url,
        &source.vendor,
        &authentication,
        view_name(source.view),
        &private_addresses,
        path(source),
        source.created.micros(),
        state,
        ended
    )?;
    if rows != 1 {
        return Err(StorageError::AlreadyTaken(Taken::SourceKey));
    }
    generations::bump(tx);
    Ok(())
}

/// All of them, retired ones too, oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<Source>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ALL)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The one whose ids begin with this key. Aliases do not count: [`aliases`] maps them.
///
/// # Errors
/// [`StorageError`].
pub async fn by_key(on: impl Into<Executor<'_>>, key: SourceKey) -> Result<Option<Source>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_KEY, key.as_str())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Changes where and how a source is reached, and moves the generation on: what was kept of its answers may be another's
/// view. Its key, organization and state stay.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not there or retired.
pub async fn update(tx: &mut Tx, source: &Source) -> Result<(), StorageError> {
    let (authentication, private_addresses) = (to_json(&source.authentication)?, to_json(&source.private_addresses)?);
    let rows = execute!(
        &mut *tx,
        UPDATE,
        source.id.to_string(),
        &source.name,
        &source.base_url,
        &source.vendor,
        &authentication,
        view_name(source.view),
        &private_addresses,
        path(source)
    )?;
    changed(tx, rows)
}

/// Retires a source, and moves the generation on. Its key stays taken.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not there or retired already.
pub async fn retire(tx: &mut Tx, id: SourceId, at: Instant) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, RETIRE, id.to_string(), at.micros())?;
    changed(tx, rows)
}

fn changed(tx: &mut Tx, rows: u64) -> Result<(), StorageError> {
    if rows != 1 {
        return Err(StorageError::NotFound { table: "sources" });
    }
    generations::bump(tx);
    Ok(())
}

/// Lets ids that begin with `alias` mean those of the source with `key` (organizations merged).
///
/// # Errors
/// [`Taken::SourceKey`] when `alias` is the key of a source or an alias already; [`StorageError::ReferenceMissing`]
/// when there is no source with `key`.
pub async fn insert_alias(tx: &mut Tx, alias: SourceKey, key: SourceKey, at: Instant) -> Result<(), StorageError> {
    if by_key(&mut *tx, alias).await?.is_some() {
        return Err(StorageError::AlreadyTaken(Taken::SourceKey));
    }
    let rows = execute!(tx, INSERT_ALIAS, alias.as_str(), key.as_str(), at.micros())?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::SourceKey)) }
}

/// Every alias with the key it stands for.
///
/// # Errors
/// [`StorageError`].
pub async fn aliases(on: impl Into<Executor<'_>>) -> Result<Vec<(SourceKey, SourceKey)>, StorageError> {
    let rows: Vec<(String, String)> = fetch_all!(on, ALIASES)?;
    rows.iter()
        .map(|(alias, key)| {
            let row = RowKey { table: "source_key_aliases", key: alias };
            Ok((row.parse("alias", alias)?, row.parse("key", key)?))
        })
        .collect()
}

/// Every source of one organization is another's from now on, and the generation moves on.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over(tx: &mut Tx, from: OrganizationId, into: OrganizationId) -> Result<(), StorageError> {
    execute!(&mut *tx, HAND_OVER, from.to_string(), into.to_string())?;
    generations::bump(tx);
    Ok(())
}

/// A source is another organization's from now on, and the generation moves on.
///
/// # Errors
/// [`StorageError::NotFound`].
pub async fn hand_over_one(tx: &mut Tx, key: SourceKey, into: OrganizationId) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, HAND_OVER_ONE, key.as_str(), into.to_string())?;
    changed(tx, rows)
}
