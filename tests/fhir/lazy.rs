//! Lazy paging: what a page costs, what a link survives, and, over hundreds of random records at five sources, that
//! however a search is paged its pages are the whole result, each resource once.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Proptest, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use chartgate::access::{Behalf, Subject};
use chartgate::base::clock::{Clock, Instant};
use chartgate::base::id::{AccountId, AuthorizationId, LinkId, PersonId};
use chartgate::base::random::SeededRandom;
use chartgate::config::Limits;
use chartgate::consent::Standing;
use chartgate::fhir::ResourceType;
use chartgate::fhir::interaction::Interaction;
use chartgate::fhir::search::Handling;
use chartgate::identity::{Assurance, Link, LinkMethod, LinkState};
use chartgate::oauth::client::ClientId;
use chartgate::oauth::scope::ScopeSet;
use chartgate::sandbox::{Fault, FaultKind};

use crate::naive::{self, Evaluation};
use crate::support::world::{PracticeSpec, World, pairs, run};

/// Small upstream pages, and a source that fails is asked again and again.
fn limits() -> Limits {
    Limits { source_page_size: 4, breaker_failures: 100_000, foreign_answers: 0, ..Limits::default() }
}

/// Somebody whose charts are told, not stored: what the gateway decides rests on the subject alone.
fn subject(world: &World, person: PersonId, links: &[(usize, String)]) -> Arc<Subject> {
    let random = SeededRandom::new(3);
    let link = |((practice, patient), rank): (&(usize, String), i64)| Link {
        id: LinkId::mint(&random),
        person,
        source: world.practices[*practice].source.parse().unwrap(),
        patient: patient.clone(),
        rank,
        method: LinkMethod::Operator,
        assurance: Assurance::Ial2,
        demographics: None,
        linked: world.clock.now(),
        state: LinkState::Active,
    };
    Arc::new(Subject {
        behalf: Behalf::User { account: AccountId::mint(&random), authorization: AuthorizationId::mint(&random) },
        client: ClientId::parse("app").unwrap(),
        person: Some(person),
        scopes: ScopeSet::parse("patient/*.rs").0,
        links: links.iter().zip(0..).map(link).collect(),
        standing: Some(Standing::own(AccountId::mint(&random))),
        key: None,
        token_hash: [0; 32],
        expires_at: Instant::from_micros(i64::MAX),
    })
}

/// One answer of the gateway.
struct Page(Value);

impl Page {
    async fn get(world: &World, subject: &Arc<Subject>, parameters: Vec<(String, String)>) -> Self {
        let resource_type = ResourceType::Observation;
        let interaction = Interaction::Search { resource_type, parameters, handling: Handling::Strict };
        let answer = world.app.gateway.handle(subject.clone(), interaction).await.unwrap();
        Self(serde_json::from_slice(answer.body()).unwrap())
    }

    fn entries(&self, mode: &str) -> impl Iterator<Item = &Value> {
        let entries = self.0["entry"].as_array().into_iter().flatten();
        entries.filter(move |entry| entry["search"]["mode"] == mode).map(|entry| &entry["resource"])
    }

    fn ids(&self) -> Vec<String> {
        self.entries("match").map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
    }

    fn outcomes(&self) -> Vec<&str> {
        self.entries("outcome").map(|outcome| outcome["issue"][0]["details"]["text"].as_str().unwrap()).collect()
    }

    fn next(&self) -> Option<Vec<(String, String)>> {
        let links = self.0["link"].as_array().unwrap();
        let next = links.iter().find(|link| link["relation"] == "next")?["url"].as_str().unwrap();
        assert!(next.len() <= 4_200, "{} characters", next.len());
        let url = url::Url::parse(next).unwrap();
        Some(url.query_pairs().into_owned().collect())
    }
}

/// The page and all that follow.
async fn pages(world: &World, subject: &Arc<Subject>, query: &[(String, String)]) -> Vec<Page> {
    let mut pages = vec![Page::get(world, subject, query.to_vec()).await];
    while let Some(next) = pages.last().unwrap().next() {
        pages.push(Page::get(world, subject, next).await);
        assert!(pages.len() < 300, "paging does not end");
    }
    pages
}

fn all_ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(Page::ids).collect()
}

/// A person's Observation at one practice, as far as it is random: status, date, whether it is somebody else's.
type Draw = (usize, usize, bool);

/// A random record, what is asked of it, and what goes wrong meanwhile.
#[derive(Clone, Debug)]
struct Case {
    /// By practice; none where the person has no chart.
    charts: Vec<Option<Vec<Draw>>>,
    query: usize,
    count: usize,
    trouble: Trouble,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    /// The practice ignores what narrows the search.
    Ignores(usize),
    /// The practice is gone from its second page on.
    DiesOnPageTwo(usize),
    /// The practice never answers.
    Dead(usize),
}

const STATUSES: [&str; 3] = ["final", "amended", "preliminary"];
const DATES: [&str; 7] =
    ["2024", "2024-03", "2024-03-05", "2024-03-05T10:00:00-05:00", "2024-03-05T15:00:00Z", "2023-12-31", ""];
const QUERIES: [&[(&str, &str)]; 6] = [
    &[],
    &[("status", "final")],
    &[("status", "final,amended"), ("date", "ge2024-03")],
    &[("status:not", "final")],
    &[("date:missing", "true")],
    &[("status", "entered-in-error")],
];

fn cases() -> Vec<Case> {
    let draw = (0..STATUSES.len(), 0..DATES.len(), prop::bool::weighted(0.15));
    let chart = prop::option::weighted(0.8, prop::collection::vec(draw, 0..13));
    let trouble = prop_oneof![
        5 => Just(Trouble::None),
        2 => (0..5_usize).prop_map(Trouble::Ignores),
        2 => (0..5_usize).prop_map(Trouble::DiesOnPageTwo),
        1 => (0..5_usize).prop_map(Trouble::Dead),
    ];
    let count = prop_oneof![1..4_usize, 4..12_usize, Just(4_usize), Just(8), 12..70_usize];
    let case = (prop::collection::vec(chart, 5), 0..QUERIES.len(), count, trouble)
        .prop_map(|(charts, query, count, trouble)| Case { charts, query, count, trouble });
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let mut runner = TestRunner::new_with_rng(Proptest::default(), rng);
    (0..CASES).map(|_| case.new_tree(&mut runner).unwrap().current()).collect()
}

const CASES: usize = 240;

/// The practices with everybody's records: the cases cannot see each other's.
async fn crowd(cases: &[Case]) -> World {
    let practice = |at: usize| {
        let mut resources = vec![json!({"resourceType": "Patient", "id": "other"})];
        for (person, case) in cases.iter().enumerate() {
            resources.push(json!({"resourceType": "Patient", "id": format!("p{person}")}));
            for (number, (status, date, foreign)) in case.charts[at].iter().flatten().enumerate() {
                let mut observation = json!({
                    "resourceType": "Observation",
                    "id": format!("p{person}-{number}"),
                    "status": STATUSES[*status],
                    "code": {"text": "x"},
                    "subject": {"reference": if *foreign { "Patient/other".to_owned() } else { format!("Patient/p{person}") }},
                });
                if !DATES[*date].is_empty() {
                    observation["effectiveDateTime"] = DATES[*date].into();
                }
                resources.push(observation);
            }
        }
        let (key, name) = (format!("practice-{at}"), format!("Practice {at}"));
        PracticeSpec { key, name, vendor: "generic".to_owned(), resources }
    };
    World::start((0..5).map(practice).collect(), Vec::new(), limits()).await
}

/// By the second evaluator: the ids of all of this case's matches at these practices.
fn expected(world: &World, person: usize, case: &Case, at: impl Fn(usize) -> bool) -> BTreeSet<String> {
    let query = pairs(QUERIES[case.query]);
    let mut found = BTreeSet::new();
    for (index, _) in case.charts.iter().enumerate().filter(|(index, chart)| chart.is_some() && at(*index)) {
        let practice = &world.practices[index];
        let gateway_id = |_: &str, id: &str| Some(format!("{}.{id}", practice.source));
        let cx = Evaluation { base: &practice.base_url, gateway: &world.fhir, gateway_id: &gateway_id };
        for resource in practice.resources.iter().filter(|resource| resource["resourceType"] == "Observation") {
            let is_theirs = resource["subject"]["reference"] == format!("Patient/p{person}");
            if is_theirs && naive::matches(resource, &query, cx) {
                found.insert(format!("{}.{}", practice.source, resource["id"].as_str().unwrap()));
            }
        }
    }
    found
}

/// Fails if a resource is there twice.
fn once(ids: &[String], case: &Case) -> BTreeSet<String> {
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(set.len(), ids.len(), "a resource is shown twice: {case:?}");
    set
}

#[test]
fn i4_i5_lazy_pages_gathered_pages_and_the_whole_are_one_result_each_resource_once() {
    run(async {
        let cases = cases();
        let world = crowd(&cases).await;
        let (mut shown, mut paged, mut troubled) = (0, 0, 0);
        for (number, case) in cases.iter().enumerate() {
            world.heal();
            let charts = case.charts.iter().enumerate().filter(|(_, chart)| chart.is_some());
            let links: Vec<(usize, String)> = charts.map(|(at, _)| (at, format!("p{number}"))).collect();
            if links.is_empty() {
                continue;
            }
            let person = PersonId::mint(&SeededRandom::new(number as u64));
            let subject = subject(&world, person, &links);
            let mut query = pairs(QUERIES[case.query]);
            query.push(("_count".to_owned(), case.count.to_string()));
            let (faulty, fault) = match case.trouble {
                Trouble::None => (None, None),
                Trouble::Ignores(at) => {
                    (None, Some((at, Fault::new(FaultKind::IgnoredParameters(vec!["status".into(), "date".into()])))))
                }
                Trouble::DiesOnPageTwo(at) => (Some(at), Some((at, Fault::new(FaultKind::Dead).from_page(2)))),
                Trouble::Dead(at) => (Some(at), Some((at, Fault::new(FaultKind::Dead)))),
            };
            if let Some((at, fault)) = fault {
                world.practices[at].faults.add(fault);
            }
            let faulty = faulty.filter(|at| case.charts[*at].is_some());
            if faulty.is_some() && links.len() == 1 {
                continue;
            }
            let lazy = pages(&world, &subject, &query).await;
            query.push(("_total".to_owned(), "accurate".to_owned()));
            let gathered = pages(&world, &subject, &query).await;
            let whole = expected(&world, number, case, |_| true);
            let healthy = expected(&world, number, case, |at| Some(at) != faulty);
            for (kind, pages) in [("lazy", &lazy), ("gathered", &gathered)] {
                let ids = once(&all_ids(pages), case);
                match faulty {
                    None => assert_eq!(ids, whole, "{kind} {case:?}"),
                    Some(_) => {
                        assert!(ids.is_subset(&whole), "{kind} {case:?}");
                        let lost: Vec<_> = healthy.difference(&ids).collect();
                        assert!(lost.is_empty(), "{kind} {case:?}: {lost:?}");
                    }
                }
                let (last, before) = pages.split_last().unwrap();
                assert!(
                    before.iter().all(|page| page.ids().len() == case.count),
                    "{kind} {case:?}: a page is not full"
                );
                assert!(last.ids().len() <= case.count, "{kind} {case:?}");
                let complete = ids == whole;
                let named = |page: &Page| {
                    let outcomes = page.outcomes();
                    let name = faulty.map(|at| format!("Practice {at} "));
                    assert!(
                        outcomes.len() <= 1 && outcomes.iter().all(|text| text.starts_with(name.as_ref().unwrap()))
                    );
                    !outcomes.is_empty()
                };
                let gaps: Vec<bool> = pages.iter().map(named).collect();
                assert!(gaps.is_sorted(), "{kind} {case:?}: a gap is named on every page from then on: {gaps:?}");
                assert!(complete || gaps.last() == Some(&true), "{kind} {case:?}: complete or flagged");
                assert!(faulty.is_some() || !gaps.contains(&true), "{kind} {case:?}: flagged without a fault");
                for page in pages {
                    let total = page.0.get("total").and_then(Value::as_u64);
                    let counted = (kind == "gathered" && page.outcomes().is_empty()).then_some(whole.len() as u64);
                    assert_eq!(total, counted, "{kind} {case:?}");
                }
                shown += ids.len();
                paged += usize::from(pages.len() > 1);
            }
            troubled += usize::from(faulty.is_some());
        }
        assert!(shown > 4_000 && paged > 200 && troubled > 30, "{shown} {paged} {troubled}: the cases are too easy");
    });
}

/// 30 Observations at each of three practices.
async fn long() -> (World, Arc<Subject>) {
    let practice = |at: usize| {
        let mut resources = vec![json!({"resourceType": "Patient", "id": "p"})];
        resources.extend((0..30).map(|number| {
            json!({
                "resourceType": "Observation", "id": format!("o{number}"), "status": STATUSES[number % 3],
                "code": {"text": "x"}, "subject": {"reference": "Patient/p"},
            })
        }));
        let (key, name) = (format!("practice-{at}"), format!("Practice {at}"));
        PracticeSpec { key, name, vendor: "generic".to_owned(), resources }
    };
    let limits = Limits { source_page_size: 200, ..limits() };
    let world = World::start((0..3).map(practice).collect(), Vec::new(), limits).await;
    let links: Vec<(usize, String)> = (0..3).map(|at| (at, "p".to_owned())).collect();
    let subject = subject(&world, PersonId::mint(&SeededRandom::new(1)), &links);
    (world, subject)
}

#[test]
fn the_first_page_costs_one_upstream_page_of_each_source_and_later_ones_no_more_than_they_show() {
    run(async {
        let (world, subject) = long().await;
        world.forget_upstream();
        let mut page = Page::get(&world, &subject, pairs(&[("_count", "10")])).await;
        assert_eq!(world.upstream_counts(), [1, 1, 1]);
        for practice in &world.practices {
            let sent = practice.requests.all();
            assert!(sent[0].query.contains(&("_count".to_owned(), "10".to_owned())), "{:?}", sent[0].query);
        }
        let mut seen = page.ids();
        let mut costs = Vec::new();
        while let Some(next) = page.next() {
            world.forget_upstream();
            page = Page::get(&world, &subject, next).await;
            assert_eq!(page.ids().len(), 10);
            seen.extend(page.ids());
            costs.push(world.upstream_counts().iter().sum::<u64>());
        }
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 90);
        assert_eq!(costs, [1; 8], "each page of a source is fetched once, when it is shown");
    });
}

#[test]
fn what_is_sifted_here_is_asked_for_in_large_pages_so_that_one_is_enough() {
    run(async {
        let (world, subject) = long().await;
        world.forget_upstream();
        let page = Page::get(&world, &subject, pairs(&[("status:not", "final"), ("_count", "10")])).await;
        assert_eq!(page.ids().len(), 10);
        assert_eq!(world.upstream_counts(), [1, 1, 1]);
    });
}

#[test]
fn r09_a_source_that_recovers_goes_on_from_the_same_link() {
    run(async {
        let (world, subject) = long().await;
        let whole = all_ids(&pages(&world, &subject, &pairs(&[("_count", "10")])).await);
        let first = Page::get(&world, &subject, pairs(&[("_count", "10")])).await;
        let next = first.next().unwrap();
        world.practices[0].faults.add(Fault::new(FaultKind::Status(500)));
        let broken = Page::get(&world, &subject, next.clone()).await;
        assert_eq!(broken.outcomes().len(), 1);
        assert!(broken.ids().iter().all(|id| id.starts_with(&world.practices[1].source)), "the others go on");
        let after = Page::get(&world, &subject, broken.next().unwrap()).await;
        assert_eq!(after.outcomes(), broken.outcomes(), "the gap stays named");
        world.heal();
        let after = Page::get(&world, &subject, broken.next().unwrap()).await;
        assert_eq!(after.outcomes(), broken.outcomes(), "even when the source is back: what it lost is lost here");
        let mut again = first.ids();
        let mut link = Some(next);
        while let Some(here) = link {
            let page = Page::get(&world, &subject, here).await;
            assert_eq!(page.outcomes(), Vec::<&str>::new());
            again.extend(page.ids());
            link = page.next();
        }
        assert_eq!(again, whole);
    });
}
