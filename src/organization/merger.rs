//! What an organization says of the records that it takes over: a file of old and new ids, and a signature over it.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use serde::Deserialize;

use super::SourceKey;
use crate::base::hash::{equal_in_constant_time, sha256};
use crate::oauth::jwk::{Algorithm, Jwk};
use crate::oauth::jws::Signed;

/// What may sign it.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs384, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
/// More records than this are entered in several files.
const MOST: usize = 1_000_000;
/// The longest id of a FHIR resource here, in bytes.
const LONGEST_ID: usize = 255;

/// Which record became which.
#[derive(Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The source that ends.
    pub from: SourceKey,
    /// The source that its records are in now.
    pub into: SourceKey,
    /// Old id to new id.
    pub rows: BTreeMap<String, String>,
    /// What was signed.
    pub digest: [u8; 32],
}

// Ids of charts are as telling as names to whoever knows the EHR.
impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping").field("from", &self.from).field("into", &self.into).finish_non_exhaustive()
    }
}

/// Why a mapping is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It is not JSON of the form `{"from": …, "into": …, "rows": {"old": "new"}}`, or names one record twice.
    #[error("the mapping is not of the form {{\"from\", \"into\", \"rows\": {{\"old\": \"new\"}}}}, each id once")]
    Malformed,
    /// Nobody who may signed it.
    #[error("the mapping is not signed with this key")]
    Signature,
    /// It was signed for another file.
    #[error("the signature is of another mapping")]
    OtherFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    from: String,
    into: String,
    rows: BTreeMap<String, String>,
}

/// What is signed: the file's SHA-256, as a JWS (RFC 7515 §7.1, compact).
#[derive(Deserialize)]
struct Claims {
    sha256: String,
}

impl Mapping {
    /// Reads a mapping that is signed with the key in `jwk` (RFC 7517).
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn read(file: &[u8], signature: &str, jwk: &str) -> Result<Self, MappingError> {
        let key = serde_json::from_str::<Jwk>(jwk).ok().and_then(|key| key.public_key().ok());
        let key = key.ok_or(MappingError::Signature)?;
        let signed: Signed<'_, Claims> = Signed::parse(signature.trim()).ok_or(MappingError::Signature)?;
        if signed.algorithm(&ALGORITHMS).is_none() || !signed.is_signed_by(&key) {
            return Err(MappingError::Signature);
        }
        let digest = sha256(file);
        let named = HEXLOWER.decode(signed.claims.sha256.as_bytes()).unwrap_or_default();
        if !equal_in_constant_time(&named, &digest) {
            return Err(MappingError::OtherFile);
        }
        let file: File = serde_json::from_slice(file).map_err(|_| MappingError::Malformed)?;
        let key = |text: &str| text.parse::<SourceKey>().map_err(|_| MappingError::Malformed);
        let (from, into) = (key(&file.from)?, key(&file.into)?);
        let is_id = |id: &String| (1..=LONGEST_ID).contains(&id.len());
        let targets: BTreeSet<&String> = file.rows.values().collect();
        // Two old records that became one are a merge, which the EHR itself must show.
        let is_sound = from != into
            && file.rows.len() <= MOST
            && targets.len() == file.rows.len()
            && file.rows.iter().all(|(old, new)| is_id(old) && is_id(new));
        if is_sound { Ok(Self { from, into, rows: file.rows, digest }) } else { Err(MappingError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::json;

    use super::*;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).unwrap())
        }

        fn jwk(&self) -> String {
            let point = self.0.public_key().as_ref();
            let text = |part: &[u8]| BASE64URL_NOPAD.encode(part);
            json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])}).to_string()
        }

        fn sign(&self, header: &serde_json::Value, file: &[u8]) -> String {
            let claims = json!({"sha256": HEXLOWER.encode(&sha256(file))});
            let text = |value: &serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            let signed = format!("{}.{}", text(header), text(&claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }
    }

    #[test]
    fn only_what_the_key_signed_is_taken_and_each_record_once() {
        let (signer, other) = (Signer::new(), Signer::new());
        let (es256, none) = (json!({"alg": "ES256"}), json!({"alg": "none"}));
        let file = br#"{"from":"aaaa","into":"bbbb","rows":{"1":"x","2":"y"}}"#;
        let read = Mapping::read(file, &format!("{}\n", signer.sign(&es256, file)), &signer.jwk()).unwrap();
        assert_eq!(read.rows.get("2").map(String::as_str), Some("y"));
        let changed = br#"{"from":"aaaa","into":"bbbb","rows":{"1":"y","2":"x"}}"#;
        let signed = signer.sign(&es256, file);
        assert_eq!(Mapping::read(changed, &signed, &signer.jwk()), Err(MappingError::OtherFile));
        assert_eq!(Mapping::read(file, &signed, &other.jwk()), Err(MappingError::Signature));
        assert_eq!(Mapping::read(file, &signer.sign(&none, file), &signer.jwk()), Err(MappingError::Signature));
        assert_eq!(Mapping::read(file, "", &signer.jwk()), Err(MappingError::Signature));
        assert_eq!(Mapping::read(file, &signed, "{}"), Err(MappingError::Signature));
        for bad in [
            r#"{"from":"aaaa","into":"aaaa","rows":{"1":"x"}}"#,
            r#"{"from":"aaaa","into":"bbbb","rows":{"1":"x","2":"x"}}"#,
            r#"{"from":"aaaa","into":"bbbb","rows":{"":"x"}}"#,
            r#"{"from":"aaaa","into":"bbbb"}"#,
            r#"{"from":"a","into":"bbbb","rows":{}}"#,
            r#"{"from":"aaaa","into":"bbbb","rows":{},"more":1}"#,
        ] {
            let signed = signer.sign(&es256, bad.as_bytes());
            assert_eq!(Mapping::read(bad.as_bytes(), &signed, &signer.jwk()), Err(MappingError::Malformed), "{bad}");
        }
    }
}
