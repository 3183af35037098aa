//! What waits for an organization's staff.

use super::error::RowKey;
use super::statement::{execute, fetch_all, statements};
use super::{Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, OrganizationId, PersonId, StaffTaskId};
use crate::base::source_key::SourceKey;
use crate::identity::named;

statements! {
    INSERT = "INSERT INTO staff_tasks (id, organization_id, kind, object, person_id, created) \
              VALUES ($1, $2, $3, $4, $5, $6)";
    INSERT_ONCE = "INSERT INTO staff_tasks (id, organization_id, kind, object, person_id, created) \
                   SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM staff_tasks \
                   WHERE organization_id = $2 AND kind = $3 AND object = $4 AND closed IS NULL)";
    OPEN = "SELECT id, organization_id, kind, object, person_id, created FROM staff_tasks \
            WHERE organization_id = $1 AND closed IS NULL ORDER BY created, id LIMIT 500";
    HAND_OVER = "UPDATE staff_tasks SET organization_id = $2 WHERE organization_id = $1 AND closed IS NULL";
    /// What is about a link to the source, or a code for a chart there.
    HAND_OVER_OF_SOURCE = "UPDATE staff_tasks SET organization_id = $2 WHERE closed IS NULL AND (\
                           EXISTS (SELECT 1 FROM links l WHERE l.source_key = $1 AND 'Link/' || l.id = object) \
                           OR EXISTS (SELECT 1 FROM invitations i WHERE i.source_key = $1 \
                           AND 'Invitation/' || i.id = object))";
    END_OF_ORGANIZATION = "UPDATE staff_tasks SET closed = $2, outcome = $3 \
                           WHERE organization_id = $1 AND closed IS NULL";
    CLOSE = "UPDATE staff_tasks SET closed = $3, closed_by = $4, outcome = $5 \
             WHERE id = $1 AND organization_id = $2 AND closed IS NULL";
    CLOSE_ABOUT = "UPDATE staff_tasks SET closed = $4, closed_by = $5, outcome = $6 \
                   WHERE organization_id = $1 AND kind = $2 AND object = $3 AND closed IS NULL";
}

named! {
    /// What happened that staff must look at.
    StaffTaskKind {
        /// A code was tried with wrong answers until it was locked.
        CodeLocked = "code-locked",
        /// A code that was used came back from somebody else.
        CodeReused = "code-reused",
        /// Whoever had the code says that they are not the patient.
        NotMe = "not-me",
        /// A code of a proxy was tried by somebody else than it names.
        ProxyMismatch = "proxy-mismatch",
        /// Somebody reports that a linked record is not theirs.
        WrongRecord = "wrong-record",
        /// The chart behind a link is about somebody else now.
        ChartChanged = "chart-changed",
        /// The chart behind a link was merged into another that does not fit.
        MergeMismatch = "merge-mismatch",
        /// Two people are linked to one chart after a merge.
        TwoOnOneChart = "two-on-one-chart",
        /// The chart behind a link is gone.
        ChartGone = "chart-gone",
        /// The patient died.
        Deceased = "deceased",
        /// Far more codes are tried than usual.
        ManyTries = "many-tries",
        /// A patient of an organization that was taken over has no row in the mapping.
        Reconfirm = "reconfirm",
        /// Whoever acts for a patient had leave for the record of an organization that was taken over, which is another now.
        ReconfirmProxy = "reconfirm-proxy",
        /// The leave of whoever acts for a patient was not looked at again by the day on which it had to be.
        ReviewOverdue = "review-overdue",
        /// The leave of whoever acts for a patient was suspended until somebody decides about it.
        GrantSuspended = "grant-suspended",
        /// Words in a record may say something sensitive: until staff look, they keep items from whom that would.
        WordsToReview = "words-to-review",
        /// A minor named an address for their account that is somebody else's.
        ContactShared = "contact-shared",
    }
}

/// Something that waits for staff.
#[derive(Clone, Debug)]
pub struct StaffTask {
    /// Its id.
    pub id: StaffTaskId,
    /// Whose staff.
    pub organization: OrganizationId,
    /// What happened.
    pub kind: StaffTaskKind,
    /// To what: `Invitation/{id}`, `Link/{id}`, `Grant/{id}`, `Person/{id}`.
    pub object: String,
    /// Whose record it is about, where that is known.
    pub person: Option<PersonId>,
    /// When.
    pub created: Instant,
}

/// Writes one down.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, task: &StaffTask) -> Result<(), StorageError> {
    let person = task.person.map(|person| person.to_string());
    let (id, organization) = (task.id.to_string(), task.organization.to_string());
    execute!(tx, INSERT, id, organization, task.kind.as_str(), &task.object, person, task.created.micros()).map(drop)
}

/// Writes one down, unless the same waits already.
///
/// # Errors
/// [`StorageError`].
pub async fn insert_once(tx: &mut Tx, task: &StaffTask) -> Result<(), StorageError> {
    let person = task.person.map(|person| person.to_string());
    let (id, organization) = (task.id.to_string(), task.organization.to_string());
    execute!(tx, INSERT_ONCE, id, organization, task.kind.as_str(), &task.object, person, task.created.micros())
        .map(drop)
}

/// What waits, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn open(on: impl Into<Executor<'_>>, organization: OrganizationId) -> Result<Vec<StaffTask>, StorageError> {
    type Row = (String, String, String, String, Option<String>, i64);
    let rows: Vec<Row> = fetch_all!(on, OPEN, organization.to_string())?;
    let read = |(id, organization, kind, object, person, created): Row| {
        let key = RowKey { table: "staff_tasks", key: &id };
        Ok(StaffTask {
            id: key.parse("id", &id)?,
            organization: key.parse("organization_id", &organization)?,
            kind: key.column("kind", StaffTaskKind::parse(&kind))?,
            person: person.as_deref().map(|person| key.parse("person_id", person)).transpose()?,
            created: Instant::from_micros(created),
            object,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Closes one with what came of it.
///
/// # Errors
/// [`StorageError::NotFound`] when it is not open at this organization.
pub async fn close(
    tx: &mut Tx,
    id: StaffTaskId,
    organization: OrganizationId,
    (at, by, outcome): (Instant, AccountId, &str),
) -> Result<(), StorageError> {
    let rows = execute!(tx, CLOSE, id.to_string(), organization.to_string(), at.micros(), by.to_string(), outcome)?;
    if rows == 1 { Ok(()) } else { Err(StorageError::NotFound { table: "staff_tasks" }) }
}

/// Closes what waits of this kind about an object, if staff did not before.
///
/// # Errors
/// [`StorageError`].
pub async fn close_about(
    tx: &mut Tx,
    (organization, kind, object): (OrganizationId, StaffTaskKind, &str),
    (at, by, outcome): (Instant, AccountId, &str),
) -> Result<(), StorageError> {
    let kind = kind.as_str();
    execute!(tx, CLOSE_ABOUT, organization.to_string(), kind, object, at.micros(), by.to_string(), outcome).map(drop)
}

/// What waits for one organization waits for another from now on.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over(tx: &mut Tx, from: OrganizationId, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER, from.to_string(), into.to_string())
}

/// The same for what is about one source.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over_of_source(tx: &mut Tx, source: SourceKey, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER_OF_SOURCE, source.as_str(), into.to_string())
}

/// Nobody looks any more at what waited for an organization.
///
/// # Errors
/// [`StorageError`].
pub async fn end_of_organization(
    tx: &mut Tx,
    id: OrganizationId,
    now: Instant,
    outcome: &str,
) -> Result<u64, StorageError> {
    execute!(tx, END_OF_ORGANIZATION, id.to_string(), now.micros(), outcome)
}
