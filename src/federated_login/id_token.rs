//! The ID Token (OpenID Connect Core 1.0 §2 and §3.1.3.7), read with suspicion.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::base::clock::Instant;
use crate::identity::Demographics;

/// What may sign one: never a shared secret, and never nobody (RFC 8725 §3.1 and §3.2).
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
/// Clocks differ by so much, in seconds.
const SKEW: i64 = 60;
/// An ID Token is for now: an older one was kept by somebody, in seconds.
const OLDEST: i64 = 600;
/// OpenID Connect Core 1.0 §2: `sub` has no more than 255 characters.
const LONGEST_SUBJECT: usize = 255;
/// Longer than any ID Token, in bytes.
const LONGEST: usize = 32 * 1_024;

/// Who must have made it, for whom, for which request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'e> {
    /// The issuer.
    pub(super) issuer: &'e str,
    /// The client that it must be for.
    pub(super) client_id: &'e str,
    /// The value of the request.
    pub(super) nonce: &'e str,
    /// They were to show there since then who they are.
    pub(super) shown_since: Option<Instant>,
    /// Now.
    pub(super) now: Instant,
}

/// Somebody, by whoever knows them: the key that nobody else has, and never an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Who says so.
    pub issuer: String,
    /// Whom they mean.
    pub subject: String,
}

/// What an ID Token says.
#[derive(Clone)]
pub struct IdToken {
    /// Who.
    pub subject: Subject,
    /// How sure the provider is (`acr`).
    pub class: Option<String>,
    /// When they last showed there who they are (`auth_time`), if it is said.
    pub shown: Option<Instant>,
    /// Who they are, where the provider says a whole name and birth date.
    pub demographics: Option<Demographics>,
    /// Phone numbers and addresses that the provider verified.
    pub contacts: Vec<String>,
}

impl std::fmt::Debug for IdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdToken(…)")
    }
}

/// What is wrong with one. A fixed text: nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ID Token is no good: {0}")]
pub struct IdTokenError(pub &'static str);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    azp: Option<String>,
    auth_time: Option<i64>,
    acr: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    birthdate: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
    phone_number: Option<String>,
    #[serde(default)]
    phone_number_verified: Value,
}

/// The key that signed it, as the header names it: by `kid`, or the only one of its kind.
fn key<'k>(keys: &'k JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Result<&'k Jwk, IdTokenError> {
    let fits = |key: &&Jwk| {
        let is_kind = match &key.algorithm {
            AlgorithmParameters::RSA(_) => matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
            AlgorithmParameters::EllipticCurve(_) => matches!(algorithm, Algorithm::ES256 | Algorithm::ES384),
            AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
            // A shared secret, or what is not known yet.
            _ => false,
        };
        let is_named = key.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
        let signs = key.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        is_kind && is_named && signs && kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid))
    };
    let mut found = keys.keys.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(IdTokenError("no key")),
        _ => Err(IdTokenError("several keys")),
    }
}

/// The `kid` that must be among the keys, where one is named.
pub(super) fn key_id(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

impl IdToken {
    /// Reads a token: signature, issuer, audience, time and nonce, each as OpenID Connect Core 1.0 §3.1.3.7 has it.
    ///
    /// # Errors
    /// [`IdTokenError`].
    pub(super) fn read(token: &str, keys: &JwkSet, expected: Expected<'_>) -> Result<Self, IdTokenError> {
        if token.len() > LONGEST {
            return Err(IdTokenError("length"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| IdTokenError("header"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(IdTokenError("algorithm"));
        }
        let key = key(keys, header.kid.as_deref(), header.alg)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| IdTokenError("key"))?;
        let mut validation = Validation::new(header.alg);
        // Time is ours to tell, and every claim is looked at below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation);
        let claims = decoded.map_err(|_| IdTokenError("signature or claims"))?.claims;
        claims.hold(expected)?;
        Ok(claims.into())
    }
}

impl Claims {
    fn hold(&self, expected: Expected<'_>) -> Result<(), IdTokenError> {
        let now = expected.now.seconds();
        let audiences: Vec<&str> = match &self.aud {
            Value::String(one) => vec![one.as_str()],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is_ours = audiences.contains(&expected.client_id);
        // §3.1.3.7, 4 and 5: where others are meant as well, or somebody is named, it must be us who asked.
        let asked_by_us = match &self.azp {
            Some(azp) => azp == expected.client_id,
            None => audiences.len() == 1,
        };
        for (holds, what) in [
            (self.iss == expected.issuer, "issuer"),
            (is_ours, "audience"),
            (asked_by_us, "authorized party"),
            (self.nonce.as_deref() == Some(expected.nonce), "nonce"),
            (now < self.exp.saturating_add(SKEW), "expired"),
            (self.iat <= now.saturating_add(SKEW), "issued later"),
            (self.iat >= now.saturating_sub(OLDEST), "issued long ago"),
            (
                expected.shown_since.is_none_or(|since| {
                    self.auth_time.is_some_and(|shown| shown >= since.seconds().saturating_sub(SKEW))
                }),
                "shown long ago",
            ),
            (self.nbf.is_none_or(|nbf| nbf <= now.saturating_add(SKEW)), "not yet"),
            (!self.sub.is_empty() && self.sub.len() <= LONGEST_SUBJECT && self.sub.is_ascii(), "subject"),
        ] {
            if !holds {
                return Err(IdTokenError(what));
            }
        }
        Ok(())
    }
}

impl From<Claims> for IdToken {
    fn from(claims: Claims) -> Self {
        let is_verified = |said: &Value| *said == Value::Bool(true) || *said == Value::String("true".to_owned());
        let mut contacts = Vec::new();
        contacts.extend(claims.phone_number.filter(|_| is_verified(&claims.phone_number_verified)));
        contacts.extend(claims.email.filter(|_| is_verified(&claims.email_verified)));
        let demographics = match (claims.given_name, claims.family_name, claims.birthdate) {
            (Some(given), Some(family), Some(birth_date)) => {
                Some(Demographics { family, given: vec![given], birth_date })
            }
            _ => None,
        };
        let subject = Subject { issuer: claims.iss, subject: claims.sub };
        let shown = claims.auth_time.map(|at| Instant::from_micros(at.saturating_mul(1_000_000)));
        Self { subject, class: claims.acr, shown, demographics, contacts }
    }
}
