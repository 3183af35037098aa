use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64;

use super::CliError;
use super::fixtures::Practice;
use crate::cli::master_key::write_private;

/// The key with which the gateway proves itself to one demo EHR.
#[derive(Debug)]
pub(super) struct SourceKeyFile {
    pub(super) client_id: String,
    pub(super) key_id: String,
    pub(super) private_file: PathBuf,
    pub(super) public_pem: Vec<u8>,
    is_rsa: bool,
}

impl SourceKeyFile {
    /// Opens the practice's key pair, made at the first start. The vendors differ in what they take.
    pub(super) fn open(folder: &Path, practice: &Practice) -> Result<Self, CliError> {
        let is_rsa = practice.vendor != "plain-r4";
        let private_file = folder.join(format!("{}.key.pem", practice.key));
        let public_file = folder.join(format!("{}.pub.pem", practice.key));
        if !public_file.exists() {
            let (private, public) = if is_rsa { rsa_pair()? } else { ec_pair()? };
            let _ = std::fs::remove_file(&private_file);
            write_private(&private_file, pem("PRIVATE KEY", &private).as_bytes())?;
            std::fs::write(&public_file, pem("PUBLIC KEY", &public))?;
        }
        Ok(Self {
            client_id: format!("chartgate-{}", practice.key),
            key_id: format!("{}-1", practice.key),
            public_pem: std::fs::read(public_file)?,
            private_file,
            is_rsa,
        })
    }

    pub(super) const fn algorithm(&self) -> &'static str {
        if self.is_rsa { "RS384" } else { "ES384" }
    }
}

/// PKCS #8 and SubjectPublicKeyInfo, DER.
type Pair = (Vec<u8>, Vec<u8>);

fn rsa_pair() -> Result<Pair, CliError> {
    let failed = |_| "an RSA key could not be made";
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?;
    let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).map_err(failed)?;
    Ok((private.as_ref().to_vec(), public.as_ref().to_vec()))
}

fn ec_pair() -> Result<Pair, CliError> {
    let failed = |_| "an EC key could not be made";
    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?;
    let private = pair.to_pkcs8v1().map_err(failed)?;
    let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).map_err(failed)?;
    Ok((private.as_ref().to_vec(), public.as_ref().to_vec()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut lines = String::new();
    let mut rest = text.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        lines.push_str(rest);
        lines.push('\n');
    }
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}
