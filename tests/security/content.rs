//! Documents of an EHR that does not keep to the rules.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chartgate::config::Limits;
use chartgate::fhir::interaction::Interaction;
use chartgate::gateway::Refusal;
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::hostile::{CANARY, OTHER, OWN, Reply, World};

const SCOPES: &str = "patient/*.rs";

fn bytes(kind: &str, body: &[u8]) -> Reply {
    Reply { status: 200, headers: vec![("content-type", kind.to_owned())], body: body.to_vec() }
}

/// A document that names this URL, as the gateway shows it: the URL there.
async fn named(world: &World, url: &str) -> Option<String> {
    world.holds(&json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
        "subject": {"reference": format!("Patient/{OWN}")},
        "content": [{"attachment": {"contentType": "application/pdf", "url": url}}]}));
    let shown = world.read("DocumentReference", "d").await.unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["content"][0]["attachment"]["url"].as_str().map(str::to_owned)
}

fn id_of(url: &str) -> Option<String> {
    url.strip_prefix("http://gateway.test/fhir/Binary/").map(str::to_owned)
}

/// Type and bytes of a document.
async fn content(world: &World, id: &str) -> Result<(Option<String>, Vec<u8>), Refusal> {
    let interaction = Interaction::Content { id: id.to_owned() };
    let answer = world.app.gateway.handle(world.subject(SCOPES), interaction).await?;
    let content = answer.into_content().unwrap();
    Ok((content.content_type, content.body.whole(1 << 20).await.unwrap_or_default().to_vec()))
}

#[tokio::test]
async fn f26_only_what_lies_at_the_source_gets_an_address_here_and_nothing_else_is_fetched() {
    let world = World::start().await;
    let (authority, base) = (world.authority.clone(), world.base.clone());
    for url in [
        "https://evil.test/files/1.pdf".to_owned(),
        format!("http://{authority}.evil.test/fhir/Binary/b"),
        format!("http://evil.test@{authority}/fhir/Binary/b"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
        "data:text/html,x".to_owned(),
        "//evil.test/fhir/Binary/b".to_owned(),
        format!("{base}x/files/1.pdf"),
        format!("http://{authority}/other/1.pdf"),
        format!("{base}/Patient/{OTHER}"),
        format!("{base}/Observation?patient={OTHER}"),
        format!("{base}/DocumentReference/$docref?patient={OTHER}"),
        format!("{base}/files/..%2fPatient%2f{OTHER}"),
        format!("{base}/$export"),
    ] {
        world.asked();
        let shown = named(&world, &url).await;
        let is_document = shown.as_deref().and_then(id_of).is_some();
        assert!(!is_document, "{url}: {shown:?}");
        assert!(shown.as_ref().is_none_or(|shown| !shown.contains(&authority)), "{url}: {shown:?}");
        assert_eq!(world.asked(), ["DocumentReference/d"], "{url}");
    }
}

#[tokio::test]
async fn f26_files_and_binaries_of_the_source_are_read_whole_and_in_both_forms() {
    let world = World::start().await;
    let base = world.base.clone();
    for (url, path) in [
        (format!("{base}/Binary/b"), "Binary/b"),
        ("Binary/b".to_owned(), "Binary/b"),
        (format!("{base}/files/a%20b.pdf?sig=x%26y"), "files/a%20b.pdf?sig=x%26y"),
        ("files/c.pdf".to_owned(), "files/c.pdf"),
    ] {
        world.replies(path, bytes("application/pdf", b"%PDF-1.4 own"));
        let id = id_of(&named(&world, &url).await.unwrap()).unwrap();
        world.asked();
        let (kind, whole) = content(&world, &id).await.unwrap();
        assert_eq!((kind.as_deref(), whole.as_slice()), (Some("application/pdf"), &b"%PDF-1.4 own"[..]), "{url}");
        assert_eq!(world.asked(), ["DocumentReference/d", path], "the owner first");
        let resource: Value = serde_json::from_str(&world.read_with(SCOPES, "Binary", &id).await.unwrap()).unwrap();
        assert_eq!(resource["id"], id.as_str());
        assert_eq!(resource["data"], BASE64.encode(b"%PDF-1.4 own"));
        assert_eq!(resource["contentType"], "application/pdf");
    }
    // A source that knows the resource alone.
    world.holds(
        &json!({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": BASE64.encode(b"words")}),
    );
    let id = id_of(&named(&world, "Binary/b").await.unwrap()).unwrap();
    let (kind, whole) = content(&world, &id).await.unwrap();
    assert_eq!((kind.as_deref(), whole.as_slice()), (Some("text/plain"), &b"words"[..]));
}

#[tokio::test]
async fn u11_u13_f26_what_is_not_the_document_is_not_given_out() {
    let world = World::start().await;
    let patient = json!({"resourceType": "Patient", "id": OTHER, "name": [{"text": CANARY}]});
    let wrong_id = json!({"resourceType": "Binary", "id": "other", "contentType": "text/plain", "data": "eA=="});
    let fhir = |value: &Value| Reply::json(value);
    let hidden = |value: &Value| {
        bytes("application/json", value.to_string().replace("resourceType", "res\\u006furceType").as_bytes())
    };
    let redirect = |to: &str| Reply { status: 302, headers: vec![("location", to.to_owned())], body: Vec::new() };
    for path in ["Binary/b", "files/1.pdf"] {
        let id = id_of(&named(&world, path).await.unwrap()).unwrap();
        for (what, reply) in [
            ("another resource", fhir(&patient)),
            ("another resource, disguised", hidden(&patient)),
            ("another Binary", fhir(&wrong_id)),
            (
                "a Bundle",
                fhir(&json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": patient}]})),
            ),
            ("a redirect", redirect("http://169.254.169.254/")),
            ("an error", Reply::status(500)),
            ("no leave", Reply::status(403)),
            ("nothing", Reply::status(404)),
        ] {
            world.replies(path, reply);
            for outcome in [
                content(&world, &id).await.map(|(_, bytes)| bytes),
                world.read_with(SCOPES, "Binary", &id).await.map(String::into_bytes),
            ] {
                let said = match outcome {
                    Ok(bytes) => panic!("{path}, {what}: {}", String::from_utf8_lossy(&bytes)),
                    Err(refusal) => format!("{refusal:?}"),
                };
                assert!(!said.contains(CANARY) && !said.contains(OTHER), "{path}, {what}");
            }
            // The next answers are not those of a source that was given up.
            world.holds(&json!({"resourceType": "Patient", "id": OWN}));
            world.read("Patient", OWN).await.ok();
        }
    }
}

#[tokio::test]
async fn f26_the_source_s_credential_and_requests_go_nowhere_else() {
    let world = World::start().await;
    let sink = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let elsewhere = sink.local_addr().unwrap();
    let came = Arc::new(AtomicUsize::new(0));
    let counter = came.clone();
    tokio::spawn(async move {
        while sink.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert!(named(&world, &format!("http://{elsewhere}/fhir/Binary/b")).await.as_deref().and_then(id_of).is_none());
    let id = id_of(&named(&world, "Binary/b").await.unwrap()).unwrap();
    for status in [301, 302, 303, 307, 308] {
        let location = vec![("location", format!("http://{elsewhere}/fhir/Binary/b"))];
        world.replies("Binary/b", Reply { status, headers: location, body: Vec::new() });
        assert!(content(&world, &id).await.is_err(), "{status}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn u06_f26_a_document_without_end_is_cut_off() {
    let limits = Limits { document_bytes: 1_000, body_bytes: 1_000, ..Limits::default() };
    let world = World::with_limits(limits).await;
    let id = id_of(&named(&world, "Binary/b").await.unwrap()).unwrap();
    world.replies("Binary/b", bytes("application/pdf", &[b'x'; 1_001]));
    assert!(content(&world, &id).await.is_err());
    assert!(world.read_with(SCOPES, "Binary", &id).await.is_err());
    world.replies("Binary/b", bytes("application/pdf", &[b'x'; 1_000]));
    assert_eq!(content(&world, &id).await.unwrap().1.len(), 1_000);
}

#[tokio::test]
async fn f23_f26_a_document_that_only_a_hidden_part_names_is_not_read() {
    let world = World::start().await;
    let id = id_of(&named(&world, "Binary/b").await.unwrap()).unwrap();
    world.replies("Binary/b", bytes("text/plain", b"words"));
    assert!(content(&world, &id).await.is_ok());
    // The same document, now named by a contained resource about somebody else.
    world.holds(&json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
        "subject": {"reference": format!("Patient/{OWN}")},
        "contained": [{"resourceType": "Media", "id": "m", "status": "completed",
            "subject": {"reference": format!("Patient/{OTHER}")}, "content": {"url": "Binary/b"}}],
        "content": [{"attachment": {"data": "eA=="}}]}));
    assert!(matches!(content(&world, &id).await, Err(Refusal::NotFound)));
    // And an id that only begins like it.
    world.holds(&json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
        "subject": {"reference": format!("Patient/{OWN}")},
        "content": [{"attachment": {"url": "Binary/b2"}}]}));
    assert!(matches!(content(&world, &id).await, Err(Refusal::NotFound)));
}
