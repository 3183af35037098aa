//! Page links against an EHR whose pages move, circle, mislead or have endless addresses.

use std::sync::Arc;

use chartgate::access::Subject;
use serde_json::{Value, json};

use super::hostile::{OTHER, Reply, World, ids, observation, outcomes};

/// A page of these, and where the EHR says that it goes on.
fn page(found: &[Value], next: Option<&str>) -> Reply {
    let entries: Vec<Value> = found.iter().map(|resource| json!({"resource": resource})).collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
    if let Some(next) = next {
        bundle["link"] = json!([{"relation": "next", "url": next}]);
    }
    Reply::json(&bundle)
}

fn observations(numbers: impl IntoIterator<Item = usize>) -> Vec<Value> {
    numbers.into_iter().map(|number| observation(&format!("o{number}"), &json!({}))).collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("o{number}")).collect()
}

fn next(bundle: &Value) -> Option<String> {
    let links = bundle["link"].as_array().unwrap();
    let next = links.iter().find(|link| link["relation"] == "next")?["url"].as_str().unwrap();
    Some(next.split_once("_page=").unwrap().1.to_owned())
}

async fn get(world: &World, subject: &Arc<Subject>, pairs: &[(&str, &str)]) -> Value {
    world.search_as(subject, "Observation", pairs).await.unwrap()
}

/// Pages of two, each with its outcomes, until there are no more.
async fn pages_of_two(world: &World, subject: &Arc<Subject>) -> Vec<(Vec<String>, Vec<String>)> {
    let mut page = get(world, subject, &[("_count", "2")]).await;
    let mut all = vec![(ids(&page), outcomes(&page))];
    while let Some(link) = next(&page) {
        page = get(world, subject, &[("_page", &link)]).await;
        all.push((ids(&page), outcomes(&page)));
        assert!(all.len() < 100, "paging does not end");
    }
    all
}

#[tokio::test]
async fn r10_what_comes_in_front_of_a_page_moves_nothing_out_and_shows_nothing_twice() {
    let world = World::start().await;
    let subject = world.subject("patient/*.rs");
    // The EHR gives pages of six whatever it is asked, by their number.
    world.replies("Observation", page(&observations(0..6), Some("Observation?page=2")));
    world.replies("Observation?page=2", page(&observations(6..9), None));
    let first = get(&world, &subject, &[("_count", "2")]).await;
    assert_eq!(ids(&first), names(0..2));
    // Two have come since, in front.
    world.replies("Observation", page(&observations([98, 99, 0, 1, 2, 3]), Some("Observation?page=2")));
    world.replies("Observation?page=2", page(&observations(4..9), None));
    let second = get(&world, &subject, &[("_page", &next(&first).unwrap())]).await;
    assert_eq!((ids(&second), outcomes(&second)), (names(2..4), Vec::new()));
    let third = get(&world, &subject, &[("_page", &next(&second).unwrap())]).await;
    assert_eq!((ids(&third), outcomes(&third)), (names(4..6), Vec::new()), "what was on page 1 before");
    // One more, while the second page is given out.
    world.replies("Observation?page=2", page(&observations(3..9), None));
    let fourth = get(&world, &subject, &[("_page", &next(&third).unwrap())]).await;
    assert_eq!((ids(&fourth), outcomes(&fourth)), (names(6..8), Vec::new()));
    // One that was shown is gone.
    world.replies("Observation?page=2", page(&observations([5, 7, 8]), None));
    let fifth = get(&world, &subject, &[("_page", &next(&fourth).unwrap())]).await;
    assert_eq!((ids(&fifth), outcomes(&fifth), next(&fifth)), (names([8]), Vec::new(), None));
}

#[tokio::test]
async fn r10_a_page_that_is_another_one_now_is_said_to_have_lost_something() {
    let world = World::start().await;
    let subject = world.subject("patient/*.rs");
    world.replies("Observation", page(&observations(0..6), None));
    let first = get(&world, &subject, &[("_count", "2")]).await;
    world.replies("Observation", page(&observations(20..26), None));
    let second = get(&world, &subject, &[("_page", &next(&first).unwrap())]).await;
    assert_eq!(ids(&second), names(22..24));
    let said = ["Practice X changed while its pages were given out. What it knows may be missing here."];
    assert_eq!(outcomes(&second), said);
    let third = get(&world, &subject, &[("_page", &next(&second).unwrap())]).await;
    assert_eq!(outcomes(&third), said, "on every page from then on");
}

#[tokio::test]
async fn u05_pages_that_circle_end_whoever_turns_them() {
    for circle in ["Observation?page=2", "Observation?page=3", "Observation?page=1"] {
        let world = World::start().await;
        let subject = world.subject("patient/*.rs");
        world.replies("Observation", page(&observations(0..2), Some("Observation?page=1")));
        world.replies("Observation?page=1", page(&observations(2..4), Some("Observation?page=2")));
        world.replies("Observation?page=2", page(&observations(4..6), Some("Observation?page=3")));
        world.replies("Observation?page=3", page(&observations(6..8), Some(circle)));
        let all = pages_of_two(&world, &subject).await;
        let shown: Vec<String> = all.iter().flat_map(|(ids, _)| ids.clone()).collect();
        assert_eq!(shown, names(0..8), "{circle}");
        assert_eq!(all.last().unwrap().1.len(), 1, "{circle}: and it is said");
    }
}

#[tokio::test]
async fn u05_endless_pages_end_at_the_budget() {
    let world = World::with_limits(chartgate::config::Limits { resources: 60, ..Default::default() }).await;
    let subject = world.subject("patient/*.rs");
    for number in 0..200 {
        let path = if number == 0 { "Observation".to_owned() } else { format!("Observation?page={number}") };
        // Every third page is empty.
        let found = observations(if number % 3 == 2 { 0..0 } else { number * 2..number * 2 + 2 });
        world.replies(&path, page(&found, Some(&format!("Observation?page={}", number + 1))));
    }
    let all = pages_of_two(&world, &subject).await;
    let shown: usize = all.iter().map(|(ids, _)| ids.len()).sum();
    assert!((40..=60).contains(&shown), "{shown}");
    assert!(all.last().unwrap().1[0].contains("more than could be fetched"), "{:?}", all.last());
}

#[tokio::test]
async fn f15_a_page_of_nothing_but_hidden_entries_is_passed_over() {
    let world = World::start().await;
    let subject = world.subject("patient/*.rs");
    let theirs = |numbers: std::ops::Range<usize>| {
        let mut all = observations(numbers);
        all.iter_mut().for_each(|one| one["subject"]["reference"] = format!("Patient/{OTHER}").into());
        all
    };
    world.replies("Observation", page(&theirs(0..4), Some("Observation?page=1")));
    for number in 1..40 {
        let found = if number == 5 { observations([7]) } else { theirs(100..104) };
        let next = (number < 39).then(|| format!("Observation?page={}", number + 1));
        world.replies(&format!("Observation?page={number}"), page(&found, next.as_deref()));
    }
    let all = pages_of_two(&world, &subject).await;
    let shown: Vec<String> = all.iter().flat_map(|(ids, _)| ids.clone()).collect();
    assert_eq!(shown, ["o7"]);
    assert_eq!(all[0].0, ["o7"], "the first page looks for it");
    assert!(all.len() <= 5, "{} pages for one resource", all.len());
}

#[tokio::test]
async fn f08_a_page_link_is_short_however_long_the_sources_own_is() {
    let world = World::start().await;
    let subject = world.subject("patient/*.rs");
    let address = |number: usize| format!("Observation?cursor={}{number}", "x".repeat(6_000));
    world.replies("Observation", page(&observations(0..3), Some(&address(1))));
    world.replies(&address(1), page(&observations(3..6), Some(&address(2))));
    world.replies(&address(2), page(&observations(6..9), Some(&address(3))));
    world.replies(&address(3), page(&observations(9..11), None));
    let mut page = get(&world, &subject, &[("_count", "2")]).await;
    let mut shown = ids(&page);
    while let Some(link) = next(&page) {
        assert!(link.len() < 4_096, "{}", link.len());
        page = get(&world, &subject, &[("_page", &link)]).await;
        assert_eq!(outcomes(&page), Vec::<String>::new());
        shown.extend(ids(&page));
    }
    assert_eq!(shown, names(0..11));
}

#[tokio::test]
async fn f16_a_page_link_tells_nothing_of_the_source() {
    let world = World::start().await;
    let subject = world.subject("patient/*.rs");
    let address = format!("{}/Observation?patient=Patient/pat-a&page=2", world.base);
    world.replies("Observation", page(&observations(0..2), Some(&address)));
    let first = get(&world, &subject, &[("_count", "2")]).await;
    let sealed = data_encoding::BASE64URL_NOPAD.decode(next(&first).unwrap().as_bytes()).unwrap();
    let sealed = String::from_utf8_lossy(&sealed);
    assert!(!sealed.contains("Observation") && !sealed.contains("pat-a"), "{sealed}");
}

#[tokio::test]
async fn a_source_that_does_not_keep_the_order_it_promised_is_said_not_to() {
    let world = World::of_vendor("plain-r4").await;
    let subject = world.subject("patient/*.rs");
    let dated = |numbers: &[usize]| -> Vec<Value> {
        numbers
            .iter()
            .map(|n| observation(&format!("o{n}"), &json!({"effectiveDateTime": format!("2024-01-{n:02}")})))
            .collect()
    };
    let said = ["Practice X did not keep the order that was asked for."];
    // Within a page, between pages of one request, between pages of the client.
    for (first, second) in [([3, 1], [4, 5]), ([3, 4], [1, 5])] {
        world.replies("Observation", page(&dated(&first), Some("Observation?page=2")));
        world.replies("Observation?page=2", page(&dated(&second), None));
        let whole = get(&world, &subject, &[("_sort", "date")]).await;
        assert_eq!((ids(&whole).len(), outcomes(&whole)), (4, said.map(str::to_owned).to_vec()));
        let two = get(&world, &subject, &[("_sort", "date"), ("_count", "2")]).await;
        let rest = get(&world, &subject, &[("_page", &next(&two).unwrap())]).await;
        assert_eq!((ids(&rest).len(), outcomes(&rest)), (2, said.map(str::to_owned).to_vec()));
    }
    world.replies("Observation", page(&dated(&[1, 2]), Some("Observation?page=2")));
    world.replies("Observation?page=2", page(&dated(&[2, 3]), None));
    let whole = get(&world, &subject, &[("_sort", "date")]).await;
    assert_eq!((ids(&whole).len(), outcomes(&whole)), (3, Vec::new()), "the same once");
}

#[tokio::test]
async fn r10_what_an_ehr_sends_twice_is_shown_once_wherever_a_page_ends() {
    let world = World::start().await;
    let subject = world.subject("patient/*.rs");
    world.replies("Observation", page(&observations([0, 1, 0, 2, 1, 3, 3, 4]), None));
    let all = pages_of_two(&world, &subject).await;
    let shown: Vec<String> = all.iter().flat_map(|(ids, _)| ids.clone()).collect();
    assert_eq!(shown, names(0..5));
}
