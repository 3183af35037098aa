//! An EHR that misbehaves.

use std::time::{Duration, Instant};

use chartgate::config::Limits;
use chartgate::gateway::Refusal;
use serde_json::{Value, json};

use super::hostile::{CANARY, OTHER, OWN, Reply, World, ids, observation, outcomes};

const MALFORMED: &str =
    "Practice X could not be reached or did not answer properly. What it knows may be missing here.";

#[tokio::test]
async fn u12_only_a_literal_reference_to_the_person_makes_a_resource_theirs() {
    let world = World::with_limits(Limits { breaker_failures: 1_000, ..Limits::default() }).await;
    let base = &world.base;
    for subject in [
        json!(null),
        json!({"reference": format!("Patient/{OTHER}")}),
        json!([{"reference": format!("Patient/{OWN}")}, {"reference": format!("Patient/{OTHER}")}]),
        json!({"reference": [format!("Patient/{OWN}")]}),
        json!({"reference": "#p"}),
        json!({"identifier": {"value": OWN}}),
        json!({"type": "Patient", "identifier": {"value": OWN}}),
        json!({"reference": "urn:uuid:0c3c7d3a-6f0e-4a3c-9d52-000000000002"}),
        json!({"reference": format!("Patient/{OWN}x")}),
        json!({"reference": format!("Patient/{OWN}/")}),
        json!({"reference": format!("Patient/{OWN}#x")}),
        json!({"reference": format!("Patient/{OWN}?x=y")}),
        json!({"reference": format!("/Patient/{OWN}")}),
        json!({"reference": format!("Group/{OWN}")}),
        json!({"reference": format!("https://elsewhere.example/fhir/Patient/{OWN}")}),
        json!({"reference": format!("{base}x/Patient/{OWN}")}),
        json!({"reference": format!("Patient/../Patient/{OWN}")}),
    ] {
        let resource = observation(
            "o1",
            &json!({"subject": subject.clone(), "valueString": CANARY, "contained": [{"resourceType": "Patient", "id": "p"}]}),
        );
        world.holds(&resource);
        world.finds("Observation", &[resource]);
        let refused = world.read("Observation", "o1").await.unwrap_err();
        assert!(matches!(refused, Refusal::NotFound | Refusal::Unavailable { .. }), "{subject}");
        // What breaks the rules of FHIR JSON is a gap, and said to be.
        match world.search_with("patient/*.rs", "Observation", &[]).await {
            Ok(bundle) => assert_eq!(ids(&bundle), [""; 0], "{subject}"),
            Err(refusal) => assert!(matches!(refusal, Refusal::Unavailable { .. }), "{subject}: {refusal:?}"),
        }
    }
    // The same reference, however JSON spells it.
    let spelled = Reply::text(&format!(
        r#"{{"resourceType":"Observation","id":"o1","subject":{{"reference":"{}\/P\u0061tient\/{OWN}"}}}}"#,
        base.replace('/', "\\/")
    ));
    world.replies("Observation/o1", spelled);
    let text = world.read("Observation", "o1").await.unwrap();
    assert!(!text.contains(&world.authority), "{text}");
}

#[tokio::test]
async fn u13_another_resource_than_the_one_asked_for_is_no_answer() {
    let world = World::start().await;
    for other in [observation("o2", &json!({})), json!({"resourceType": "Patient", "id": "o1"}), json!({"id": "o1"})] {
        world.replies("Observation/o1", Reply::json(&other));
        assert!(matches!(world.read("Observation", "o1").await, Err(Refusal::Unavailable { .. })), "{other}");
    }
}

#[tokio::test]
async fn f31_forbidden_at_the_source_is_as_unknown_as_missing() {
    let world = World::start().await;
    world.replies("Observation/theirs", Reply::status(403));
    let theirs = world.read("Observation", "theirs").await.unwrap_err();
    let asked_of_theirs = world.asked();
    let missing = world.read("Observation", "missing").await.unwrap_err();
    assert_eq!(theirs, missing);
    assert_eq!(asked_of_theirs.len(), world.asked().len(), "as many calls for one as for the other");
    // A search that the source forbids is a gap, and said to be.
    world.replies("Observation", Reply::status(403));
    let refused = world.search_with("patient/*.rs", "Observation", &[]).await.unwrap_err();
    assert!(matches!(refused, Refusal::Unavailable { .. }));
    assert!(!format!("{refused:?}").contains(CANARY));
}

#[tokio::test]
async fn u12_resources_without_an_id_are_said_to_be_missing() {
    let world = World::start().await;
    let mut nameless = observation("x", &json!({}));
    nameless.as_object_mut().unwrap().remove("id");
    world.finds("Observation", &[observation("o1", &json!({})), nameless.clone(), nameless]);
    let bundle = world.search("Observation", &[]).await;
    assert_eq!(ids(&bundle), ["o1"]);
    assert_eq!(outcomes(&bundle), [MALFORMED]);
    assert_eq!(bundle["total"], Value::Null);
}

#[tokio::test]
async fn u14_what_was_not_asked_for_is_not_shown() {
    let world = World::start().await;
    let own = observation("o1", &json!({}));
    let entry = |resource: Value, mode: &str| json!({"fullUrl": format!("{}/Patient/{OTHER}", world.base), "resource": resource, "search": {"mode": mode}});
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [
        entry(own, "match"),
        entry(observation("o2", &json!({})), "include"),
        entry(json!({"resourceType": "Patient", "id": OTHER, "name": [{"text": CANARY}]}), "match"),
        entry(json!({"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "x", "diagnostics": CANARY}]}), "outcome"),
    ]});
    world.replies("Observation", Reply::json(&bundle));
    let shown = world.search("Observation", &[]).await;
    assert_eq!(ids(&shown), ["o1"]);
    let text = shown.to_string();
    assert!(!text.contains(CANARY) && !text.contains(OTHER) && !text.contains(&world.authority), "{text}");
}

#[tokio::test]
async fn u05_page_links_stay_at_the_source_and_end() {
    for next in [
        "//attacker.example/fhir/Observation",
        "http://user:word@AUTHORITY/fhir/Observation?page=2",
        "http://:word@AUTHORITY/fhir/Observation?page=2",
        "http://AUTHORITY/other/Observation?page=2",
        "http://AUTHORITY/fhir/../admin",
        "http://AUTHORITY/fhir/%2e%2e/admin",
        "file:///etc/passwd",
        "http://",
    ] {
        let world = World::start().await;
        let next = next.replace("AUTHORITY", &world.authority);
        let own = observation("o1", &json!({}));
        let page = json!({
            "resourceType": "Bundle", "type": "searchset", "entry": [{"resource": own}],
            "link": [{"relation": "next", "url": next}],
        });
        world.replies("Observation", Reply::json(&page));
        let shown = world.search("Observation", &[]).await;
        assert_eq!(ids(&shown), ["o1"], "{next}");
        assert_eq!(outcomes(&shown), [MALFORMED], "{next}");
        let asked = world.asked();
        assert!(asked.len() <= 2 && asked.iter().all(|path| path.starts_with("Observation")), "{next}: {asked:?}");
    }
}

#[tokio::test]
async fn u08_odd_json_costs_a_page_or_an_entry_and_never_the_process() {
    let deep =
        format!(r#"{{"resourceType":"Observation","id":"o1","x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let world = World::with_limits(Limits { breaker_failures: 1_000, ..Limits::default() }).await;
    let subject = format!(r#""subject":{{"reference":"Patient/{OWN}"}}"#);
    for body in [
        deep,
        format!(r#"{{"resourceType":"Observation","id":"o1",{subject},{subject}}}"#),
        format!(
            r#"{{"resourceType":"Observation","id":"o1","\u0073ubject":{{"reference":"Patient/{OTHER}"}},{subject}}}"#
        ),
        format!(r#"{{"resourceType":"Observation","id":"o1",{subject},"note":"\ud800"}}"#),
        format!("\u{feff}{{\"resourceType\":\"Observation\",\"id\":\"o1\",{subject}}}"),
        format!(r#"{{"resourceType":"Observation","id":"o1",{subject}}} x"#),
        format!(r#"{{"resourceType":"Observation","id":"o1",{subject}}}{{}}"#),
        String::new(),
        "null".to_owned(),
    ] {
        world.replies("Observation/o1", Reply::text(&body));
        assert!(matches!(world.read("Observation", "o1").await, Err(Refusal::Unavailable { .. })));
    }
    // Numbers nobody can hold are kept as they are and compare as nothing.
    let huge = r#""valueQuantity":{"value":1e999999999}"#;
    world.replies(
        "Observation/o1",
        Reply::text(&format!(r#"{{"resourceType":"Observation","id":"o1",{subject},{huge}}}"#)),
    );
    assert!(world.read("Observation", "o1").await.unwrap().contains("1e999999999"));
    let entry = format!(r#"{{"resource":{{"resourceType":"Observation","id":"o1",{subject},{huge}}}}}"#);
    world.replies(
        "Observation",
        Reply::text(&format!(r#"{{"resourceType":"Bundle","total":1e400,"entry":[{entry}]}}"#)),
    );
    for pair in [("value-quantity", "gt1"), ("value-quantity", "lt1e399"), ("_sort", "value-quantity")] {
        world.search("Observation", &[pair]).await;
    }
}

#[tokio::test]
async fn u06_a_resource_of_countless_references_is_refused_quickly() {
    let world = World::start().await;
    let performer: Vec<Value> = (0..300_000).map(|n| json!({"reference": format!("Patient/{n}")})).collect();
    let big = observation("o1", &json!({"performer": performer}));
    world.finds("Observation", &[observation("o2", &json!({})), big]);
    let started = Instant::now();
    let bundle = world.search("Observation", &[]).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(ids(&bundle), ["o2"]);
    assert_eq!(outcomes(&bundle), [MALFORMED]);
}

#[tokio::test]
async fn u20_waiting_for_a_place_does_not_open_the_breaker() {
    let limits = Limits {
        source_concurrency: 1,
        source_deadline_ms: 300,
        breaker_failures: 2,
        single_flight: false,
        ..Limits::default()
    };
    let world = World::with_limits(limits).await;
    world.holds(&observation("o1", &json!({})));
    let floods = (0..200).map(|_| world.read("Observation", "o1"));
    let flood = futures_util::future::join_all(floods).await;
    let is_refused = |outcome: &Result<String, Refusal>| matches!(outcome, Err(Refusal::Unavailable { .. }));
    assert!(flood.iter().all(|outcome| outcome.is_ok() || is_refused(outcome)));
    assert!(world.read("Observation", "o1").await.is_ok(), "the source is well");
}

/// A gzip body of a few hundred kilobytes that decodes to `size` bytes and more: fixed Huffman codes (RFC 1951 §3.2.6),
/// one literal `0` and then "258 bytes, one back" over and over.
fn bomb(size: usize) -> Vec<u8> {
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0_u32, 0);
    let mut push = |value: u32, length: u32| {
        bits |= value << count;
        count += length;
        while count >= 8 {
            body.push((bits & 0xff) as u8);
            bits >>= 8;
            count -= 8;
        }
    };
    // A Huffman code goes in with its highest bit first.
    let code = |value: u32, length: u32| (value.reverse_bits() >> (32 - length), length);
    push(1, 1);
    push(1, 2);
    let (literal, length) = code(0x30 + u32::from(b'0'), 8);
    push(literal, length);
    let (match_258, length) = code(0b1100_0101, 8);
    for _ in 0..size / 258 + 1 {
        push(match_258, length);
        push(0, 5);
    }
    push(0, 32 - 8);
    body
}

#[tokio::test]
async fn u07_the_cap_counts_decoded_bytes() {
    let world = World::with_limits(Limits { body_bytes: 1024 * 1024, ..Limits::default() }).await;
    let gzip = |body: Vec<u8>| {
        let mut reply = Reply::text("");
        reply.headers.push(("content-encoding", "gzip".to_owned()));
        Reply { body, ..reply }
    };
    let bomb = bomb(64 * 1024 * 1024);
    assert!(bomb.len() < 1024 * 1024, "the body itself is within the cap");
    world.replies("Observation/o1", gzip(bomb.clone()));
    world.replies("Observation", gzip(bomb));
    assert!(matches!(world.read("Observation", "o1").await, Err(Refusal::Unavailable { .. })));
    let bundle = world.search("Observation", &[]).await;
    assert_eq!(
        outcomes(&bundle),
        ["Practice X has more than could be fetched for one request. What it knows may be missing here."]
    );
}

#[tokio::test]
async fn u03_a_redirect_is_not_followed() {
    let world = World::start().await;
    world.holds(&observation("o2", &json!({})));
    for status in [301, 302, 303, 307, 308] {
        let mut reply = Reply::status(status);
        reply.headers.push(("location", format!("{}/Observation/o2", world.base)));
        world.replies("Observation/o1", reply);
        assert!(matches!(world.read("Observation", "o1").await, Err(Refusal::Unavailable { .. })), "{status}");
        world.asked().iter().for_each(|path| assert_eq!(path, "Observation/o1"));
    }
}

#[tokio::test]
async fn u13_a_persons_record_that_cannot_be_shown_safely_is_not_passed_over() {
    let world = World::start().await;
    world.holds(&json!({
        "resourceType": "Patient", "id": OWN,
        "extension": [{"url": "u", "valueUri": format!("Patient/{OTHER}")}],
    }));
    let refused = world.read_with("patient/*.rs", "Patient", &world.person.to_string()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Unavailable { .. }), "{refused:?}");
}
