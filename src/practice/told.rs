//! Who is told that what somebody shares changes.

use crate::accounts::letters_to;
use crate::identity::Grant;
use crate::mail::{Letter, Outbox, Template};
use crate::storage::{Db, StorageError, accounts, proxy_requests};

/// The same letter to whoever holds a grant and to whose record it is for. Whose record it is hears nothing where staff wrote
/// down that telling them would harm (portal design, 2.5).
pub(super) async fn both_sides<T: Template>(
    db: &Db,
    outbox: &Outbox,
    grant: &Grant,
    letter: &T,
) -> Result<Vec<Letter>, StorageError> {
    let mut all = letters_to(db, outbox, grant.account, letter).await?;
    all.extend(subject(db, outbox, grant, letter).await?);
    Ok(all)
}

/// The letter to whose record a grant is for, with the same exception.
pub(super) async fn subject<T: Template>(
    db: &Db,
    outbox: &Outbox,
    grant: &Grant,
    letter: &T,
) -> Result<Vec<Letter>, StorageError> {
    let is_silent = match grant.evidence.strip_prefix("Proofing/").and_then(|id| id.parse().ok()) {
        Some(proofing) => proxy_requests::is_silent(db, proofing).await?,
        None => false,
    };
    match accounts::by_person(db, grant.person).await? {
        Some(subject) if !is_silent => letters_to(db, outbox, subject.id, letter).await,
        _ => Ok(Vec::new()),
    }
}
