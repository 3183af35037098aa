//! Backend clients that the sandbox knows: an id and public keys.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};

/// A registered backend client.
#[derive(Clone)]
pub struct Client {
    pub(super) id: String,
    keys: Vec<(String, Algorithm, DecodingKey)>,
}

/// Why a client cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Not a JWK Set (RFC 7517 §5), or one without a usable key.
    #[error("not a JWK Set with an RSA or P-384 key that has a kid")]
    KeySet,
    /// Not a public key in PEM, or not one for RS384 or ES384.
    #[error("not a PEM public key for RS384 or ES384")]
    Pem,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("keys", &self.keys.len()).finish()
    }
}

impl Client {
    /// A client with the keys of a JWK Set: RSA keys for RS384, P-384 keys for ES384; others are left out.
    ///
    /// # Errors
    /// [`ClientError::KeySet`]
    pub fn from_jwks(id: &str, jwks: &str) -> Result<Self, ClientError> {
        let set: JwkSet = serde_json::from_str(jwks).map_err(|_| ClientError::KeySet)?;
        let keys: Vec<_> = set
            .keys
            .iter()
            .filter_map(|jwk| {
                let algorithm = match &jwk.algorithm {
                    AlgorithmParameters::RSA(_) => Algorithm::RS384,
                    AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Algorithm::ES384,
                    _ => return None,
                };
                Some((jwk.common.key_id.clone()?, algorithm, DecodingKey::from_jwk(jwk).ok()?))
            })
            .collect();
        if keys.is_empty() { Err(ClientError::KeySet) } else { Ok(Self { id: id.to_owned(), keys }) }
    }

    /// A client with one public key in PEM. `algorithm` is `RS384` or `ES384`.
    ///
    /// # Errors
    /// [`ClientError::Pem`]
    pub fn from_pem(id: &str, kid: &str, algorithm: &str, pem: &[u8]) -> Result<Self, ClientError> {
        let (algorithm, key) = match algorithm {
            "RS384" => (Algorithm::RS384, DecodingKey::from_rsa_pem(pem)),
            "ES384" => (Algorithm::ES384, DecodingKey::from_ec_pem(pem)),
            _ => return Err(ClientError::Pem),
        };
        let key = key.map_err(|_| ClientError::Pem)?;
        Ok(Self { id: id.to_owned(), keys: vec![(kid.to_owned(), algorithm, key)] })
    }

    pub(super) fn key(&self, kid: &str, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.keys.iter().find(|(id, alg, _)| id == kid && *alg == algorithm).map(|(_, _, key)| key)
    }
}
