//! What an open SQLite database costs a process that does nothing with it.

use std::process::Command;
use std::time::Instant;

use chartgate::storage::{Db, StorageError, accounts, persons};

use super::sample;
use crate::support::database::{Fresh, runtime};

/// Memory that belongs to this process alone, in KiB; the program text, far larger in a debug build, is not among it.
fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Runs alone in a process of its own, so that no other test counts.
#[test]
#[ignore = "a process of the test below"]
fn footprint_process() {
    runtime().block_on(async {
        let fresh = Fresh::sqlite();
        let before = resident();
        let started = Instant::now();
        let db = Db::open(&fresh.config).await.unwrap();
        let (created, opened) = (started.elapsed(), resident());
        for batch in 0..20 {
            let filled: Result<(), StorageError> = db
                .write(move |tx| {
                    Box::pin(async move {
                        for n in 0..250 {
                            let person = sample::stored_person(tx).await?;
                            accounts::insert(tx, &sample::account(&format!("user-{batch}-{n}"), Some(person))).await?;
                        }
                        Ok(())
                    })
                })
                .await;
            filled.unwrap();
        }
        let written = resident();
        // Six readers at once, each of which has seen the whole table.
        let readers = (0..6).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..1_000 {
                    let name = chartgate::identity::Username::new(&format!("user-{}-{}", n % 20, n % 250)).unwrap();
                    let account = accounts::by_username(&db, &name).await.unwrap().unwrap();
                    persons::by_id(&db, account.person.unwrap()).await.unwrap().unwrap();
                }
            })
        });
        futures_util::future::join_all(readers).await;
        let read = resident();
        let started = Instant::now();
        let second = Db::open(&fresh.config).await.unwrap();
        let reopened = started.elapsed();
        drop(second);
        println!(
            "footprint: open {} KiB, after 10,000 rows {} KiB, after 6 readers {} KiB; create {} ms, open {} ms",
            opened - before,
            written - before,
            read - before,
            created.as_millis(),
            reopened.as_millis(),
        );
    });
}

/// The whole process must stay under 32 MB when idle: the database may take a third of that.
#[test]
fn an_open_database_takes_at_most_eleven_mebibytes() {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "storage::footprint::footprint_process", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    let line = output.lines().find_map(|line| Some(line.split_once("footprint: ")?.1)).expect("figures");
    println!("{line}");
    let (_, rest) = line.split_once("after 6 readers ").unwrap();
    let (kib, _) = rest.split_once(" KiB").unwrap();
    assert!(kib.parse::<i64>().unwrap() < 11 * 1024, "{line}");
}
