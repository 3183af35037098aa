//! Certificates of every kind, and an EHR that shows one of them and tells what it heard.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Who signs.
pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate with those above it, and its key.
pub(crate) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// An authority of its own, for these names alone where there are any.
pub(crate) fn authority(permitted: &[&str], excluded: &[&str]) -> Authority {
    CertifiedIssuer::self_signed(authority_params(permitted, excluded), KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn authority_params(permitted: &[&str], excluded: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let subtrees = |names: &[&str]| names.iter().map(|name| GeneralSubtree::DnsName((*name).to_owned())).collect();
    if !permitted.is_empty() || !excluded.is_empty() {
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: subtrees(permitted), excluded_subtrees: subtrees(excluded) });
    }
    params
}

/// A server's certificate for these names.
pub(crate) fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

/// What `params` says, signed by `authority`.
pub(crate) fn signed(params: &CertificateParams, authority: &Authority) -> Shown {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

/// A file with the authority's certificate.
pub(crate) fn pem_file(folder: &tempfile::TempDir, authority: &Authority) -> PathBuf {
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    file
}

/// An EHR behind TLS. It answers everything with one body, and tells of each connection, once it is over, what was
/// said inside it: nothing where there was no handshake.
pub(crate) struct TlsEhr {
    /// `https://localhost:port/fhir`.
    pub(crate) base: String,
    heard: mpsc::UnboundedReceiver<String>,
}

impl TlsEhr {
    pub(crate) async fn start(shown: Shown, body: &str) -> Self {
        Self::speaking(rustls::ALL_VERSIONS, shown, body).await
    }

    pub(crate) async fn speaking(
        versions: &[&'static rustls::SupportedProtocolVersion],
        (chain, key): Shown,
        body: &str,
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let builder = ServerConfig::builder_with_protocol_versions(versions).with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        // Each connection shakes hands from the start.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("https://localhost:{}/fhir", listener.local_addr().unwrap().port());
        let (tell, heard) = mpsc::unbounded_channel();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, tell, answer) = (acceptor.clone(), tell.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut said = Vec::new();
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let mut piece = [0; 4_096];
                        while let Ok(length @ 1..) = stream.read(&mut piece).await {
                            said.extend_from_slice(&piece[..length]);
                            if said.windows(4).any(|end| end == b"\r\n\r\n") {
                                let _ = stream.write_all(answer.as_bytes()).await;
                                let _ = stream.shutdown().await;
                                break;
                            }
                        }
                    }
                    let _ = tell.send(String::from_utf8_lossy(&said).into_owned());
                });
            }
        });
        Self { base, heard }
    }

    /// What was said in the next connection that ended.
    pub(crate) async fn heard(&mut self) -> String {
        let next = tokio::time::timeout(Duration::from_secs(10), self.heard.recv());
        next.await.expect("nobody connected").unwrap()
    }

    /// Whether nobody connected since.
    pub(crate) fn is_alone(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}
