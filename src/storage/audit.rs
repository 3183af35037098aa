//! The audit trail: one chain per process, its entries in blocks, each sealed together with the one before it.
//!
//! What is recorded together stands in one row: thousands of reads a second cost few inserts and no index entry each.
//! A changed, removed, inserted or reordered entry breaks the chain at its block (45 CFR 170.315(d)(2)). Cutting off
//! the tail together with the head row does not: only an anchor outside this database tells. `audit_persons` finds the
//! blocks that tell of a person; it can be made anew from the blocks.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{DatabaseInconsistency, Db, Executor, StorageError, Taken, Tx};
use crate::base::clock::Instant;
use crate::base::hash::{equal_in_constant_time, hmac_sha256};
use crate::base::id::{AccountId, AuditEventId, ChainId, OrganizationId, PersonId};
use crate::base::keys::{KeyUse, MasterKey};
use crate::base::secret::Secret;
use crate::base::source_key::SourceKey;
use crate::fhir::resource_type::ResourceType;
use crate::identity::named;

/// Entries of one block at most. A block is read whole to find one entry in it.
const BLOCK: usize = 256;

statements! {
    START = "INSERT INTO audit_chains (id, seq, mac) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING";
    HEAD = "SELECT seq, mac FROM audit_chains WHERE id = $1";
    // Takes the numbers and, on PostgreSQL, the lock under which the chain grows by one write at a time.
    TAKE = "UPDATE audit_chains SET seq = seq + $2 WHERE id = $1 RETURNING seq, mac";
    CHAINS = "SELECT id FROM audit_chains ORDER BY id";
    // A block, whom it tells of, and the chain's new head.
    APPEND = {
        sqlite: "INSERT INTO audit_blocks (chain_id, last_seq, first_seq, recorded, mac, entries) \
                 VALUES ($1, $2, $3, $4, $5, $6); \
                 INSERT INTO audit_persons (person_id, recorded, chain_id, last_seq) \
                 SELECT value, $4, $1, $2 FROM json_each($7); \
                 UPDATE audit_chains SET mac = $5 WHERE id = $1",
        postgres: "WITH block AS (\
                   INSERT INTO audit_blocks (chain_id, last_seq, first_seq, recorded, mac, entries) \
                   VALUES ($1, $2, $3, $4, $5, $6)), \
                   persons AS (\
                   INSERT INTO audit_persons (person_id, recorded, chain_id, last_seq) \
                   SELECT value, CAST($4 AS BIGINT), CAST($1 AS TEXT), CAST($2 AS BIGINT) \
                   FROM jsonb_array_elements_text(CAST($7 AS jsonb))) \
                   UPDATE audit_chains SET mac = $5 WHERE id = $1",
    };
    OF_CHAIN = "SELECT chain_id, last_seq, first_seq, recorded, mac, entries FROM audit_blocks \
                WHERE chain_id = $1 AND last_seq > $2 ORDER BY last_seq LIMIT 32";
    RECENT = "SELECT chain_id, last_seq, first_seq, recorded, mac, entries FROM audit_blocks \
              ORDER BY recorded DESC, chain_id, last_seq DESC LIMIT $1 OFFSET $2";
    OF_PERSON = "SELECT b.chain_id, b.last_seq, b.first_seq, b.recorded, b.mac, b.entries FROM audit_persons p \
                 JOIN audit_blocks b ON b.chain_id = p.chain_id AND b.last_seq = p.last_seq \
                 WHERE p.person_id = $1 ORDER BY p.recorded DESC, p.chain_id, p.last_seq DESC LIMIT $2 OFFSET $3";
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

    /// The seal of a block: over every column, its place, and the seal before it.
    fn seal(&self, before: &[u8], block: &Block) -> [u8; 32] {
        let numbers = [block.first_seq, block.last_seq, block.recorded].map(i64::to_be_bytes);
        let mut parts: Vec<&[u8]> = vec![b"block", before, block.chain_id.as_bytes()];
        parts.extend(numbers.iter().map(<[u8; 8]>::as_slice));
        parts.push(block.entries.as_bytes());
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
    /// What an act was done to, as `Type/id`. Of a read by a proxy, the version of the tables by
    /// which it was decided; of one at work, the practice for which; other reads have none.
    pub object: Option<String>,
    /// From which sources a read was answered, and how many resources came from each.
    pub sources: Vec<(SourceKey, i64)>,
}

/// What became of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainState {
    /// Every entry is there as it was written.
    Whole {
        /// How many.
        entries: i64,
    },
    /// An entry is not there as it was written.
    Broken {
        /// The number of the first entry of the first block that is not as it was written.
        seq: i64,
    },
    /// There is no such chain.
    Unknown,
}

row! {
    /// Entries that were written together, sealed together.
    struct Block {
        chain_id: String,
        last_seq: i64,
        first_seq: i64,
        /// When its newest entry was recorded.
        recorded: i64,
        mac: Vec<u8>,
        /// A JSON array of [`Stored`].
        entries: String,
    }
}

/// An entry as an array: id, recorded (microseconds), kind, outcome, account, client, person, type, interaction, names
/// of parameters, released, withheld, rule, object, sources. Entries from before sources were recorded end with the object.
#[derive(Serialize, Deserialize)]
struct Stored<'r>(
    AuditEventId,
    i64,
    Cow<'r, str>,
    Cow<'r, str>,
    Option<AccountId>,
    Option<Cow<'r, str>>,
    Option<PersonId>,
    Option<Cow<'r, str>>,
    Option<Cow<'r, str>>,
    Cow<'r, [String]>,
    Option<i64>,
    Option<i64>,
    Option<Cow<'r, str>>,
    Option<Cow<'r, str>>,
    #[serde(default)] Cow<'r, [(SourceKey, i64)]>,
);

/// [`AuditRow::object`] of a read by staff of this practice.
#[must_use]
pub fn at_work_for(practice: OrganizationId) -> String {
    format!("{PRACTICE}{practice}")
}

const PRACTICE: &str = "Organization/";

/// [`AuditRow::interaction`] where staff opened an app for a patient, or let it have what it asks for.
pub const AT_WORK: &str = "at-work";

impl AuditRow {
    /// Whether staff looked for their practice, or let an app do so: whatever else the account may do.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        let is_look = || self.object.as_deref().is_some_and(|object| object.starts_with(PRACTICE));
        self.interaction.as_deref() == Some(AT_WORK) || (self.kind == "fhir" && is_look())
    }

    fn stored(&self) -> Stored<'_> {
        Stored(
            self.id,
            self.recorded.micros(),
            Cow::from(&*self.kind),
            self.outcome.as_str().into(),
            self.account,
            self.client.as_deref().map(Cow::from),
            self.person,
            self.resource_type.map(|kind| kind.as_str().into()),
            self.interaction.as_deref().map(Cow::from),
            Cow::from(&*self.parameters),
            self.released,
            self.withheld,
            self.rule.as_deref().map(Cow::from),
            self.object.as_deref().map(Cow::from),
            Cow::from(&*self.sources),
        )
    }
}

impl Block {
    fn new(chain: &Chain, last_seq: i64, rows: &[AuditRow]) -> Result<Self, StorageError> {
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(Self {
            chain_id: chain.id.to_string(),
            last_seq,
            first_seq: last_seq - count + 1,
            recorded: rows.iter().map(|row| row.recorded.micros()).max().unwrap_or(0),
            mac: Vec::new(),
            entries: to_json(&rows.iter().map(AuditRow::stored).collect::<Vec<_>>())?,
        })
    }

    /// Its entries, the newest first.
    fn rows(&self) -> Result<Vec<AuditRow>, DatabaseInconsistency> {
        let key = RowKey { table: "audit_blocks", key: &self.chain_id };
        let stored: Vec<Stored<'_>> = key.json("entries", &self.entries)?;
        let mut rows = Vec::with_capacity(stored.len());
        for entry in stored {
            let Stored(id, recorded, kind, outcome, account, client, person, resource_type, interaction, ..) = &entry;
            let Stored(.., parameters, released, withheld, rule, object, sources) = &entry;
            let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
            let resource_type =
                resource_type.as_deref().map(|name| key.column("entries", ResourceType::parse(name))).transpose()?;
            rows.push(AuditRow {
                id: *id,
                recorded: Instant::from_micros(*recorded),
                kind: kind.clone().into_owned(),
                outcome: key.column("entries", AuditOutcome::parse(outcome))?,
                account: *account,
                client: text(client),
                person: *person,
                resource_type,
                interaction: text(interaction),
                parameters: parameters.to_vec(),
                released: *released,
                withheld: *withheld,
                rule: text(rule),
                object: text(object),
                sources: sources.to_vec(),
            });
        }
        rows.reverse();
        Ok(rows)
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

/// Adds entries to the chain, in this order. The last thing a write does: on PostgreSQL the chain stays locked until it
/// commits.
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
    let mut seq = last - count;
    for rows in rows.chunks(BLOCK) {
        seq += i64::try_from(rows.len()).unwrap_or(0);
        let mut block = Block::new(chain, seq, rows)?;
        mac = chain.seal(&mac, &block).to_vec();
        block.mac.clone_from(&mac);
        let Block { last_seq, first_seq, recorded, mac, entries, .. } = &block;
        let persons: BTreeSet<PersonId> = rows.iter().filter_map(|row| row.person).collect();
        let persons = to_json(&persons)?;
        execute!(&mut *tx, APPEND, &chain_id, *last_seq, *first_seq, *recorded, mac.as_slice(), entries, persons)?;
    }
    Ok(())
}

/// Adds the entry of an act to the chain when the write that does the act commits, and takes the act back if it cannot:
/// once for all writes of a group.
pub fn record_act(tx: &mut Tx, chain: &Chain, act: AuditRow) {
    tx.acts.push((chain.clone(), act));
}

/// Adds the entries of the acts that were recorded, in their order.
pub(super) async fn append_acts(tx: &mut Tx) -> Result<(), StorageError> {
    let mut acts = std::mem::take(&mut tx.acts).into_iter().peekable();
    while let Some((chain, act)) = acts.next() {
        let mut rows = vec![act];
        while let Some((_, act)) = acts.next_if(|(other, _)| other.id == chain.id) {
            rows.push(act);
        }
        append(tx, &chain, &rows).await?;
    }
    Ok(())
}

/// The newest entries of all chains, newest first.
///
/// # Errors
/// [`StorageError`].
pub async fn recent(db: &Db, limit: usize) -> Result<Vec<AuditRow>, StorageError> {
    let mut found = Newest::new(limit);
    while let Some(offset) = found.wants() {
        found.take(&fetch_all!(db, RECENT, PAGE, offset)?, |_| true)?;
    }
    Ok(found.rows)
}

/// The newest entries about a person, newest first.
///
/// # Errors
/// [`StorageError`].
pub async fn of_person(db: &Db, person: PersonId, limit: usize) -> Result<Vec<AuditRow>, StorageError> {
    let mut found = Newest::new(limit);
    while let Some(offset) = found.wants() {
        let blocks = fetch_all!(db, OF_PERSON, person.to_string(), PAGE, offset)?;
        found.take(&blocks, |row| row.person == Some(person))?;
    }
    Ok(found.rows)
}

/// Blocks that are read at once.
const PAGE: i64 = 32;

/// Entries gathered from blocks, which come the newest first. Blocks of several chains overlap in time, so the order
/// of their entries is made here; within a chain it is the order of writing.
struct Newest {
    rows: Vec<AuditRow>,
    limit: usize,
    next_page: Option<i64>,
}

impl Newest {
    const fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), limit, next_page: Some(0) }
    }

    /// How many blocks to skip for those that are still wanted.
    const fn wants(&self) -> Option<i64> {
        if self.limit == 0 { None } else { self.next_page }
    }

    fn take(&mut self, blocks: &[Block], is_wanted: impl Fn(&AuditRow) -> bool) -> Result<(), StorageError> {
        for block in blocks {
            self.rows.extend(block.rows()?.into_iter().filter(&is_wanted));
        }
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.recorded));
        self.rows.truncate(self.limit);
        let oldest = if self.rows.len() < self.limit { None } else { self.rows.last() };
        // No entry of a later block is newer than the block before it.
        let is_settled = match (oldest, blocks.last()) {
            (Some(oldest), Some(block)) => block.recorded <= oldest.recorded.micros(),
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let is_last = i64::try_from(blocks.len()).unwrap_or(0) < PAGE;
        self.next_page = if is_settled || is_last { None } else { self.next_page.map(|offset| offset + PAGE) };
        Ok(())
    }
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
pub async fn verify_chain(db: &Db, chain: &Chain) -> Result<ChainState, StorageError> {
    let chain_id = chain.id.to_string();
    let head: Option<(i64, Vec<u8>)> = fetch_optional!(db, HEAD, &chain_id)?;
    let Some((last, head_mac)) = head else { return Ok(ChainState::Unknown) };
    let (mut seq, mut mac) = (0, chain.origin().to_vec());
    while seq < last {
        let blocks: Vec<Block> = fetch_all!(db, OF_CHAIN, &chain_id, seq)?;
        if blocks.is_empty() {
            return Ok(ChainState::Broken { seq: seq + 1 });
        }
        for block in blocks {
            let follows = block.first_seq == seq + 1 && block.last_seq >= block.first_seq;
            if !follows || !equal_in_constant_time(&chain.seal(&mac, &block), &block.mac) {
                return Ok(ChainState::Broken { seq: seq + 1 });
            }
            seq = block.last_seq;
            mac = block.mac;
            if seq == last {
                break;
            }
        }
    }
    if seq == last && equal_in_constant_time(&mac, &head_mac) {
        Ok(ChainState::Whole { entries: last })
    } else {
        Ok(ChainState::Broken { seq: last })
    }
}
