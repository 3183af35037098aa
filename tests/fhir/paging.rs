//! Order and pages over five sources: the pages are the sorted union, each resource once, whatever the key; and a
//! source that fails on the way leaves a gap that every page names.

use std::time::Duration;

use serde_json::{Value, json};

use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind};

use super::fixtures;
use crate::naive;
use crate::support::world::{EVERYTHING, PersonSpec, PracticeSpec, Reply, World, pairs, run};

/// Small upstream pages: every source needs three.
fn limits() -> Limits {
    Limits { source_page_size: 4, ..Limits::default() }
}

/// One Observation with ties, partial dates and missing values, all decided by its number.
fn observation(source: usize, number: usize) -> Value {
    let statuses = ["final", "amended", "preliminary"];
    let systems = ["http://loinc.org", "urn:local"];
    let coding = json!({"system": systems[(source + number) % 2], "code": format!("C-{}", number % 4)});
    let mut observation = json!({
        "resourceType": "Observation",
        "id": format!("o{number}"),
        "status": statuses[number % 3],
        "code": {"coding": [coding]},
        "subject": {"reference": "Patient/p"},
    });
    let dates = [
        json!({"effectiveDateTime": "2024"}),
        json!({"effectiveDateTime": "2024-03"}),
        json!({"effectiveDateTime": "2024-03-05"}),
        json!({"effectiveDateTime": "2024-03-05T10:00:00-05:00"}),
        json!({"effectiveDateTime": "2024-03-05T15:00:00Z"}),
        json!({"effectivePeriod": {"start": "2024-02-28", "end": "2024-03-06"}}),
        json!({"effectivePeriod": {"start": "2024-03-05"}}),
        json!({}),
        json!({"effectiveDateTime": "2023-12-31T23:30:00-02:00"}),
    ];
    let values = [
        json!({"valueQuantity": {"value": 7}}),
        json!({"valueQuantity": {"value": 70e-1}}),
        json!({"valueQuantity": {"value": -3.25}}),
        json!({"valueString": "Ärger"}),
        json!({"valueString": "arg"}),
        json!({}),
        json!({"valueQuantity": {"value": 12.5}}),
    ];
    for part in [&dates[(source * 2 + number) % dates.len()], &values[(source + number) % values.len()]] {
        for (name, value) in part.as_object().unwrap() {
            observation[name] = value.clone();
        }
    }
    // A number that JSON trees would have rounded away.
    if observation["valueQuantity"]["value"] == json!(7.0) {
        observation["valueQuantity"]["value"] = serde_json::from_str("7.000").unwrap();
    }
    observation
}

fn practice(source: usize, vendor: &str) -> PracticeSpec {
    let mut resources = vec![
        json!({"resourceType": "Patient", "id": "p", "name": [{"family": "Five"}]}),
        json!({"resourceType": "Patient", "id": "q", "name": [{"family": "Other"}]}),
    ];
    resources.extend((0..10 + source).map(|number| observation(source, number)));
    let mut foreign = observation(source, 3);
    foreign["id"] = "foreign".into();
    foreign["subject"]["reference"] = "Patient/q".into();
    resources.push(foreign);
    PracticeSpec {
        key: format!("practice-{source}"),
        name: format!("Practice {source}"),
        vendor: vendor.to_owned(),
        resources,
    }
}

async fn five() -> World {
    five_of(["generic"; 5]).await
}

async fn five_of(vendors: [&str; 5]) -> World {
    let links = |patient: &str| (0..5).map(|n| (format!("practice-{n}"), patient.to_owned())).collect();
    let persons = vec![
        PersonSpec { key: "somebody".to_owned(), links: links("p") },
        PersonSpec { key: "another".to_owned(), links: links("q") },
    ];
    let practices = vendors.iter().enumerate().map(|(source, vendor)| practice(source, vendor));
    World::start(practices.collect(), persons, limits()).await
}

/// Everything of the person at these sources, with its id at the gateway, in the order of the key.
fn sorted<'w>(world: &'w World, sort: &str, sources: &[usize]) -> Vec<(String, &'w Value)> {
    let mut all: Vec<(String, &Value)> = Vec::new();
    for index in sources {
        let practice = &world.practices[*index];
        let held = practice.resources.iter().filter(|resource| {
            resource["resourceType"] == "Observation" && resource["subject"]["reference"] == "Patient/p"
        });
        all.extend(
            held.map(|resource| (format!("{}.{}", practice.source, resource["id"].as_str().unwrap()), resource)),
        );
    }
    all.sort_by(|left, right| naive::compare(sort, (&left.0, left.1), (&right.0, right.1)));
    all
}

fn ids(pages: &[Reply]) -> Vec<Vec<String>> {
    pages.iter().map(Reply::ids).collect()
}

const SORTS: [&str; 14] = [
    "",
    "date",
    "-date",
    "value-quantity",
    "-value-quantity",
    "value-string",
    "-value-string",
    "status",
    "-status",
    "code",
    "-code",
    "status,-date",
    "-date,value-quantity,code",
    "_lastUpdated",
];

#[test]
fn pages_of_five_sources_are_the_sorted_union_once_each() {
    run(async {
        let world = five().await;
        let token = world.token("somebody").await;
        for sort in SORTS {
            let expected: Vec<String> = sorted(&world, sort, &[0, 1, 2, 3, 4]).into_iter().map(|(id, _)| id).collect();
            assert_eq!(expected.len(), 60);
            for size in [20, 23, 59] {
                let first = format!("/fhir/Observation?_count={size}&_sort={sort}");
                let first = if sort.is_empty() { first.replace("&_sort=", "") } else { first };
                let pages = world.pages(&first, &token).await;
                let wanted: Vec<Vec<String>> = expected.chunks(size).map(<[String]>::to_vec).collect();
                if sort.is_empty() || sort == "_lastUpdated" {
                    // No order was asked for; or the EHR stamps what has no time of its own. Only completeness can be
                    // told.
                    let mut all = ids(&pages).concat();
                    all.sort();
                    let mut wanted = wanted.concat();
                    wanted.sort();
                    assert_eq!(all, wanted);
                } else {
                    assert_eq!(ids(&pages), wanted, "_sort={sort} _count={size}");
                }
                for page in &pages {
                    let total = (!sort.is_empty()).then_some(60);
                    let has = page.json().get("total").and_then(Value::as_u64);
                    assert_eq!(has, total, "the total is that of the search, on every page, or on none");
                    assert_eq!(page.outcomes(), Vec::<String>::new());
                }
            }
        }
    });
}

#[test]
fn sources_that_keep_an_order_are_merged_and_not_gathered() {
    run(async {
        let world = five_of(["plain-r4"; 5]).await;
        let token = world.token("somebody").await;
        for sort in ["date", "-date", "value-quantity", "-value-quantity", "value-string", "-code", "status,-date"] {
            let all = sorted(&world, sort, &[0, 1, 2, 3, 4]);
            let held = |id: &str| all.iter().find(|(known, _)| known == id).unwrap().1;
            for size in [4, 7, 23, 60] {
                world.forget_upstream();
                let first = format!("/fhir/Observation?_count={size}&_sort={sort}");
                let _ = world.get(&first, &token).await;
                if size == 4 {
                    assert_eq!(world.upstream_counts(), [1; 5], "_sort={sort}: one page of each");
                }
                let pages = world.pages(&first, &token).await;
                let shown = ids(&pages).concat();
                let mut once = shown.clone();
                once.sort();
                let mut wanted: Vec<String> = all.iter().map(|(id, _)| id.clone()).collect();
                wanted.sort();
                assert_eq!(once, wanted, "_sort={sort} _count={size}");
                for pair in shown.windows(2) {
                    // Ties are in no order.
                    let order = naive::compare(sort, ("", held(&pair[0])), ("", held(&pair[1])));
                    assert!(order.is_le(), "_sort={sort} _count={size}: {pair:?}");
                }
                for page in &pages {
                    assert_eq!(page.outcomes(), Vec::<String>::new(), "_sort={sort} _count={size}");
                    assert!(page.json().get("total").is_none());
                }
                let (_, before) = pages.split_last().unwrap();
                assert!(before.iter().all(|page| page.matches().len() == size), "_sort={sort} _count={size}");
            }
        }
        // One that cannot: then nobody is trusted with it.
        let world = five_of(["plain-r4", "plain-r4", "generic", "plain-r4", "plain-r4"]).await;
        let token = world.token("somebody").await;
        let page = world.get("/fhir/Observation?_count=7&_sort=date", &token).await;
        assert_eq!(page.json()["total"], 60);
    });
}

#[test]
fn r09_a_source_that_dies_on_its_second_page_leaves_a_gap_that_every_page_names() {
    run(async {
        let world = five().await;
        let token = world.token("somebody").await;
        world.practices[2].faults.add(Fault::new(FaultKind::Dead).from_page(2));
        for sort in ["date", "-value-quantity", "code"] {
            let pages = world.pages(&format!("/fhir/Observation?_count=18&_sort={sort}"), &token).await;
            assert!(pages.len() >= 3);
            for page in &pages {
                let outcomes = page.outcomes();
                assert_eq!(outcomes.len(), 1, "{outcomes:?}");
                assert!(outcomes[0].contains("Practice 2") && outcomes[0].starts_with("incomplete: "), "{outcomes:?}");
                assert!(page.json().get("total").is_none(), "no total where something is missing");
            }
            let shown = ids(&pages).concat();
            let prefix = format!("{}.", world.practices[2].source);
            let healthy: Vec<String> = shown.iter().filter(|id| !id.starts_with(&prefix)).cloned().collect();
            let expected: Vec<String> = sorted(&world, sort, &[0, 1, 3, 4]).into_iter().map(|(id, _)| id).collect();
            assert_eq!(healthy, expected, "everything else is there, in order, once");
            // What came before it died is there as well, in its place.
            let partial: Vec<(String, &Value)> =
                sorted(&world, sort, &[0, 1, 2, 3, 4]).into_iter().filter(|(id, _)| shown.contains(id)).collect();
            assert_eq!(shown, partial.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
            assert!(shown.len() > healthy.len());
        }
    });
}

#[test]
fn r09_a_source_that_dies_between_two_pages_of_the_client_is_named_from_then_on() {
    run(async {
        let world = five().await;
        let token = world.token("somebody").await;
        let all: Vec<String> = sorted(&world, "date", &[0, 1, 2, 3, 4]).into_iter().map(|(id, _)| id).collect();
        let first = world.get("/fhir/Observation?_count=20&_sort=date", &token).await;
        assert_eq!(first.ids(), all[..20]);
        world.practices[4].faults.add(Fault::new(FaultKind::Dead));
        let rest = world.pages(&first.link("next").unwrap(), &token).await;
        let prefix = format!("{}.", world.practices[4].source);
        let expected: Vec<String> = all[20..].iter().filter(|id| !id.starts_with(&prefix)).cloned().collect();
        assert_eq!(ids(&rest).concat(), expected, "no healthy resource is lost or shown twice");
        for page in &rest {
            assert_eq!(page.outcomes().len(), 1, "{:?}", page.outcomes());
            assert!(page.outcomes()[0].contains("Practice 4"));
            assert!(page.json().get("total").is_none());
        }
        // What it lost on the second page stays lost on the third, even if the source is back.
        world.heal();
        let third = world.get(&rest[0].link("next").unwrap(), &token).await;
        assert!(third.outcomes()[0].contains("Practice 4"), "{:?}", third.outcomes());
        assert!(third.json().get("total").is_none());
    });
}

#[test]
fn total_is_the_number_of_visible_matches_and_can_be_left_out() {
    run(async {
        let world = five().await;
        let token = world.token("somebody").await;
        let total = async |query: &str| {
            let answer = world.get(&format!("/fhir/Observation?{query}"), &token).await;
            (answer.json().get("total").and_then(Value::as_u64), answer.matches().len(), answer.link("next").is_some())
        };
        // Counting would mean to fetch everything: it is done for those who ask.
        assert_eq!(total("_count=7").await, (None, 7, true));
        assert_eq!(total("_total=none&_count=7").await, (None, 7, true));
        assert_eq!(total("_total=none&_sort=date&_count=7").await, (None, 7, true));
        for query in ["_total=accurate&_count=7", "_total=estimate&_count=7", "_sort=date&_count=7"] {
            assert_eq!(total(query).await, (Some(60), 7, true), "{query}");
        }
        assert_eq!(total("_summary=count").await, (Some(60), 0, false));
        assert_eq!(total("_count=0").await, (Some(60), 0, false));
        assert_eq!(total("_count=60").await, (None, 60, false));
        assert_eq!(total("_count=60&_total=accurate").await, (Some(60), 60, false));
        // F11, F15: those of the other patient at the same EHRs count nowhere.
        let finals = (0..5).flat_map(|s| &world.practices[s].resources);
        let finals = finals.filter(|r| r["status"] == "final" && r["subject"]["reference"] == "Patient/p").count();
        assert_eq!(total("status=final&_count=1&_total=accurate").await, (u64::try_from(finals).ok(), 1, true));
    });
}

#[test]
fn f08_a_page_link_serves_nobody_and_no_app_but_its_own_and_not_for_ever() {
    run(async {
        let world = five().await;
        let token = world.token("somebody").await;
        for query in ["_count=7", "_count=7&_sort=date"] {
            f08(&world, &token, &format!("/fhir/Observation?{query}")).await;
        }
    });
}

async fn f08(world: &World, token: &str, first: &str) {
    let first = world.get(first, token).await;
    let next = first.link("next").unwrap();
    assert_eq!(world.get(&next, token).await.matches().len(), 7, "its own holder");
    let refused = async |what: &str, link: &str, token: &str| {
        let answer = world.get(link, token).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        assert!(answer.json().get("entry").is_none(), "{what}");
        assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{what}");
    };
    refused("another person", &next, &world.token("another").await).await;
    refused(
        "another app of the same person",
        &next,
        &world.token_for("somebody", "somebody", "app-2", EVERYTHING).await,
    )
    .await;
    let narrow = world.token_for("somebody", "somebody", "app-3", "launch/patient patient/Observation.rs").await;
    refused("another grant", &next, &narrow).await;
    refused("another type", &next.replace("/Observation?", "/Condition?"), token).await;
    let sealed = next.split_once("_page=").unwrap().1;
    for at in [0, sealed.len() / 2, sealed.len() - 1] {
        let changed = if &sealed[at..=at] == "A" { "B" } else { "A" };
        let mut other = sealed.to_owned();
        other.replace_range(at..=at, changed);
        if at + 1 == sealed.len() && sealed.len() % 4 != 0 {
            // The last character may carry bits that mean nothing.
            continue;
        }
        refused("a changed link", &next.replace(sealed, &other), token).await;
    }
    refused("a cut link", &next[..next.len() - 4], token).await;
    refused("an invented link", "/fhir/Observation?_page=AAAA", token).await;
    world.clock.advance(Duration::from_secs(601));
    refused("an expired link", &next, token).await;
}

#[test]
fn paging_the_whole_record_gives_each_resource_once() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        for resource_type in super::record::searchable() {
            let whole = world.get(&format!("/fhir/{resource_type}?_count=500"), &token).await;
            let count = whole.matches().len();
            let size = (count / 3).max(1);
            let pages = world.pages(&format!("/fhir/{resource_type}?_count={size}"), &token).await;
            assert_eq!(ids(&pages).concat(), whole.ids(), "{resource_type}");
            let last = pages.last().unwrap();
            assert!(count == 0 || !last.matches().is_empty(), "{resource_type}: no empty page at the end");
        }
    });
}

#[test]
fn a_count_beyond_the_largest_page_is_brought_down_to_it() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let answer = world.search("Observation", &pairs(&[("_count", "99999")]), &token).await;
        assert!(answer.matches().len() <= 500);
        for bad in ["-1", "x", "", "1.5"] {
            assert_eq!(world.search("Observation", &pairs(&[("_count", bad)]), &token).await.status, 400, "{bad:?}");
        }
    });
}
