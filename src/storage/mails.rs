//! What waits to be sent to people, and what became of it.

use super::error::RowKey;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::MailId;
use crate::identity::{ContactKind, Language, named};

statements! {
    INSERT = "INSERT INTO mails (id, channel, kind, language, sealed, created, not_before, expires, attempts, state) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 'queued')";
    DUE = "SELECT id, channel, sealed, created, not_before, expires, attempts FROM mails \
           WHERE state = 'queued' AND not_before <= $1 ORDER BY not_before, id LIMIT $2";
    CLAIM = "UPDATE mails SET not_before = $3, attempts = attempts + 1 \
             WHERE id = $1 AND state = 'queued' AND not_before = $2";
    POSTPONE = "UPDATE mails SET not_before = $2 WHERE id = $1 AND state = 'queued'";
    END = "UPDATE mails SET state = $2, ended = $3, sealed = NULL WHERE id = $1 AND state = 'queued'";
    STATE = "SELECT state FROM mails WHERE id = $1";
    DELETE_ENDED = "DELETE FROM mails WHERE id IN \
                    (SELECT id FROM mails WHERE state <> 'queued' AND ended < $1 ORDER BY ended LIMIT $2)";
}

named! {
    /// What became of something that was to be sent.
    MailState {
        /// It waits.
        Queued = "queued",
        /// The next server, or the folder, took it.
        Sent = "sent",
        /// It was refused for good.
        Bounced = "bounced",
        /// It could not be sent while it was good for anything.
        Dropped = "dropped",
    }
}

/// Something to be sent.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Its id.
    pub id: MailId,
    /// By e-mail or text message.
    pub channel: ContactKind,
    /// The template.
    pub kind: &'static str,
    /// The language that it is written in.
    pub language: Language,
    /// Recipient and text, sealed.
    pub sealed: Vec<u8>,
    /// When it was written.
    pub created: Instant,
    /// Not to be sent before.
    pub not_before: Instant,
    /// Not worth sending any more.
    pub expires: Instant,
}

/// Something that is due.
#[derive(Clone, Debug)]
pub struct DueMail {
    /// Its id.
    pub id: MailId,
    /// By e-mail or text message.
    pub channel: ContactKind,
    /// Recipient and text, sealed.
    pub sealed: Vec<u8>,
    /// When it was written.
    pub created: Instant,
    /// Since when it is due.
    pub not_before: Instant,
    /// Not worth sending any more.
    pub expires: Instant,
    /// How often it was tried.
    pub attempts: u32,
}

/// Puts something into the queue.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, mail: &NewMail) -> Result<(), StorageError> {
    execute!(
        tx,
        INSERT,
        mail.id.to_string(),
        mail.channel.as_str(),
        mail.kind,
        mail.language.as_str(),
        mail.sealed.as_slice(),
        mail.created.micros(),
        mail.not_before.micros(),
        mail.expires.micros()
    )
    .map(drop)
}

/// What is due, the longest first, so many at most.
///
/// # Errors
/// [`StorageError`].
pub async fn due(on: impl Into<Executor<'_>>, now: Instant, most: i64) -> Result<Vec<DueMail>, StorageError> {
    type Row = (String, String, Vec<u8>, i64, i64, i64, i64);
    let rows: Vec<Row> = fetch_all!(on, DUE, now.micros(), most)?;
    let read = |(id, channel, sealed, created, not_before, expires, attempts): Row| {
        let key = RowKey { table: "mails", key: &id };
        Ok::<_, DatabaseInconsistency>(DueMail {
            id: key.parse("id", &id)?,
            channel: key.column("channel", ContactKind::parse(&channel))?,
            sealed,
            created: Instant::from_micros(created),
            not_before: Instant::from_micros(not_before),
            expires: Instant::from_micros(expires),
            attempts: key.column("attempts", u32::try_from(attempts).ok())?,
        })
    };
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// Takes something that is due, until `until`. True for exactly one caller.
///
/// # Errors
/// [`StorageError`].
pub async fn claim(tx: &mut Tx, mail: &DueMail, until: Instant) -> Result<bool, StorageError> {
    let rows = execute!(tx, CLAIM, mail.id.to_string(), mail.not_before.micros(), until.micros())?;
    Ok(rows == 1)
}

/// Tries again later.
///
/// # Errors
/// [`StorageError`].
pub async fn postpone(tx: &mut Tx, id: MailId, not_before: Instant) -> Result<(), StorageError> {
    execute!(tx, POSTPONE, id.to_string(), not_before.micros()).map(drop)
}

/// Notes what became of it, and forgets recipient and text.
///
/// # Errors
/// [`StorageError`].
pub async fn end(tx: &mut Tx, id: MailId, state: MailState, now: Instant) -> Result<(), StorageError> {
    execute!(tx, END, id.to_string(), state.as_str(), now.micros()).map(drop)
}

/// What became of it; `None` when that is forgotten.
///
/// # Errors
/// [`StorageError`].
pub async fn state(on: impl Into<Executor<'_>>, id: MailId) -> Result<Option<MailState>, StorageError> {
    let id = id.to_string();
    let row: Option<(String,)> = fetch_optional!(on, STATE, id.as_str())?;
    let Some((state,)) = row else { return Ok(None) };
    Ok(Some(RowKey { table: "mails", key: &id }.column("state", MailState::parse(&state))?))
}

/// Forgets what ended before `end`, so many at most, and says how many it were.
///
/// # Errors
/// [`StorageError`].
pub async fn delete_ended(tx: &mut Tx, end: Instant, most: i64) -> Result<u64, StorageError> {
    execute!(tx, DELETE_ENDED, end.micros(), most)
}
