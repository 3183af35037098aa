//! U29: an app that asks without end is told to wait, and takes nothing from anybody else; so does a source that tells
//! the gateway to.

use std::time::Duration;

use chartgate::config::Limits;
use chartgate::storage::audit::{self, AuditOutcome};
use serde_json::json;

use super::hostile::{OWN, Reply as EhrReply, observation, over_http};
use crate::support::world::{EVERYTHING, Reply, World, run};

/// The answer to one who has to wait so many seconds.
#[track_caller]
fn assert_throttled(answer: &Reply, seconds: u64) {
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some(seconds.to_string().as_str())));
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(
        (&outcome["issue"][0]["severity"], &outcome["issue"][0]["code"]),
        (&json!("error"), &json!("throttled"))
    );
    assert!(!answer.text.contains("Practice") && !answer.text.contains(OWN), "{}", answer.text);
}

/// The statuses of so many requests one after the other.
async fn statuses(world: &World, target: &str, token: &str, many: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..many {
        statuses.push(world.get(target, token).await.status);
    }
    statuses
}

#[test]
fn u29_one_person_through_one_app_waits_and_nobody_else_does() {
    run(async {
        let (world, ehr) = over_http(Limits { user_calls_per_minute: 30, ..Limits::default() }).await;
        let key = world.source_key(&ehr.base).await;
        ehr.holds(&observation("o1", &json!({})));
        let target = format!("/fhir/Observation/{key}.o1");
        let ann = world.token("ann").await;
        let others = world.token_for("ann", "ann", "other", EVERYTHING).await;
        let bob = world.token("bob").await;
        ehr.asked();
        assert_eq!(statuses(&world, &target, &ann, 30).await, [200; 30]);
        assert_eq!(ehr.asked().len(), 30);
        // Whatever is asked for, and nothing is asked of the EHR for it.
        for target in
            [target.as_str(), "/fhir/Observation", "/fhir/Observation/never", "/fhir/Observation?_has:x:y:z=1"]
        {
            assert_throttled(&world.get(target, &ann).await, 2);
        }
        let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [
            {"request": {"method": "GET", "url": target.trim_start_matches("/fhir/")}},
        ]});
        let headers = [("content-type", "application/fhir+json")];
        let answer = world.send("POST", "/fhir", Some(&ann), &headers, &batch.to_string()).await;
        assert_eq!(answer.json()["entry"][0]["response"]["status"], "429 Too Many Requests");
        assert_eq!(ehr.asked(), [""; 0]);
        // The same person through another app, and another person through the same one.
        assert_eq!(statuses(&world, &target, &others, 30).await, [200; 30]);
        assert_eq!(statuses(&world, "/fhir/Condition", &bob, 5).await, [200; 5]);
        // Who waits as long as was said is answered, and not sooner.
        world.clock.advance(Duration::from_millis(1_999));
        assert_throttled(&world.get(&target, &ann).await, 1);
        world.clock.advance(Duration::from_millis(1));
        assert_eq!(statuses(&world, &target, &ann, 2).await, [200, 429]);
        // A minute later all of it is there again.
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(statuses(&world, &target, &ann, 31).await[..], [[200; 30].as_slice(), &[429]].concat());
    });
}

#[test]
fn u29_one_app_waits_whoever_uses_it() {
    run(async {
        let (world, ehr) = over_http(Limits { client_calls_per_minute: 20, ..Limits::default() }).await;
        ehr.finds("Observation", &[]);
        let (ann, bob) = (world.token("ann").await, world.token("bob").await);
        let others = world.token_for("ann", "ann", "other", EVERYTHING).await;
        for token in [&ann, &bob] {
            assert_eq!(statuses(&world, "/fhir/Observation", token, 10).await, [200; 10]);
        }
        for token in [&ann, &bob] {
            assert_throttled(&world.get("/fhir/Observation", token).await, 3);
        }
        assert_eq!(statuses(&world, "/fhir/Observation", &others, 20).await, [200; 20]);
    });
}

#[test]
fn u29_a_request_counts_by_what_it_asks_of_sources() {
    run(async {
        let (world, ehr) =
            over_http(Limits { user_calls_per_minute: 600, single_flight: false, ..Limits::default() }).await;
        let (ann, me) = (world.token("ann").await, world.person("ann").id);
        ehr.asked();
        // Looped over, as the threat has it.
        let target = format!("/fhir/Patient/{me}/$everything");
        let mut answered = 0;
        let throttled = loop {
            let answer = world.get(&target, &ann).await;
            if answer.status == 429 {
                break answer;
            }
            answered += 1;
            assert!(answered < 600, "it goes on for ever");
        };
        let asked = ehr.asked().len();
        assert!(asked >= 20 * answered, "{asked} calls for {answered} requests");
        // No request was begun when 600 were used up, and each of the calls counts: ten of them run out in a second.
        assert!(asked >= 600 && asked - asked / answered < 600, "{asked} calls in {answered} requests");
        let wait = u64::try_from((asked + 1 - 600).div_ceil(10)).unwrap();
        assert_throttled(&throttled, wait);
    });
}

#[test]
fn u29_the_audit_trail_has_one_entry_for_each_time_somebody_has_to_wait() {
    run(async {
        let (world, ehr) = over_http(Limits { user_calls_per_minute: 2, ..Limits::default() }).await;
        ehr.finds("Observation", &[]);
        let ann = world.token("ann").await;
        for _ in 0..2 {
            assert_eq!(
                statuses(&world, "/fhir/Observation", &ann, 12).await[1..],
                [&[200_u16][..], &[429; 10]].concat()
            );
            world.clock.advance(Duration::from_secs(60));
        }
        for _ in 0..100 {
            let rows = audit::recent(&world.app.db, 500).await.unwrap();
            let of = |outcome| rows.iter().filter(|row| row.kind == "fhir" && row.outcome == outcome).count();
            let throttled = rows.iter().filter(|row| row.rule.as_deref() == Some("throttled")).count();
            if of(AuditOutcome::Permitted) == 4 && throttled == 2 {
                assert_eq!(of(AuditOutcome::Denied), 2);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:#?}", audit::recent(&world.app.db, 500).await.unwrap());
    });
}

#[test]
fn u29_a_source_that_says_when_to_come_back_is_left_alone_until_then() {
    run(async {
        let (world, ehr) = over_http(Limits::default()).await;
        let key = world.source_key(&ehr.base).await;
        ehr.holds(&observation("o1", &json!({})));
        let target = format!("/fhir/Observation/{key}.o1");
        let ann = world.token("ann").await;
        let mut reply = EhrReply::status(429);
        reply.headers.push(("retry-after", "30".to_owned()));
        ehr.replies("Observation", reply);
        let refused = world.get("/fhir/Observation", &ann).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")), "{}", refused.text);
        ehr.asked();
        // Nothing is asked of it in the meantime, and everybody learns when to come back.
        world.clock.advance(Duration::from_secs(10));
        for token in [&ann, &world.token("bob").await] {
            let refused = world.get(&target, token).await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("20")), "{}", refused.text);
        }
        assert_eq!(ehr.asked(), [""; 0]);
        world.clock.advance(Duration::from_secs(20));
        assert_eq!(world.get(&target, &ann).await.status, 200);
    });
}
