//! TLS on our own listener: which versions are spoken, what a renewed certificate does, and who cannot pretend to be the
//! proxy in front (O33, W13, and the TLS probes of the certification suites).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chartgate::app::{self, Certificates, Patience};
use chartgate::config::{Limits, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use crate::support::world::{World, run};

const PATIENCE: Patience =
    Patience { head: Duration::from_millis(500), body: Duration::from_secs(20), idle: Duration::from_secs(20) };
const AT_LAST: Duration = Duration::from_secs(20);

/// A certificate for `localhost` in files of `folder`, and what a client has to trust.
fn issue(folder: &Path) -> (Tls, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = Tls { certificate_file: folder.join("chain.pem"), key_file: folder.join("key.pem") };
    std::fs::write(&files.certificate_file, made.cert.pem()).unwrap();
    std::fs::write(&files.key_file, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

pub(crate) struct Listening {
    address: SocketAddr,
    certificates: Arc<Certificates>,
    pub(crate) trusted: CertificateDer<'static>,
    folder: PathBuf,
    stop: watch::Sender<bool>,
    _files: tempfile::TempDir,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// The product's own routes behind TLS.
pub(crate) async fn listening(world: &World) -> Listening {
    let files = tempfile::tempdir().unwrap();
    let (tls, trusted) = issue(files.path());
    let certificates = Certificates::load(tls).unwrap();
    let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap().with_tls(&certificates);
    let address = listeners.addresses()[0];
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(app::serve(listeners, world.app.router.clone(), PATIENCE, stopping, Duration::ZERO));
    Listening { address, certificates, trusted, folder: files.path().to_owned(), stop, _files: files }
}

/// What a client that speaks these versions and trusts this certificate gets for `GET {path}`.
pub(crate) async fn get(
    listening: &Listening,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    head: &str,
) -> Result<(Option<ProtocolVersion>, String), std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(listening.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let version = stream.get_ref().1.protocol_version();
    stream.write_all(head.as_bytes()).await?;
    let mut all = Vec::new();
    // The server closes without a notice when it is told to close.
    let _ = tokio::time::timeout(AT_LAST, stream.read_to_end(&mut all)).await.unwrap();
    Ok((version, String::from_utf8(all).unwrap()))
}

pub(crate) const ALL: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];
const HEAD: &str = "GET /fhir/metadata HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// A ClientHello of an old version: what stands in the record and in the hello, and no extension that offers more.
pub(crate) fn old_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.push(0);
    // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_RSA_WITH_AES_128_CBC_SHA, TLS_RSA_WITH_3DES_EDE_CBC_SHA
    hello.extend([0, 6, 0xc0, 0x13, 0, 0x2f, 0, 0x0a, 1, 0]);
    let mut record = vec![22, 3, minor, 0, u8::try_from(hello.len() + 4).unwrap(), 1, 0, 0];
    record.push(u8::try_from(hello.len()).unwrap());
    record.extend(hello);
    record
}

/// What comes back for these bytes.
pub(crate) async fn exchange(listening: &Listening, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    let _ = tokio::time::timeout(AT_LAST, stream.read_to_end(&mut all)).await.expect("it is let go");
    all
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let listening = listening(&world).await;
        for (version, name) in
            [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
        {
            let (spoken, answer) = get(&listening, &listening.trusted, &[version], HEAD).await.unwrap();
            assert_eq!(spoken, Some(name));
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("CapabilityStatement"), "{answer:.200}");
        }
        // SSL 3.0, TLS 1.0, TLS 1.1: an alert (21), and no ServerHello (22).
        for minor in 0..=2 {
            let all = exchange(&listening, &old_hello(minor)).await;
            assert!(all.first().is_none_or(|kind| *kind == 21), "version 3.{minor}: {all:?}");
        }
    });
}

#[test]
fn plain_http_and_silence_get_nothing_from_a_tls_listener() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let listening = listening(&world).await;
        for said in [HEAD, ""] {
            let all = exchange(&listening, said.as_bytes()).await;
            assert!(!String::from_utf8_lossy(&all).contains("HTTP"), "{all:?}");
        }
    });
}

#[test]
fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let listening = listening(&world).await;
        assert!(!listening.certificates.reload().unwrap(), "nothing has changed");
        let (files, renewed) = issue(&listening.folder);
        assert!(get(&listening, &renewed, ALL, HEAD).await.is_err(), "not yet");
        assert!(listening.certificates.reload().unwrap());
        assert!(get(&listening, &renewed, ALL, HEAD).await.is_ok());
        assert!(get(&listening, &listening.trusted, ALL, HEAD).await.is_err(), "the old one is gone");

        let good_key = std::fs::read(&files.key_file).unwrap();
        let other = tempfile::tempdir().unwrap();
        let (others, _) = issue(other.path());
        let foreign_key = std::fs::read(&others.key_file).unwrap();
        for bad in [&b""[..], b"nonsense", &foreign_key] {
            std::fs::write(&files.key_file, bad).unwrap();
            assert!(listening.certificates.reload().is_err());
            assert!(Certificates::load(files.clone()).is_err(), "and nothing starts with it");
            assert!(get(&listening, &renewed, ALL, HEAD).await.is_ok(), "the one before it stays");
        }
        std::fs::write(&files.key_file, good_key).unwrap();
        assert!(!listening.certificates.reload().unwrap());
    });
}

#[test]
fn the_files_are_looked_at_again_without_being_told() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let listening = listening(&world).await;
        let watching = tokio::spawn(listening.certificates.clone().watch());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (_, renewed) = issue(&listening.folder);
        let mut served = false;
        for _ in 0..150 {
            served = get(&listening, &renewed, ALL, HEAD).await.is_ok();
            if served {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        watching.abort();
        assert!(served, "the renewed certificate was never served");
    });
}

#[test]
fn o33_w13_headers_of_proxies_and_doubled_hosts_change_nothing_for_strangers() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let listening = listening(&world).await;
        let ask = async |lines: &str| {
            let head = format!("{lines}\r\nconnection: close\r\n\r\n");
            let (_, answer) = get(&listening, &listening.trusted, ALL, &head).await.unwrap();
            answer.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        let plain = ask("GET /fhir/Patient HTTP/1.1\r\nhost: localhost").await;
        assert_eq!(plain, "401");
        for header in [
            "x-ssl-client-cert: MII",
            "x-forwarded-client-cert: Hash=1;Subject=\"CN=app\"",
            "forwarded: for=10.0.0.1;proto=https;host=evil.test",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: evil.test",
            "x-forwarded-proto: http",
            "x-forwarded-user: maria",
        ] {
            let lines = format!("GET /fhir/Patient HTTP/1.1\r\nhost: localhost\r\n{header}");
            assert_eq!(ask(&lines).await, plain, "{header}");
        }
        for lines in [
            "GET /fhir/metadata HTTP/1.1\r\nhost: localhost\r\nhost: localhost",
            "GET /fhir/metadata HTTP/1.1\r\nhost: localhost\r\nhost: evil.test",
            "GET /fhir/metadata HTTP/1.1\r\naccept: */*",
            "GET https://evil.test/fhir/metadata HTTP/1.1\r\nhost: localhost",
        ] {
            assert_eq!(ask(lines).await, "400", "{lines}");
        }
        assert_eq!(ask("GET https://localhost/fhir/metadata HTTP/1.1\r\nhost: localhost").await, "200");
    });
}
