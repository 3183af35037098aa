//! Requests that are spelled to be read in two ways: sent as bytes, as no client library would.

use std::fmt::Write as _;
use std::net::SocketAddr;

use chartgate::config::Limits;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::world::{World, run};

/// A response as it came: status, and what is behind the head.
struct Raw {
    status: u16,
    body: String,
}

impl Raw {
    /// The searchset without what names this one request.
    fn comparable(&self) -> String {
        let Ok(mut bundle) = serde_json::from_str::<Value>(&self.body) else {
            return format!("{} {}", self.status, self.body);
        };
        if bundle["resourceType"] == "Bundle" {
            bundle["id"] = Value::Null;
            bundle["link"] = Value::Null;
        }
        format!("{} {bundle}", self.status)
    }

    fn entries(&self, mode: &str) -> Vec<Value> {
        let bundle: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries
            .into_iter()
            .filter(|entry| entry["search"]["mode"] == mode)
            .map(|entry| entry["resource"].clone())
            .collect()
    }

    fn ids(&self) -> Vec<String> {
        self.entries("match").iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
    }
}

async fn send(address: SocketAddr, head: &[u8], token: &str, more: &str, body: &[u8]) -> Raw {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = head.to_vec();
    request.extend_from_slice(b" HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\naccept: application/fhir+json\r\n");
    request.extend_from_slice(format!("authorization: Bearer {token}\r\n{more}").as_bytes());
    if !body.is_empty() {
        request.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    // A request that is refused by its head may be answered, and the connection closed, before its end was sent.
    let _ = stream.write_all(&request).await;
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw).await;
    let text = String::from_utf8_lossy(&raw);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Raw { status, body: body.to_owned() }
}

struct Asking {
    world: World,
    address: SocketAddr,
    token: String,
    own: String,
    other: String,
}

impl Asking {
    async fn start() -> Self {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let address = world.issuer.trim_start_matches("http://").parse().unwrap();
        let (own, other) = (world.person("maria").id.to_string(), world.person("carlos").id.to_string());
        Self { world, address, token, own, other }
    }

    async fn get(&self, target: &[u8]) -> Raw {
        let head = [b"GET /fhir/Condition", target].concat();
        send(self.address, &head, &self.token, "", b"").await
    }

    async fn post(&self, form: &[u8]) -> Raw {
        let kind = "content-type: application/x-www-form-urlencoded\r\n";
        send(self.address, b"POST /fhir/Condition/_search", &self.token, kind, form).await
    }

    /// A query as URL and as form, which must say the same.
    async fn both(&self, query: &[u8]) -> Raw {
        let (get, post) = (self.get(&[b"?", query].concat()).await, self.post(query).await);
        assert_eq!(get.comparable(), post.comparable(), "{}", String::from_utf8_lossy(query));
        get
    }
}

#[test]
fn f13_every_spelling_means_its_canonical_form_or_is_refused() {
    run(async {
        let asking = Asking::start().await;
        let Asking { own, other, .. } = &asking;
        let whole = asking.both(b"_count=500").await;
        assert!(whole.ids().len() > 3, "{}", whole.body);
        let filled = |query: &str| query.replace("<me>", own).replace("<you>", other);
        // Spelled otherwise, and the same: what the left finds is what the right finds.
        for (spelled, canonical) in [
            ("%70atient=<you>&_count=500", "patient=<you>&_count=500"),
            ("%70%61%74%69%65%6E%74=Patient%2F<you>&_count=500", "patient=Patient/<you>&_count=500"),
            ("patient=Patient/<me>%2CPatient/<you>&_count=500", "patient=Patient/<me>,Patient/<you>&_count=500"),
            ("patient=Patient/<you>%2cPatient/<me>&_count=500", "patient=Patient/<me>&_count=500"),
            ("patient=Patient%2f<me>&_count=500", "patient=Patient/<me>&_count=500"),
            ("patient%3APatient=<me>&_count=500", "patient:Patient=<me>&_count=500"),
            ("&&patient=Patient/<me>&&&_count=500&", "patient=Patient/<me>&_count=500"),
            ("patient:missing=true&_count=500", "patient=Patient/<you>&_count=500"),
            ("patient:missing=false&_count=500", "_count=500"),
            ("patient=Patient/<me>&patient=Patient/<you>&_count=500", "patient=Patient/<you>&_count=500"),
            ("patient=Patient/<you>&patient=Patient/<me>&_count=500", "patient=Patient/<you>&_count=500"),
            ("subject:Group=<me>&_count=500", "patient=Patient/<you>&_count=500"),
            ("subject:Group=<you>&_count=500", "patient=Patient/<you>&_count=500"),
        ] {
            let (one, two) =
                (asking.both(filled(spelled).as_bytes()).await, asking.both(filled(canonical).as_bytes()).await);
            assert_eq!(two.status, 200, "{canonical}: {}", two.body);
            let same = one.status == 200 && one.ids() == two.ids() && one.entries("outcome") == two.entries("outcome");
            assert!(one.status == 400 || same, "{spelled}: {} {}", one.status, one.body);
        }
        // The canonical forms find what they should, or the comparison shows nothing.
        assert_eq!(asking.both(filled("patient=<you>").as_bytes()).await.ids(), [""; 0]);
        assert_eq!(asking.both(filled("patient=Patient/<me>&_count=500").as_bytes()).await.ids(), whole.ids());
        // Names that only look like one: dropped and said to be, or refused; never taken for it.
        for name in [
            "PATIENT",
            "Patient",
            "pAtient",
            "patient%00",
            "%00patient",
            "patient[]",
            "patient%5B%5D",
            "patient%5b0%5d",
            "patient;x",
            "patient%20",
            "+patient",
            "patient+",
            "patient%09",
            "patient%0a",
            "%EF%BB%BFpatient",
            "p%D0%B0tient",
            "patient%E2%80%8B",
            "%2570atient",
            "patient%3D",
            "patient%26x",
            "patient%23",
            "patient/",
        ] {
            for value in [own, other] {
                let answer = asking.both(format!("{name}=Patient/{value}&_count=500").as_bytes()).await;
                let dropped =
                    answer.status == 200 && answer.ids() == whole.ids() && answer.entries("outcome").len() == 1;
                assert!(answer.status == 400 || dropped, "{name}: {} {}", answer.status, answer.body);
                assert!(!answer.body.contains(other.as_str()), "{name}: a value is echoed");
            }
        }
        // Known, with something behind it that means nothing here.
        for query in [
            "patient:=<me>",
            "patient:exact=<me>",
            "patient:PATIENT=<me>",
            "patient:Patient:Patient=<me>",
            "patient.=<me>",
            "patient:Patient.name=x",
            "patient:missing=TRUE",
            "patient:missing=",
            "patient:missing=1",
            "_count=1;patient=<you>",
            "_count=+1",
            "_count=1%00",
            "_count=1&_count=500",
            "_summary=text&_summary=data",
            "_total=none&_total=accurate",
            "_sort=code&_sort=-code",
            "_format=json&_format=xml",
            "_count=0x10",
            "_count=%D9%A1",
            "_COUNT:x=1&_count:x=1",
        ] {
            let answer = asking.both(filled(query).as_bytes()).await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        }
        for query in
            ["patient=", "patient:identifier=", "patient:identifier=x", "patient=%20", "patient", "patient=,", "code="]
        {
            let answer = asking.both(query.as_bytes()).await;
            assert!(
                answer.status == 400 || answer.ids().is_empty() || answer.ids() == whole.ids(),
                "{query}: {}",
                answer.body
            );
        }
        // Decoded once: what is left then is a value, not a separator.
        for query in [
            "patient=Patient/<me>%252CPatient/<you>",
            "patient=Patient/<me>%2526patient=<you>",
            "patient=Patient/<me>%00",
            "patient=Patient/<me>%00,<you>",
        ] {
            let answer = asking.both(filled(query).as_bytes()).await;
            assert!(answer.status == 400 || answer.ids().is_empty(), "{query}: {} {}", answer.status, answer.body);
        }
    });
}

#[test]
fn f13_bytes_that_are_no_utf8_are_refused_wherever_they_stand() {
    run(async {
        let asking = Asking::start().await;
        let before = asking.world.upstream_counts();
        let bad: &[&[u8]] = &[
            // Overlong, half a pair, beyond the last, cut off, never allowed; as escapes and as they are.
            b"%C0%AF",
            b"%c1%81",
            b"%E0%80%AF",
            b"%ED%A0%80",
            b"%F4%90%80%80",
            b"%F8%88%80%80%80",
            b"%C3",
            b"%FF",
            b"%80",
            b"\xc0\xaf",
            b"\xff",
            b"\xed\xa0\x80",
            b"\xc3",
        ];
        for bytes in bad {
            for query in [
                [b"patient=".as_slice(), bytes].concat(),
                [b"patient=Patient/x".as_slice(), bytes, b"x"].concat(),
                [bytes, b"=x".as_slice()].concat(),
                [b"patient".as_slice(), bytes, b"=x"].concat(),
                [b"_count=".as_slice(), bytes].concat(),
            ] {
                let shown = String::from_utf8_lossy(&query).into_owned();
                let (get, post) = (asking.get(&[b"?", query.as_slice()].concat()).await, asking.post(&query).await);
                assert_eq!((get.status, post.status), (400, 400), "{shown}: {} {}", get.body, post.body);
            }
            let path = [b"GET /fhir/Condition/x".as_slice(), bytes].concat();
            let read = send(asking.address, &path, &asking.token, "", b"").await;
            assert!([400, 404].contains(&read.status), "{}: {}", String::from_utf8_lossy(&path), read.status);
        }
        // What no request line may hold.
        for target in [&b"?code=a\0b"[..], b"?code=a b", b"?code=a\x01", b"?code=a\x7f", b"?code=\"<>\\^`{|}\r\nx: y"] {
            let answer = asking.get(target).await;
            assert!(
                answer.status == 400 || answer.ids().is_empty(),
                "{}: {}",
                String::from_utf8_lossy(target),
                answer.body
            );
        }
        assert_eq!(asking.world.upstream_counts(), before, "no source heard of any of it");
    });
}

#[test]
fn f13_long_and_many_parameters_are_refused_before_anybody_is_asked() {
    run(async {
        let asking = Asking::start().await;
        let before = asking.world.upstream_counts();
        let value = |length: usize| format!("code={}", "x".repeat(length));
        for length in [64 * 1024, 100_000, 1_000_000] {
            let get = asking.get(format!("?{}", value(length)).as_bytes()).await;
            assert!([400, 414, 431].contains(&get.status), "{length}: {}", get.status);
            let post = asking.post(value(length).as_bytes()).await;
            assert!([400, 413].contains(&post.status), "{length}: {}", post.status);
        }
        let many = |count: usize| {
            (0..count).fold(String::new(), |mut text, number| {
                let _ = write!(text, "code={number}&");
                text
            })
        };
        for count in [201, 1_001] {
            assert_eq!(asking.both(many(count).trim_end_matches('&').as_bytes()).await.status, 400, "{count}");
        }
        // In the URL and in the form together they are one query.
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let head = format!("POST /fhir/Condition/_search?{}", many(101));
        let halves = send(asking.address, head.as_bytes(), &asking.token, form, many(101).as_bytes()).await;
        assert_eq!(halves.status, 400, "{}", halves.body);
        let values: Vec<String> = (0..201).map(|number| number.to_string()).collect();
        assert_eq!(asking.both(format!("code={}", values.join(",")).as_bytes()).await.status, 400);
        assert_eq!(asking.world.upstream_counts(), before, "no source heard of any of it");
        assert_eq!(asking.both(many(200).trim_end_matches('&').as_bytes()).await.status, 200, "as many as may be");
    });
}
