//! What [`Db::write`] promises: whole or not at all, each alone, answered when durable, many per sync.

use std::sync::Arc;
use std::time::Duration;

use chartgate::base::id::PersonId;
use chartgate::base::random::SystemRandom;
use chartgate::storage::{Db, StorageError, Taken, generations, persons};

use super::sample::{self, at};
use crate::support::database::{Database, on_both, with_sqlite};

on_both!(
    a_failed_write_leaves_nothing,
    a_panic_rolls_back_that_write_alone,
    errors_of_the_caller_come_back_as_they_are,
    concurrent_failures_take_nothing_else_along,
    two_openings_see_each_other,
    what_was_closed_refuses,
);

fn mint() -> PersonId {
    PersonId::mint(&SystemRandom::default())
}

async fn exists(db: &Db, person: PersonId) -> bool {
    persons::by_id(db, person).await.unwrap().is_some()
}

async fn insert(db: &Db, person: PersonId) -> Result<(), StorageError> {
    db.write(move |tx| Box::pin(async move { persons::insert(tx, person, at(0)).await })).await
}

async fn a_failed_write_leaves_nothing(database: Database) {
    let db = &database.db;
    let (taken, fresh) = (mint(), mint());
    insert(db, taken).await.unwrap();
    let result: Result<(), StorageError> = db
        .write(move |tx| {
            Box::pin(async move {
                persons::insert(tx, fresh, at(0)).await?;
                assert!(persons::by_id(&mut *tx, fresh).await?.is_some(), "a write sees its own changes");
                persons::insert(tx, taken, at(0)).await
            })
        })
        .await;
    assert_eq!(result, Err(StorageError::AlreadyTaken(Taken::Key)));
    assert!(!exists(db, fresh).await);
    assert!(exists(db, taken).await);
}

async fn a_panic_rolls_back_that_write_alone(database: Database) {
    let db = &database.db;
    let (lost, kept) = (mint(), mint());
    let result: Result<(), StorageError> = db
        .write(move |tx| {
            Box::pin(async move {
                persons::insert(tx, lost, at(0)).await?;
                panic!("within a write, on purpose");
            })
        })
        .await;
    assert_eq!(result, Err(StorageError::Panicked));
    // Before there is a future, too.
    let result: Result<(), StorageError> = db.write(|_| panic!("at the start, on purpose")).await;
    assert_eq!(result, Err(StorageError::Panicked));
    insert(db, kept).await.unwrap();
    assert!(!exists(db, lost).await && exists(db, kept).await);
}

#[derive(Debug, PartialEq)]
enum CallerError {
    Refused(u8),
    Storage(StorageError),
}

impl From<StorageError> for CallerError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

async fn errors_of_the_caller_come_back_as_they_are(database: Database) {
    let db = &database.db;
    let person = mint();
    let result: Result<(), CallerError> = db
        .write(move |tx| {
            Box::pin(async move {
                persons::insert(tx, person, at(0)).await?;
                generations::bump(tx);
                Err(CallerError::Refused(7))
            })
        })
        .await;
    assert_eq!(result, Err(CallerError::Refused(7)));
    assert!(!exists(db, person).await);
    assert_eq!(generations::current(db).await.unwrap(), 1);
    let value: Result<u8, CallerError> = db.write(|_| Box::pin(async { Ok(9) })).await;
    assert_eq!(value, Ok(9));
}

async fn concurrent_failures_take_nothing_else_along(database: Database) {
    let db = &database.db;
    let taken = mint();
    insert(db, taken).await.unwrap();
    // Every third fails on a constraint, every third panics, all at once, so that they share groups.
    let tasks: Vec<_> = (0..90)
        .map(|n| {
            let (db, person) = (db.clone(), mint());
            tokio::spawn(async move {
                let result: Result<(), StorageError> = db
                    .write(move |tx| {
                        Box::pin(async move {
                            persons::insert(tx, person, at(n)).await?;
                            match n % 3 {
                                0 => Ok(()),
                                1 => persons::insert(tx, taken, at(n)).await,
                                // Without its message: to print thirty of them takes longer than writes wait.
                                _ => std::panic::resume_unwind(Box::new("on purpose")),
                            }
                        })
                    })
                    .await;
                (n, person, result)
            })
        })
        .collect();
    for task in tasks {
        let (n, person, result) = task.await.unwrap();
        let expected = match n % 3 {
            0 => Ok(()),
            1 => Err(StorageError::AlreadyTaken(Taken::Key)),
            _ => Err(StorageError::Panicked),
        };
        assert_eq!(result, expected);
        assert_eq!(exists(db, person).await, n % 3 == 0);
    }
}

async fn two_openings_see_each_other(database: Database) {
    let (one, two) = (&database.db, database.second().await);
    let person = mint();
    insert(one, person).await.unwrap();
    assert!(exists(&two, person).await);
    let result: Result<(), StorageError> = two
        .write(|tx| {
            Box::pin(async move {
                generations::bump(tx);
                Ok(())
            })
        })
        .await;
    result.unwrap();
    assert_eq!(generations::current(one).await.unwrap(), 2);
    assert_eq!((*one.generation().borrow(), *two.generation().borrow()), (1, 2));
}

async fn what_was_closed_refuses(database: Database) {
    let db = &database.db;
    let person = mint();
    insert(db, person).await.unwrap();
    db.close().await;
    assert_eq!(insert(db, mint()).await, Err(StorageError::Halted));
    assert!(exists(&database.second().await, person).await);
}

/// R17: another process holds the file.
#[test]
fn sqlite_locked_by_another_process_is_unavailable_after_two_seconds_and_reads_go_on() {
    with_sqlite(async |database| {
        let db = &database.db;
        let known = mint();
        insert(db, known).await.unwrap();
        let url = format!("sqlite:{}", database.file().display());
        let mut holder = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();

        let started = std::time::Instant::now();
        let writes = (0..20).map(|_| insert(db, mint()));
        for result in futures_util::future::join_all(writes).await {
            assert!(matches!(result, Err(StorageError::Unavailable { .. })), "{result:?}");
        }
        let waited = started.elapsed();
        assert!(waited > Duration::from_millis(1_900) && waited < Duration::from_millis(4_500), "{waited:?}");
        assert!(exists(db, known).await);

        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
        insert(db, mint()).await.unwrap();
    });
}

#[test]
fn sqlite_shares_one_commit_among_many_writers() {
    with_sqlite(async |database| {
        const WRITERS: u64 = 50;
        const EACH: u64 = 20;
        let db = &database.db;
        let (commits, writes) = (db.commits(), db.writes());
        let all_ready = Arc::new(tokio::sync::Barrier::new(WRITERS as usize));
        let tasks: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (db, ready) = (db.clone(), Arc::clone(&all_ready));
                tokio::spawn(async move {
                    ready.wait().await;
                    for _ in 0..EACH {
                        let result: Result<_, StorageError> =
                            db.write(|tx| Box::pin(async move { sample::stored_person(tx).await })).await;
                        result.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let (commits, writes) = (db.commits() - commits, db.writes() - writes);
        assert_eq!(writes, WRITERS * EACH);
        assert!(commits * 20 <= writes, "{writes} writes took {commits} commits");
    });
}

#[test]
fn sqlite_answers_a_write_that_is_abandoned_in_the_queue_to_nobody() {
    with_sqlite(async |database| {
        let db = &database.db;
        let person = mint();
        {
            let abandoned = insert(db, person);
            let polled_once = tokio::time::timeout(Duration::ZERO, abandoned).await;
            drop(polled_once);
        }
        // Whether it ran or not, the writer goes on.
        insert(db, mint()).await.unwrap();
    });
}
