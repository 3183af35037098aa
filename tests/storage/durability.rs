//! What was acknowledged stays, whatever happens to the process.
//!
//! Two tests here are no tests but the other processes of the proof: `scripts/prove durability` starts them too.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use chartgate::base::id::PersonId;
use chartgate::config;
use chartgate::storage::{Db, StorageError, persons};

use super::sample::{self, at};
use crate::support::database::runtime;

const DATABASE: &str = "CHARTGATE_PROOF_DATABASE";
const ROUNDS: &str = "CHARTGATE_PROOF_ROUNDS";
const WRITERS: usize = 50;

async fn open(path: &Path) -> Db {
    let url = format!("sqlite:{}", path.display());
    Db::open(&config::Storage { url, ..config::Storage::default() }).await.unwrap()
}

fn database() -> PathBuf {
    std::env::var_os(DATABASE).expect("the database of the proof").into()
}

/// Writes from many tasks until the disk fails, and says `ack A B` when both persons and their merge are durable.
#[test]
#[ignore = "a process of the proof, which kills it"]
fn proof_writer() {
    runtime().block_on(async {
        let db = open(&database()).await;
        let tasks = (0..WRITERS).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                loop {
                    let written: Result<(PersonId, PersonId), StorageError> = db
                        .write(|tx| {
                            Box::pin(async move {
                                let (a, b) = (sample::stored_person(tx).await?, sample::stored_person(tx).await?);
                                persons::merge(tx, b, a, at(1)).await?;
                                Ok((a, b))
                            })
                        })
                        .await;
                    match written {
                        Ok((a, b)) => println!("ack {a} {b}"),
                        Err(error) => return error,
                    }
                }
            })
        });
        for error in futures_util::future::join_all(tasks).await {
            let error = error.unwrap();
            assert!(matches!(error, StorageError::NotCommitted { .. } | StorageError::Halted), "{error}");
        }
        tokio::time::timeout(Duration::from_secs(5), db.halted()).await.unwrap();
        println!("halted");
    });
}

/// Checks the database against the acknowledgements on standard input, and prints what it found.
#[test]
#[ignore = "a process of the proof"]
fn proof_checker() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let found = runtime().block_on(check(&database(), &acknowledgements(&text)));
    println!(
        "acknowledged {} lost {} halves {} integrity {}",
        found.acknowledged, found.lost, found.halves, found.integrity
    );
}

#[derive(Debug)]
struct Found {
    acknowledged: usize,
    /// Acknowledged writes that are not there whole.
    lost: usize,
    /// Writes, acknowledged or not, of which a part is there.
    halves: i64,
    integrity: String,
}

fn acknowledgements(text: &str) -> Vec<(PersonId, PersonId)> {
    text.lines().filter_map(acknowledgement).collect()
}

/// A line that the kill cut off in the middle was not received and does not count.
fn acknowledgement(line: &str) -> Option<(PersonId, PersonId)> {
    // The test harness may have printed the name of the test before the first one.
    let (_, rest) = line.split_once("ack ")?;
    let (a, b) = rest.split_once(' ')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

async fn check(path: &Path, acknowledged: &[(PersonId, PersonId)]) -> Found {
    let db = open(path).await;
    let mut lost = 0;
    for (a, b) in acknowledged {
        let merged = persons::by_id(&db, *b).await.unwrap();
        let into = persons::by_id(&db, *a).await.unwrap();
        let whole = into.is_some()
            && merged
                .is_some_and(|b| b.state == chartgate::identity::PersonState::MergedInto { person: *a, at: at(1) });
        lost += usize::from(!whole);
    }
    db.close().await;
    let url = format!("sqlite:{}", path.display());
    let mut raw = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let halves = sqlx::query_scalar(
        "SELECT abs((SELECT count(*) FROM persons) - 2 * (SELECT count(*) FROM person_aliases)) \
         + abs((SELECT current - 1 FROM generations) > (SELECT count(*) FROM person_aliases))",
    )
    .fetch_one(&mut raw)
    .await
    .unwrap();
    let integrity = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut raw).await.unwrap();
    Found { acknowledged: acknowledged.len(), lost, halves, integrity }
}

fn spawn_writer(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storage::durability::proof_writer", "--ignored", "--nocapture"])
        .env(DATABASE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// R20 to R22 in the small: kill -9 at any moment, again and again on the same file.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let rounds: u64 = std::env::var(ROUNDS).map_or(5, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chartgate.db");
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let mut writer = spawn_writer(&path);
        let (sender, lines) = mpsc::channel();
        let stdout = writer.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let first = loop {
            let line = lines.recv_timeout(Duration::from_secs(60)).expect("the writer writes");
            if let Some(first) = acknowledgement(&line) {
                break first;
            }
        };
        // A different moment each round, spread over a quarter of a second.
        std::thread::sleep(Duration::from_millis(5 + round * 37 % 250));
        writer.kill().unwrap();
        writer.wait().unwrap();
        reader.join().unwrap();
        let before = acknowledged.len();
        acknowledged.push(first);
        acknowledged.extend(lines.iter().filter_map(|line| acknowledgement(&line)));
        let found = runtime().block_on(check(&path, &acknowledged[before..]));
        assert_eq!((found.lost, found.halves, found.integrity.as_str()), (0, 0, "ok"), "round {round}: {found:?}");
    }
    let found = runtime().block_on(check(&path, &acknowledged));
    assert_eq!((found.lost, found.halves), (0, 0), "{found:?}");
    println!(
        "{rounds} kills, {} acknowledged writes, 0 lost, 0 halves, integrity {}",
        found.acknowledged, found.integrity
    );
}
