//! What one source may cost: time, places, second tries; and when it is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chartgate::config::Limits;
use chartgate::upstream::SourceFailure;
use futures_util::future::join_all;

use super::ehr::{Ehr, Rule, errand, read, search};

fn limits() -> Limits {
    Limits { source_deadline_ms: 1_000, ..Limits::default() }
}

#[tokio::test]
async fn r03_a_source_that_hangs_keeps_nobody_longer_than_the_deadline_and_takes_only_its_places() {
    let ehr = Ehr::start(|_| Rule::ok("{}").after(60_000)).await;
    let limits = Limits { source_concurrency: 4, breaker_failures: 1_000, ..limits() };
    let client = ehr.client(limits);
    let started = Instant::now();
    let ids: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    let outcomes = join_all(ids.iter().map(|id| read(&client, id))).await;
    assert!(started.elapsed() < Duration::from_millis(1_600), "{:?}", started.elapsed());
    assert_eq!(ehr.most_at_once(), 4, "no more connections than places");
    let of = |failure: SourceFailure| outcomes.iter().filter(|outcome| **outcome == Err(failure)).count();
    assert_eq!((of(SourceFailure::Timeout), of(SourceFailure::Busy)), (4, 36));
}

#[tokio::test]
async fn r03_all_that_one_request_asks_has_one_deadline() {
    let ehr = Ehr::start(|_| Rule::ok("{}")).await;
    let client = ehr.client(Limits { source_deadline_ms: 2_000, ..limits() });
    // Connected: what follows is the source's time alone.
    assert!(read(&client, "first").await.is_ok());
    ehr.answers(|_| Rule::ok("{}").after(700));
    let errand = errand(&client, "1");
    let started = Instant::now();
    assert!(errand.read("Condition", "a", Ok).await.is_ok());
    assert!(errand.read("Condition", "b", Ok).await.is_ok());
    assert_eq!(errand.read("Condition", "c", Ok).await, Err(SourceFailure::Timeout));
    assert!(started.elapsed() < Duration::from_millis(2_500), "{:?}", started.elapsed());
    // A late start that ran out says nothing of the source.
    assert!(read(&client, "d").await.is_ok());
}

#[tokio::test]
async fn r02_the_breaker_opens_after_five_failures_lets_one_try_and_closes_when_it_succeeds() {
    let ehr = Ehr::start(|_| Rule::ok("{}")).await;
    let client = ehr.client(Limits { source_deadline_ms: 300, ..limits() });
    let _ = read(&client, "first").await;
    assert!(read(&client, "first").await.is_ok(), "connected: what follows is the source's time alone");
    ehr.asked();
    ehr.answers(|_| Rule::ok("{}").after(60_000));
    for _ in 0..5 {
        assert_eq!(read(&client, "c").await, Err(SourceFailure::Timeout));
    }
    assert_eq!(ehr.asked().len(), 5);
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(read(&client, "c").await, Err(SourceFailure::BreakerOpen));
    }
    assert!(
        started.elapsed() < Duration::from_millis(300),
        "less than one of them would take: {:?}",
        started.elapsed()
    );
    assert_eq!(ehr.asked().len(), 0, "a source that is left alone hears nothing");
    // After the pause one request tries; the others do not wait for it.
    ehr.clock.advance(Duration::from_secs(1));
    let ids: Vec<String> = (0..20).map(|number| format!("c{number}")).collect();
    let outcomes = join_all(ids.iter().map(|id| read(&client, id))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(SourceFailure::Timeout)).count(), 1);
    assert_eq!(ehr.asked().len(), 1);
    // It failed: the pause is twice as long.
    ehr.clock.advance(Duration::from_secs(1));
    assert_eq!(read(&client, "c").await, Err(SourceFailure::BreakerOpen));
    ehr.answers(|_| Rule::ok("{}"));
    ehr.clock.advance(Duration::from_secs(1));
    assert!(read(&client, "c").await.is_ok());
    assert!(join_all(ids.iter().map(|id| read(&client, id))).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn r08_one_resource_that_breaks_the_source_does_not_close_it_to_the_others() {
    for broken in [Rule::status(500), Rule::ok("<html>").header("content-type", "text/html"), Rule::status(302)] {
        let ehr =
            Ehr::start(move |target| if target == "Condition/broken" { broken.clone() } else { Rule::ok("{}") }).await;
        let client = ehr.client(limits());
        for _ in 0..50 {
            assert!(read(&client, "broken").await.is_err());
        }
        assert!(read(&client, "sound").await.is_ok());
    }
    // What can only be told from the content counts no more than that.
    let ehr = Ehr::start(|target| Rule::ok(if target.contains("broken") { "!" } else { "one" })).await;
    let client = ehr.client(limits());
    for _ in 0..50 {
        assert_eq!(search(&client, "broken").await.failure, Some(SourceFailure::Malformed));
    }
    assert_eq!(search(&client, "2").await.failure, None);
    // A server that fails for everybody is another matter.
    let ehr = Ehr::start(|_| Rule::status(500)).await;
    let client = ehr.client(limits());
    for number in 0..5 {
        assert_eq!(read(&client, &format!("c{number}")).await, Err(SourceFailure::Failed { status: 500 }));
    }
    assert_eq!(read(&client, "c5").await, Err(SourceFailure::BreakerOpen));
}

#[tokio::test]
async fn r05_a_stumble_is_tried_again_within_the_budget() {
    let count = Arc::new(AtomicU64::new(0));
    let (counted, ehr) = (count.clone(), Ehr::start(|_| Rule::ok("{}")).await);
    // Three of ten first tries meet a 503 without a time to wait.
    ehr.answers(move |_| match counted.fetch_add(1, Ordering::SeqCst) % 10 {
        0 | 3 | 6 => Rule::status(503),
        _ => Rule::ok("{}"),
    });
    let client = ehr.client(limits());
    let mut good = 0;
    for number in 0..300 {
        good += u32::from(read(&client, &format!("c{number}")).await.is_ok());
    }
    let calls = ehr.asked().len();
    assert!(calls > 300 && calls <= 340, "{calls} calls for 300 requests: a tenth more, and what was saved");
    assert!(good > 225, "{good} of 300 with second tries, 210 without");
    // When all fail, the source gets a tenth more and not twice as much.
    let ehr = Ehr::start(|_| Rule::status(500)).await;
    let client = ehr.client(Limits { breaker_failures: 10_000, ..limits() });
    for number in 0..300 {
        let _ = read(&client, &format!("c{number}")).await;
    }
    let calls = ehr.asked().len();
    assert!((330..=340).contains(&calls), "{calls}");
    // None at all when there is no budget.
    let client = ehr.client(Limits { retry_percent: 0, breaker_failures: 10_000, ..limits() });
    for number in 0..20 {
        let _ = read(&client, &format!("c{number}")).await;
    }
    assert_eq!(ehr.asked().len(), 20);
}

#[tokio::test]
async fn r06_a_source_that_said_wait_is_not_asked_until_then() {
    let date = "Fri, 31 Dec 1999 23:58:29 GMT";
    for (rule, seconds) in [
        (Rule::status(429).header("retry-after", "30"), 30),
        (Rule::status(503).header("retry-after", "7"), 7),
        (Rule::status(429).header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT").header("date", date), 90),
        (Rule::status(429).header("retry-after", "86400"), 300),
        (Rule::status(429), 1),
    ] {
        let ehr = Ehr::start(move |_| rule.clone()).await;
        let client = ehr.client(limits());
        assert!(matches!(read(&client, "a").await, Err(SourceFailure::Throttled { .. })));
        assert_eq!(ehr.asked().len(), 1);
        ehr.clock.advance(Duration::from_secs(seconds) - Duration::from_millis(500));
        for id in ["a", "b"] {
            let expected = SourceFailure::Throttled { retry_after: Some(Duration::from_millis(500)) };
            assert_eq!(read(&client, id).await, Err(expected));
        }
        assert_eq!(ehr.asked().len(), 0, "{seconds}");
        ehr.answers(|_| Rule::ok("{}"));
        ehr.clock.advance(Duration::from_millis(500));
        assert!(read(&client, "a").await.is_ok(), "{seconds}");
    }
}

#[tokio::test]
async fn r35_bodies_are_bounded_however_many_come_at_once() {
    let body = "x".repeat(300_000);
    let ehr = Ehr::start(move |_| Rule::ok(&body)).await;
    let client = ehr.client(Limits { body_bytes: 100_000, ..limits() });
    let ids: Vec<String> = (0..64).map(|number| format!("c{number}")).collect();
    let outcomes = join_all(ids.iter().map(|id| read(&client, id))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(SourceFailure::OverBudget)));
    assert!(ehr.most_at_once() <= 32);
}
