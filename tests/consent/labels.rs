//! Tables of labels that are entered while it runs, where something is wrong with them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chartgate::base::clock::Clock;
use chartgate::base::random::SystemRandom;
use chartgate::identity::GrantBasis;
use chartgate::practice;
use chartgate::storage::label_tables;
use serde_json::Value;

use super::family::{family, grant, token};
use super::surfaces::seen;
use super::traces::TABLE;
use crate::support::world::{World, in_both_worlds};

in_both_worlds!(a_table_that_cannot_be_read_hides_everything_from_proxies_and_stops_no_start);

/// A row as somebody who writes to the database by hand leaves it.
async fn by_hand(world: &World, content: &'static str) {
    let now = world.clock.now();
    let written = world.app.db.write(move |tx| Box::pin(label_tables::put(tx, "own", content, now)));
    written.await.unwrap();
}

/// How many results somebody finds at this process, within seconds as many as these.
async fn comes_to(world: &World, fhir: &str, token: &str, expected: usize) {
    let began = Instant::now();
    loop {
        let request = world.http.get(format!("{fhir}/Observation?_total=accurate")).bearer_auth(token);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let found = answer["total"].as_u64().unwrap_or_default();
        if found == expected as u64 {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{found} and not {expected}: {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Portal design, 3.8 scenario 68: what the table would have hidden cannot be told, so nobody but people themselves sees
/// anything, in a process that runs and in one that starts, until it is mended.
async fn a_table_that_cannot_be_read_hides_everything_from_proxies_and_stops_no_start() {
    let world = family(Vec::new()).await;
    grant(&world, "gil", "ana", GrantBasis::Parent, Value::Null).await;
    grant(&world, "ike", "eve", GrantBasis::PatientConsent, Value::Null).await;
    let (gil, ike) = (token(&world, "gil", "ana").await, token(&world, "ike", "eve").await);
    let (ana, eve) = (world.token("ana").await, world.token("eve").await);
    assert_eq!(seen(&world, &gil, "ana", "Observation").await.len(), 8);
    by_hand(&world, "origin = 1").await;
    comes_to(&world, &world.fhir, &gil, 0).await;
    comes_to(&world, &world.fhir, &ike, 0).await;
    assert_eq!(seen(&world, &gil, "ana", "Observation").await, BTreeSet::new());
    let other = world.another_process().await;
    for token in [&gil, &ike] {
        comes_to(&world, &other, token, 0).await;
    }
    for (token, person) in [(&ana, "ana"), (&eve, "eve")] {
        assert_eq!(seen(&world, token, person, "Observation").await.len(), 8, "their own");
        comes_to(&world, &other, token, 8).await;
    }
    // Mended, both show what they showed.
    let (acts, now) = (&world.app.acts, world.clock.now());
    practice::put_label_table(acts, &SystemRandom::default(), now, "own".to_owned(), TABLE.to_owned()).await.unwrap();
    for fhir in [&world.fhir, &other] {
        comes_to(&world, fhir, &gil, 8).await;
        comes_to(&world, fhir, &ike, 8).await;
    }
}
