//! Links from persons to their charts.

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, generations, source_tokens};
use crate::base::clock::Instant;
use crate::base::id::{LinkId, PersonId};
use crate::base::source_key::SourceKey;
use crate::identity::{Assurance, Link, LinkMethod, LinkState};

statements! {
    INSERT = "INSERT INTO links (id, person_id, source_key, patient, rank, method, assurance, demographics, linked, \
              state, state_since, state_reason) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";
    BY_ID = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, state, \
             state_since, state_reason FROM links WHERE id = $1";
    OF_PERSON = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, state, \
                 state_since, state_reason FROM links WHERE person_id = $1 ORDER BY rank, linked, id";
    ACTIVE_OF_PERSON = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, \
                        state, state_since, state_reason FROM links WHERE person_id = $1 AND state = 'active' \
                        ORDER BY rank, linked, id";
    ACTIVE_AT = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, \
                 state, state_since, state_reason FROM links \
                 WHERE source_key = $1 AND patient = $2 AND state = 'active'";
    ACTIVE_AT_SOURCE = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, \
                        state, state_since, state_reason FROM links WHERE source_key = $1 AND state = 'active' \
                        ORDER BY linked, id";
    FROZEN_OF_SOURCE = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, \
                        state, state_since, state_reason FROM links WHERE source_key = $1 AND (state = 'frozen' \
                        OR (state = 'ended' AND state_since > $2 AND state_reason IN ('not-mine', 'wrong-record'))) \
                        ORDER BY state_since DESC, id";
    /// A frozen link to a chart, or to one that a merger says became this chart.
    FROZEN_AT = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, state, \
                 state_since, state_reason FROM links WHERE state = 'frozen' AND ((source_key = $1 AND patient = $2) \
                 OR EXISTS (SELECT 1 FROM mergers m JOIN merger_rows r ON r.source_key = m.source_key \
                 WHERE m.into_key = $1 AND m.source_key = links.source_key AND r.patient = links.patient \
                 AND r.new_patient = $2 \
                 AND COALESCE(r.refused, '') NOT IN ('another-human', 'no-such-record'))) ORDER BY linked, id LIMIT 1";
    BRING_TO = "UPDATE links SET source_key = $2, patient = $3, checked = $4 WHERE id = $1 AND state <> 'ended'";
    SET_STATE = "UPDATE links SET state = $2, state_since = $3, state_reason = $4 WHERE id = $1 AND state <> 'ended'";
    UNCHECKED = "SELECT id, person_id, source_key, patient, rank, method, assurance, demographics, linked, state, \
                 state_since, state_reason FROM links WHERE state = 'active' AND demographics IS NOT NULL \
                 AND COALESCE(checked, linked) < $1 ORDER BY COALESCE(checked, linked), id LIMIT $2";
    CHECKED = "UPDATE links SET checked = $2 WHERE id = $1";
    MOVE_TO = "UPDATE links SET patient = $2, checked = $3 WHERE id = $1 AND state = 'active'";
    MAKE_PRIMARY = "UPDATE links SET rank = CASE WHEN id = $2 THEN 0 ELSE rank + 1 END WHERE person_id = $1 \
                    AND EXISTS (SELECT 1 FROM links AS chosen WHERE chosen.id = $2 AND chosen.person_id = $1)";
}

row! {
    /// A row of the table.
    pub(super) struct Row {
        pub(super) id: String,
        pub(super) person_id: String,
        pub(super) source_key: String,
        pub(super) patient: String,
        pub(super) rank: i64,
        pub(super) method: String,
        pub(super) assurance: String,
        pub(super) demographics: Option<String>,
        pub(super) linked: i64,
        pub(super) state: String,
        pub(super) state_since: Option<i64>,
        pub(super) state_reason: Option<String>,
    }
}

impl TryFrom<Row> for Link {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "links", key: &row.id };
        let state = match (row.state.as_str(), row.state_since.map(Instant::from_micros), row.state_reason) {
            ("active", None, None) => LinkState::Active,
            ("frozen", Some(at), Some(reason)) => LinkState::Frozen { at, reason },
            ("ended", Some(at), Some(reason)) => LinkState::Ended { at, reason },
            _ => return Err(key.inconsistent("state")),
        };
        let demographics = row.demographics.as_deref().map(|text| key.json("demographics", text)).transpose()?;
        Ok(Self {
            id: key.parse("id", &row.id)?,
            person: key.parse("person_id", &row.person_id)?,
            source: key.parse("source_key", &row.source_key)?,
            rank: row.rank,
            method: key.column("method", LinkMethod::parse(&row.method))?,
            assurance: key.column("assurance", Assurance::parse(&row.assurance))?,
            demographics,
            linked: Instant::from_micros(row.linked),
            state,
            patient: row.patient,
        })
    }
}

/// A state as its three columns.
fn columns(state: &LinkState) -> (&'static str, Option<i64>, Option<&str>) {
    match state {
        LinkState::Active => ("active", None, None),
        LinkState::Frozen { at, reason } => ("frozen", Some(at.micros()), Some(reason)),
        LinkState::Ended { at, reason } => ("ended", Some(at.micros()), Some(reason)),
    }
}

/// Enters a link, and moves the generation on.
///
/// # Errors
/// [`Taken::Chart`] when another active link has the same chart; [`StorageError::ReferenceMissing`] when the person or
/// the source is not there.
pub async fn insert(tx: &mut Tx, link: &Link) -> Result<(), StorageError> {
    let (state, since, reason) = columns(&link.state);
    let demographics = link.demographics.as_ref().map(to_json).transpose()?;
    let rows = execute!(
        &mut *tx,
        INSERT,
        link.id.to_string(),
        link.person.to_string(),
        link.source.as_str(),
        &link.patient,
        link.rank,
        link.method.as_str(),
        link.assurance.as_str(),
        &demographics,
        link.linked.micros(),
        state,
        since,
        reason
    )?;
    if rows != 1 {
        let taken = if by_id(tx, link.id).await?.is_some() { Taken::Key } else { Taken::Chart };
        return Err(StorageError::AlreadyTaken(taken));
    }
    generations::bump(tx);
    Ok(())
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: LinkId) -> Result<Option<Link>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// All links of a person in whatever state, the primary one first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_person(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Vec<Link>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_PERSON, person.to_string())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The links of a person through which data flows, the primary one first. Those of persons merged into it are not
/// among them: ask for these by [`super::persons::aliases_of`].
///
/// # Errors
/// [`StorageError`].
pub async fn active_of_person(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Vec<Link>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ACTIVE_OF_PERSON, person.to_string())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The link through which the data of one chart flows.
///
/// # Errors
/// [`StorageError`].
pub async fn active_at(
    on: impl Into<Executor<'_>>,
    source: SourceKey,
    patient: &str,
) -> Result<Option<Link>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, ACTIVE_AT, source.as_str(), patient)?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// A link to a chart that staff have to decide about, whoever's it is: nobody gets round it by another one. A chart that
/// was taken over counts as the one it became.
///
/// # Errors
/// [`StorageError`].
pub async fn frozen_at(
    on: impl Into<Executor<'_>>,
    (source, patient): (SourceKey, &str),
) -> Result<Option<Link>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, FROZEN_AT, source.as_str(), patient)?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The links to a source that are frozen, and those that ended as wrong since then; the newest first.
///
/// # Errors
/// [`StorageError`].
pub async fn stopped_at_source(
    on: impl Into<Executor<'_>>,
    source: SourceKey,
    since: Instant,
) -> Result<Vec<Link>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, FROZEN_OF_SOURCE, source.as_str(), since.micros())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The links through which data of a source flows, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn active_at_source(on: impl Into<Executor<'_>>, source: SourceKey) -> Result<Vec<Link>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, ACTIVE_AT_SOURCE, source.as_str())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The chart is another one at another source now: the link leads there, and the generation moves on. What a sign-in at the
/// EHR gave was for the old one, and is gone.
///
/// # Errors
/// [`StorageError::NotFound`] when the link ended, [`StorageError::AlreadyTaken`] when another active one leads there.
pub async fn bring_to(
    tx: &mut Tx,
    id: LinkId,
    (source, patient): (SourceKey, &str),
    now: Instant,
) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, BRING_TO, id.to_string(), source.as_str(), patient, now.micros())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "links" });
    }
    source_tokens::delete(tx, id).await?;
    generations::bump(tx);
    Ok(())
}

/// Freezes, thaws or ends a link, and moves the generation on. What ended stays ended, and its tokens are gone.
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such link or it ended already; [`Taken::Key`] when it would become
/// active while another active link has its chart.
pub async fn set_state(tx: &mut Tx, id: LinkId, state: &LinkState) -> Result<(), StorageError> {
    let (name, since, reason) = columns(state);
    let rows = execute!(&mut *tx, SET_STATE, id.to_string(), name, since, reason)?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "links" });
    }
    if matches!(state, LinkState::Ended { .. }) {
        source_tokens::delete(tx, id).await?;
    }
    generations::bump(tx);
    Ok(())
}

/// Ends a link: `set_state` with [`LinkState::Ended`].
///
/// # Errors
/// [`StorageError::NotFound`] when there is no such link or it ended already.
pub async fn end(tx: &mut Tx, id: LinkId, at: Instant, reason: &str) -> Result<(), StorageError> {
    set_state(tx, id, &LinkState::Ended { at, reason: reason.to_owned() }).await
}

/// Links that were not held against their charts since then, those that waited longest first.
///
/// # Errors
/// [`StorageError`].
pub async fn unchecked(on: impl Into<Executor<'_>>, before: Instant, most: i64) -> Result<Vec<Link>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, UNCHECKED, before.micros(), most)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Notes that a link was held against its chart.
///
/// # Errors
/// [`StorageError`].
pub async fn checked(tx: &mut Tx, id: LinkId, now: Instant) -> Result<(), StorageError> {
    execute!(tx, CHECKED, id.to_string(), now.micros()).map(drop)
}

/// The chart was merged into another at the same source: the link leads there, and the generation moves on. What a sign-in
/// at the EHR gave was for the old one, and is gone.
///
/// # Errors
/// [`StorageError::NotFound`] when the link is not active, [`StorageError::AlreadyTaken`] when another one leads there.
pub async fn move_to(tx: &mut Tx, id: LinkId, patient: &str, now: Instant) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, MOVE_TO, id.to_string(), patient, now.micros())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "links" });
    }
    source_tokens::delete(tx, id).await?;
    generations::bump(tx);
    Ok(())
}

/// Makes a link the first of its person's, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not a link of that person.
pub async fn make_primary(tx: &mut Tx, person: PersonId, id: LinkId) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, MAKE_PRIMARY, person.to_string(), id.to_string())?;
    if rows == 0 {
        return Err(StorageError::NotFound { table: "links" });
    }
    generations::bump(tx);
    Ok(())
}
