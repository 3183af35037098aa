//! What an EHR says besides the data: its errors, its headers, its media types, its way of speaking HTTP. Nothing of it
//! reaches a caller.

use chartgate::config::Limits;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::hostile::{CANARY, Ehr, OTHER, OWN, Reply, before, observation, over_http};
use crate::support::world::{Reply as Answer, World, run};

/// Bodies that servers send with an error, in the manner of several vendors: made up, each with somebody else in it.
fn errors() -> Vec<(&'static str, String)> {
    let outcome = |diagnostics: String| {
        json!({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing",
            "diagnostics": diagnostics, "details": {"text": diagnostics, "coding": [{"system": "urn:internal", "code": CANARY}]},
            "location": [format!("/f:Patient/{OTHER}")], "expression": [format!("Patient/{OTHER} {CANARY}")]}]})
        .to_string()
    };
    vec![
        ("application/fhir+json", outcome(format!("Patient/{OTHER} {CANARY} is restricted"))),
        ("application/fhir+json", outcome(format!("HAPI-0389: ca.uhn.Dao.read(Dao.java:42)\n\tat {CANARY}"))),
        ("application/json", outcome(format!("ORA-00942: SELECT * FROM PAT WHERE NAME = '{CANARY}'"))),
        ("application/json", format!(r#"{{"message":"{CANARY}","path":"/Patient/{OTHER}","trace":"at {CANARY}"}}"#)),
        ("text/html", format!("<html><title>500</title><pre>Traceback {CANARY} {OTHER}</pre></html>")),
        ("text/plain", format!("{CANARY} {OTHER}")),
        ("application/fhir+xml", format!("<OperationOutcome><text>{CANARY}</text></OperationOutcome>")),
        ("application/problem+json", format!(r#"{{"detail":"{CANARY}"}}"#)),
    ]
}

struct Asking {
    product: World,
    ehr: Ehr,
    token: String,
    key: String,
}

impl Asking {
    async fn start() -> Self {
        // What is answered next must not be the answer of a source that was given up.
        let limits =
            Limits { breaker_failures: 100_000, retry_percent: 0, source_deadline_ms: 1_000, ..Limits::default() };
        let (product, ehr) = over_http(limits).await;
        let token = product.token("ann").await;
        let key = product.source_key(&ehr.base).await;
        Self { product, ehr, token, key }
    }

    /// Every way of asking that leads to this source.
    fn targets(&self) -> Vec<String> {
        let (me, key) = (self.product.person("ann").id, &self.key);
        vec![
            "/fhir/Observation".to_owned(),
            "/fhir/Observation?_sort=date&_total=accurate".to_owned(),
            "/fhir/Observation?_revinclude=Provenance:target".to_owned(),
            format!("/fhir/Observation/{key}.o1"),
            format!("/fhir/Observation/{key}.o1/_history"),
            format!("/fhir/Observation/{key}.o1/_history/1"),
            format!("/fhir/Patient/{me}"),
            format!("/fhir/Patient/{key}.{OWN}"),
            format!("/fhir/Patient/{me}/Observation"),
            format!("/fhir/Patient/{me}/$everything"),
            format!("/fhir/DocumentReference/$docref?patient=Patient/{me}"),
            "/fhir/Practitioner".to_owned(),
            "/fhir/Medication".to_owned(),
            format!("/fhir/Medication/{key}.m1"),
        ]
    }

    /// Answers everything so.
    fn reply(&self, reply: &Reply) {
        for path in [
            "Observation",
            "Observation/o1",
            "Observation/o1/_history",
            "Observation/o1/_history/1",
            "Patient",
            "Provenance",
            "DocumentReference",
            "Practitioner",
            "Medication",
            "Medication/m1",
            "MedicationRequest",
            &format!("Patient/{OWN}"),
        ] {
            self.ehr.replies(path, reply.clone());
        }
    }

    /// Neither what the EHR said, nor who it is.
    #[track_caller]
    fn tells_nothing(&self, what: &str, answer: &Answer) {
        for word in
            [CANARY, OTHER, "Traceback", "HAPI", "ORA-", "SELECT", "Dao", "urn:internal", self.ehr.authority.as_str()]
        {
            assert!(!answer.text.contains(word), "{what}: {word} in {}", answer.text);
        }
        for (name, value) in &answer.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let known = [
                "content-type",
                "content-length",
                "cache-control",
                "date",
                "x-request-id",
                "vary",
                "retry-after",
                "x-content-type-options",
                "etag",
                "last-modified",
            ];
            let known = known.contains(&name.as_str()) || name.as_str().starts_with("access-control-");
            assert!(known, "{what}: header {name}: {value}");
            assert!(!value.contains(CANARY) && !value.contains("canary"), "{what}: header {name}: {value}");
        }
        let kind = answer.header("content-type");
        assert!(answer.status == 304 || kind == Some("application/fhir+json; charset=utf-8"), "{what}: {kind:?}");
    }
}

#[test]
fn f31_no_word_of_an_error_of_an_ehr_reaches_a_caller() {
    run(async {
        let asking = Asking::start().await;
        let mut asked = 0;
        for (kind, body) in errors() {
            for status in [200, 202, 400, 401, 403, 404, 409, 410, 412, 422, 423, 451, 500, 501, 502, 504] {
                let headers = vec![("content-type", kind.to_owned()), ("warning", format!("199 - \"{CANARY}\""))];
                asking.reply(&Reply { status, headers, body: body.clone().into_bytes() });
                let targets = asking.targets();
                let ask = targets.iter().map(|target| asking.product.get(target, &asking.token));
                for (target, answer) in targets.iter().zip(join_all(ask).await) {
                    asked += 1;
                    let what = format!("{status} {kind} {target}");
                    assert!([200, 400, 404, 503].contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
                    asking.tells_nothing(&what, &answer);
                    // Codes are those of the gateway's own short list.
                    let codes = issue_codes(&answer.json());
                    let own = [
                        "incomplete",
                        "timeout",
                        "throttled",
                        "security",
                        "not-supported",
                        "not-found",
                        "transient",
                        "suppressed",
                        "informational",
                    ];
                    assert!(codes.iter().all(|code| own.contains(&code.as_str())), "{what}: {codes:?}");
                    assert!(
                        answer.status != 200 || !codes.is_empty(),
                        "{what}: a gap that nobody is told of: {}",
                        answer.text
                    );
                }
            }
        }
        assert!(asked > 1_500, "{asked}");
    });
}

fn issue_codes(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Array(items) => items.iter().for_each(|item| found.extend(issue_codes(item))),
        Value::Object(members) => {
            if value["resourceType"] == "OperationOutcome" {
                let issues = value["issue"].as_array().cloned().unwrap_or_default();
                found.extend(issues.iter().map(|issue| issue["code"].as_str().unwrap_or_default().to_owned()));
            } else {
                members.values().for_each(|member| found.extend(issue_codes(member)));
            }
        }
        _ => {}
    }
    found
}

#[test]
fn u23_no_header_of_an_ehr_reaches_a_caller() {
    run(async {
        let asking = Asking::start().await;
        let canary = |text: &str| text.replace("{}", "canary");
        let headers: Vec<(&'static str, String)> = vec![
            ("content-type", "application/fhir+json".to_owned()),
            ("set-cookie", canary("session={}; Path=/; HttpOnly")),
            ("location", canary("http://{}.example/")),
            ("content-location", canary("http://{}.example/")),
            ("access-control-allow-origin", canary("https://{}.example")),
            ("access-control-allow-credentials", "true".to_owned()),
            ("content-disposition", canary("attachment; filename={}.html")),
            ("link", canary("<http://{}.example/>; rel=next")),
            ("etag", canary("W/\"{}\"")),
            ("last-modified", "Fri, 01 Jan 2100 00:00:00 GMT".to_owned()),
            ("server", canary("{}/1.0")),
            ("x-powered-by", canary("{}")),
            ("x-request-id", canary("{}")),
            ("www-authenticate", canary("Basic realm={}")),
            ("refresh", canary("0; url=http://{}.example/")),
            ("clear-site-data", "\"*\"".to_owned()),
            ("strict-transport-security", "max-age=0".to_owned()),
            ("content-security-policy", canary("default-src {}")),
            ("cache-control", "public, max-age=31536000".to_owned()),
        ];
        let own = observation("o1", &json!({"meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}}));
        asking.ehr.replies(
            "Observation/o1",
            Reply { status: 200, headers: headers.clone(), body: own.to_string().into_bytes() },
        );
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": own}]});
        asking.ehr.replies("Observation", Reply { status: 200, headers, body: bundle.to_string().into_bytes() });
        for target in ["/fhir/Observation".to_owned(), format!("/fhir/Observation/{}.o1", asking.key)] {
            for origin in [None, Some(("origin", "https://app.example"))] {
                let more: Vec<(&str, &str)> = origin.into_iter().collect();
                let answer = asking.product.send("GET", &target, Some(&asking.token), &more, "").await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                asking.tells_nothing(&target, &answer);
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
                assert_eq!(answer.header("access-control-allow-credentials"), None, "{target}");
                let last_modified = answer.header("last-modified");
                assert!(last_modified.is_none_or(|at| at == "Thu, 01 Jan 2026 00:00:00 GMT"), "{last_modified:?}");
            }
        }
    });
}

#[test]
fn u10_u11_what_is_not_fhir_json_is_no_answer_whatever_it_is_called() {
    run(async {
        let asking = Asking::start().await;
        let own = observation("o1", &json!({"valueString": "mine"}));
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": own}]});
        let xml = format!(
            r#"<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "{CANARY}"><!ENTITY b "&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>
            <Observation xmlns="http://hl7.org/fhir"><id value="o1"/><subject><reference value="Patient/{OWN}"/></subject><valueString value="&b;&x;"/></Observation>"#
        );
        let page = "<!DOCTYPE html><form><input name=user></form>".to_owned();
        let utf16: Vec<u8> = bundle.to_string().encode_utf16().flat_map(u16::to_be_bytes).collect();
        let utf7 = bundle.to_string().replace('"', "+ACI-");
        let cases: Vec<(&str, u16, &str, Vec<u8>)> = vec![
            ("XML with entities", 200, "application/fhir+xml", xml.clone().into_bytes()),
            ("XML called JSON", 200, "application/fhir+json", xml.into_bytes()),
            ("XML attributes", 200, "application/xml", format!("<a {}/>", "x='1' ".repeat(50_000)).into_bytes()),
            ("a sign-in page", 200, "text/html", page.clone().into_bytes()),
            ("a page called JSON", 200, "application/json", page.into_bytes()),
            ("JSON called a page", 200, "text/html", bundle.to_string().into_bytes()),
            ("JSON called nothing", 200, "", bundle.to_string().into_bytes()),
            ("JSON called binary", 200, "application/octet-stream", bundle.to_string().into_bytes()),
            ("nothing", 200, "application/fhir+json", Vec::new()),
            ("nothing, and said to be", 204, "application/fhir+json", Vec::new()),
            ("a part", 206, "application/fhir+json", bundle.to_string().into_bytes()),
            ("UTF-7", 200, "application/fhir+json; charset=utf-7", utf7.into_bytes()),
            ("UTF-16", 200, "application/fhir+json; charset=utf-16", utf16),
            (
                "a byte order mark",
                200,
                "application/fhir+json",
                [b"\xef\xbb\xbf".as_slice(), bundle.to_string().as_bytes()].concat(),
            ),
            ("lines", 200, "application/fhir+json", format!("{own}\n{own}").into_bytes()),
            (
                "bytes that are no UTF-8",
                200,
                "application/fhir+json",
                [b"{\"resourceType\":\"".as_slice(), &[0xff], b"\"}"].concat(),
            ),
        ];
        for (what, status, kind, body) in cases {
            let headers = if kind.is_empty() { Vec::new() } else { vec![("content-type", kind.to_owned())] };
            asking.reply(&Reply { status, headers, body });
            for target in ["/fhir/Observation".to_owned(), format!("/fhir/Observation/{}.o1", asking.key)] {
                let answer = asking.product.get(&target, &asking.token).await;
                assert_eq!(answer.status, 503, "{what} {target}: {}", answer.text);
                assert!(!answer.text.contains("mine") && !answer.text.contains("root:"), "{what}: {}", answer.text);
                asking.tells_nothing(what, &answer);
            }
        }
        asking.reply(&Reply::json(&bundle));
        assert_eq!(
            asking.product.get("/fhir/Observation", &asking.token).await.ids().len(),
            1,
            "the last one is an answer"
        );
    });
}

/// A server that answers each connection with these bytes, and then closes it.
async fn speaks(listener: TcpListener, bytes: std::sync::Arc<std::sync::Mutex<Vec<u8>>>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let bytes = bytes.lock().unwrap().clone();
        tokio::spawn(async move {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // Until the other side has read it: a reset would take it away.
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), stream.read(&mut request)).await;
        });
    }
}

#[test]
fn u22_odd_http_ends_the_connection_and_nothing_else() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/fhir", listener.local_addr().unwrap());
        let bytes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        tokio::spawn(speaks(listener, bytes.clone()));
        let limits =
            Limits { breaker_failures: 100_000, retry_percent: 0, source_deadline_ms: 2_000, ..Limits::default() };
        let world = before(&base, limits).await;
        let token = world.token("ann").await;
        let body = json!({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": observation("o1", &json!({}))}]}).to_string();
        let smuggled = json!({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": observation("evil", &json!({"valueString": CANARY}))}]}).to_string();
        let kind = "content-type: application/fhir+json\r\n";
        let whole = format!("HTTP/1.1 200 OK\r\n{kind}content-length: {}\r\n\r\n{body}", body.len());
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let second = format!("HTTP/1.1 200 OK\r\n{kind}content-length: {}\r\n\r\n{smuggled}", smuggled.len());
        // What may be shown: nothing, or exactly the honest body; never what was put behind it.
        for (what, answer) in [
            (
                "two lengths",
                format!("HTTP/1.1 200 OK\r\n{kind}content-length: {}\r\ncontent-length: 5\r\n\r\n{body}", body.len()),
            ),
            (
                "a length and chunks",
                format!(
                    "HTTP/1.1 200 OK\r\n{kind}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{chunked}{second}"
                ),
            ),
            (
                "chunked, identity",
                format!("HTTP/1.1 200 OK\r\n{kind}transfer-encoding: chunked, identity\r\n\r\n{chunked}{second}"),
            ),
            (
                "a chunk too long",
                format!("HTTP/1.1 200 OK\r\n{kind}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{body}"),
            ),
            (
                "a length too long",
                format!("HTTP/1.1 200 OK\r\n{kind}content-length: 9000000000000000000\r\n\r\n{body}"),
            ),
            ("a length below zero", format!("HTTP/1.1 200 OK\r\n{kind}content-length: -1\r\n\r\n{body}")),
            (
                "a folded header",
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/\r\n fhir+json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                ),
            ),
            (
                "a header of a megabyte",
                format!(
                    "HTTP/1.1 200 OK\r\n{kind}x: {}\r\ncontent-length: {}\r\n\r\n{body}",
                    "y".repeat(1 << 20),
                    body.len()
                ),
            ),
            (
                "ten thousand headers",
                format!(
                    "HTTP/1.1 200 OK\r\n{}{kind}content-length: {}\r\n\r\n{body}",
                    "a: b\r\n".repeat(10_000),
                    body.len()
                ),
            ),
            (
                "a hundred thousand interim answers",
                format!("{}{whole}", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100_000)),
            ),
            ("a switch of protocols", format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n{second}")),
            ("no status", format!("HTTP/1.1 \r\n{kind}\r\n{body}")),
            ("another protocol", format!("SSH-2.0-x\r\n{body}")),
            ("HTTP/0.9", body.clone()),
            ("a second answer behind the first", format!("{whole}{second}")),
            ("a body that breaks off", whole[..whole.len() - 20].to_owned()),
            ("no end of headers", format!("HTTP/1.1 200 OK\r\n{kind}")),
            ("nothing", String::new()),
            (
                "control characters in a header",
                format!("HTTP/1.1 200 OK\r\nx\0: y\r\n{kind}content-length: {}\r\n\r\n{body}", body.len()),
            ),
        ] {
            *bytes.lock().unwrap() = answer.into_bytes();
            let started = std::time::Instant::now();
            let answer = world.get("/fhir/Observation", &token).await;
            assert!(started.elapsed() < std::time::Duration::from_secs(4), "{what}: {:?}", started.elapsed());
            match answer.status {
                503 => {}
                200 => assert!(answer.ids().len() == 1 || !answer.outcomes().is_empty(), "{what}: {}", answer.text),
                other => panic!("{what}: {other} {}", answer.text),
            }
            assert!(!answer.text.contains(CANARY) && !answer.text.contains("evil"), "{what}: {}", answer.text);
        }
        *bytes.lock().unwrap() = whole.into_bytes();
        for _ in 0..3 {
            assert_eq!(world.get("/fhir/Observation", &token).await.ids().len(), 1, "and it goes on");
        }
    });
}
