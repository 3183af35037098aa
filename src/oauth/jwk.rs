//! Public keys of clients as JSON (RFC 7517; RFC 7518 §6; RFC 8037 §2), and the signatures that they verify.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey,
    VerificationAlgorithm,
};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::base::hash::sha256;

/// More keys than this are no set of one client.
const MOST_KEYS: usize = 50;
/// The longest RSA modulus, in bytes: a longer one only costs time.
const LONGEST_MODULUS: usize = 512;
/// The shortest (RFC 7518 §3.3).
const SHORTEST_MODULUS: usize = 256;
/// The longest `kid`, in bytes.
const LONGEST_KEY_ID: usize = 256;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). None of them works with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Its name in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs384 => "RS384",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one with this name. Ed25519 has two (RFC 8037 §3.1, RFC 9864 §2.2).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Rs384, Self::Es256, Self::Es384, Self::EdDsa];
        all.into_iter().find(|algorithm| algorithm.as_str() == name || (*algorithm == Self::EdDsa && name == "Ed25519"))
    }
}

/// A public key. Each kind goes with one algorithm, so that no header can choose how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: modulus and exponent.
    Rsa {
        /// The modulus, big endian.
        n: Vec<u8>,
        /// The exponent, big endian.
        e: Vec<u8>,
    },
    /// A point on P-256: both coordinates.
    P256([u8; 64]),
    /// A point on P-384: both coordinates.
    P384([u8; 96]),
    /// Ed25519.
    Ed25519([u8; 32]),
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// It holds the private half, or a shared secret: whoever can read it could sign.
    #[error("a key set must hold public keys alone")]
    Private,
    /// Of another kind, for another use, too short, too long, or malformed.
    #[error("the key is not an RSA key of 2048 to 4096 bits, a P-384 key, a P-256 key or an Ed25519 key")]
    Unusable,
}

/// A key as it is written. What is not named here is ignored (RFC 7517 §4).
#[derive(Debug, Deserialize)]
pub struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    intended: Option<String>,
    key_ops: Option<Vec<String>>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

fn bytes<const N: usize>(text: Option<&str>) -> Option<[u8; N]> {
    BASE64URL_NOPAD.decode(text?.as_bytes()).ok()?.try_into().ok()
}

/// Both coordinates of a point, one after the other.
fn point<const N: usize>(x: Option<&str>, y: Option<&str>, size: usize) -> Option<[u8; N]> {
    let (x, y) = (BASE64URL_NOPAD.decode(x?.as_bytes()).ok()?, BASE64URL_NOPAD.decode(y?.as_bytes()).ok()?);
    if x.len() != size || y.len() != size {
        return None;
    }
    [x, y].concat().try_into().ok()
}

fn number(text: Option<&str>) -> Option<Vec<u8>> {
    // RFC 7518 §2: without leading zeros, so that one key has one spelling and one thumbprint.
    BASE64URL_NOPAD.decode(text?.as_bytes()).ok().filter(|bytes| bytes.first().is_some_and(|first| *first != 0))
}

impl Jwk {
    /// The key, if it can verify signatures.
    ///
    /// # Errors
    /// [`JwkError`].
    pub fn public_key(&self) -> Result<PublicKey, JwkError> {
        if self.d.is_some() || self.p.is_some() || self.q.is_some() || self.k.is_some() || self.kty == "oct" {
            return Err(JwkError::Private);
        }
        let verifies = self.intended.as_deref().is_none_or(|intended| intended == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let (x, y) = (self.x.as_deref(), self.y.as_deref());
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => number(self.n.as_deref())
                .zip(number(self.e.as_deref()))
                .filter(|(n, e)| (SHORTEST_MODULUS..=LONGEST_MODULUS).contains(&n.len()) && e.len() <= 8)
                .map(|(n, e)| PublicKey::Rsa { n, e }),
            ("EC", Some("P-256")) => point(x, y, 32).map(PublicKey::P256),
            ("EC", Some("P-384")) => point(x, y, 48).map(PublicKey::P384),
            ("OKP", Some("Ed25519")) => bytes(x).map(PublicKey::Ed25519),
            _ => None,
        };
        key.filter(|key| {
            verifies && self.alg.as_deref().is_none_or(|alg| Algorithm::named(alg) == Some(key.algorithm()))
        })
        .ok_or(JwkError::Unusable)
    }
}

impl PublicKey {
    /// The algorithm that goes with it.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs384,
            Self::P256(_) => Algorithm::Es256,
            Self::P384(_) => Algorithm::Es384,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether `signature` is this key's on `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let on_curve = |algorithm: &'static dyn VerificationAlgorithm, point: &[u8]| {
            // SEC 1 §2.3.3: a point in full is marked by a 4.
            let point = [&[4], point].concat();
            UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
        };
        match self {
            Self::Rsa { n, e } => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA384, message, signature).is_ok()
            }
            Self::P256(point) => on_curve(&ECDSA_P256_SHA256_FIXED, point),
            Self::P384(point) => on_curve(&ECDSA_P384_SHA384_FIXED, point),
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok(),
        }
    }

    /// Its thumbprint (RFC 7638 §3; RFC 8037 §2): SHA-256 over the required members in lexical order.
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 32] {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let curve = |name: &str, point: &[u8]| {
            let (x, y) = point.split_at(point.len() / 2);
            format!(r#"{{"crv":"{name}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
        };
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Self::P256(point) => curve("P-256", point),
            Self::P384(point) => curve("P-384", point),
            Self::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
        };
        sha256(canonical.as_bytes())
    }

    fn to_json(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let curve = |name: &str, point: &[u8]| {
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "crv": name, "x": text(x), "y": text(y), "kid": kid})
        };
        match self {
            Self::Rsa { n, e } => json!({"kty": "RSA", "n": text(n), "e": text(e), "kid": kid}),
            Self::P256(point) => curve("P-256", point),
            Self::P384(point) => curve("P-384", point),
            Self::Ed25519(x) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(x), "kid": kid}),
        }
    }
}

/// The keys of one client (RFC 7517 §5), by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<(String, PublicKey)>);

/// Why a text is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON object with a list of at most 50 keys.
    #[error("must be a JSON Web Key Set with at most 50 keys")]
    Malformed,
    /// It holds a key that should have stayed where it was made.
    #[error("must hold public keys alone")]
    Private,
    /// Nothing in it can verify an assertion.
    #[error("must hold a key with a kid: RSA of 2048 to 4096 bits, or on the curve P-384")]
    Empty,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. Keys of other kinds, for other uses and without a `kid` are left out (RFC 7517 §5).
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        let Keys { keys } = serde_json::from_slice(text).map_err(|_| KeySetError::Malformed)?;
        if keys.len() > MOST_KEYS {
            return Err(KeySetError::Malformed);
        }
        let mut known = Vec::new();
        for key in keys {
            let Ok(jwk) = serde_json::from_value::<Jwk>(key) else { continue };
            match jwk.public_key() {
                Ok(key) if ASSERTION_ALGORITHMS.contains(&key.algorithm()) => {
                    let kid = jwk.kid.filter(|kid| (1..=LONGEST_KEY_ID).contains(&kid.len()));
                    known.extend(kid.map(|kid| (kid, key)));
                }
                Err(JwkError::Private) => return Err(KeySetError::Private),
                Ok(_) | Err(JwkError::Unusable) => {}
            }
        }
        if known.is_empty() { Err(KeySetError::Empty) } else { Ok(Self(known)) }
    }

    /// The only key with this id for this algorithm. With two of them nobody can say which one is meant.
    #[must_use]
    pub fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut found = self.0.iter().filter(|(known, key)| known == kid && key.algorithm() == algorithm);
        found.next().filter(|_| found.next().is_none()).map(|(_, key)| key)
    }

    /// The set as JSON, with nothing but what is used of it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let keys: Vec<Value> = self.0.iter().map(|(kid, key)| key.to_json(kid)).collect();
        json!({ "keys": keys })
    }
}

/// What clients may sign assertions with (SMART App Launch 2.2, Client Authentication: Asymmetric).
pub const ASSERTION_ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs384, Algorithm::Es384];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7638_and_rfc_8037() {
        let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS384","kid":"2011-04-29"}"#;
        let key = serde_json::from_str::<Jwk>(rsa).unwrap().public_key().unwrap();
        assert_eq!(BASE64URL_NOPAD.encode(&key.thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = serde_json::from_str::<Jwk>(okp).unwrap().public_key().unwrap();
        assert_eq!(BASE64URL_NOPAD.encode(&key.thumbprint()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        // RFC 8037 appendix A.4.
        let signature = BASE64URL_NOPAD
            .decode(b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
            .unwrap();
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert!(key.verifies(message, &signature));
        assert!(!key.verifies(&message[1..], &signature));
    }

    /// A modulus of so many bytes.
    fn rsa(length: usize, more: &str) -> String {
        let n = BASE64URL_NOPAD.encode(&vec![0xc1; length]);
        format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","kid":"k"{more}}}"#)
    }

    #[test]
    fn o19_keys_that_must_not_be_used() {
        let set = |keys: &str| KeySet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes());
        assert!(set(&rsa(256, "")).is_ok() && set(&rsa(512, r#","use":"sig","alg":"RS384""#)).is_ok());
        for bad in [
            rsa(255, ""),
            rsa(513, ""),
            // 16,384 bits.
            rsa(2_048, ""),
            rsa(256, r#","use":"enc""#),
            rsa(256, r#","alg":"RS256""#),
            rsa(256, r#","alg":"HS384""#),
            rsa(256, r#","key_ops":["encrypt"]"#),
            rsa(256, "").replace(r#""kid":"k""#, r#""kid":"""#),
            rsa(256, "").replace("AQAB", "AQABAQABAQABAQAB"),
            r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA","kid":"k"}"#.to_owned(),
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA","kid":"k"}"#.to_owned(),
            "17".to_owned(),
            String::new(),
        ] {
            assert_eq!(set(&bad), Err(KeySetError::Empty), "{bad}");
        }
        for private in [rsa(256, r#","d":"AQ""#), r#"{"kty":"oct","k":"c2VjcmV0","kid":"k"}"#.to_owned()] {
            assert_eq!(set(&format!("{},{private}", rsa(256, ""))), Err(KeySetError::Private));
        }
        for bad in ["", "[]", "{}", r#"{"keys":{}}"#, "nonsense"] {
            assert_eq!(KeySet::parse(bad.as_bytes()), Err(KeySetError::Malformed), "{bad}");
        }
        assert_eq!(set(&vec![rsa(256, ""); 51].join(",")), Err(KeySetError::Malformed));
    }

    #[test]
    fn o19_of_two_keys_with_one_id_none_is_meant() {
        let one = KeySet::parse(format!(r#"{{"keys":[{}]}}"#, rsa(256, "")).as_bytes()).unwrap();
        assert!(one.find("k", Algorithm::Rs384).is_some());
        assert!(one.find("k", Algorithm::Es384).is_none() && one.find("other", Algorithm::Rs384).is_none());
        let two = KeySet::parse(format!(r#"{{"keys":[{},{}]}}"#, rsa(256, ""), rsa(300, "")).as_bytes()).unwrap();
        assert!(two.find("k", Algorithm::Rs384).is_none());
        assert_eq!(KeySet::parse(two.to_json().to_string().as_bytes()), Ok(two));
    }
}
