//! Persons, and which of them turned out to be one.

use super::error::RowKey;
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, generations};
use crate::base::clock::Instant;
use crate::base::id::PersonId;
use crate::identity::{Person, PersonState};

statements! {
    INSERT = "INSERT INTO persons (id, created) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    BY_ID = "SELECT persons.id, persons.created, person_aliases.person_id, person_aliases.merged FROM persons \
             LEFT JOIN person_aliases ON person_aliases.alias_id = persons.id AND person_aliases.undone IS NULL \
             WHERE persons.id = $1";
    MERGE = "INSERT INTO person_aliases (alias_id, merged, person_id) \
             SELECT $1, $2, $3 WHERE NOT EXISTS \
             (SELECT 1 FROM person_aliases WHERE undone IS NULL AND (alias_id = $3 OR person_id = $1)) \
             ON CONFLICT DO NOTHING";
    UNMERGE = "UPDATE person_aliases SET undone = $2 WHERE alias_id = $1 AND undone IS NULL";
    ALIASES_OF = "SELECT alias_id FROM person_aliases WHERE person_id = $1 AND undone IS NULL ORDER BY merged, alias_id";
}

row! {
    struct Row {
        id: String,
        created: i64,
        person_id: Option<String>,
        merged: Option<i64>,
    }
}

impl TryFrom<Row> for Person {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "persons", key: &row.id };
        let state = match (&row.person_id, row.merged) {
            (None, None) => PersonState::Current,
            (Some(person), Some(at)) => {
                PersonState::MergedInto { person: key.parse("person_id", person)?, at: Instant::from_micros(at) }
            }
            _ => return Err(key.inconsistent("merged")),
        };
        Ok(Self { id: key.parse("id", &row.id)?, created: Instant::from_micros(row.created), state })
    }
}

/// Enters a person that stands for itself.
///
/// # Errors
/// [`Taken::Key`].
pub async fn insert(tx: &mut Tx, id: PersonId, created: Instant) -> Result<(), StorageError> {
    let rows = execute!(tx, INSERT, id.to_string(), created.micros())?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: PersonId) -> Result<Option<Person>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Records that `alias` is `person`, and moves the generation on. Chains are not made: `person` must stand for itself,
/// and nobody may be merged into `alias` (merge these into `person` instead).
///
/// # Errors
/// [`Taken::MergedPerson`] when one of the two is part of a merge in the wrong way; [`StorageError::ReferenceMissing`].
pub async fn merge(tx: &mut Tx, alias: PersonId, person: PersonId, at: Instant) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, MERGE, alias.to_string(), at.micros(), person.to_string())?;
    if rows != 1 {
        return Err(StorageError::AlreadyTaken(Taken::MergedPerson));
    }
    generations::bump(tx);
    Ok(())
}

/// Undoes [`merge`], and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when `alias` is merged into nobody.
pub async fn unmerge(tx: &mut Tx, alias: PersonId, at: Instant) -> Result<(), StorageError> {
    let rows = execute!(&mut *tx, UNMERGE, alias.to_string(), at.micros())?;
    if rows != 1 {
        return Err(StorageError::NotFound { table: "person_aliases" });
    }
    generations::bump(tx);
    Ok(())
}

/// Who is merged into `person`.
///
/// # Errors
/// [`StorageError`].
pub async fn aliases_of(on: impl Into<Executor<'_>>, person: PersonId) -> Result<Vec<PersonId>, StorageError> {
    let rows: Vec<(String,)> = fetch_all!(on, ALIASES_OF, person.to_string())?;
    rows.iter().map(|(alias,)| Ok(RowKey { table: "person_aliases", key: alias }.parse("alias_id", alias)?)).collect()
}
