//! The audit trail: entries come back as they were, and a chain that was tampered with says where.

use chartgate::base::id::{AccountId, AuditEventId, ChainId, PersonId};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::SystemRandom;
use chartgate::fhir::resource_type::ResourceType;
use chartgate::storage::audit::{self, AuditOutcome, AuditRow, Chain, ChainState};
use chartgate::storage::{Db, StorageError, Taken};

use super::sample::at;
use crate::support::database::{Database, on_both, with_sqlite};

on_both!(
    entries_round_trip_newest_first,
    chains_hold_under_concurrent_writes,
    a_chain_begins_once_and_before_its_entries,
    the_newest_are_found_over_blocks_and_chains
);

fn chain() -> Chain {
    Chain::new(ChainId::mint(&SystemRandom::default()), &MasterKey::new([7; 32]))
}

fn row(n: i64) -> AuditRow {
    AuditRow {
        id: AuditEventId::mint_at(at(n), &SystemRandom::default()),
        recorded: at(n),
        kind: "fhir".to_owned(),
        outcome: AuditOutcome::Permitted,
        account: None,
        client: None,
        person: None,
        resource_type: None,
        interaction: None,
        parameters: vec![],
        released: None,
        withheld: None,
        rule: None,
        object: None,
        sources: vec![],
    }
}

fn full_row(n: i64, person: PersonId) -> AuditRow {
    AuditRow {
        outcome: AuditOutcome::Denied,
        account: Some(AccountId::mint(&SystemRandom::default())),
        client: Some("app \"one\" — ü".to_owned()),
        person: Some(person),
        resource_type: Some(ResourceType::Observation),
        interaction: Some("search".to_owned()),
        parameters: vec!["category".to_owned(), "_count".to_owned()],
        released: Some(i64::MAX),
        withheld: Some(0),
        rule: Some("age-band".to_owned()),
        object: Some("Client/portal".to_owned()),
        sources: vec![("abcd".parse().unwrap(), 3), ("0000".parse().unwrap(), i64::MAX)],
        ..row(n)
    }
}

async fn start(db: &Db, chain: &Chain) -> Result<(), StorageError> {
    let chain = chain.clone();
    db.write(move |tx| Box::pin(async move { audit::start_chain(tx, &chain).await })).await
}

async fn append(db: &Db, chain: &Chain, rows: Vec<AuditRow>) -> Result<(), StorageError> {
    let chain = chain.clone();
    db.write(move |tx| Box::pin(async move { audit::append(tx, &chain, &rows).await })).await
}

async fn entries_round_trip_newest_first(database: Database) {
    let (db, chain) = (&database.db, chain());
    start(db, &chain).await.unwrap();
    let person = PersonId::mint(&SystemRandom::default());
    let (plain, full, later) = (row(1), full_row(2, person), row(3));
    append(db, &chain, vec![plain.clone(), full.clone()]).await.unwrap();
    append(db, &chain, vec![]).await.unwrap();
    append(db, &chain, vec![later.clone()]).await.unwrap();
    assert_eq!(audit::recent(db, 10).await.unwrap(), [later.clone(), full.clone(), plain]);
    assert_eq!(audit::recent(db, 1).await.unwrap(), [later]);
    assert_eq!(audit::of_person(db, person, 10).await.unwrap(), [full]);
    assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), ChainState::Whole { entries: 3 });
}

async fn chains_hold_under_concurrent_writes(database: Database) {
    let (db, chain) = (&database.db, chain());
    start(db, &chain).await.unwrap();
    let writes = (0..30).map(|n| append(db, &chain, (0..=n % 3).map(row).collect()));
    for result in futures_util::future::join_all(writes).await {
        result.unwrap();
    }
    assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), ChainState::Whole { entries: 60 });
    // A write that fails takes its numbers back with it.
    let copy = chain.clone();
    let failed: Result<(), StorageError> = db
        .write(move |tx| {
            Box::pin(async move {
                audit::append(tx, &copy, &[row(1)]).await?;
                audit::start_chain(tx, &copy).await
            })
        })
        .await;
    assert_eq!(failed, Err(StorageError::AlreadyTaken(Taken::Key)));
    append(db, &chain, vec![row(5)]).await.unwrap();
    assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), ChainState::Whole { entries: 61 });
}

async fn a_chain_begins_once_and_before_its_entries(database: Database) {
    let (db, chain) = (&database.db, chain());
    let early = append(db, &chain, vec![row(0)]).await;
    assert_eq!(early, Err(StorageError::NotFound { table: "audit_chains" }));
    assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), ChainState::Unknown);
    start(db, &chain).await.unwrap();
    assert_eq!(start(db, &chain).await, Err(StorageError::AlreadyTaken(Taken::Key)));
    assert_eq!(audit::chains(db).await.unwrap(), [chain.id]);
    assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), ChainState::Whole { entries: 0 });
}

/// Two processes write in turns, in blocks that overlap in time and fill more than one page of blocks.
async fn the_newest_are_found_over_blocks_and_chains(database: Database) {
    let db = &database.db;
    let (one, other) = (chain(), chain());
    start(db, &one).await.unwrap();
    start(db, &other).await.unwrap();
    let (ours, theirs) = (PersonId::mint(&SystemRandom::default()), PersonId::mint(&SystemRandom::default()));
    let mut written = Vec::new();
    for turn in 0..40_i64 {
        // Entries of a block lie far apart in time, and reach into the next turns of the other chain.
        let rows: Vec<AuditRow> =
            (0..5).map(|n| full_row(turn * 10 + n * 7, if (turn + n) % 3 == 0 { ours } else { theirs })).collect();
        append(db, if turn % 2 == 0 { &one } else { &other }, rows.clone()).await.unwrap();
        written.extend(rows);
    }
    for limit in [0, 1, 7, 60, 150, 199, 200, 1_000] {
        for person in [None, Some(ours)] {
            let found = match person {
                None => audit::recent(db, limit).await.unwrap(),
                Some(person) => audit::of_person(db, person, limit).await.unwrap(),
            };
            let mut times: Vec<_> =
                written.iter().filter(|row| person.is_none() || row.person == person).map(|row| row.recorded).collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            times.truncate(limit);
            assert_eq!(found.iter().map(|row| row.recorded).collect::<Vec<_>>(), times, "limit {limit}");
            assert!(found.iter().all(|row| written.contains(row) && (person.is_none() || row.person == person)));
        }
    }
}

/// Entries from before it was recorded which sources a read was answered from end one value earlier.
#[test]
fn entries_from_before_sources_were_recorded_are_read() {
    with_sqlite(async |database| {
        let (db, chain) = (&database.db, chain());
        start(db, &chain).await.unwrap();
        let full = full_row(1, PersonId::mint(&SystemRandom::default()));
        append(db, &chain, vec![full.clone()]).await.unwrap();
        let url = format!("sqlite:{}", database.file().display());
        let mut raw = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let cut = "UPDATE audit_blocks SET entries = json_remove(entries, '$[0][14]')";
        sqlx::raw_sql(cut).execute(&mut raw).await.unwrap();
        assert_eq!(audit::recent(db, 10).await.unwrap(), [AuditRow { sources: vec![], ..full }]);
    });
}

/// S08: a fault table over a chain of 1,500 entries in blocks of 256, by SQL behind the gateway's back.
#[test]
fn s08_sqlite_every_change_behind_the_back_is_found_at_its_place() {
    with_sqlite(async |database| {
        let (db, chain) = (&database.db, chain());
        start(db, &chain).await.unwrap();
        let person = PersonId::mint(&SystemRandom::default());
        append(db, &chain, (0..1_500).map(|n| full_row(n, person)).collect()).await.unwrap();
        let url = format!("sqlite:{}", database.file().display());
        let mut raw = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let whole = ChainState::Whole { entries: 1_500 };
        assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), whole);

        const SAVE: &str =
            "CREATE TABLE kept AS SELECT * FROM audit_blocks; CREATE TABLE kept_head AS SELECT * FROM audit_chains";
        const RESTORE: &str = "DELETE FROM audit_blocks; INSERT INTO audit_blocks SELECT * FROM kept; \
                               UPDATE audit_chains SET seq = (SELECT seq FROM kept_head), mac = (SELECT mac FROM kept_head)";
        sqlx::raw_sql(SAVE).execute(&mut raw).await.unwrap();
        // Each of the columns of an entry, by its place in the array.
        let entries: Vec<(&'static str, i64)> = (0..15)
            .map(|column| {
                let change = format!(
                    "UPDATE audit_blocks SET entries = json_set(entries, '$[3][{column}]', 'x') WHERE last_seq = 768"
                );
                (&*change.leak(), 513)
            })
            .collect();
        let blocks = [
            ("UPDATE audit_blocks SET entries = replace(entries, 'denied', 'permitted') WHERE last_seq = 256", 1),
            ("UPDATE audit_blocks SET entries = json_remove(entries, '$[0]') WHERE last_seq = 512", 257),
            ("UPDATE audit_blocks SET recorded = recorded + 1 WHERE last_seq = 512", 257),
            ("UPDATE audit_blocks SET first_seq = first_seq + 1 WHERE last_seq = 1024", 769),
            ("UPDATE audit_blocks SET last_seq = last_seq + 1 WHERE last_seq = 1024", 769),
            ("UPDATE audit_blocks SET mac = zeroblob(32) WHERE last_seq = 1500", 1_281),
            ("DELETE FROM audit_blocks WHERE last_seq = 1280", 1_025),
            ("DELETE FROM audit_blocks WHERE last_seq = 1500", 1_281),
            ("DELETE FROM audit_blocks", 1),
            // Two blocks change places.
            (
                "UPDATE audit_blocks SET entries = (SELECT entries FROM kept WHERE kept.last_seq = \
                 CASE audit_blocks.last_seq WHEN 256 THEN 512 ELSE 256 END) WHERE last_seq IN (256, 512)",
                1,
            ),
            // A block goes and those behind it close up.
            (
                "DELETE FROM audit_blocks WHERE last_seq = 512; \
                 UPDATE audit_blocks SET last_seq = last_seq - 256, first_seq = first_seq - 256 WHERE last_seq > 512",
                257,
            ),
            // The tail goes and the head with it, but without the key its seal cannot be had.
            ("DELETE FROM audit_blocks WHERE last_seq > 1280; UPDATE audit_chains SET seq = 1280", 1_280),
        ];
        for (change, first) in entries.into_iter().chain(blocks) {
            sqlx::raw_sql(change).execute(&mut raw).await.unwrap();
            let found = audit::verify_chain(db, &chain).await.unwrap();
            assert_eq!(found, ChainState::Broken { seq: first }, "{change}");
            sqlx::raw_sql(RESTORE).execute(&mut raw).await.unwrap();
            assert_eq!(audit::verify_chain(db, &chain).await.unwrap(), whole);
        }
        let stranger = Chain::new(chain.id, &MasterKey::new([8; 32]));
        assert_eq!(audit::verify_chain(db, &stranger).await.unwrap(), ChainState::Broken { seq: 1 });
    });
}
