//! TLS on our own listener: TLS 1.2 and 1.3, with certificates that are read again when their files change.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::base::hash::sha256;
use crate::config::Tls;

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A certificate that cannot be used, in one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The two do not make an identity.
    #[error("server.tls: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The certificate chain and key of the listener, as they are now.
#[derive(Debug)]
pub struct Certificates {
    files: Tls,
    current: RwLock<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    fingerprint: [u8; 32],
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current(…)")
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load(files: Tls) -> Result<Arc<Self>, CertificateError> {
        let current = RwLock::new(read(&files)?);
        Ok(Arc::new(Self { files, current }))
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.read().unwrap_or_else(PoisonError::into_inner).config.clone())
    }

    /// Takes what the files hold now. What cannot be used changes nothing: the certificate before it stays.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let new = read(&self.files)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let changed = new.fingerprint != current.fingerprint;
        if changed {
            *current = new;
        }
        Ok(changed)
    }

    /// Reads the files again whenever they change, as long as the process runs.
    pub async fn watch(self: Arc<Self>) {
        let mut seen = self.written();
        let mut said = String::new();
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let written = self.written();
            if written == seen && said.is_empty() {
                continue;
            }
            seen = written;
            match self.reload() {
                Ok(changed) => {
                    said.clear();
                    if changed {
                        tracing::info!("the certificate of the listener was read anew");
                    }
                }
                // A renewal writes two files, one after the other: between them they do not fit.
                Err(error) if said != error.to_string() => {
                    tracing::warn!(%error, "the new certificate cannot be used: the one before it stays");
                    said = error.to_string();
                }
                Err(_) => {}
            }
        }
    }

    /// When the files were last written, as far as that can be told.
    fn written(&self) -> [Option<SystemTime>; 2] {
        [&self.files.certificate_file, &self.files.key_file]
            .map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
    }
}

fn read(files: &Tls) -> Result<Current, CertificateError> {
    let unreadable = |path: &PathBuf, reason: String| CertificateError::Unreadable { path: path.clone(), reason };
    let bytes = |path: &PathBuf| std::fs::read(path).map_err(|error: io::Error| unreadable(path, error.to_string()));
    let (chain, key) = (bytes(&files.certificate_file)?, bytes(&files.key_file)?);
    let fingerprint = sha256(&[chain.as_slice(), key.as_slice()].concat());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(&files.certificate_file, error.to_string()))?;
    if chain.is_empty() {
        return Err(unreadable(&files.certificate_file, "holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| unreadable(&files.key_file, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Current { config: Arc::new(config), fingerprint })
}
