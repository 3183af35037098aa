//! Requests that somebody may act for somebody else.

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, fetch_value, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Tx, organizations};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, OrganizationId, PersonId, ProofingId, ProxyRequestId};
use crate::base::source_key::SourceKey;
use crate::identity::{ProxyDraft, ProxyRequest, RequestOrigin, RequestState, StatusReason};

statements! {
    INSERT = "INSERT INTO proxy_requests (id, organization_id, origin, asked_by, asked, person_id, source_key, patient, \
              said, draft, document, proofing_id, silent, approved_by, approved, state, invitation_id, decided) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    BY_ID = "SELECT id, organization_id, origin, asked_by, asked, person_id, source_key, patient, said, draft, document, \
             proofing_id, silent, approved_by, approved, state, decided, reason, refusal, invitation_id FROM proxy_requests \
             WHERE id = $1";
    QUEUED = "SELECT id, organization_id, origin, asked_by, asked, person_id, source_key, patient, said, draft, document, \
              proofing_id, silent, approved_by, approved, state, decided, reason, refusal, invitation_id FROM proxy_requests \
              WHERE organization_id = $1 AND state IN ('waiting', 'approved') ORDER BY asked, id LIMIT 500";
    ASKED_BY = "SELECT id, organization_id, origin, asked_by, asked, person_id, source_key, patient, said, draft, document, \
                proofing_id, silent, approved_by, approved, state, decided, reason, refusal, invitation_id FROM proxy_requests \
                WHERE asked_by = $1 AND origin <> 'desk' ORDER BY asked DESC, id LIMIT 50";
    COUNT_OF = "SELECT count(*) FROM proxy_requests WHERE asked_by = $1 AND origin = $2 AND asked > $3";
    SILENT = "SELECT count(*) FROM proxy_requests WHERE proofing_id = $1 AND silent IS NOT NULL";
    HAND_OVER = "UPDATE proxy_requests SET organization_id = $2 WHERE organization_id = $1";
    HAND_OVER_OF_SOURCE = "UPDATE proxy_requests SET organization_id = $2 WHERE source_key = $1";
    MOVE_CHART = "UPDATE proxy_requests SET source_key = $3, patient = $4 \
                  WHERE source_key = $1 AND patient = $2 AND state IN ('waiting', 'approved')";
    END_OF_ORGANIZATION = "UPDATE proxy_requests SET state = 'refused', decided = $2, refusal = $3 \
                           WHERE organization_id = $1 AND state IN ('waiting', 'approved')";
    DRAFTS = "SELECT id, draft FROM proxy_requests WHERE state IN ('waiting', 'approved') AND draft LIKE $1 ORDER BY id";
    SET_DRAFT = "UPDATE proxy_requests SET draft = $2 WHERE id = $1 AND state IN ('waiting', 'approved')";
    SET = "UPDATE proxy_requests SET state = $3, person_id = $4, source_key = $5, patient = $6, proofing_id = $7, \
           approved_by = $8, approved = $9, decided = $10, decided_by = $11, reason = $12, invitation_id = $13, \
           silent = $14, refusal = $15 WHERE id = $1 AND state = $2";
}

row! {
    struct Row {
        id: String,
        organization_id: String,
        origin: String,
        asked_by: String,
        asked: i64,
        person_id: Option<String>,
        source_key: Option<String>,
        patient: Option<String>,
        said: String,
        draft: String,
        document: Option<String>,
        proofing_id: Option<String>,
        silent: Option<String>,
        approved_by: Option<String>,
        approved: Option<i64>,
        state: String,
        decided: Option<i64>,
        reason: Option<String>,
        refusal: Option<String>,
        invitation_id: Option<String>,
    }
}

impl TryFrom<Row> for ProxyRequest {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "proxy_requests", key: &row.id };
        let source = row.source_key.as_deref().map(|text| key.parse("source_key", text)).transpose()?;
        let approved_by = row.approved_by.as_deref().map(|text| key.parse("approved_by", text)).transpose()?;
        Ok(Self {
            id: key.parse("id", &row.id)?,
            organization: key.parse("organization_id", &row.organization_id)?,
            origin: key.column("origin", RequestOrigin::parse(&row.origin))?,
            asked_by: key.parse("asked_by", &row.asked_by)?,
            asked: Instant::from_micros(row.asked),
            person: row.person_id.as_deref().map(|text| key.parse("person_id", text)).transpose()?,
            chart: source.zip(row.patient),
            said: key.json("said", &row.said)?,
            draft: key.json("draft", &row.draft)?,
            document: row.document,
            proofing: row.proofing_id.as_deref().map(|text| key.parse("proofing_id", text)).transpose()?,
            silent: row.silent,
            approved: approved_by.zip(row.approved.map(Instant::from_micros)),
            state: key.column("state", RequestState::parse(&row.state))?,
            decided: row.decided.map(Instant::from_micros),
            reason: row.refusal.as_deref().map(|text| key.column("refusal", StatusReason::parse(text))).transpose()?,
            note: row.reason,
            invitation: row.invitation_id.as_deref().map(|text| key.parse("invitation_id", text)).transpose()?,
        })
    }
}

fn typed(rows: Vec<Row>) -> Result<Vec<ProxyRequest>, StorageError> {
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Writes one down.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when the organization is not there or not open.
pub async fn insert(tx: &mut Tx, request: &ProxyRequest) -> Result<(), StorageError> {
    organizations::hold_open(&mut *tx, request.organization).await?;
    let (source, patient) = request.chart.clone().map(|(key, id)| (key.to_string(), id)).unzip();
    let (approved_by, approved) = request.approved.map(|(by, at)| (by.to_string(), at.micros())).unzip();
    execute!(
        tx,
        INSERT,
        request.id.to_string(),
        request.organization.to_string(),
        request.origin.as_str(),
        request.asked_by.to_string(),
        request.asked.micros(),
        request.person.map(|id| id.to_string()),
        source,
        patient,
        to_json(&request.said)?,
        to_json(&request.draft)?,
        request.document.as_deref(),
        request.proofing.map(|id| id.to_string()),
        request.silent.as_deref(),
        approved_by,
        approved,
        request.state.as_str(),
        request.invitation.map(|id| id.to_string()),
        request.decided.map(Instant::micros)
    )
    .map(drop)
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: ProxyRequestId) -> Result<Option<ProxyRequest>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Whether staff wrote down, with what they saw, that the patient is not to be told.
///
/// # Errors
/// [`StorageError`].
pub async fn is_silent(on: impl Into<Executor<'_>>, proofing: ProofingId) -> Result<bool, StorageError> {
    let count: i64 = fetch_value!(on, SILENT, proofing.to_string())?;
    Ok(count > 0)
}

/// What waits for an organization's staff, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn queued(
    on: impl Into<Executor<'_>>,
    organization: OrganizationId,
) -> Result<Vec<ProxyRequest>, StorageError> {
    typed(fetch_all!(on, QUEUED, organization.to_string())?)
}

/// What an account asked for outside the desk, the newest first.
///
/// # Errors
/// [`StorageError`].
pub async fn asked_by(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Vec<ProxyRequest>, StorageError> {
    typed(fetch_all!(on, ASKED_BY, account.to_string())?)
}

/// How many an account made since then.
///
/// # Errors
/// [`StorageError`].
pub async fn count_of(
    on: impl Into<Executor<'_>>,
    account: AccountId,
    origin: RequestOrigin,
    since: Instant,
) -> Result<i64, StorageError> {
    fetch_value!(on, COUNT_OF, account.to_string(), origin.as_str(), since.micros())
}

/// Takes a request from the state that it was seen in to what it says now. False when somebody was quicker.
///
/// # Errors
/// [`StorageError`].
pub async fn decide(
    tx: &mut Tx,
    before: RequestState,
    request: &ProxyRequest,
    by: Option<AccountId>,
) -> Result<bool, StorageError> {
    let (source, patient) = request.chart.clone().map(|(key, id)| (key.to_string(), id)).unzip();
    let (approved_by, approved) = request.approved.map(|(by, at)| (by.to_string(), at.micros())).unzip();
    let person: Option<PersonId> = request.person;
    let rows = execute!(
        tx,
        SET,
        request.id.to_string(),
        before.as_str(),
        request.state.as_str(),
        person.map(|id| id.to_string()),
        source,
        patient,
        request.proofing.map(|id| id.to_string()),
        approved_by,
        approved,
        request.decided.map(Instant::micros),
        by.map(|by| by.to_string()),
        request.note.as_deref(),
        request.invitation.map(|id| id.to_string()),
        request.silent.as_deref(),
        request.reason.map(StatusReason::as_str)
    )?;
    Ok(rows == 1)
}

/// Staff of another organization decide what waited, and have what was decided.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over(tx: &mut Tx, from: OrganizationId, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER, from.to_string(), into.to_string())
}

/// The same for requests about charts of one source.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over_of_source(tx: &mut Tx, source: SourceKey, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER_OF_SOURCE, source.as_str(), into.to_string())
}

/// What waits about a chart is about another one from now on.
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

/// Nobody decides any more what an organization was asked.
///
/// # Errors
/// [`StorageError`].
pub async fn end_of_organization(
    tx: &mut Tx,
    id: OrganizationId,
    now: Instant,
    reason: StatusReason,
) -> Result<u64, StorageError> {
    execute!(tx, END_OF_ORGANIZATION, id.to_string(), now.micros(), reason.as_str())
}

/// Drafts of requests that wait, if they may name an organization.
///
/// # Errors
/// [`StorageError`].
pub async fn drafts(
    on: impl Into<Executor<'_>>,
    named: &str,
) -> Result<Vec<(ProxyRequestId, ProxyDraft)>, StorageError> {
    let rows: Vec<(String, String)> = fetch_all!(on, DRAFTS, format!("%{named}%"))?;
    let read = |(id, draft): (String, String)| {
        let key = RowKey { table: "proxy_requests", key: &id };
        Ok((key.parse("id", &id)?, key.json("draft", &draft)?))
    };
    rows.into_iter().map(read).collect()
}

/// Says anew who is to act, and how far.
///
/// # Errors
/// [`StorageError`].
pub async fn set_draft(tx: &mut Tx, id: ProxyRequestId, draft: &ProxyDraft) -> Result<(), StorageError> {
    execute!(tx, SET_DRAFT, id.to_string(), to_json(draft)?).map(drop)
}
