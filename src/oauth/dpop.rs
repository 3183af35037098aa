//! Proofs of possession (RFC 9449): a token bound to a key is worth nothing without it.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::jwk::Algorithm;
use super::jws::{self, Signed};
use crate::base::clock::Instant;
use crate::base::hash::{equal_in_constant_time, sha256_of_parts};

/// What proofs may be signed with.
pub const PROOF_ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

/// Their names: Ed25519 has two (RFC 9864 §2.2).
pub const PROOF_ALGORITHM_NAMES: [&str; 4] = ["ES256", "ES384", "EdDSA", "Ed25519"];

/// A proof is good for so long after it was made, in seconds (RFC 9449 §11.1: a short time).
pub const PROOF_LIFE: i64 = 60;
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 256;

/// The thumbprint of a key that a token is bound to (`jkt`, RFC 9449 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Reads `dpop_jkt`: the base64url of a SHA-256 in its one spelling (RFC 9449 §10).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// From stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

#[derive(Debug, Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: Value,
    ath: Option<String>,
}

/// What a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's URL, without query and fragment.
    pub url: &'a str,
    /// The SHA-256 of the access token that comes with it.
    pub token: Option<&'a [u8; 32]>,
}

/// A proof that holds, to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key that made it.
    pub key: Thumbprint,
    /// Stands for key and `jti`.
    pub id: [u8; 32],
    /// When it was made, in seconds (`iat`).
    pub issued: i64,
}

/// Checks a proof as RFC 9449 §4.3 lists it, but for replay.
#[must_use]
pub fn check(text: &str, expected: &Expected<'_>, now: Instant) -> Option<Proof> {
    let jws: Signed<'_, Claims> = Signed::parse(text)?;
    jws.algorithm(&PROOF_ALGORITHMS)?;
    let key = jws.own_key()?.public_key().ok()?;
    let Claims { jti, htm, htu, iat, ath } = &jws.claims;
    let issued = jws::seconds(iat)?;
    let age = now.seconds().saturating_sub(issued);
    let bound = match expected.token {
        None => true,
        Some(hash) => ath
            .as_deref()
            .and_then(|ath| BASE64URL_NOPAD.decode(ath.as_bytes()).ok())
            .is_some_and(|ath| equal_in_constant_time(&ath, hash)),
    };
    let holds = jws.kind() == Some("dpop+jwt")
        && (1..=LONGEST_ID).contains(&jti.len())
        && htm == expected.method
        && is_same(htu, expected.url)
        && (-jws::CLOCK_SKEW..=PROOF_LIFE).contains(&age)
        && bound
        && jws.is_signed_by(&key);
    let thumbprint = key.thumbprint();
    holds.then(|| Proof {
        key: Thumbprint(thumbprint),
        id: sha256_of_parts([thumbprint.as_slice(), jti.as_bytes()]),
        issued,
    })
}

/// Whether `htu` is this URL, however it is spelled (RFC 9449 §4.3: normalised, without query and fragment).
fn is_same(htu: &str, url: &str) -> bool {
    let plain = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    match (plain(htu), plain(url)) {
        (Some(htu), Some(url)) => htu == url,
        _ => false,
    }
}
