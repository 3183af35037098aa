//! How a client proves itself with a key (RFC 7523 §2.2 and §3; SMART App Launch 2.2, Client Authentication: Asymmetric).

use serde::Deserialize;
use serde_json::Value;

use super::client::ClientId;
use super::jwk::{ASSERTION_ALGORITHMS, Algorithm, PublicKey};
use super::jws::{self, Signed};
use crate::base::clock::Instant;
use crate::base::hash::sha256_of_parts;

/// `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// SMART App Launch 2.2: `exp` is no more than five minutes ahead, in seconds.
const LONGEST_LIFE: i64 = 300;
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 256;

/// An assertion of whoever says to be `client`.
#[derive(Debug)]
pub struct Assertion<'t> {
    jws: Signed<'t, Claims>,
    client: ClientId,
    algorithm: Algorithm,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: Value,
    jti: String,
    iat: Option<Value>,
    nbf: Option<Value>,
}

/// An assertion that proved its client, to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Stands for client and `jti`.
    pub id: [u8; 32],
    /// Until then another with the same `jti` is a replay.
    pub expires: Instant,
}

impl<'t> Assertion<'t> {
    /// Reads an assertion. `None` when it could prove nobody, whatever its signature: another algorithm, no `kid`, a
    /// key of its own, `iss` and `sub` that differ.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        let jws: Signed<'t, Claims> = Signed::parse(text)?;
        let algorithm = jws.algorithm(&ASSERTION_ALGORITHMS)?;
        // Libraries leave `typ` out; another kind of token is no assertion (RFC 8725 §3.11).
        let is_jwt = jws.kind().is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"));
        let named = jws.key_id().is_some() && jws.own_key().is_none();
        let client = ClientId::parse(&jws.claims.iss).filter(|_| jws.claims.iss == jws.claims.sub)?;
        (is_jwt && named).then_some(Self { jws, client, algorithm })
    }

    /// Who it says to be from.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.client
    }

    /// The `kid` and algorithm to look its key up by.
    #[must_use]
    pub fn key(&self) -> (&str, Algorithm) {
        (self.jws.key_id().unwrap_or_default(), self.algorithm)
    }

    /// Whether a `jku`, if there is one, is the address that the client registered.
    #[must_use]
    pub fn agrees_with(&self, key_set_uri: Option<&str>) -> bool {
        self.jws.key_set_uri().is_none_or(|named| Some(named) == key_set_uri)
    }

    /// Whether its claims hold for one of these audiences. Cheap: to be asked before the signature is looked at.
    #[must_use]
    pub fn claims(&self, audiences: &[&str], now: Instant) -> Option<Proven> {
        let Claims { aud, exp, jti, iat, nbf, .. } = &self.jws.claims;
        // RFC 7519 §4.1.3. Whoever else is named could use it here.
        let aud = match aud {
            Value::String(one) => one.as_str(),
            Value::Array(list) => match list.as_slice() {
                [Value::String(one)] => one.as_str(),
                _ => return None,
            },
            _ => return None,
        };
        let exp = jws::seconds(exp)?;
        let (earliest, latest) = (now.seconds(), now.seconds().saturating_add(LONGEST_LIFE + jws::CLOCK_SKEW));
        let in_time = earliest < exp && exp <= latest && jws::has_come(iat.as_ref(), now);
        let good_id = (1..=LONGEST_ID).contains(&jti.len());
        let id = sha256_of_parts([b"assertion".as_slice(), self.client.as_str().as_bytes(), jti.as_bytes()]);
        let expires = Instant::from_micros(exp.saturating_add(1).saturating_mul(1_000_000));
        (audiences.contains(&aud) && in_time && good_id && jws::has_come(nbf.as_ref(), now))
            .then_some(Proven { id, expires })
    }

    /// Whether this key signed it.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.jws.is_signed_by(key)
    }
}
