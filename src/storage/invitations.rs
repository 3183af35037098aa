//! Activation codes, by the keyed hash of the code.

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, fetch_value, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx, organizations};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, InvitationId, LinkId, OrganizationId, ProofingId};
use crate::base::source_key::SourceKey;
use crate::identity::{Assurance, Channel, Invitation, InvitationState, MOST_WRONG_ANSWERS, ProxyDraft};

statements! {
    INSERT = "INSERT INTO invitations (id, code_hash, handle, organization_id, source_key, patient, demographics, proxy, \
              channel, contact, proofing_id, assurance, issued_by, issued, expires, root_id, self_service, wrong_answers, \
              state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 'issued') \
              ON CONFLICT DO NOTHING";
    BY_CODE = "SELECT id, handle, organization_id, source_key, patient, demographics, proxy, channel, contact, proofing_id, \
               assurance, issued_by, issued, expires, root_id, wrong_answers, state, state_since, account_id, link_id \
               FROM invitations WHERE code_hash = $1";
    /// The one with this code, or the one whose hash lies next to it, held until the write ends: parallel tries are judged
    /// one after the other, and a code that nobody has reads as much as one that somebody has.
    HOLD_NEAREST = {
        sqlite: "SELECT id, handle, organization_id, source_key, patient, demographics, proxy, channel, contact, proofing_id, \
                 assurance, issued_by, issued, expires, root_id, wrong_answers, state, state_since, account_id, link_id, \
                 CAST(code_hash = $1 AS BIGINT) AS is_it FROM invitations WHERE code_hash = COALESCE(\
                 (SELECT code_hash FROM invitations WHERE code_hash <= $1 ORDER BY code_hash DESC LIMIT 1), \
                 (SELECT code_hash FROM invitations ORDER BY code_hash LIMIT 1))",
        postgres: "SELECT id, handle, organization_id, source_key, patient, demographics, proxy, channel, contact, \
                   proofing_id, assurance, issued_by, issued, expires, root_id, wrong_answers, state, state_since, \
                   account_id, link_id, CAST(CAST(code_hash = $1 AS INTEGER) AS BIGINT) AS is_it FROM invitations \
                   WHERE code_hash = COALESCE(\
                   (SELECT code_hash FROM invitations WHERE code_hash <= $1 ORDER BY code_hash DESC LIMIT 1), \
                   (SELECT code_hash FROM invitations ORDER BY code_hash LIMIT 1)) FOR UPDATE",
    };
    BY_ID = "SELECT id, handle, organization_id, source_key, patient, demographics, proxy, channel, contact, proofing_id, \
             assurance, issued_by, issued, expires, root_id, wrong_answers, state, state_since, account_id, link_id \
             FROM invitations WHERE id = $1";
    OF_ORGANIZATION = "SELECT id, handle, organization_id, source_key, patient, demographics, proxy, channel, contact, \
                       proofing_id, assurance, issued_by, issued, expires, root_id, wrong_answers, state, state_since, \
                       account_id, link_id FROM invitations WHERE organization_id = $1 \
                       ORDER BY issued DESC, id LIMIT 200";
    /// One more wrong answer, or none where $2 is 0; the last one that is allowed locks what is open. What it writes in any
    /// case, a code that nobody has writes as well, to the row next to it.
    WRONG_ANSWER = "UPDATE invitations SET tried = $4, wrong_answers = wrong_answers + \
                    CASE WHEN wrong_answers < $3 THEN $2 ELSE 0 END, \
                    state = CASE WHEN $2 = 1 AND wrong_answers + 1 = $3 AND state IN ('issued', 'opened') THEN 'locked' \
                    ELSE state END, \
                    state_since = CASE WHEN $2 = 1 AND wrong_answers + 1 = $3 AND state IN ('issued', 'opened') THEN $4 \
                    ELSE state_since END \
                    WHERE id = $1 RETURNING state";
    OPEN = "UPDATE invitations SET state = 'opened', state_since = $2 WHERE code_hash = $1 AND state = 'issued'";
    REDEEM = "UPDATE invitations SET state = 'redeemed', state_since = $2, account_id = $3, link_id = $4 \
              WHERE id = $1 AND state IN ('issued', 'opened') AND expires > $2";
    END = "UPDATE invitations SET state = $2, state_since = $3 WHERE id = $1 AND state IN ('issued', 'opened')";
    END_OF_CHART = "UPDATE invitations SET state = $3, state_since = $4 \
                    WHERE source_key = $1 AND patient = $2 AND state IN ('issued', 'opened')";
    END_OF_CHART_SELF = "UPDATE invitations SET state = 'superseded', state_since = $3 \
                         WHERE source_key = $1 AND patient = $2 AND proxy IS NULL AND state IN ('issued', 'opened')";
    HAND_OVER = "UPDATE invitations SET organization_id = $2 WHERE organization_id = $1";
    HAND_OVER_OF_SOURCE = "UPDATE invitations SET organization_id = $2 WHERE source_key = $1";
    MOVE_CHART = "UPDATE invitations SET source_key = $3, patient = $4 \
                  WHERE source_key = $1 AND patient = $2 AND state IN ('issued', 'opened')";
    /// Codes for somebody who acts for the patient that were not used: what a later code takes over is among it.
    DRAFTS = "SELECT id, organization_id, proxy FROM invitations WHERE proxy IS NOT NULL AND state <> 'redeemed' \
              AND (organization_id = $1 OR proxy LIKE $2) ORDER BY id";
    DRAFTS_OF_CHART = "SELECT id, organization_id, proxy FROM invitations WHERE proxy IS NOT NULL \
                       AND state IN ('issued', 'opened') AND source_key = $1 AND patient = $2 ORDER BY id";
    SET_DRAFT = "UPDATE invitations SET proxy = $2 WHERE id = $1 AND state <> 'redeemed'";
    END_OF_ORGANIZATION = "UPDATE invitations SET state = 'revoked', state_since = $2 \
                           WHERE organization_id = $1 AND state IN ('issued', 'opened')";
    OF_PROOFING = "SELECT count(*) FROM invitations WHERE proofing_id = $1";
    RENEWED = "SELECT count(*) FROM invitations WHERE root_id = $1 AND self_service = 1 AND issued > $2";
}

row! {
    struct Row {
        id: String,
        handle: String,
        organization_id: String,
        source_key: String,
        patient: String,
        demographics: String,
        proxy: Option<String>,
        channel: String,
        contact: Option<String>,
        proofing_id: Option<String>,
        assurance: String,
        issued_by: Option<String>,
        issued: i64,
        expires: i64,
        root_id: String,
        wrong_answers: i64,
        state: String,
        state_since: Option<i64>,
        account_id: Option<String>,
        link_id: Option<String>,
    }
}

row! {
    struct NearestRow {
        ..row: Row,
        is_it: i64,
    }
}

/// What a look-up by code found.
#[derive(Debug)]
pub struct Nearest {
    /// The one with the code, or the one whose code's hash lies next to it.
    pub invitation: Invitation,
    /// Whether it is the one with the code. Otherwise nothing of it may show.
    pub is_it: bool,
}

impl TryFrom<Row> for Invitation {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "invitations", key: &row.id };
        let since = row.state_since.map(Instant::from_micros);
        let account = row.account_id.as_deref().map(|id| key.parse("account_id", id)).transpose()?;
        let link = row.link_id.as_deref().map(|id| key.parse("link_id", id)).transpose()?;
        let state = match (row.state.as_str(), since, account) {
            ("issued", None, None) => InvitationState::Issued,
            ("opened", Some(at), None) => InvitationState::Opened { at },
            ("redeemed", Some(at), Some(account)) => InvitationState::Redeemed { at, account, link },
            ("revoked", Some(at), None) => InvitationState::Revoked { at },
            ("locked", Some(at), None) => InvitationState::Locked { at },
            ("superseded", Some(at), None) => InvitationState::Superseded { at },
            _ => return Err(key.inconsistent("state")),
        };
        Ok(Self {
            id: key.parse("id", &row.id)?,
            organization: key.parse("organization_id", &row.organization_id)?,
            source: key.parse("source_key", &row.source_key)?,
            demographics: key.json("demographics", &row.demographics)?,
            proxy: row.proxy.as_deref().map(|text| key.json("proxy", text)).transpose()?,
            channel: key.column("channel", Channel::parse(&row.channel))?,
            proofing: row.proofing_id.as_deref().map(|id| key.parse("proofing_id", id)).transpose()?,
            assurance: key.column("assurance", Assurance::parse(&row.assurance))?,
            issued_by: row.issued_by.as_deref().map(|id| key.parse("issued_by", id)).transpose()?,
            issued: Instant::from_micros(row.issued),
            expires: Instant::from_micros(row.expires),
            root: key.parse("root_id", &row.root_id)?,
            wrong_answers: row.wrong_answers,
            state,
            handle: row.handle,
            patient: row.patient,
            contact: row.contact,
        })
    }
}

/// How many codes were handed out on one proofing, ended ones too.
///
/// # Errors
/// [`StorageError`].
pub async fn of_proofing(on: impl Into<Executor<'_>>, proofing: ProofingId) -> Result<i64, StorageError> {
    fetch_value!(on, OF_PROOFING, proofing.to_string())
}

/// Stores a new code by its hash. `self_service` says that nobody of the staff was asked.
///
/// # Errors
/// [`Taken::Key`] when the code is taken: mint another. [`StorageError::ReferenceMissing`] when the organization is not
/// there or not open.
pub async fn insert(
    tx: &mut Tx,
    hash: &[u8; 32],
    invitation: &Invitation,
    self_service: bool,
) -> Result<(), StorageError> {
    organizations::hold_open(&mut *tx, invitation.organization).await?;
    let demographics = to_json(&invitation.demographics)?;
    let proxy = invitation.proxy.as_ref().map(to_json).transpose()?;
    let rows = execute!(
        tx,
        INSERT,
        invitation.id.to_string(),
        hash.to_vec(),
        &invitation.handle,
        invitation.organization.to_string(),
        invitation.source.as_str(),
        &invitation.patient,
        demographics,
        proxy,
        invitation.channel.as_str(),
        &invitation.contact,
        invitation.proofing.map(|id| id.to_string()),
        invitation.assurance.as_str(),
        invitation.issued_by.map(|id| id.to_string()),
        invitation.issued.micros(),
        invitation.expires.micros(),
        invitation.root.to_string(),
        i64::from(self_service)
    )?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// The one with this code.
///
/// # Errors
/// [`StorageError`].
pub async fn by_code(on: impl Into<Executor<'_>>, hash: &[u8; 32]) -> Result<Option<Invitation>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_CODE, hash.to_vec())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The one with this code, which nobody else looks at until the write ends, or another one in its place. `None` where no
/// code was ever handed out.
///
/// # Errors
/// [`StorageError`].
pub async fn hold_nearest(tx: &mut Tx, hash: &[u8; 32]) -> Result<Option<Nearest>, StorageError> {
    let row: Option<NearestRow> = fetch_optional!(tx, HOLD_NEAREST, hash.to_vec())?;
    let Some(NearestRow { row, is_it }) = row else { return Ok(None) };
    let is_it = is_it == 1;
    match Invitation::try_from(row) {
        Ok(invitation) => Ok(Some(Nearest { invitation, is_it })),
        Err(inconsistent) if is_it => Err(inconsistent.into()),
        // Whoever guesses next to a row that cannot be read must not see that it is there.
        Err(inconsistent) => {
            tracing::error!(%inconsistent, "a row cannot be read");
            Ok(None)
        }
    }
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: InvitationId) -> Result<Option<Invitation>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The newest of an organization.
///
/// # Errors
/// [`StorageError`].
pub async fn of_organization(
    on: impl Into<Executor<'_>>,
    organization: OrganizationId,
) -> Result<Vec<Invitation>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_ORGANIZATION, organization.to_string())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Counts a wrong answer to the code that was looked up, if it is there. True when this one locked it.
///
/// # Errors
/// [`StorageError`].
pub async fn wrong_answer(tx: &mut Tx, held: &Nearest, now: Instant) -> Result<bool, StorageError> {
    let (id, counts) = (held.invitation.id.to_string(), i64::from(held.is_it));
    let row: Option<(String,)> = fetch_optional!(tx, WRONG_ANSWER, id, counts, MOST_WRONG_ANSWERS, now.micros())?;
    let was_open = matches!(held.invitation.state, InvitationState::Issued | InvitationState::Opened { .. });
    Ok(was_open && row.is_some_and(|(state,)| state == "locked"))
}

/// Notes that somebody gave the right answers.
///
/// # Errors
/// [`StorageError`].
pub async fn opened(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<(), StorageError> {
    execute!(tx, OPEN, hash.to_vec(), now.micros()).map(drop)
}

/// Uses a code up. True for exactly one caller, before its end.
///
/// # Errors
/// [`StorageError`].
pub async fn redeem(
    tx: &mut Tx,
    id: InvitationId,
    now: Instant,
    account: AccountId,
    link: Option<LinkId>,
) -> Result<bool, StorageError> {
    let link = link.map(|link| link.to_string());
    let rows = execute!(tx, REDEEM, id.to_string(), now.micros(), account.to_string(), link)?;
    Ok(rows == 1)
}

/// Ends a code as `revoked`, `locked` or `superseded`. False when it had ended.
///
/// # Errors
/// [`StorageError`].
pub async fn end(tx: &mut Tx, id: InvitationId, state: &str, now: Instant) -> Result<bool, StorageError> {
    let rows = execute!(tx, END, id.to_string(), state, now.micros())?;
    Ok(rows == 1)
}

/// Ends every open code of a chart.
///
/// # Errors
/// [`StorageError`].
pub async fn end_of_chart(
    tx: &mut Tx,
    source: SourceKey,
    patient: &str,
    state: &str,
    now: Instant,
) -> Result<u64, StorageError> {
    execute!(tx, END_OF_CHART, source.as_str(), patient, state, now.micros())
}

/// A newer code takes the place of every open one of the patient's own.
///
/// # Errors
/// [`StorageError`].
pub async fn supersede_own(tx: &mut Tx, source: SourceKey, patient: &str, now: Instant) -> Result<u64, StorageError> {
    execute!(tx, END_OF_CHART_SELF, source.as_str(), patient, now.micros())
}

/// How often somebody renewed a code by themselves since then.
///
/// # Errors
/// [`StorageError`].
pub async fn renewed(on: impl Into<Executor<'_>>, root: InvitationId, since: Instant) -> Result<i64, StorageError> {
    fetch_value!(on, RENEWED, root.to_string(), since.micros())
}

/// Every code of one organization is another's from now on.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over(tx: &mut Tx, from: OrganizationId, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER, from.to_string(), into.to_string())
}

/// Every code for charts of a source is another organization's from now on.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over_of_source(tx: &mut Tx, source: SourceKey, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER_OF_SOURCE, source.as_str(), into.to_string())
}

/// Open codes for a chart are for another one from now on.
///
/// # Errors
/// [`StorageError`].
pub async fn move_chart(
    tx: &mut Tx,
    (source, patient): (SourceKey, &str),
    (new_source, new_patient): (SourceKey, &str),
) -> Result<u64, StorageError> {
    execute!(tx, MOVE_CHART, source.as_str(), patient, new_source.as_str(), new_patient)
}

/// Ends every open code of an organization.
///
/// # Errors
/// [`StorageError`].
pub async fn end_of_organization(tx: &mut Tx, id: OrganizationId, now: Instant) -> Result<u64, StorageError> {
    execute!(tx, END_OF_ORGANIZATION, id.to_string(), now.micros())
}

/// What a code that was not used says of who is to act for the patient, and whose code it is.
pub type Draft = (InvitationId, OrganizationId, ProxyDraft);

fn drafts_of(rows: Vec<(String, String, String)>) -> Result<Vec<Draft>, StorageError> {
    let read = |(id, organization, proxy): (String, String, String)| {
        let key = RowKey { table: "invitations", key: &id };
        Ok((key.parse("id", &id)?, key.parse("organization_id", &organization)?, key.json("proxy", &proxy)?))
    };
    rows.into_iter().map(read).collect()
}

/// Drafts of an organization's codes, and of every code whose draft may name it.
///
/// # Errors
/// [`StorageError`].
pub async fn drafts(on: impl Into<Executor<'_>>, of: OrganizationId, named: &str) -> Result<Vec<Draft>, StorageError> {
    drafts_of(fetch_all!(on, DRAFTS, of.to_string(), format!("%{named}%"))?)
}

/// Drafts of the open codes for a chart.
///
/// # Errors
/// [`StorageError`].
pub async fn drafts_of_chart(
    on: impl Into<Executor<'_>>,
    source: SourceKey,
    patient: &str,
) -> Result<Vec<Draft>, StorageError> {
    drafts_of(fetch_all!(on, DRAFTS_OF_CHART, source.as_str(), patient)?)
}

/// Says anew who is to act for the patient, and how far.
///
/// # Errors
/// [`StorageError`].
pub async fn set_draft(tx: &mut Tx, id: InvitationId, draft: &ProxyDraft) -> Result<(), StorageError> {
    execute!(tx, SET_DRAFT, id.to_string(), to_json(draft)?).map(drop)
}
