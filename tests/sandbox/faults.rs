//! Every fault switch, seen from the caller's side.

use std::time::{Duration, Instant};

use chartgate::sandbox::{Fault, FaultKind, RunningSandbox, Sandbox};
use serde_json::json;

use super::support::{Answer, client, data, get, link, pages, start};

fn fault(ehr: &RunningSandbox, kind: FaultKind) {
    ehr.faults.set(vec![Fault::new(kind)]);
}

fn observations(ehr: &RunningSandbox, query: &str) -> String {
    format!("{}/Observation?{query}", ehr.base_url)
}

/// What each observation of the answer is about.
fn subjects(answer: &Answer) -> Vec<String> {
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().unwrap();
    entries.iter().map(|entry| entry["resource"]["subject"]["reference"].as_str().unwrap_or("").to_owned()).collect()
}

#[tokio::test]
async fn delay_makes_the_answer_late() {
    let ehr = start().await;
    ehr.faults.add(Fault::new(FaultKind::Delay(120)).for_types(&["Observation"]));
    let before = Instant::now();
    assert_eq!(get(&observations(&ehr, "patient=a")).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(120));
    ehr.faults.clear();
    assert!(ehr.faults.current().is_empty());
}

#[tokio::test]
async fn status_stands_in_for_the_answer_for_a_type_or_all_and_for_a_number_of_times() {
    let ehr = start().await;
    ehr.faults.add(Fault::new(FaultKind::Status(503)).for_types(&["Observation"]).times(1));
    let answer = get(&observations(&ehr, "patient=a")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    assert_eq!(ehr.requests.all()[0].status, 503);
    assert_eq!(get(&observations(&ehr, "patient=a")).await.status, 200, "once is over");
    fault(&ehr, FaultKind::Status(500));
    for path in ["Patient/a", "metadata", "Observation"] {
        assert_eq!(get(&format!("{}/{path}", ehr.base_url)).await.status, 500, "{path}");
    }
}

#[tokio::test]
async fn a_status_fault_keeps_a_create_from_happening() {
    let ehr = start().await;
    fault(&ehr, FaultKind::Status(500));
    let post = client().post(format!("{}/Patient", ehr.base_url)).header("content-type", "application/fhir+json");
    assert_eq!(Answer::of(post.body(r#"{"resourceType":"Patient"}"#)).await.status, 500);
    assert_eq!(ehr.count("Patient"), 3);
}

#[tokio::test]
async fn a_truncated_body_breaks_off() {
    let ehr = start().await;
    let whole = get(&observations(&ehr, "patient=a")).await.text;
    fault(&ehr, FaultKind::TruncatedBody(100));
    let mut response = client().get(observations(&ehr, "patient=a")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(whole.len() as u64)));
    let mut received = Vec::new();
    let broke_off = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broke_off, "the connection ends before the body does");
    assert_eq!(received, whole.as_bytes()[..100]);
}

#[tokio::test]
async fn another_patients_data_is_mixed_into_searches() {
    let ehr = start().await;
    fault(&ehr, FaultKind::WrongPatient { disguised: false });
    let answer = get(&observations(&ehr, "patient=b&_count=10")).await;
    let subjects = subjects(&answer);
    assert_eq!(subjects.iter().filter(|subject| *subject == "Patient/b").count(), 2, "the right ones are there");
    assert!(subjects.iter().any(|subject| subject != "Patient/b"), "and others: {subjects:?}");
    assert!(subjects.iter().all(|subject| !subject.is_empty()), "others means somebody else's");
    // A search that finds nothing of its own still leaks.
    let answer = get(&observations(&ehr, "patient=c&_lastUpdated=lt1990")).await;
    assert!(!self::subjects(&answer).is_empty() && self::subjects(&answer).iter().all(|one| one != "Patient/c"));
}

#[tokio::test]
async fn another_patients_resource_is_read_openly_or_disguised() {
    let ehr = start().await;
    let url = format!("{}/Observation/b1", ehr.base_url);
    fault(&ehr, FaultKind::WrongPatient { disguised: false });
    let open = get(&url).await.json();
    assert_ne!(open["id"], "b1");
    assert_ne!(open["subject"]["reference"], "Patient/b");
    fault(&ehr, FaultKind::WrongPatient { disguised: true });
    let disguised = get(&url).await.json();
    assert_eq!(disguised["id"], "b1");
    assert_ne!(disguised["subject"]["reference"], "Patient/b");
    let patient = get(&format!("{}/Patient/b", ehr.base_url)).await.json();
    assert_eq!((patient["id"].as_str(), patient["birthDate"].as_str()), (Some("b"), Some("1980-05-01")), "a's record");
}

#[tokio::test]
async fn ignored_parameters_widen_the_result() {
    let ehr = start().await;
    fault(&ehr, FaultKind::IgnoredParameters(Vec::new()));
    let answer = get(&observations(&ehr, "patient=b&status=final&_count=5")).await;
    assert_eq!((answer.json()["total"].as_u64(), answer.ids("match").len()), (Some(11), 5), "all but _count");
    fault(&ehr, FaultKind::IgnoredParameters(vec!["status".to_owned()]));
    let answer = get(&observations(&ehr, "patient=b&status=final")).await;
    assert_eq!(answer.ids("match"), ["b1", "b2"], "only the named one");
    fault(&ehr, FaultKind::IgnoredParameters(vec!["patient".to_owned()]));
    let posted = client().post(format!("{}/Observation/_search", ehr.base_url)).form(&[("patient", "b")]);
    assert_eq!(Answer::of(posted).await.json()["total"], 11);
}

#[tokio::test]
async fn next_is_missing_looping_or_on_another_host() {
    let ehr = start().await;
    let url = observations(&ehr, "_count=4");
    fault(&ehr, FaultKind::MissingNext);
    let page = get(&url).await.json();
    assert_eq!((link(&page, "next"), page["total"].as_u64()), (None, Some(11)));

    fault(&ehr, FaultKind::LoopingNext);
    let page = get(&url).await;
    let next = link(&page.json(), "next").unwrap();
    let again = get(&next).await;
    assert_eq!((again.text, link(&page.json(), "self").unwrap()), (page.text, next));
    assert!(link(&get(&observations(&ehr, "_count=50")).await.json(), "next").is_some(), "on the last page too");

    fault(&ehr, FaultKind::ForeignNext("http://other.example:8080".to_owned()));
    let next = link(&get(&url).await.json(), "next").unwrap();
    assert!(next.starts_with("http://other.example:8080/fhir/Observation?"), "{next}");

    ehr.faults.set(vec![Fault::new(FaultKind::MissingNext).from_page(2)]);
    assert_eq!(pages(&url).await.len(), 2, "the first page is whole, the second is the last");
}

#[tokio::test]
async fn html_other_bodies_and_other_media_types() {
    let ehr = start().await;
    let url = format!("{}/Patient/a", ehr.base_url);
    fault(&ehr, FaultKind::HtmlBody);
    let page = get(&url).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.starts_with("<!DOCTYPE html>"));
    fault(&ehr, FaultKind::Body("{\"resourceType\":\"Patient\",\"id\":\"a\",\"id\":\"b\"}".to_owned()));
    let body = get(&url).await;
    assert_eq!((body.status, body.header("content-type"), body.text.len()), (200, "application/fhir+json", 44));
    fault(&ehr, FaultKind::ContentType("application/pdf".to_owned()));
    let odd = get(&url).await;
    assert_eq!((odd.header("content-type"), odd.json()["id"].as_str()), ("application/pdf", Some("a")));
}

#[tokio::test]
async fn a_trickle_arrives_whole_but_slowly() {
    let ehr = start().await;
    let url = format!("{}/Patient/c", ehr.base_url);
    let whole = get(&url).await.text;
    fault(&ehr, FaultKind::SlowTrickle { bytes: 50, milliseconds: 15 });
    let before = Instant::now();
    assert_eq!(get(&url).await.text, whole);
    assert!(before.elapsed() >= Duration::from_millis(15 * (whole.len() as u64 / 50)));
}

#[tokio::test]
async fn a_dead_server_closes_the_connection_without_an_answer() {
    let ehr = start().await;
    let client = client();
    let url = format!("{}/Patient/a", ehr.base_url);
    assert_eq!(Answer::of(client.get(&url)).await.status, 200, "the connection is warm");
    fault(&ehr, FaultKind::Dead);
    let error = client.get(&url).send().await.unwrap_err();
    assert!(!error.is_timeout() && !error.is_connect(), "accepted, then closed: {error:?}");
    assert!(ehr.requests.fhir_count() >= 2, "it did get the request");
    ehr.faults.clear();
    assert_eq!(Answer::of(client.get(&url)).await.status, 200, "others are not hurt");
}

#[tokio::test]
async fn the_token_endpoint_fails_when_it_is_named() {
    let ehr = start().await;
    ehr.faults.set(vec![Fault::new(FaultKind::Status(500)).for_types(&["token"])]);
    assert_eq!(Answer::of(client().post(&ehr.token_url)).await.status, 500);
    assert_eq!(get(&format!("{}/Patient/a", ehr.base_url)).await.status, 200);
    ehr.faults.clear();
    assert_eq!(Answer::of(client().post(&ehr.token_url)).await.status, 400);
    assert_eq!(ehr.requests.token_count(), 2);
}

#[tokio::test]
async fn the_control_path_is_there_only_when_it_is_switched_on() {
    let closed = start().await;
    let control = |ehr: &RunningSandbox, name: &str| format!("http://{}/__sandbox/{name}", ehr.address);
    assert_eq!(get(&control(&closed, "faults")).await.status, 404);
    let put = client().put(control(&closed, "faults")).json(&json!([{"kind": "dead"}]));
    assert!(Answer::of(put).await.status >= 400 && closed.faults.current().is_empty());

    let ehr = Sandbox::builder().data(data()).control(true).start().await.unwrap();
    let put = client().put(control(&ehr, "faults")).json(&json!([{"kind": {"status": 418}, "types": ["Patient"]}]));
    assert_eq!(Answer::of(put).await.status, 204);
    assert_eq!(get(&format!("{}/Patient/a", ehr.base_url)).await.status, 418);
    assert_eq!(get(&control(&ehr, "faults")).await.json()[0]["kind"]["status"], 418);
    let log = get(&control(&ehr, "requests")).await.json();
    assert_eq!((log["fhir"].as_u64(), log["requests"][0]["path"].as_str()), (Some(1), Some("/fhir/Patient/a")));
    assert_eq!(Answer::of(client().delete(control(&ehr, "faults"))).await.status, 204);
    assert_eq!(Answer::of(client().delete(control(&ehr, "requests"))).await.status, 204);
    assert_eq!((ehr.faults.current().len(), ehr.requests.fhir_count()), (0, 0));
}
