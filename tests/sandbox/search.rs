//! Searches over HTTP, against filters written out by hand.

use super::support::{Answer, client, get, ids, link, pages, start};
use chartgate::sandbox::Sandbox;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_search_by_patient_finds_that_patients_in_every_spelling() {
    let ehr = start().await;
    for value in ["b", "Patient/b", &format!("{}/Patient/b", ehr.base_url)] {
        for name in ["patient", "subject"] {
            let answer = get(&format!("{}/Observation?{name}={value}", ehr.base_url)).await;
            assert_eq!(answer.ids("match"), ["b1", "b2"], "{name}={value}");
            assert_eq!(answer.json()["total"], 2);
        }
    }
    let none = get(&format!("{}/Observation?patient=nobody-known", ehr.base_url)).await;
    assert_eq!((none.status, none.json()["total"].as_u64()), (200, Some(0)));
    assert!(none.json().get("entry").is_none(), "an empty array is not FHIR JSON");
}

#[tokio::test]
async fn entries_have_absolute_urls_and_the_bundle_a_self_link() {
    let ehr = start().await;
    let answer = get(&format!("{}/Observation?patient=a&no-such=1", ehr.base_url)).await;
    let bundle = answer.json();
    assert_eq!((bundle["resourceType"].as_str(), bundle["type"].as_str()), (Some("Bundle"), Some("searchset")));
    assert_eq!(bundle["entry"][0]["fullUrl"], format!("{}/Observation/a1", ehr.base_url));
    let itself = link(&bundle, "self").unwrap();
    assert!(itself.starts_with(&format!("{}/Observation?patient=", ehr.base_url)), "{itself}");
    assert!(!itself.contains("no-such"), "what was ignored is not in it: {itself}");
    assert_eq!(get(&itself).await.text, answer.text);
}

#[tokio::test]
async fn post_and_get_find_the_same() {
    let ehr = start().await;
    let got = get(&format!("{}/Observation?patient=a&_count=3", ehr.base_url)).await;
    let request =
        client().post(format!("{}/Observation/_search", ehr.base_url)).form(&[("patient", "a"), ("_count", "3")]);
    let posted = Answer::of(request).await;
    assert_eq!(posted.text, got.text);
}

#[tokio::test]
async fn unknown_parameters_are_refused_only_when_strict() {
    let ehr = Sandbox::builder().strict_parameters(true).start().await.unwrap();
    let refused = get(&format!("{}/Observation?no-such=1", ehr.base_url)).await;
    assert_eq!((refused.status, refused.json()["issue"][0]["code"].as_str()), (400, Some("not-supported")));
}

#[tokio::test]
async fn pages_are_complete_and_without_duplicates() {
    let ehr = start().await;
    for count in 1..=12 {
        let pages = pages(&format!("{}/Observation?_count={count}", ehr.base_url)).await;
        let all: Vec<String> = pages.iter().flat_map(|page| ids(page, "match")).collect();
        let unique: BTreeSet<&String> = all.iter().collect();
        assert_eq!((all.len(), unique.len(), pages.len()), (11, 11, 11_usize.div_ceil(count)), "_count={count}");
        assert!(pages.iter().all(|page| page["total"] == 11));
    }
}

#[tokio::test]
async fn what_arrives_while_somebody_pages_does_not_show_up() {
    let ehr = start().await;
    let first = get(&format!("{}/Observation?_count=10", ehr.base_url)).await.json();
    let body = r#"{"resourceType":"Observation","status":"final","code":{"text":"late"}}"#;
    let post = client().post(format!("{}/Observation", ehr.base_url)).header("content-type", "application/fhir+json");
    assert_eq!(Answer::of(post.body(body)).await.status, 201);
    let second = get(&link(&first, "next").unwrap()).await.json();
    assert_eq!((ids(&second, "match").len(), second["total"].as_u64(), link(&second, "next")), (1, Some(11), None));
    assert_eq!(get(&format!("{}/Observation?_summary=count", ehr.base_url)).await.json()["total"], 12);
}

#[tokio::test]
async fn a_changed_page_link_is_refused() {
    let ehr = start().await;
    assert_eq!(get(&format!("{}/Observation?_cursor=nonsense", ehr.base_url)).await.status, 400);
    assert_eq!(get(&format!("{}/Observation?_count=few", ehr.base_url)).await.status, 400);
}

#[tokio::test]
async fn count_only_has_a_total_and_no_entries() {
    let ehr = start().await;
    for query in ["_summary=count", "_count=0"] {
        let bundle = get(&format!("{}/Observation?patient=a&{query}", ehr.base_url)).await.json();
        assert_eq!(bundle["total"], 7, "{query}");
        assert!(bundle.get("entry").is_none() && link(&bundle, "next").is_none());
    }
}

#[tokio::test]
async fn provenance_comes_with_what_it_is_about() {
    let ehr = start().await;
    let answer = get(&format!("{}/Observation?patient=a&_revinclude=Provenance:target", ehr.base_url)).await;
    assert_eq!((answer.ids("match").len(), answer.ids("include")), (7, vec!["p".to_owned()]));
    assert_eq!(answer.json()["total"], 7, "includes are not counted");
    let answer = get(&format!("{}/Observation?patient=b&_revinclude=Provenance:target", ehr.base_url)).await;
    assert!(answer.ids("include").is_empty());
    let answer = get(&format!("{}/Observation?patient=b&_include=Observation:performer", ehr.base_url)).await;
    assert_eq!(answer.ids("include"), ["d"], "once, though both refer to it");
}

#[tokio::test]
async fn sorting_orders_the_whole_result_before_it_is_cut_into_pages() {
    let ehr = start().await;
    // a1 is dated 2020-01-27, a7 2020-01-21, and so on downwards.
    for (sort, expected) in
        [("date", ["a7", "a6", "a5", "a4", "a3", "a2", "a1"]), ("-date", ["a1", "a2", "a3", "a4", "a5", "a6", "a7"])]
    {
        let pages = pages(&format!("{}/Observation?patient=a&_sort={sort}&_count=3", ehr.base_url)).await;
        let found: Vec<String> = pages.iter().flat_map(|page| ids(page, "match")).collect();
        assert_eq!(found, expected, "_sort={sort}");
    }
    // Ties stay in order of arrival: even numbers are final, odd ones preliminary.
    let found = get(&format!("{}/Observation?patient=a&_sort=status,date", ehr.base_url)).await;
    assert_eq!(found.ids("match"), ["a6", "a4", "a2", "a7", "a5", "a3", "a1"]);
    let found = get(&format!("{}/Observation?patient=a&_sort=status", ehr.base_url)).await;
    assert_eq!(found.ids("match"), ["a2", "a4", "a6", "a1", "a3", "a5", "a7"]);
}

#[tokio::test]
async fn criteria_are_joined_by_and_and_values_by_or() {
    let ehr = start().await;
    for (query, expected) in [
        ("patient=a&status=final", vec!["a2", "a4", "a6"]),
        ("patient=a,b&status=final", vec!["a2", "a4", "a6", "b2"]),
        ("patient=a&code=http://loinc.org|1-0", vec!["a3", "a6"]),
        ("patient=a&code=1-0,1-1&status=preliminary", vec!["a1", "a3", "a7"]),
        ("patient=a&value-quantity=gt6", vec!["a6", "a7"]),
        ("patient=a&_id=a1,b1,a2", vec!["a1", "a2"]),
        ("_id=a1,nothing,b1", vec!["a1", "b1"]),
        ("patient:Patient=c", vec!["c1"]),
        ("subject:missing=true", vec!["nobody"]),
        ("performer=Practitioner/d&date=2020-01-27", vec!["a1", "b1", "c1"]),
        ("performer=Practitioner/d&patient=b&patient=a", vec![]),
    ] {
        let answer = get(&format!("{}/Observation?{query}", ehr.base_url)).await;
        assert_eq!(
            (answer.status, answer.ids("match")),
            (200, expected.iter().map(|id| (*id).to_owned()).collect()),
            "{query}"
        );
    }
    let by_name = get(&format!("{}/Patient?name=celik", ehr.base_url)).await;
    assert_eq!(by_name.ids("match"), ["b"]);
}

#[tokio::test]
async fn what_could_widen_a_search_is_refused() {
    let ehr = start().await;
    for query in ["_has:Provenance:target:agent=x", "subject.name=x", "_include=Patient:organization", "date=yesterday"]
    {
        let answer = get(&format!("{}/Observation?{query}", ehr.base_url)).await;
        assert_eq!((answer.status, answer.json()["resourceType"].as_str()), (400, Some("OperationOutcome")), "{query}");
    }
}

#[tokio::test]
async fn an_include_can_be_limited_to_a_target_type() {
    let ehr = start().await;
    for (value, expected) in [
        ("Observation:performer:Practitioner", vec!["d"]),
        ("Observation:performer:Organization", vec![]),
        ("Observation:patient", vec!["b"]),
        ("Observation:subject", vec!["b"]),
        ("Observation:encounter", vec![]),
    ] {
        let answer = get(&format!("{}/Observation?patient=b&_include={value}", ehr.base_url)).await;
        assert_eq!(answer.ids("include"), expected, "{value}");
    }
}
