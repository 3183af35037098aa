//! Of which changes of what they share people were told.

use super::statement::{execute, statements};
use super::{StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::GrantId;
use crate::consent::DueNotice;

statements! {
    INSERT = "INSERT INTO sharing_notices (grant_id, day, before, sent) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
}

/// Writes down that people are told. False when they were before.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, grant: GrantId, due: DueNotice, now: Instant) -> Result<bool, StorageError> {
    let rows = execute!(tx, INSERT, grant.to_string(), due.day.to_string(), due.before, now.micros())?;
    Ok(rows == 1)
}
