//! One call for equal questions at the same time, and answers that are kept.

use std::sync::Arc;
use std::time::Duration;

use chartgate::config::{self, Limits};
use chartgate::upstream::{Client, SourceFailure};
use futures_util::future::join_all;

use super::ehr::{Ehr, Rule, errand, read, search};

fn kept(fresh_seconds: u64, stale_seconds: u64) -> config::Cache {
    config::Cache { bytes: 1 << 20, fresh_seconds, stale_seconds, ..config::Cache::default() }
}

#[tokio::test]
async fn r30_a_herd_of_equal_questions_is_one_call() {
    let ehr = Ehr::start(|_| Rule::ok("one").after(200)).await;
    let client = ehr.client(Limits::default());
    let answers = join_all((0..1_000).map(|_| search(&client, "1"))).await;
    assert!(answers.iter().all(|answer| answer.failure.is_none() && answer.pages == ["one"]));
    assert_eq!(ehr.asked().len(), 1);
    // One after the other is one each.
    for _ in 0..3 {
        search(&client, "1").await;
    }
    assert_eq!(ehr.asked().len(), 3);
    let client = ehr.client(Limits { single_flight: false, ..Limits::default() });
    join_all((0..10).map(|_| search(&client, "1"))).await;
    assert_eq!(ehr.asked().len(), 10, "switched off");
}

#[tokio::test]
async fn r30_a_caller_that_hangs_up_does_not_end_the_call_for_the_others() {
    let ehr = Ehr::start(|_| Rule::ok("{}").after(300)).await;
    let client = ehr.client(Limits::default());
    let asks = |client: &Arc<Client>| {
        let client = client.clone();
        tokio::spawn(async move { read(&client, "a").await })
    };
    let first = asks(&client);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let others = [asks(&client), asks(&client)];
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    assert_eq!(ehr.asked().len(), 1);
}

#[tokio::test]
async fn u28_the_same_url_for_other_charts_is_another_call() {
    let ehr = Ehr::start(|_| Rule::ok("{}").after(200)).await;
    let client = ehr.caching(Limits::default(), &kept(60, 60));
    let patients: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let asked = patients.iter().map(async |patient| errand(&client, patient).read("Practitioner", "p", Ok).await);
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    assert_eq!(ehr.asked().len(), 10);
    // Kept for each of them, and for nobody else.
    for patient in &patients {
        assert!(errand(&client, patient).read("Practitioner", "p", Ok).await.is_ok());
    }
    assert_eq!(ehr.asked().len(), 0);
    assert!(errand(&client, "10").read("Practitioner", "p", Ok).await.is_ok());
    assert_eq!(ehr.asked().len(), 1);
}

#[tokio::test]
async fn a_caller_with_time_left_asks_again_when_the_one_it_joined_ran_out() {
    let ehr = Ehr::start(|target| Rule::ok("{}").after(if target.ends_with('b') { 450 } else { 600 })).await;
    let client = ehr.client(Limits { source_deadline_ms: 1_000, ..Limits::default() });
    let early = errand(&client, "1");
    assert!(early.read("Condition", "a", Ok).await.is_ok());
    // 400 ms left for what takes 450.
    let late = tokio::spawn(async move { early.read("Condition", "b", Ok).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(read(&client, "b").await.is_ok());
    assert_eq!(late.await.unwrap(), Err(SourceFailure::Timeout));
}

#[tokio::test]
async fn answers_are_kept_as_long_as_the_settings_and_the_source_say() {
    let ehr = Ehr::start(|_| Rule::ok("{}")).await;
    let client = ehr.caching(Limits::default(), &kept(60, 0));
    for _ in 0..5 {
        assert!(read(&client, "a").await.is_ok());
    }
    assert_eq!(ehr.asked().len(), 1);
    ehr.clock.advance(Duration::from_secs(60));
    assert!(read(&client, "a").await.is_ok());
    assert_eq!(ehr.asked().len(), 1);
    // Off by default.
    let client = ehr.client(Limits::default());
    for _ in 0..2 {
        assert!(read(&client, "a").await.is_ok());
    }
    assert_eq!(ehr.asked().len(), 2);
    for (directive, calls) in [("no-store", 3), ("no-cache", 3), ("max-age=0", 3), ("private, max-age=60", 1)] {
        ehr.answers(move |_| Rule::ok("{}").header("cache-control", directive));
        let client = ehr.caching(Limits::default(), &kept(60, 0));
        for _ in 0..3 {
            assert!(read(&client, "a").await.is_ok());
        }
        assert_eq!(ehr.asked().len(), calls, "{directive}");
    }
}

#[tokio::test]
async fn r08_what_cannot_be_read_is_not_kept() {
    let ehr = Ehr::start(|_| Rule::ok("!")).await;
    let client = ehr.caching(Limits::default(), &kept(60, 600));
    assert_eq!(search(&client, "1").await.failure, Some(SourceFailure::Malformed));
    assert_eq!(
        errand(&client, "1").read("Condition", "a", |_| Err::<(), _>(SourceFailure::Malformed)).await,
        Err(SourceFailure::Malformed)
    );
    ehr.answers(|_| Rule::ok("one"));
    assert_eq!(search(&client, "1").await.pages, ["one"]);
    assert!(read(&client, "a").await.is_ok());
    assert_eq!(ehr.asked().len(), 4);
}

fn two_pages(target: &str) -> Rule {
    Rule::ok(if target.contains("page=2") { "two" } else { "one >?page=2" })
}

#[tokio::test]
async fn a_source_that_is_down_is_stood_in_for_by_what_it_said_with_its_age() {
    let stale = |seconds| Some(SourceFailure::Stale { age: Duration::from_secs(seconds) });
    for down in [Rule::status(500), Rule::status(503).header("retry-after", "5"), Rule::ok("").after(5_000)] {
        let ehr = Ehr::start(two_pages).await;
        let client = ehr.caching(Limits { source_deadline_ms: 200, ..Limits::default() }, &kept(0, 3_600));
        assert_eq!(search(&client, "1").await.failure, None);
        assert!(read(&client, "a").await.is_ok());
        ehr.asked();
        ehr.clock.advance(Duration::from_secs(60));
        assert_eq!(search(&client, "1").await.failure, None);
        assert_eq!(ehr.asked().len(), 2, "not fresh: asked again");
        ehr.clock.advance(Duration::from_secs(720));
        ehr.answers(move |_| down.clone());
        let shown = search(&client, "1").await;
        assert_eq!((shown.failure, shown.pages), (stale(720), vec!["one".to_owned(), "two".to_owned()]));
        // Another chart has nothing that could be shown, and one resource has no place to say how old it is.
        let other = search(&client, "2").await;
        assert!(other.pages.is_empty() && other.failure.is_some_and(|failure| failure != stale(720).unwrap()));
        assert!(read(&client, "a").await.is_err());
        ehr.clock.advance(Duration::from_secs(3_600));
        assert!(search(&client, "1").await.pages.is_empty(), "too old");
    }
}

#[tokio::test]
async fn what_is_shown_in_part_as_it_was_says_so() {
    let ehr = Ehr::start(two_pages).await;
    let client = ehr.caching(Limits::default(), &kept(0, 3_600));
    search(&client, "1").await;
    ehr.clock.advance(Duration::from_secs(120));
    ehr.answers(|target| if target.contains("page=2") { Rule::status(500) } else { Rule::ok("one >?page=2") });
    let shown = search(&client, "1").await;
    assert_eq!(shown.pages, ["one", "two"]);
    assert_eq!(shown.failure, Some(SourceFailure::Stale { age: Duration::from_secs(120) }));
}

#[tokio::test]
async fn only_a_source_that_is_down_is_stood_in_for() {
    for (answer, failure) in [
        (Rule::status(401), SourceFailure::CredentialRefused),
        (Rule::status(403), SourceFailure::Forbidden),
        (Rule::status(404), SourceFailure::NotFound),
        (Rule::status(400), SourceFailure::Refused { status: 400 }),
        (Rule::ok("!"), SourceFailure::Malformed),
    ] {
        let ehr = Ehr::start(|_| Rule::ok("one")).await;
        let client = ehr.caching(Limits::default(), &kept(0, 3_600));
        search(&client, "1").await;
        ehr.answers(move |_| answer.clone());
        let refused = search(&client, "1").await;
        assert_eq!((refused.failure, refused.pages.len()), (Some(failure), 0));
        // What it took back is not shown when it is down later.
        ehr.answers(|_| Rule::status(500));
        let later = search(&client, "1").await;
        assert_eq!(later.pages.is_empty(), failure != SourceFailure::Malformed, "{failure}");
    }
    for directive in ["no-store", "no-cache", "must-revalidate"] {
        let ehr = Ehr::start(move |_| Rule::ok("one").header("cache-control", directive)).await;
        let client = ehr.caching(Limits::default(), &kept(0, 3_600));
        search(&client, "1").await;
        ehr.answers(|_| Rule::status(500));
        assert!(search(&client, "1").await.pages.is_empty(), "{directive}");
    }
}

#[tokio::test]
async fn i12_when_rights_change_nothing_that_was_kept_is_used() {
    let ehr = Ehr::start(|_| Rule::ok("one")).await;
    let client = ehr.caching(Limits::default(), &kept(60, 3_600));
    search(&client, "1").await;
    search(&client, "1").await;
    assert_eq!(ehr.asked().len(), 1);
    ehr.generation.send(2).unwrap();
    search(&client, "1").await;
    assert_eq!(ehr.asked().len(), 1);
    ehr.generation.send(3).unwrap();
    ehr.answers(|_| Rule::status(500));
    assert!(search(&client, "1").await.pages.is_empty());
}
