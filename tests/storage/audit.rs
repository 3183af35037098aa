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
    a_chain_begins_once_and_before_its_entries
);

fn chain() -> Chain {
    Chain::new(ChainId::mint(&SystemRandom::default()), &MasterKey::new([7; 32]))
}

fn row(n: i64) -> AuditRow {
    AuditRow {
        id: AuditEventId::mint(&SystemRandom::default()),
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

/// S08: a fault table over a chain of 1,500 entries (more than one page), by SQL behind the gateway's back.
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
            "CREATE TABLE kept AS SELECT * FROM audit; CREATE TABLE kept_head AS SELECT * FROM audit_chains";
        const RESTORE: &str = "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; \
                               UPDATE audit_chains SET seq = (SELECT seq FROM kept_head), mac = (SELECT mac FROM kept_head)";
        sqlx::raw_sql(SAVE).execute(&mut raw).await.unwrap();
        for (change, first) in [
            ("UPDATE audit SET outcome = 'permitted' WHERE seq = 1", 1),
            ("UPDATE audit SET recorded = recorded + 1 WHERE seq = 700", 700),
            ("UPDATE audit SET kind = 'x' WHERE seq = 701", 701),
            ("UPDATE audit SET id = 'x' WHERE seq = 702", 702),
            ("UPDATE audit SET account_id = NULL WHERE seq = 703", 703),
            ("UPDATE audit SET client_id = '' WHERE seq = 704", 704),
            ("UPDATE audit SET person_id = NULL WHERE seq = 705", 705),
            ("UPDATE audit SET resource_type = 'Patient' WHERE seq = 706", 706),
            ("UPDATE audit SET interaction = 'read' WHERE seq = 707", 707),
            ("UPDATE audit SET parameters = '[]' WHERE seq = 708", 708),
            ("UPDATE audit SET released = NULL, withheld = 9223372036854775807 WHERE seq = 709", 709),
            ("UPDATE audit SET rule = NULL WHERE seq = 710", 710),
            // A column emptied into its neighbour.
            ("UPDATE audit SET interaction = rule, rule = interaction WHERE seq = 711", 711),
            ("DELETE FROM audit WHERE seq = 1200", 1_200),
            ("DELETE FROM audit WHERE seq = 1500", 1_500),
            ("DELETE FROM audit", 1),
            (
                "UPDATE audit SET seq = 0 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; \
              UPDATE audit SET seq = 6 WHERE seq = 0",
                5,
            ),
            ("DELETE FROM audit WHERE seq = 9; UPDATE audit SET seq = seq - 1 WHERE seq > 9", 9),
            // The tail goes and the head with it, but without the key its seal cannot be had.
            ("DELETE FROM audit WHERE seq > 1400; UPDATE audit_chains SET seq = 1400", 1_400),
        ] {
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
