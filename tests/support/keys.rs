//! Keys of clients, and texts signed with them by another implementation than the product's.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use chartgate::base::hash::sha256;
use chartgate::oauth::client::ClientKeys;
use chartgate::oauth::jwk::KeySet;

/// A key pair.
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
    encoding: EncodingKey,
    public: Value,
}

fn pem(der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der)).into_bytes()
}

impl Key {
    fn curve(
        kid: &str,
        (signing, size, name, algorithm): (&'static EcdsaSigningAlgorithm, usize, &str, Algorithm),
    ) -> Self {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(size);
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let der = pair.to_pkcs8v1().unwrap().as_ref().to_vec();
        Self {
            algorithm,
            kid: kid.to_owned(),
            encoding: EncodingKey::from_ec_pem(&pem(&der)).unwrap(),
            public: json!({"kty": "EC", "crv": name, "x": text(x), "y": text(y)}),
        }
    }

    pub(crate) fn es256(kid: &str) -> Self {
        Self::curve(kid, (&ECDSA_P256_SHA256_FIXED_SIGNING, 32, "P-256", Algorithm::ES256))
    }

    pub(crate) fn es384(kid: &str) -> Self {
        Self::curve(kid, (&ECDSA_P384_SHA384_FIXED_SIGNING, 48, "P-384", Algorithm::ES384))
    }

    pub(crate) fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
        // Without the public half, which not every reader of PKCS #8 knows.
        let der = pair.to_pkcs8v1().unwrap();
        Self {
            algorithm: Algorithm::EdDSA,
            kid: kid.to_owned(),
            encoding: EncodingKey::from_ed_pem(&pem(der.as_ref())).unwrap(),
            public: json!({"kty": "OKP", "crv": "Ed25519", "x": x}),
        }
    }

    pub(crate) fn rs384(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let n = BASE64URL_NOPAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = BASE64URL_NOPAD.encode(public.exponent().big_endian_without_leading_zero());
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let der = der.as_ref().to_vec();
        Self {
            algorithm: Algorithm::RS384,
            kid: kid.to_owned(),
            encoding: EncodingKey::from_rsa_pem(&pem(&der)).unwrap(),
            public: json!({"kty": "RSA", "n": n, "e": e}),
        }
    }

    /// The public half, without a name.
    pub(crate) fn public(&self) -> Value {
        self.public.clone()
    }

    /// The public half as it stands in a key set.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.public();
        jwk["kid"] = json!(self.kid);
        jwk
    }

    /// A header that says what it must.
    pub(crate) fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "JWT", "kid": self.kid})
    }

    /// The header of a proof of possession.
    pub(crate) fn proof_header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "dpop+jwt", "jwk": self.public()})
    }

    /// Any header and claims, signed with this key by its own algorithm, whatever the header says.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    /// RFC 7638, by hand.
    pub(crate) fn thumbprint(&self) -> String {
        let text = |name: &str| self.public[name].as_str().unwrap().to_owned();
        let canonical = match self.algorithm {
            Algorithm::RS384 => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text("e"), text("n")),
            _ => format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, text("crv"), text("x"), text("y")),
        };
        BASE64URL_NOPAD.encode(&sha256(canonical.as_bytes()))
    }
}

/// A key set of these.
pub(crate) fn key_set(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// The same as it is registered.
pub(crate) fn inline(keys: &[&Key]) -> ClientKeys {
    ClientKeys::Inline(KeySet::parse(key_set(keys).to_string().as_bytes()).unwrap())
}
