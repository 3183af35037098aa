//! TLS towards a source: who cannot be trusted is told nothing.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use chartgate::base::clock::{Instant, TestClock};
use chartgate::base::random::SeededRandom;
use chartgate::base::secret::Secret;
use chartgate::config::{Limits, SecretMethod};
use chartgate::upstream::{Client, ClientProof, Connection, Credential, SourceFailure};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::ehr::read;
use crate::support::tls::{Authority, Shown, TlsEhr, authority, authority_params, pem_file, server_params, signed};

const TOKEN: &str = "the-token-of-the-source";

fn client(base: &str, authority: Option<&Authority>, credential: Credential) -> Arc<Client> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = authority.map(|authority| pem_file(&folder, authority));
    let connection = Connection::new(base, &["127.0.0.0/8".to_owned()], credential).unwrap();
    let connection = connection.trusting(file.as_deref()).unwrap();
    let clock = Arc::new(TestClock::at(Instant::from_micros(1_789_477_200_000_000)));
    let limits = Limits { source_deadline_ms: 5_000, ..Limits::default() };
    Arc::new(Client::new(connection, limits, clock, Arc::new(SeededRandom::new(1))))
}

fn token() -> Credential {
    Credential::Token(Secret::new(TOKEN.to_owned()))
}

fn untrusted(client: &Client) -> u64 {
    client.failures().all().find(|(kind, _)| *kind == "untrusted").unwrap().1
}

/// A certificate for `localhost` with something else about it.
fn odd(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = server_params(&["localhost"]);
    change(&mut params);
    params
}

/// `params` signed by one that `root` signed, which is shown as well.
fn below(params: &CertificateParams, between: CertificateParams, root: &Authority) -> Shown {
    let between = CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), root).unwrap();
    let (mut chain, key) = signed(params, &between);
    chain.push(between.der().clone());
    (chain, key)
}

#[tokio::test]
async fn u21_a_certificate_that_cannot_be_trusted_is_told_nothing() {
    let root = authority(&[], &[]);
    let good = server_params(&["localhost"]);
    let narrow = authority(&["ehr.example"], &[]);
    let barred = authority(&[], &["localhost"]);
    let own_key = KeyPair::generate().unwrap();
    let own = good.self_signed(&own_key).unwrap();
    let self_signed =
        (vec![own.der().clone()], rustls::pki_types::PrivateKeyDer::Pkcs8(own_key.serialize_der().into()));
    let cases: Vec<(&str, Shown, Option<&Authority>)> = vec![
        ("expired", signed(&odd(|one| one.not_after = date_time_ymd(2020, 1, 1)), &root), Some(&root)),
        ("not yet valid", signed(&odd(|one| one.not_before = date_time_ymd(4000, 1, 1)), &root), Some(&root)),
        ("another host", signed(&server_params(&["ehr.example"]), &root), Some(&root)),
        ("below its name", signed(&server_params(&["*.localhost", "x.localhost"]), &root), Some(&root)),
        ("an address", signed(&server_params(&["127.0.0.1"]), &root), Some(&root)),
        ("without a name", signed(&server_params(&[]), &root), Some(&root)),
        ("self-signed", self_signed, Some(&root)),
        ("another authority", signed(&good, &authority(&[], &[])), Some(&root)),
        ("unknown to the system", signed(&good, &root), None),
        (
            "of a client",
            signed(&odd(|one| one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]), &root),
            Some(&root),
        ),
        ("below one that is no authority", below(&good, server_params(&["localhost"]), &root), Some(&root)),
        ("below one for other names", below(&good, authority_params(&["ehr.example"], &[]), &root), Some(&root)),
        ("of an authority for other names", signed(&good, &narrow), Some(&narrow)),
        ("of an authority that is barred from it", signed(&good, &barred), Some(&barred)),
    ];
    for (name, shown, trusted) in cases {
        let mut ehr = TlsEhr::start(shown, "{}").await;
        let client = client(&ehr.base, trusted, token());
        assert_eq!(read(&client, "a").await, Err(SourceFailure::Untrusted), "{name}");
        assert_eq!(ehr.heard().await, "", "{name}");
        assert!(ehr.is_alone(), "{name}: tried again");
        assert_eq!(untrusted(&client), 1, "{name}");
    }
    // The same with nothing odd about it is told everything, in both versions.
    let between = below(&good, authority_params(&["localhost"], &[]), &root);
    for (versions, shown) in [(&[&rustls::version::TLS12], signed(&good, &root)), (&[&rustls::version::TLS13], between)]
    {
        let mut ehr = TlsEhr::speaking(versions, shown, "{}").await;
        let client = client(&ehr.base, Some(&root), token());
        assert!(read(&client, "a").await.is_ok());
        assert!(ehr.heard().await.contains(&format!("authorization: Bearer {TOKEN}\r\n")));
        assert_eq!(untrusted(&client), 0);
    }
}

#[tokio::test]
async fn u21_a_token_endpoint_that_cannot_be_trusted_gets_no_secret() {
    let (root, other) = (authority(&[], &[]), authority(&[], &[]));
    let good = server_params(&["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, "the-secret").unwrap();
    for (endpoint, is_trusted) in [(&root, true), (&other, false)] {
        let tokens = r#"{"access_token":"given","token_type":"bearer","expires_in":300}"#;
        let mut token_endpoint = TlsEhr::start(signed(&good, endpoint), tokens).await;
        let mut ehr = TlsEhr::start(signed(&good, &root), "{}").await;
        let credential = Credential::ClientSecret {
            client_id: "gateway".to_owned(),
            token_url: token_endpoint.base.clone(),
            proof: ClientProof::Secret { file: secret_file.clone(), method: SecretMethod::Post },
            scope: "system/*.rs".to_owned(),
        };
        let client = client(&ehr.base, Some(&root), credential);
        let outcome = read(&client, "a").await;
        let heard = token_endpoint.heard().await;
        if is_trusted {
            assert!(outcome.is_ok(), "{outcome:?}");
            assert!(heard.starts_with("POST /fhir "), "{heard}");
            assert!(ehr.heard().await.contains("authorization: Bearer given\r\n"));
        } else {
            assert_eq!(outcome, Err(SourceFailure::Untrusted));
            assert_eq!(heard, "");
            assert!(ehr.is_alone());
        }
    }
}

/// What a client says to a server that knows no newer version than this one: its hello, and what comes after it.
async fn said_to_an_old_server(version: [u8; 2]) -> (Vec<u8>, Vec<u8>, Result<bytes::Bytes, SourceFailure>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("https://localhost:{}/fhir", listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).await.unwrap();
        // A ServerHello (RFC 5246 §7.4.1.3): version, random, no session, ECDHE_ECDSA with AES-128-GCM, no compression.
        let mut answer = version.to_vec();
        answer.extend([7; 32]);
        answer.extend([0, 0xc0, 0x2b, 0]);
        let length = u8::try_from(answer.len()).unwrap();
        let mut record = vec![22, version[0], version[1], 0, length + 4, 2, 0, 0, length];
        record.extend(answer);
        stream.write_all(&record).await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap();
        (hello, rest)
    });
    let root = authority(&[], &[]);
    let outcome = read(&client(&base, Some(&root), token()), "a").await;
    let (hello, rest) = server.await.unwrap();
    (hello, rest, outcome)
}

#[tokio::test]
async fn u21_tls_1_0_and_1_1_are_neither_offered_nor_taken() {
    for version in [[3, 1], [3, 2]] {
        let (hello, rest, outcome) = said_to_an_old_server(version).await;
        assert_eq!(outcome, Err(SourceFailure::Untrusted), "{version:?}");
        // An alert, fatal (RFC 8446 §6), and nothing else.
        assert_eq!((rest[0], rest[5], rest.len()), (21, 2, 7), "{rest:?}");
        // supported_versions (RFC 8446 §4.2.1): extension 43, its length, the length of the list, TLS 1.3 and 1.2.
        let both = |list: [u8; 4]| [0, 43, 0, 5, 4].into_iter().chain(list).collect::<Vec<u8>>();
        let offers = [both([3, 4, 3, 3]), both([3, 3, 3, 4])];
        assert!(offers.iter().any(|offer| hello.windows(offer.len()).any(|part| part == offer)), "{hello:?}");
    }
}

#[tokio::test]
async fn u21_a_connection_that_breaks_in_the_handshake_is_no_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("https://localhost:{}/fhir", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Closed with bytes unread, the connection is reset.
            let _ = stream.read_exact(&mut [0; 5]).await;
        }
    });
    let client = client(&base, Some(&authority(&[], &[])), token());
    assert_eq!(read(&client, "a").await, Err(SourceFailure::Unreachable));
    assert_eq!(untrusted(&client), 0);
}

#[tokio::test]
async fn u21_authorities_that_cannot_be_read_connect_nothing() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap().serialize_pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    for (name, content) in
        [("missing", None), ("empty", Some(String::new())), ("key", Some(key)), ("broken", Some(broken))]
    {
        let file = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let connection = Connection::new("https://ehr.example/fhir", &[], Credential::None).unwrap();
        let error = connection.trusting(Some(&file)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("ca_file {}: ", file.display())), "{error}");
    }
}
