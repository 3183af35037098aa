//! Federation that holds: whatever one EHR does, the answer is complete or says what is missing, comes in time, and has
//! all that the others know. With and without what is shared and kept.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use chartgate::config::{self, Limits};
use chartgate::identity::GrantBasis;
use chartgate::sandbox::{Fault, FaultKind, Sandbox};

use super::record::leaks;
use crate::support::world::{EVERYTHING, PersonSpec, PracticeSpec, Reply, World, fixtures, pairs, run};

const DEADLINE: Duration = Duration::from_millis(1_200);
/// What the rest of an answer takes, on a machine that is busy with other tests.
const SLACK: Duration = Duration::from_millis(1_500);
const OBSERVATIONS: usize = 45;
const CONDITIONS: usize = 4;

/// A practice with Ann's chart and somebody else's.
fn practice(number: usize) -> PracticeSpec {
    let mut resources = Vec::new();
    for (patient, family) in [("ann", "Ann"), ("other", "Canary")] {
        resources.push(json!({"resourceType": "Patient", "id": patient, "name": [{"family": family}]}));
        let about = |kind: &str, at: usize| {
            json!({"resourceType": kind, "id": format!("{patient}-{kind}-{at}").to_lowercase(),
                "subject": {"reference": format!("Patient/{patient}")}, "code": {"text": family}})
        };
        resources.extend((0..CONDITIONS).map(|at| about("Condition", at)));
        resources.extend((0..OBSERVATIONS).map(|at| {
            let mut observation = about("Observation", at);
            observation["status"] = json!("final");
            observation
        }));
    }
    PracticeSpec {
        key: format!("p{number}"),
        name: format!("Practice Number {number}"),
        vendor: "generic".to_owned(),
        resources,
    }
}

/// Ann, with a chart at each of so many practices.
async fn world_of(practices: usize) -> World {
    let links = (0..practices).map(|number| (format!("p{number}"), "ann".to_owned())).collect();
    let limits = Limits {
        source_deadline_ms: u64::try_from(DEADLINE.as_millis()).unwrap(),
        source_page_size: 20,
        breaker_failures: 1_000,
        foreign_answers: 0,
        ..Limits::default()
    };
    let ann = PersonSpec { key: "ann".to_owned(), links };
    World::start((0..practices).map(practice).collect(), vec![ann], limits).await
}

/// Every switch of the sandbox, with the pages of a search from which it shows, and whether an answer that is whole
/// may come of it.
fn switches(elsewhere: &str) -> Vec<(Fault, bool)> {
    let kinds = [
        (FaultKind::Delay(20_000), false),
        (FaultKind::Delay(30), true),
        (FaultKind::Status(400), false),
        (FaultKind::Status(401), false),
        (FaultKind::Status(403), false),
        (FaultKind::Status(404), false),
        (FaultKind::Status(429), false),
        (FaultKind::Status(500), false),
        (FaultKind::Status(503), false),
        (FaultKind::TruncatedBody(300), false),
        (FaultKind::WrongPatient { disguised: false }, true),
        (FaultKind::WrongPatient { disguised: true }, true),
        (FaultKind::IgnoredParameters(Vec::new()), true),
        (FaultKind::SearchNeeds(vec!["category".to_owned()]), false),
        (FaultKind::SearchRefuses(vec!["patient".to_owned()]), false),
        (FaultKind::MissingNext, true),
        (FaultKind::LoopingNext, false),
        (FaultKind::ForeignNext(elsewhere.to_owned()), true),
        (FaultKind::HtmlBody, false),
        (FaultKind::Body("{\"resourceType\":\"Bundle\"".to_owned()), false),
        (FaultKind::SlowTrickle { bytes: 10, milliseconds: 100 }, false),
        (FaultKind::SlowTrickle { bytes: 4_000, milliseconds: 2 }, true),
        (FaultKind::Dead, false),
        (FaultKind::ContentType("text/plain".to_owned()), false),
    ];
    for (kind, _) in &kinds {
        // A switch that is new must get a row above.
        match kind {
            FaultKind::Delay(_)
            | FaultKind::Status(_)
            | FaultKind::TruncatedBody(_)
            | FaultKind::WrongPatient { .. }
            | FaultKind::IgnoredParameters(_)
            | FaultKind::SearchNeeds(_)
            | FaultKind::SearchRefuses(_)
            | FaultKind::MissingNext
            | FaultKind::LoopingNext
            | FaultKind::ForeignNext(_)
            | FaultKind::HtmlBody
            | FaultKind::Body(_)
            | FaultKind::SlowTrickle { .. }
            | FaultKind::Dead
            | FaultKind::ContentType(_) => {}
        }
    }
    let mut switches: Vec<(Fault, bool)> =
        kinds.into_iter().map(|(kind, may_be_whole)| (Fault::new(kind), may_be_whole)).collect();
    // R07, R09: a later page; R05, R07: once only, which a second try mends.
    switches.push((Fault::new(FaultKind::Status(500)).from_page(3), true));
    switches.push((Fault::new(FaultKind::TruncatedBody(300)).from_page(2), true));
    switches.push((Fault::new(FaultKind::Status(502)).times(1), true));
    switches.push((Fault::new(FaultKind::Dead).times(1), true));
    switches.push((Fault::new(FaultKind::TruncatedBody(300)).times(1), true));
    switches
}

/// What one practice has of Ann, as ids at the gateway.
fn held(world: &World, practice: usize, kind: &str, count: usize) -> BTreeSet<String> {
    let source = &world.practices[practice].source;
    (0..count).map(|at| format!("{source}.ann-{}-{at}", kind.to_lowercase())).collect()
}

/// Complete or flagged, both ways, and in time.
fn check(
    world: &World,
    answer: &Reply,
    took: Duration,
    (kind, count): (&str, usize),
    fault: Option<&Fault>,
    may_be_whole: bool,
) {
    let says = format!("{} sources, {kind}, {fault:?}: {}", world.practices.len(), answer.status);
    assert!(took < DEADLINE + SLACK, "{says}: {took:?}");
    assert!(!answer.text.contains("Canary") && !answer.text.contains("other-"), "{says}: another patient");
    world.practices.iter().for_each(|practice| assert!(!answer.text.contains(&practice.authority), "{says}"));
    if answer.status == 503 {
        assert!(world.practices.len() == 1 && !may_be_whole, "{says}: one source answers");
        assert!(answer.header("retry-after").is_some(), "{says}");
        return;
    }
    assert_eq!(answer.status, 200, "{says}: {}", answer.text);
    let shown: BTreeSet<String> = answer.ids().into_iter().collect();
    for healthy in 1..world.practices.len() {
        let all = held(world, healthy, kind, count);
        assert!(all.is_subset(&shown), "{says}: a healthy source is not whole");
    }
    let broken = held(world, 0, kind, count);
    let is_whole = broken.is_subset(&shown);
    let outcomes = answer.outcomes();
    assert_eq!(shown.len(), answer.ids().len(), "{says}: something stands twice");
    if outcomes.is_empty() {
        assert!(is_whole && may_be_whole | fault.is_none(), "{says}: a silent gap");
        let total = &answer.json()["total"];
        assert!(total.is_null() || *total == json!(count * world.practices.len()), "{says}: {total}");
    } else {
        assert!(fault.is_some() && outcomes.len() == 1, "{says}: {outcomes:?}");
        assert!(outcomes[0].contains(&world.practices[0].name), "{says}: {outcomes:?}");
        assert!(answer.json().get("total").is_none(), "{says}");
    }
}

async fn timed(world: &World, kind: &str, token: &str) -> (Reply, Duration) {
    let started = Instant::now();
    let answer = world.search(kind, &pairs(&[("_count", "500")]), token).await;
    (answer, started.elapsed())
}

/// Every switch at one of `practices` sources.
async fn every_switch(practices: usize) {
    let world = world_of(practices).await;
    let token = world.token("ann").await;
    let elsewhere = Sandbox::builder().start().await.unwrap();
    let origin = elsewhere.base_url.trim_end_matches("/fhir").to_owned();
    let kinds = [("Condition", CONDITIONS), ("Observation", OBSERVATIONS)];
    for (fault, may_be_whole) in switches(&origin) {
        world.practices[0].faults.add(fault.clone());
        // What is limited to one request meets one kind only.
        let asked = join_all(kinds.map(|(kind, _)| timed(&world, kind, &token))).await;
        for ((answer, took), kind) in asked.iter().zip(kinds) {
            check(&world, answer, *took, kind, Some(&fault), may_be_whole);
        }
        world.heal();
        for kind in kinds {
            let (answer, took) = timed(&world, kind.0, &token).await;
            check(&world, &answer, took, kind, None, true);
        }
    }
    assert_eq!(elsewhere.requests.fhir_count(), 0, "another host is never called");
}

#[test]
fn r01_every_switch_at_the_only_source() {
    run(every_switch(1));
}

#[test]
fn r01_every_switch_at_one_of_two_sources() {
    run(every_switch(2));
}

#[test]
fn r01_every_switch_at_one_of_five_sources() {
    run(every_switch(5));
}

#[test]
fn r02_r03_a_source_that_hangs_slows_nobody_down_who_does_not_need_it() {
    run(async {
        let (practices, mut persons) = fixtures();
        // Zoe is at Riverside alone.
        persons.retain(|person| matches!(person.key.as_str(), "maria" | "zoe"));
        let limits = Limits { source_deadline_ms: 2_000, source_concurrency: 8, ..Limits::default() };
        let world = World::start(practices, persons, limits).await;
        let (maria, zoe) = (world.token("maria").await, world.token("zoe").await);
        world.practice("lakeside").faults.add(Fault::new(FaultKind::Delay(60_000)));
        let hanging = async {
            let queries: Vec<_> = (0..30).map(|n| pairs(&[("code", &format!("c{n}"))])).collect();
            join_all(queries.iter().map(|query| world.search("Observation", query, &maria))).await
        };
        let healthy = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..20 {
                let started = Instant::now();
                assert_eq!(world.search("Condition", &[], &zoe).await.status, 200);
                slowest = slowest.max(started.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            slowest
        };
        let (answers, slowest) = tokio::join!(hanging, healthy);
        assert!(slowest < Duration::from_millis(1_800), "{slowest:?}");
        for answer in &answers {
            assert_eq!((answer.status, answer.outcomes().len()), (200, 1), "{}", answer.text);
        }
        let calls = world.practice("lakeside").requests.fhir_count();
        assert!(calls <= 16, "{calls} calls: its places, and those that were taken until it was left alone");
        // Left alone by now: nobody waits for it.
        let started = Instant::now();
        let answer = world.search("Condition", &[], &maria).await;
        assert_eq!(answer.outcomes().len(), 1);
        assert!(started.elapsed() < Duration::from_millis(1_000), "{:?}", started.elapsed());
        assert_eq!(world.practice("lakeside").requests.fhir_count(), calls);
        world.heal();
        assert!(world.search("Condition", &[], &maria).await.outcomes().is_empty(), "asked again after a second");
    });
}

#[test]
fn r06_a_source_that_said_wait_is_named_and_not_asked() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        world.practice("lakeside").faults.add(Fault::new(FaultKind::Status(429)).times(1));
        for calls in [1, 0, 0] {
            world.forget_upstream();
            let answer = world.search("Condition", &[], &token).await;
            let outcomes = answer.outcomes();
            assert!(outcomes.len() == 1 && outcomes[0].starts_with("throttled: Lakeside"), "{outcomes:?}");
            assert_eq!(world.practice("lakeside").requests.fhir_count(), calls);
            assert_eq!(world.practice("riverside").requests.fhir_count(), 1);
        }
        world.clock.advance(Duration::from_secs(1));
        assert!(world.search("Condition", &[], &token).await.outcomes().is_empty());
    });
}

#[test]
fn r30_a_herd_on_one_record_is_one_call_for_each_source_and_class() {
    run(async {
        let (practices, persons) = fixtures();
        let world = World::start(practices, persons, Limits::default()).await;
        world.grant("dana", "leo", GrantBasis::Parent).await;
        let own = world.token("maria").await;
        let narrow = world.token_for("maria", "maria", "narrow", "launch/patient patient/Condition.rs").await;
        let zoe = world.token("zoe").await;
        let whole = world.search("Condition", &[], &own).await.matches();
        world.practices.iter().for_each(|practice| practice.faults.add(Fault::new(FaultKind::Delay(400))));
        world.forget_upstream();
        let herd = (0..60).map(|n| world.search("Condition", &[], if n % 2 == 0 { &own } else { &narrow }));
        // Somebody who hangs up, first of all, ends nothing.
        let hasty = tokio::time::timeout(Duration::from_millis(100), world.search("Condition", &[], &own));
        let (hasty, herd, other) = tokio::join!(hasty, join_all(herd), world.search("Condition", &[], &zoe));
        assert!(hasty.is_err());
        for answer in &herd {
            assert_eq!(answer.matches(), whole);
        }
        assert!(!other.matches().is_empty() && other.ids().iter().all(|id| !herd[0].ids().contains(id)));
        // Riverside has Zoe's chart too: a call of her own.
        assert_eq!(world.practice("riverside").requests.fhir_count(), 2);
        assert_eq!(world.practice("lakeside").requests.fhir_count(), 1);
    });
}

fn keeping(fresh_seconds: u64, stale_seconds: u64) -> config::Cache {
    config::Cache { bytes: 8 << 20, fresh_seconds, stale_seconds, ..config::Cache::default() }
}

#[test]
fn r01_what_is_kept_stands_in_for_a_source_that_is_down_with_its_age_on_every_page() {
    run(async {
        let (practices, persons) = fixtures();
        let world = World::configured(practices, persons, |config| config.cache = keeping(0, 3_600)).await;
        let (maria, narrow) = (
            world.token("maria").await,
            world
                .token_for("maria", "maria", "narrow", "launch/patient patient/Observation.rs?category=laboratory")
                .await,
        );
        // Gathered and lazy.
        let queries = ["/fhir/Observation?_count=20&_sort=-date", "/fhir/Observation?_count=20"];
        let matches = |pages: &[Reply]| pages.iter().map(Reply::matches).collect::<Vec<Vec<Value>>>();
        let mut before = Vec::new();
        for query in queries {
            before.push((matches(&world.pages(query, &maria).await), world.get(query, &narrow).await.matches()));
        }
        assert!(before.iter().all(|(pages, _)| pages.len() > 2));
        let person = format!("/fhir/Patient/{}", world.person("maria").id);
        let id = world.search("Condition", &[], &maria).await.ids();
        let lakeside = world.practice("lakeside");
        let condition = id.iter().find(|id| id.starts_with(&lakeside.source)).unwrap();
        let read = format!("/fhir/Condition/{condition}");
        assert_eq!(world.get(&read, &maria).await.status, 200);
        assert_eq!(world.get(&person, &maria).await.status, 200);
        lakeside.stop().await;
        world.clock.advance(Duration::from_secs(12 * 60));
        for (query, (whole, narrowed)) in queries.into_iter().zip(&before) {
            let pages = world.pages(query, &maria).await;
            assert_eq!(matches(&pages), *whole, "{query}");
            for page in &pages {
                let outcomes = page.outcomes();
                let [says] = outcomes.as_slice() else { panic!("{query}: {outcomes:?}") };
                assert!(says.starts_with("incomplete: ") && says.contains(&lakeside.name), "{says}");
                assert!(says.contains("12 minutes ago"), "{says}");
                assert!(page.json().get("total").is_none());
            }
            // Filtered for whoever asks, as ever.
            let few = world.get(query, &narrow).await;
            assert_eq!(few.matches(), *narrowed, "{query}");
            assert!(leaks(&world, "maria", &few.text).is_empty());
        }
        // One resource has no place to say how old it is.
        assert_eq!(world.get(&read, &maria).await.status, 503);
        let merged = world.get(&person, &maria).await;
        assert!(
            merged.status == 200 && merged.text.contains(&lakeside.name),
            "named as missing from the merged record"
        );
        // What was never asked is a gap like any other.
        let other = world.search("Immunization", &[], &maria).await;
        assert!(other.outcomes().len() == 1 && !other.outcomes()[0].contains("ago"), "{:?}", other.outcomes());
        // A right that changes ends what is kept.
        world.grant("dana", "leo", GrantBasis::Parent).await;
        let gone = world.get(queries[0], &maria).await;
        assert!(gone.ids().iter().all(|id| !id.starts_with(&lakeside.source)));
        assert!(gone.outcomes().len() == 1 && !gone.outcomes()[0].contains("ago"), "{:?}", gone.outcomes());
    });
}

/// A generator of its own, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // A linear congruential generator (Knuth's constants); its high bits are good enough to shuffle requests.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// An answer without what names this gateway and this one answer.
fn plain(world: &World, reply: &Reply) -> String {
    let mut text = reply.text.replace(&world.issuer, "GATEWAY");
    for (name, person) in &world.persons {
        text = text.replace(&person.id.to_string(), name);
    }
    for practice in &world.practices {
        text = text.replace(&format!("{}.", practice.source), &format!("{}.", practice.key));
    }
    let Ok(mut body) = serde_json::from_str::<Value>(&text) else { return format!("{} {text}", reply.status) };
    if body["resourceType"] == "Bundle" {
        body["id"] = Value::Null;
        // Sealed: another each time.
        let next = body["link"].as_array().is_some_and(|links| links.iter().any(|link| link["relation"] == "next"));
        body["link"] = json!(next);
        // The version of a merged record is a hash over what names this gateway.
        for entry in body["entry"].as_array_mut().into_iter().flatten() {
            let is_merged = entry["resource"]["id"].as_str().is_some_and(|id| world.persons.contains_key(id));
            if is_merged {
                entry["resource"]["meta"]["versionId"] = Value::Null;
            }
        }
    }
    format!("{} {body}", reply.status)
}

#[test]
fn i11_answers_are_the_same_with_and_without_what_is_shared_and_kept() {
    run(async {
        let start = async |kept: bool| {
            let (practices, persons) = fixtures();
            let world = World::configured(practices, persons, |config| {
                config.limits = Limits { single_flight: kept, ..Limits::default() };
                config.cache = if kept { keeping(60, 600) } else { config::Cache::default() };
            })
            .await;
            world.grant("dana", "leo", GrantBasis::Parent).await;
            world
        };
        let (with, without) = (start(true).await, start(false).await);
        let holders = [
            ("maria", "maria", "app", EVERYTHING),
            ("maria", "maria", "narrow", "launch/patient patient/Observation.rs?category=laboratory"),
            ("maria", "maria", "conditions", "launch/patient patient/Condition.rs patient/Patient.r"),
            ("zoe", "zoe", "app", EVERYTHING),
            ("dana", "leo", "app", EVERYTHING),
            ("priya", "priya", "app", EVERYTHING),
        ];
        let queries = [
            "Observation?_count=50",
            "Observation?category=laboratory&_sort=-date&_count=10",
            "Observation?code=4548-4",
            "Condition",
            "Condition?clinical-status=active",
            "MedicationRequest?_count=7",
            "Medication",
            "Practitioner",
            "Patient",
            "Provenance?_count=5",
            "Encounter?date=ge2025",
            "Condition?_has=x",
            "Practitioner/none",
        ];
        let mut dice = Dice(42);
        let mut compared = 0;
        for round in 0..120 {
            let batch: Vec<_> =
                (0..8).map(|_| (holders[dice.below(holders.len())], queries[dice.below(queries.len())])).collect();
            // The same question twice in each batch, so that there is something to share.
            let batch: Vec<_> = batch.iter().chain(batch.first()).collect();
            let mut answers = Vec::new();
            for world in [&with, &without] {
                let ask = async |((account, person, client, scope), query): &((&str, &str, &str, &str), &str)| {
                    let token = world.token_for(account, person, client, scope).await;
                    plain(world, &world.get(&format!("/fhir/{query}"), &token).await)
                };
                answers.push(join_all(batch.iter().map(|question| ask(question))).await);
            }
            for ((question, with), without) in batch.iter().zip(&answers[0]).zip(&answers[1]) {
                assert!(with == without, "round {round}, {question:?}: {with}\n{without}");
                compared += 1;
            }
            if round % 40 == 39 {
                for world in [&with, &without] {
                    world.clock.advance(Duration::from_secs(61));
                }
            }
        }
        let (few, many): (u64, u64) = (with.upstream_counts().iter().sum(), without.upstream_counts().iter().sum());
        assert!(few * 4 < many, "{few} calls with, {many} without, for {compared} answers");
        assert!(few > 0);
    });
}

#[test]
fn u27_what_is_kept_for_one_person_answers_nobody_else_and_no_wider_scope() {
    run(async {
        let (practices, persons) = fixtures();
        let world = World::configured(practices, persons, |config| config.cache = keeping(600, 600)).await;
        let (maria, zoe) = (world.token("maria").await, world.token("zoe").await);
        let narrow = world
            .token_for("maria", "maria", "narrow", "launch/patient patient/Observation.rs?category=laboratory")
            .await;
        let practitioners = world.search("Practitioner", &[], &maria).await.ids();
        let riverside = &world.practice("riverside").source;
        let shared = practitioners.iter().find(|id| id.starts_with(riverside.as_str())).unwrap();
        let read = format!("/fhir/Practitioner/{shared}");
        let of_maria = world.get(&read, &maria).await;
        world.forget_upstream();
        assert_eq!(world.get(&read, &maria).await.text, of_maria.text);
        assert_eq!(world.practice("riverside").requests.fhir_count(), 0, "kept");
        assert_eq!(world.get(&read, &zoe).await.text, of_maria.text);
        assert_eq!(world.practice("riverside").requests.fhir_count(), 1, "not for somebody else");
        // A narrower scope sees less of the same bytes.
        let wide = world.search("Observation", &pairs(&[("_count", "500")]), &maria).await;
        world.forget_upstream();
        let few = world.search("Observation", &pairs(&[("_count", "500")]), &narrow).await;
        assert!(!few.ids().is_empty() && few.ids().len() < wide.ids().len());
        assert_eq!(world.get(&read, &narrow).await.status, 403);
        assert!(leaks(&world, "maria", &few.text).is_empty());
    });
}
