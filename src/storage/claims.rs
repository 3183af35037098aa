//! What people say of themselves to be linked to a chart.

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, fetch_value, statements};
use super::{DatabaseInconsistency, Db, Executor, StorageError, Tx, organizations};
use crate::base::clock::Instant;
use crate::base::hash::sha256_of_parts;
use crate::base::id::{AccountId, ClaimId, OrganizationId};
use crate::base::source_key::SourceKey;
use crate::identity::{Claim, ClaimState, MOST_WRONG_CODES, matching};

statements! {
    INSERT = "INSERT INTO claims (id, account_id, organization_id, said, made, reasons, wrong_codes, state, about_name, \
              about_number) VALUES ($1, $2, $3, $4, $5, '[]', 0, 'open', $6, $7)";
    BY_ID = "SELECT id, account_id, organization_id, said, made, source_key, patient, reasons, code_until, wrong_codes, \
             state, state_since, decided_by FROM claims WHERE id = $1";
    OPEN = "SELECT id, account_id, organization_id, said, made, source_key, patient, reasons, code_until, wrong_codes, \
            state, state_since, decided_by FROM claims WHERE state = 'open' ORDER BY made, id LIMIT 50";
    QUEUED = "SELECT id, account_id, organization_id, said, made, source_key, patient, reasons, code_until, wrong_codes, \
              state, state_since, decided_by FROM claims WHERE organization_id = $1 AND state = 'queued' \
              ORDER BY made, id LIMIT 500";
    NEWEST = "SELECT id, account_id, organization_id, said, made, source_key, patient, reasons, code_until, wrong_codes, \
              state, state_since, decided_by FROM claims WHERE account_id = $1 ORDER BY made DESC, id LIMIT 1";
    MADE_BY = "SELECT count(*) FROM claims WHERE account_id = $1 AND made > $2";
    MADE_FOR_NAME = "SELECT count(*) FROM claims WHERE organization_id = $1 AND about_name = $2 AND made > $3";
    MADE_FOR_NUMBER = "SELECT count(*) FROM claims WHERE organization_id = $1 AND about_number = $2 AND made > $3";
    SEND_CODE = "UPDATE claims SET state = 'code-sent', source_key = $2, patient = $3, code_hash = $4, code_until = $5 \
                 WHERE id = $1 AND state = 'open'";
    QUEUE = "UPDATE claims SET state = 'queued', source_key = $2, patient = $3, reasons = $4, code_hash = NULL \
             WHERE id = $1 AND state IN ('open', 'code-sent')";
    WRONG_CODE = "UPDATE claims SET wrong_codes = wrong_codes + 1, \
                  state = CASE WHEN state = 'code-sent' AND wrong_codes + 1 >= $3 THEN 'queued' ELSE state END, \
                  reasons = CASE WHEN state = 'code-sent' AND wrong_codes + 1 >= $3 THEN $4 ELSE reasons END \
                  WHERE id = $1 AND account_id = $2";
    PROVE = "UPDATE claims SET code_hash = NULL WHERE id = $1 AND account_id = $2 AND state = 'code-sent' \
             AND code_hash = $3 AND code_until > $4 AND wrong_codes < $5";
    HAND_OVER = "UPDATE claims SET organization_id = $2 WHERE organization_id = $1";
    HAND_OVER_OF_SOURCE = "UPDATE claims SET organization_id = $2 WHERE source_key = $1";
    MOVE_CHART = "UPDATE claims SET source_key = $3, patient = $4 \
                  WHERE source_key = $1 AND patient = $2 AND state IN ('code-sent', 'queued')";
    END_OF_ORGANIZATION = "UPDATE claims SET state = 'withdrawn', state_since = $2, code_hash = NULL \
                           WHERE organization_id = $1 AND state IN ('open', 'code-sent', 'queued')";
    DECIDE = "UPDATE claims SET state = $2, state_since = $3, decided_by = $4, code_hash = NULL \
              WHERE id = $1 AND state IN ('open', 'code-sent', 'queued')";
}

row! {
    struct Row {
        id: String,
        account_id: String,
        organization_id: String,
        said: String,
        made: i64,
        source_key: Option<String>,
        patient: Option<String>,
        reasons: String,
        code_until: Option<i64>,
        wrong_codes: i64,
        state: String,
        state_since: Option<i64>,
        decided_by: Option<String>,
    }
}

impl TryFrom<Row> for Claim {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "claims", key: &row.id };
        let at = row.state_since.map(Instant::from_micros);
        let by = row.decided_by.as_deref().map(|id| key.parse("decided_by", id)).transpose()?;
        let state = match (row.state.as_str(), at, by, row.code_until.map(Instant::from_micros)) {
            ("open", None, None, None) => ClaimState::Open,
            ("code-sent", None, None, Some(until)) => ClaimState::CodeSent { until },
            ("queued", None, None, _) => ClaimState::Queued,
            ("accepted", Some(at), by, _) => ClaimState::Accepted { at, by },
            ("refused", Some(at), Some(by), _) => ClaimState::Refused { at, by },
            ("withdrawn", Some(at), _, _) => ClaimState::Withdrawn { at },
            _ => return Err(key.inconsistent("state")),
        };
        let source = row.source_key.as_deref().map(|source| key.parse("source_key", source)).transpose()?;
        Ok(Self {
            id: key.parse("id", &row.id)?,
            account: key.parse("account_id", &row.account_id)?,
            organization: key.parse("organization_id", &row.organization_id)?,
            said: key.json("said", &row.said)?,
            made: Instant::from_micros(row.made),
            chart: source.zip(row.patient),
            reasons: key.json("reasons", &row.reasons)?,
            wrong_codes: row.wrong_codes,
            state,
        })
    }
}

/// Writes down what somebody says, to be looked at.
///
/// # Errors
/// [`StorageError::ReferenceMissing`] when the organization is not there or not open.
pub async fn insert(tx: &mut Tx, claim: &Claim) -> Result<(), StorageError> {
    organizations::hold_open(&mut *tx, claim.organization).await?;
    let said = to_json(&claim.said)?;
    let (account, organization) = (claim.account.to_string(), claim.organization.to_string());
    let (name, number) = about(claim);
    execute!(tx, INSERT, claim.id.to_string(), account, organization, said, claim.made.micros(), name, number).map(drop)
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: ClaimId) -> Result<Option<Claim>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// The newest of an account.
///
/// # Errors
/// [`StorageError`].
pub async fn newest(on: impl Into<Executor<'_>>, account: AccountId) -> Result<Option<Claim>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, NEWEST, account.to_string())?;
    row.map(|row| row.try_into().map_err(StorageError::from)).transpose()
}

/// Those that nobody looked at yet, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn open(on: impl Into<Executor<'_>>) -> Result<Vec<Claim>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OPEN)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Those that wait for an organization's staff, the oldest first.
///
/// # Errors
/// [`StorageError`].
pub async fn queued(on: impl Into<Executor<'_>>, organization: OrganizationId) -> Result<Vec<Claim>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, QUEUED, organization.to_string())?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// How many an account made since then.
///
/// # Errors
/// [`StorageError`].
pub async fn made_by(on: impl Into<Executor<'_>>, account: AccountId, since: Instant) -> Result<i64, StorageError> {
    fetch_value!(on, MADE_BY, account.to_string(), since.micros())
}

/// How often an organization was told of the same human since then, by whomever: by name and birth date, or by number,
/// whichever is more. Spelling does not count.
///
/// # Errors
/// [`StorageError`].
pub async fn made_for(db: &Db, claim: &Claim, since: Instant) -> Result<i64, StorageError> {
    let (name, number) = about(claim);
    let organization = claim.organization.to_string();
    let by_name: i64 = fetch_value!(db, MADE_FOR_NAME, &organization, name, since.micros())?;
    let by_number: i64 = fetch_value!(db, MADE_FOR_NUMBER, &organization, number, since.micros())?;
    Ok(by_name.max(by_number))
}

/// Whom a claim is about, as hashes: a count needs no names. Claims without a number have none in common.
fn about(claim: &Claim) -> (Vec<u8>, Option<Vec<u8>>) {
    let (name, number) = matching::about(&claim.said);
    let hash = |what: &[u8], text: &str| sha256_of_parts([what, text.as_bytes()]).to_vec();
    (hash(b"claim name", &name), Some(hash(b"claim number", &number)).filter(|_| !claim.said.number.is_empty()))
}

/// A one-time code goes to the contact of this chart.
///
/// # Errors
/// [`StorageError`].
pub async fn send_code(
    tx: &mut Tx,
    id: ClaimId,
    (source, patient): (SourceKey, &str),
    (hash, until): (&[u8; 32], Instant),
) -> Result<bool, StorageError> {
    let rows = execute!(tx, SEND_CODE, id.to_string(), source.as_str(), patient, hash.to_vec(), until.micros())?;
    Ok(rows == 1)
}

/// Staff must look at it.
///
/// # Errors
/// [`StorageError`].
pub async fn queue(
    tx: &mut Tx,
    id: ClaimId,
    chart: Option<(SourceKey, &str)>,
    reasons: &[String],
) -> Result<bool, StorageError> {
    let (source, patient) = chart.unzip();
    let source = source.map(|source| source.to_string());
    let rows = execute!(tx, QUEUE, id.to_string(), source, patient, to_json(&reasons)?)?;
    Ok(rows == 1)
}

/// Whether this is the one-time code of the claim, in time; it is used up then. A wrong one is counted, also where there
/// is no code: both cost the same.
///
/// # Errors
/// [`StorageError`].
pub async fn prove(
    tx: &mut Tx,
    id: ClaimId,
    account: AccountId,
    hash: &[u8; 32],
    now: Instant,
) -> Result<bool, StorageError> {
    let (id, account) = (id.to_string(), account.to_string());
    let right = execute!(&mut *tx, PROVE, &id, &account, hash.to_vec(), now.micros(), MOST_WRONG_CODES)? == 1;
    if !right {
        execute!(tx, WRONG_CODE, &id, &account, MOST_WRONG_CODES, "[\"wrong-codes\"]")?;
    }
    Ok(right)
}

/// Decides it: `accepted`, `refused` or `withdrawn`. False when it was decided before.
///
/// # Errors
/// [`StorageError`].
pub async fn decide(
    tx: &mut Tx,
    id: ClaimId,
    state: &str,
    at: Instant,
    by: Option<AccountId>,
) -> Result<bool, StorageError> {
    let rows = execute!(tx, DECIDE, id.to_string(), state, at.micros(), by.map(|by| by.to_string()))?;
    Ok(rows == 1)
}

/// What was said to one organization was said to another from now on.
///
/// # Errors
/// [`StorageError`].
pub async fn hand_over(tx: &mut Tx, from: OrganizationId, into: OrganizationId) -> Result<u64, StorageError> {
    execute!(tx, HAND_OVER, from.to_string(), into.to_string())
}

/// The same for what is said about charts of one source.
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

/// Nobody decides any more what was said to an organization.
///
/// # Errors
/// [`StorageError`].
pub async fn end_of_organization(tx: &mut Tx, id: OrganizationId, now: Instant) -> Result<u64, StorageError> {
    execute!(tx, END_OF_ORGANIZATION, id.to_string(), now.micros())
}
