//! A source that sends what was not asked for: nothing of it is released, one alarm is raised, and the entry in the audit
//! trail says how many it was.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chartgate::storage::audit;
use serde_json::json;
use tracing::instrument::WithSubscriber as _;

use super::hostile::{CANARY, OTHER, OWN, World, ids, observation};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `work` writes to the log, as JSON lines.
async fn log_of(work: impl Future<Output = ()>) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    work.with_subscriber(subscriber).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// `withheld` of the newest entry about a FHIR request, once there are `expected` of them.
async fn withheld(world: &World, expected: usize) -> Option<i64> {
    for _ in 0..100 {
        let rows = audit::recent(&world.app.db, 100).await.unwrap();
        let rows: Vec<_> = rows.into_iter().filter(|row| row.kind == "fhir").collect();
        if rows.len() == expected {
            assert!(!format!("{rows:?}").contains(OTHER));
            return rows[0].withheld;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there are not {expected} entries");
}

#[tokio::test]
async fn u12_resources_of_others_raise_one_alarm_for_each_answer_and_are_counted_in_the_audit_trail() {
    let world = World::start().await;
    let foreign = |id: &str| {
        observation(id, &json!({"subject": {"reference": format!("Patient/{OTHER}")}, "valueString": CANARY}))
    };
    // A healthy answer raises none.
    world.finds("Observation", &[observation("o1", &json!({}))]);
    let lines = log_of(async { assert_eq!(ids(&world.search("Observation", &[]).await), ["o1"]) }).await;
    assert!(lines.is_empty(), "{lines:#?}");
    assert_eq!(withheld(&world, 1).await, None);

    world.finds("Observation", &[foreign("x1"), observation("o1", &json!({})), foreign("x2"), foreign("x3")]);
    let lines = log_of(async { assert_eq!(ids(&world.search("Observation", &[]).await), ["o1"]) }).await;
    let [line] = &lines[..] else { panic!("one alarm for one answer: {lines:#?}") };
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains("\"count\":3"), "{line}");
    assert!(line.contains(&world.key.to_string()) && line.contains("Observation"), "{line}");
    for never in [CANARY, OTHER, OWN, "x1", "x2", "x3", "o1", &world.person.to_string(), &world.authority] {
        assert!(!line.contains(never), "{never} in {line}");
    }
    assert_eq!(withheld(&world, 2).await, Some(3));

    // A read of it looks like a read of what does not exist, and is no less alarming.
    world.holds(&foreign("x1"));
    let lines = log_of(async { assert!(world.read("Observation", "x1").await.is_err()) }).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(withheld(&world, 3).await, Some(1));

    // What decides about a resource of a `via` type counts into the answer that it was fetched for.
    let provenance = json!({
        "resourceType": "Provenance", "id": "v1", "recorded": "2026-01-01T00:00:00Z",
        "target": [{"reference": "Observation/x1"}], "agent": [{"who": {"display": CANARY}}],
    });
    world.holds(&provenance);
    let lines = log_of(async { assert!(world.read("Provenance", "v1").await.is_err()) }).await;
    assert!(lines.len() <= 1, "{lines:#?}");
}
