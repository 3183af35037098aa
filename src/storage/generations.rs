//! The number of the last change that cached rights must not outlive. One row; every such change moves it on within its
//! own transaction, so that who reads the new number reads the change too.

use super::statement::{fetch_value, statements};
use super::{Executor, StorageError, Tx};

statements! {
    CURRENT = "SELECT current FROM generations WHERE id = 1";
    ADVANCE = "UPDATE generations SET current = current + 1 WHERE id = 1 RETURNING current";
}

/// The current generation.
///
/// # Errors
/// [`StorageError`].
pub async fn current(on: impl Into<Executor<'_>>) -> Result<i64, StorageError> {
    fetch_value!(on, CURRENT)
}

/// Moves the generation on when this write commits. The row itself is changed last, just before the commit: all changes
/// meet at it.
pub fn bump(tx: &mut Tx) {
    tx.bumps_generation = true;
}

/// Moves the generation on if this write asked for it, and returns the new one.
pub(super) async fn advance(tx: &mut Tx) -> Result<Option<i64>, StorageError> {
    if !std::mem::take(&mut tx.bumps_generation) {
        return Ok(None);
    }
    fetch_value!(tx, ADVANCE).map(Some)
}
