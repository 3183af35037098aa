//! Sources whose records are taken over by others, and which record becomes which.

use super::error::RowKey;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{Executor, StorageError, Taken, Tx};
use crate::base::clock::Instant;
use crate::base::id::{LinkId, OrganizationId};
use crate::organization::{Mapping, SourceKey};

statements! {
    INSERT = "INSERT INTO mergers (source_key, into_key, from_organization_id, into_organization_id, digest, effective) \
              VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    INSERT_ROW = "INSERT INTO merger_rows (source_key, patient, new_patient) VALUES ($1, $2, $3)";
    BY_SOURCE = "SELECT source_key, into_key, from_organization_id, into_organization_id, effective FROM mergers \
                 WHERE source_key = $1";
    INTO = "SELECT source_key, into_key, from_organization_id, into_organization_id, effective FROM mergers \
            WHERE into_organization_id = $1 ORDER BY effective, source_key";
    ROW = "SELECT new_patient FROM merger_rows WHERE source_key = $1 AND patient = $2 AND refused IS NULL";
    WAITING = "SELECT l.id, m.into_key, r.new_patient FROM merger_rows r JOIN mergers m ON m.source_key = r.source_key \
               JOIN links l ON l.source_key = r.source_key AND l.patient = r.patient AND l.state <> 'ended' \
               WHERE r.refused IS NULL AND (r.tried IS NULL OR r.tried < $1) \
               ORDER BY COALESCE(r.tried, 0), l.id LIMIT $2";
    TRIED = "UPDATE merger_rows SET tried = $3 WHERE source_key = $1 AND patient = $2";
    REFUSE = "UPDATE merger_rows SET refused = $3 WHERE source_key = $1 AND patient = $2";
}

/// A source whose records were taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merger {
    /// The source.
    pub source: SourceKey,
    /// The source that they are in now.
    pub into: SourceKey,
    /// The organization that was absorbed.
    pub from_organization: OrganizationId,
    /// The one that absorbed it.
    pub into_organization: OrganizationId,
    /// When.
    pub effective: Instant,
}

type Row = (String, String, String, String, i64);

fn read((source, into, from, by, effective): Row) -> Result<Merger, StorageError> {
    let key = RowKey { table: "mergers", key: &source };
    Ok(Merger {
        source: key.parse("source_key", &source)?,
        into: key.parse("into_key", &into)?,
        from_organization: key.parse("from_organization_id", &from)?,
        into_organization: key.parse("into_organization_id", &by)?,
        effective: Instant::from_micros(effective),
    })
}

/// Enters a merger with its mapping.
///
/// # Errors
/// [`Taken::Key`] when the source was taken over before.
pub async fn insert(tx: &mut Tx, merger: &Merger, mapping: &Mapping) -> Result<(), StorageError> {
    let (from, into) = (merger.from_organization.to_string(), merger.into_organization.to_string());
    let digest = mapping.digest.to_vec();
    let (source, into_key) = (merger.source.as_str(), merger.into.as_str());
    if execute!(&mut *tx, INSERT, source, into_key, from, into, digest, merger.effective.micros())? != 1 {
        return Err(StorageError::AlreadyTaken(Taken::Key));
    }
    for (old, new) in &mapping.rows {
        execute!(&mut *tx, INSERT_ROW, source, old, new)?;
    }
    Ok(())
}

/// The merger that a source went into.
///
/// # Errors
/// [`StorageError`].
pub async fn by_source(on: impl Into<Executor<'_>>, source: SourceKey) -> Result<Option<Merger>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_SOURCE, source.as_str())?;
    row.map(read).transpose()
}

/// The mergers into an organization, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn into(on: impl Into<Executor<'_>>, organization: OrganizationId) -> Result<Vec<Merger>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, INTO, organization.to_string())?;
    rows.into_iter().map(read).collect()
}

/// What a record is to become, if that is said and was not refused.
///
/// # Errors
/// [`StorageError`].
pub async fn row(
    on: impl Into<Executor<'_>>,
    source: SourceKey,
    patient: &str,
) -> Result<Option<String>, StorageError> {
    let row: Option<(String,)> = fetch_optional!(on, ROW, source.as_str(), patient)?;
    Ok(row.map(|(new,)| new))
}

/// Links that are to lead to new records and were not tried since then: link, source and record.
///
/// # Errors
/// [`StorageError`].
pub async fn waiting(
    on: impl Into<Executor<'_>>,
    before: Instant,
    most: i64,
) -> Result<Vec<(LinkId, SourceKey, String)>, StorageError> {
    let rows: Vec<(String, String, String)> = fetch_all!(on, WAITING, before.micros(), most)?;
    let read = |(link, source, patient): (String, String, String)| {
        let key = RowKey { table: "merger_rows", key: &link };
        Ok((key.parse("id", &link)?, key.parse("into_key", &source)?, patient))
    };
    rows.into_iter().map(read).collect()
}

/// Notes that a record could not be looked at.
///
/// # Errors
/// [`StorageError`].
pub async fn tried(tx: &mut Tx, source: SourceKey, patient: &str, now: Instant) -> Result<(), StorageError> {
    execute!(tx, TRIED, source.as_str(), patient, now.micros()).map(drop)
}

/// Says why a record does not become what the mapping says.
///
/// # Errors
/// [`StorageError`].
pub async fn refuse(tx: &mut Tx, source: SourceKey, patient: &str, reason: &str) -> Result<(), StorageError> {
    execute!(tx, REFUSE, source.as_str(), patient, reason).map(drop)
}
