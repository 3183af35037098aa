//! The audit trail: one chain per process, each entry sealed together with the one before it.
//!
//! A changed, removed, inserted or reordered entry breaks the chain at that entry (45 CFR 170.315(d)(2)). Cutting off
//! the tail together with the head row does not: only an anchor outside this database tells.

use data_encoding::HEXLOWER;
use serde::Serialize;

use super::error::{RowKey, to_json};
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Executor, StorageError, Taken, Tx};
use crate::base::clock::Instant;
use crate::base::hash::{equal_in_constant_time, hmac_sha256};
use crate::base::id::{AccountId, AuditEventId, ChainId, PersonId};
use crate::base::keys::{KeyUse, MasterKey};
use crate::base::secret::Secret;
use crate::fhir::resource_type::ResourceType;
use crate::identity::named;

statements! {
    START = "INSERT INTO audit_chains (id, seq, mac) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING";
    HEAD = "SELECT seq, mac FROM audit_chains WHERE id = $1";
    // Takes the numbers and, on PostgreSQL, the lock under which the chain grows by one write at a time.
    TAKE = "UPDATE audit_chains SET seq = seq + $2 WHERE id = $1 RETURNING seq, mac";
    SET_HEAD = "UPDATE audit_chains SET mac = $2 WHERE id = $1";
    CHAINS = "SELECT id FROM audit_chains ORDER BY id";
    // SQLite reads the entries once, in its binary form: taken from text, each of the columns would read them again.
    APPEND = {
        sqlite: "WITH entries AS MATERIALIZED (SELECT value AS entry FROM jsonb_each($1)) \
                 INSERT INTO audit (chain_id, seq, mac, id, recorded, kind, outcome, account_id, client_id, \
                 person_id, resource_type, interaction, parameters, released, withheld, rule) \
                 SELECT entry ->> 'chain_id', entry ->> 'seq', unhex(entry ->> 'mac'), entry ->> 'id', \
                 entry ->> 'recorded', entry ->> 'kind', entry ->> 'outcome', entry ->> 'account_id', \
                 entry ->> 'client_id', entry ->> 'person_id', entry ->> 'resource_type', entry ->> 'interaction', \
                 entry ->> 'parameters', entry ->> 'released', entry ->> 'withheld', entry ->> 'rule' \
                 FROM entries",
        postgres: "INSERT INTO audit (chain_id, seq, mac, id, recorded, kind, outcome, account_id, client_id, \
                   person_id, resource_type, interaction, parameters, released, withheld, rule) \
                   SELECT chain_id, seq, decode(mac, 'hex'), id, recorded, kind, outcome, account_id, client_id, \
                   person_id, resource_type, interaction, parameters, released, withheld, rule \
                   FROM jsonb_to_recordset(CAST($1 AS jsonb)) AS row_of (chain_id text, seq bigint, mac text, \
                   id text, recorded bigint, kind text, outcome text, account_id text, client_id text, \
                   person_id text, resource_type text, interaction text, parameters text, released bigint, \
                   withheld bigint, rule text)",
    };
    APPEND_ACT = "INSERT INTO audit (chain_id, seq, mac, id, recorded, kind, outcome, account_id, client_id, person_id, \
                  interaction, parameters, rule, object) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    OF_CHAIN = "SELECT seq, mac, id, recorded, kind, outcome, account_id, client_id, person_id, resource_type, \
                interaction, parameters, released, withheld, rule, object FROM audit \
                WHERE chain_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 1000";
    RECENT = "SELECT seq, mac, id, recorded, kind, outcome, account_id, client_id, person_id, resource_type, \
              interaction, parameters, released, withheld, rule, object FROM audit \
              ORDER BY recorded DESC, chain_id, seq DESC LIMIT $1";
    OF_PERSON = "SELECT seq, mac, id, recorded, kind, outcome, account_id, client_id, person_id, resource_type, \
                 interaction, parameters, released, withheld, rule, object FROM audit \
                 WHERE person_id = $1 ORDER BY recorded DESC, chain_id, seq DESC LIMIT $2";
}

/// The chain of one process, with the key that seals it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Its id.
    pub id: ChainId,
    key: Secret<[u8; 32]>,
}

impl Chain {
    /// The chain with this id; all chains are sealed with the same derived key.
    #[must_use]
    pub fn new(id: ChainId, master: &MasterKey) -> Self {
        Self { id, key: master.derive(KeyUse::AuditChain) }
    }

    /// The seal of a chain that has no entry yet.
    fn origin(&self) -> [u8; 32] {
        hmac_sha256(self.key.expose(), &[b"origin", self.id.to_string().as_bytes()])
    }

    /// The seal of an entry: over every column, its place, and the seal before it.
    fn seal(&self, before: &[u8], row: &Row) -> [u8; 32] {
        let (seq, recorded) = (row.seq.to_be_bytes(), row.recorded.to_be_bytes());
        let chain = self.id.to_string();
        let numbers = [row.released, row.withheld].map(|n| n.map(|n| n.to_string()));
        let mut parts: Vec<&[u8]> = vec![
            b"entry",
            before,
            chain.as_bytes(),
            &seq,
            row.id.as_bytes(),
            &recorded,
            row.kind.as_bytes(),
            row.outcome.as_bytes(),
            row.parameters.as_bytes(),
        ];
        let optional =
            [&row.account_id, &row.client_id, &row.person_id, &row.resource_type, &row.interaction, &row.rule];
        for text in optional.into_iter().chain(&numbers) {
            // Absent and empty are two things.
            match text {
                Some(text) => parts.extend([b"1".as_slice(), text.as_bytes()]),
                None => parts.push(b"0"),
            }
        }
        // Only acts have one. Nothing follows it, so that an entry without it is sealed as it was before there was one.
        if let Some(object) = &row.object {
            parts.extend([b"object".as_slice(), object.as_bytes()]);
        }
        hmac_sha256(self.key.expose(), &parts)
    }
}

named! {
    /// How what was asked for ended.
    AuditOutcome {
        /// It was allowed and done.
        Permitted = "permitted",
        /// It was refused.
        Denied = "denied",
        /// It was allowed and did not succeed.
        Failed = "failed",
    }
}

/// One entry: who asked for what about whom, and what became of it. Ids and names of parameters, never their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its id, under which it is served as AuditEvent.
    pub id: AuditEventId,
    /// When.
    pub recorded: Instant,
    /// What happened, as a code.
    pub kind: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Who asked.
    pub account: Option<AccountId>,
    /// Through which OAuth client.
    pub client: Option<String>,
    /// About whom.
    pub person: Option<PersonId>,
    /// For which type.
    pub resource_type: Option<ResourceType>,
    /// By which FHIR interaction or endpoint.
    pub interaction: Option<String>,
    /// Names of the parameters that were used.
    pub parameters: Vec<String>,
    /// How many resources were given out.
    pub released: Option<i64>,
    /// How many were held back.
    pub withheld: Option<i64>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What an act was done to, as `Type/id`. Reads have none.
    pub object: Option<String>,
}

/// What became of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainState {
    /// Every entry is there as it was written.
    Whole {
        /// How many.
        entries: i64,
    },
    /// The first entry that is not there as it was written.
    Broken {
        /// Its number in the chain.
        seq: i64,
    },
    /// There is no such chain.
    Unknown,
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    mac: Vec<u8>,
    id: String,
    recorded: i64,
    kind: String,
    outcome: String,
    account_id: Option<String>,
    client_id: Option<String>,
    person_id: Option<String>,
    resource_type: Option<String>,
    interaction: Option<String>,
    parameters: String,
    released: Option<i64>,
    withheld: Option<i64>,
    rule: Option<String>,
    object: Option<String>,
}

/// A row on its way in, with its key, and the seal in hexadecimal.
#[derive(Serialize)]
struct Entry<'r> {
    chain_id: &'r str,
    seq: i64,
    mac: String,
    id: &'r str,
    recorded: i64,
    kind: &'r str,
    outcome: &'r str,
    account_id: &'r Option<String>,
    client_id: &'r Option<String>,
    person_id: &'r Option<String>,
    resource_type: &'r Option<String>,
    interaction: &'r Option<String>,
    parameters: &'r str,
    released: Option<i64>,
    withheld: Option<i64>,
    rule: &'r Option<String>,
}

impl Row {
    fn new(seq: i64, row: &AuditRow) -> Result<Self, StorageError> {
        Ok(Self {
            seq,
            mac: Vec::new(),
            id: row.id.to_string(),
            recorded: row.recorded.micros(),
            kind: row.kind.clone(),
            outcome: row.outcome.as_str().to_owned(),
            account_id: row.account.map(|id| id.to_string()),
            client_id: row.client.clone(),
            person_id: row.person.map(|id| id.to_string()),
            resource_type: row.resource_type.map(|t| t.as_str().to_owned()),
            interaction: row.interaction.clone(),
            parameters: to_json(&row.parameters)?,
            released: row.released,
            withheld: row.withheld,
            rule: row.rule.clone(),
            object: row.object.clone(),
        })
    }

    fn entry<'r>(&'r self, chain_id: &'r str) -> Entry<'r> {
        Entry {
            chain_id,
            seq: self.seq,
            mac: HEXLOWER.encode(&self.mac),
            id: &self.id,
            recorded: self.recorded,
            kind: &self.kind,
            outcome: &self.outcome,
            account_id: &self.account_id,
            client_id: &self.client_id,
            person_id: &self.person_id,
            resource_type: &self.resource_type,
            interaction: &self.interaction,
            parameters: &self.parameters,
            released: self.released,
            withheld: self.withheld,
            rule: &self.rule,
        }
    }
}

impl TryFrom<Row> for AuditRow {
    type Error = DatabaseInconsistency;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let key = RowKey { table: "audit", key: &row.id };
        let resource_type = row
            .resource_type
            .as_deref()
            .map(|name| key.column("resource_type", ResourceType::parse(name)))
            .transpose()?;
        Ok(Self {
            id: key.parse("id", &row.id)?,
            recorded: Instant::from_micros(row.recorded),
            outcome: key.column("outcome", AuditOutcome::parse(&row.outcome))?,
            account: row.account_id.as_deref().map(|id| key.parse("account_id", id)).transpose()?,
            person: row.person_id.as_deref().map(|id| key.parse("person_id", id)).transpose()?,
            resource_type,
            parameters: key.json("parameters", &row.parameters)?,
            kind: row.kind,
            client: row.client_id,
            interaction: row.interaction,
            released: row.released,
            withheld: row.withheld,
            rule: row.rule,
            object: row.object,
        })
    }
}

/// Begins a chain: once for each process, before its first entry.
///
/// # Errors
/// [`Taken::Key`] when a chain of that id began before.
pub async fn start_chain(tx: &mut Tx, chain: &Chain) -> Result<(), StorageError> {
    let rows = execute!(tx, START, chain.id.to_string(), chain.origin().as_slice())?;
    if rows == 1 { Ok(()) } else { Err(StorageError::AlreadyTaken(Taken::Key)) }
}

/// Adds entries to the chain, in this order, in one statement for all of them. The last thing a write does: on
/// PostgreSQL the chain stays locked until it commits.
///
/// # Errors
/// [`StorageError::NotFound`] when the chain was not begun.
pub async fn append(tx: &mut Tx, chain: &Chain, rows: &[AuditRow]) -> Result<(), StorageError> {
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return Ok(());
    }
    let chain_id = chain.id.to_string();
    let head: Option<(i64, Vec<u8>)> = fetch_optional!(&mut *tx, TAKE, &chain_id, count)?;
    let Some((last, mut mac)) = head else { return Err(StorageError::NotFound { table: "audit_chains" }) };
    let mut sealed = Vec::with_capacity(rows.len());
    for (seq, row) in (last - count + 1..).zip(rows) {
        let mut row = Row::new(seq, row)?;
        mac = chain.seal(&mac, &row).to_vec();
        row.mac.clone_from(&mac);
        sealed.push(row);
    }
    let entries = to_json(&sealed.iter().map(|row| row.entry(&chain_id)).collect::<Vec<_>>())?;
    execute!(&mut *tx, APPEND, &entries)?;
    execute!(tx, SET_HEAD, &chain_id, &mac)?;
    Ok(())
}

/// Adds the entry of an act to the chain, within the write that does the act. The last thing that write does: on
/// PostgreSQL the chain stays locked until it commits. Numbers of resources and a resource type are for reads: an act
/// has none.
///
/// # Errors
/// [`StorageError::NotFound`] when the chain was not begun.
pub async fn append_act(tx: &mut Tx, chain: &Chain, act: &AuditRow) -> Result<(), StorageError> {
    let chain_id = chain.id.to_string();
    let head: Option<(i64, Vec<u8>)> = fetch_optional!(&mut *tx, TAKE, &chain_id, 1_i64)?;
    let Some((seq, before)) = head else { return Err(StorageError::NotFound { table: "audit_chains" }) };
    let row = Row { resource_type: None, released: None, withheld: None, ..Row::new(seq, act)? };
    let mac = chain.seal(&before, &row);
    execute!(
        &mut *tx,
        APPEND_ACT,
        &chain_id,
        seq,
        mac.as_slice(),
        &row.id,
        row.recorded,
        &row.kind,
        &row.outcome,
        &row.account_id,
        &row.client_id,
        &row.person_id,
        &row.interaction,
        &row.parameters,
        &row.rule,
        &row.object
    )?;
    execute!(tx, SET_HEAD, &chain_id, mac.as_slice())?;
    Ok(())
}

/// The newest entries of all chains, newest first.
///
/// # Errors
/// [`StorageError`].
pub async fn recent(on: impl Into<Executor<'_>>, limit: i64) -> Result<Vec<AuditRow>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, RECENT, limit)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// The newest entries about a person, newest first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_person(
    on: impl Into<Executor<'_>>,
    person: PersonId,
    limit: i64,
) -> Result<Vec<AuditRow>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_PERSON, person.to_string(), limit)?;
    rows.into_iter().map(|row| row.try_into().map_err(StorageError::from)).collect()
}

/// Every chain that was begun.
///
/// # Errors
/// [`StorageError`].
pub async fn chains(on: impl Into<Executor<'_>>) -> Result<Vec<ChainId>, StorageError> {
    let rows: Vec<(String,)> = fetch_all!(on, CHAINS)?;
    rows.iter().map(|(id,)| Ok(RowKey { table: "audit_chains", key: id }.parse("id", id)?)).collect()
}

/// Goes along a chain and finds the first entry that is not as it was written. Entries added meanwhile do not count.
///
/// # Errors
/// [`StorageError`].
pub async fn verify_chain(db: &super::Db, chain: &Chain) -> Result<ChainState, StorageError> {
    let chain_id = chain.id.to_string();
    let head: Option<(i64, Vec<u8>)> = fetch_optional!(db, HEAD, &chain_id)?;
    let Some((last, head_mac)) = head else { return Ok(ChainState::Unknown) };
    let (mut seq, mut mac) = (0, chain.origin().to_vec());
    while seq < last {
        let rows: Vec<Row> = fetch_all!(db, OF_CHAIN, &chain_id, seq, last)?;
        if rows.is_empty() {
            return Ok(ChainState::Broken { seq: seq + 1 });
        }
        for row in rows {
            seq += 1;
            if row.seq != seq || !equal_in_constant_time(&chain.seal(&mac, &row), &row.mac) {
                return Ok(ChainState::Broken { seq });
            }
            mac = row.mac;
        }
    }
    if equal_in_constant_time(&mac, &head_mac) {
        Ok(ChainState::Whole { entries: last })
    } else {
        Ok(ChainState::Broken { seq: last })
    }
}
