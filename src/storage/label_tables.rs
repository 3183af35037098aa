//! Tables of sensitive codes that go beside those of the program.

use super::statement::{execute, fetch_all, statements};
use super::{Executor, StorageError, Tx, generations};
use crate::base::clock::Instant;

statements! {
    PUT = "INSERT INTO label_tables (name, content, changed) VALUES ($1, $2, $3) \
           ON CONFLICT (name) DO UPDATE SET content = excluded.content, changed = excluded.changed";
    REMOVE = "DELETE FROM label_tables WHERE name = $1";
    ALL = "SELECT name, content FROM label_tables ORDER BY name";
}

/// Enters a table, in place of one of that name, and moves the generation on.
///
/// # Errors
/// [`StorageError`].
pub async fn put(tx: &mut Tx, name: &str, content: &str, now: Instant) -> Result<(), StorageError> {
    execute!(&mut *tx, PUT, name, content, now.micros())?;
    generations::bump(tx);
    Ok(())
}

/// Takes a table away, and moves the generation on.
///
/// # Errors
/// [`StorageError::NotFound`] when there is none of that name.
pub async fn remove(tx: &mut Tx, name: &str) -> Result<(), StorageError> {
    if execute!(&mut *tx, REMOVE, name)? == 0 {
        return Err(StorageError::NotFound { table: "label_tables" });
    }
    generations::bump(tx);
    Ok(())
}

/// All of them by name, in order.
///
/// # Errors
/// [`StorageError`].
pub async fn all(on: impl Into<Executor<'_>>) -> Result<Vec<(String, String)>, StorageError> {
    Ok(fetch_all!(on, ALL)?)
}
