//! Signed JSON Web Tokens: RS256, which every OpenID Connect client understands.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::base::hash::sha256;
use crate::base::random::Random;
use crate::base::secret::Secret;

/// A key that cannot be made, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used")]
pub struct KeyError;

/// An RSA key of 2048 bits that signs id_tokens.
#[derive(Debug)]
pub struct SigningKey {
    pair: RsaKeyPair,
    kid: String,
    n: String,
    e: String,
}

impl SigningKey {
    /// Makes a key. Costs a good part of a second of processor time.
    ///
    /// # Errors
    /// [`KeyError`] when the provider fails.
    pub fn generate(random: &dyn Random) -> Result<(Self, Secret<Vec<u8>>), KeyError> {
        let der = random.rsa_key().ok_or(KeyError)?;
        Ok((Self::from_pkcs8(der.expose())?, der))
    }

    /// Reads a key from PKCS #8.
    ///
    /// # Errors
    /// [`KeyError`] for anything else than an RSA key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        RsaKeyPair::from_pkcs8(der).map(Self::new).map_err(|_| KeyError)
    }

    fn new(pair: RsaKeyPair) -> Self {
        let public = pair.public_key();
        let n = BASE64URL_NOPAD.encode(public.modulus().big_endian_without_leading_zero());
        let e = BASE64URL_NOPAD.encode(public.exponent().big_endian_without_leading_zero());
        // RFC 7638 §3: the required members in lexical order, without white space.
        let kid = BASE64URL_NOPAD.encode(&sha256(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()));
        Self { pair, kid, n, e }
    }

    /// The key's id: its RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JSON Web Key (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": self.n, "e": self.e})
    }

    /// `claims`, signed (RFC 7515 §7.1).
    ///
    /// # Errors
    /// [`KeyError`] when the provider fails.
    pub fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid});
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let mut token = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| KeyError)?;
        token.push('.');
        token.push_str(&BASE64URL_NOPAD.encode(&signature));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_implementation_verifies_what_is_signed() {
        let (key, der) = SigningKey::generate(&crate::base::random::SystemRandom::default()).unwrap();
        let again = SigningKey::from_pkcs8(der.expose()).unwrap();
        assert_eq!(key.jwk(), again.jwk());
        let token = again.sign(&json!({"sub": "x", "exp": 4_000_000_000_u64, "aud": "app"})).unwrap();
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.jwk()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&["app"]);
        let decoded =
            jsonwebtoken::decode::<Value>(&token, &jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap(), &validation);
        assert_eq!(decoded.unwrap().header.kid.as_deref(), Some(key.kid()));
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.kid());
        assert!(SigningKey::from_pkcs8(b"not a key").is_err());
    }
}
