//! Signed texts of clients (RFC 7515 §7.1, compact), read with suspicion.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::jwk::{Algorithm, Jwk, PublicKey};
use crate::base::clock::Instant;

/// Longer than any assertion or proof, in bytes.
const LONGEST: usize = 16 * 1_024;

/// Clocks differ by so much (FAPI 2.0 Security Profile §5.3.2.1): what lies further ahead is refused, in seconds.
pub const CLOCK_SKEW: i64 = 10;

/// A signed text whose signature was not looked at yet. Not to be printed: it is good once more until it is used up.
pub struct Signed<'t, C> {
    header: Header,
    /// What it claims. Nothing is to be believed before [`Signed::is_signed_by`].
    pub claims: C,
    signed: &'t [u8],
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    jwk: Option<Jwk>,
    jku: Option<String>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
}

impl<C> std::fmt::Debug for Signed<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").field("alg", &self.header.alg).finish_non_exhaustive()
    }
}

impl<'t, C: DeserializeOwned> Signed<'t, C> {
    /// Reads a text: three parts in their one spelling, a header without anything that would have to be understood or
    /// that points elsewhere, and claims of the right form. No member may come twice.
    #[must_use]
    pub fn parse(text: &'t str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let header: Header = serde_json::from_slice(&part(header)?).ok()?;
        if header.x5u.is_some() || header.x5c.is_some() || header.crit.is_some() {
            return None;
        }
        let claims = serde_json::from_slice(&part(claims)?).ok()?;
        Some(Self { header, claims, signed: signed.as_bytes(), signature: part(signature)? })
    }

    /// The algorithm, if it is one of these.
    #[must_use]
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Option<Algorithm> {
        Algorithm::named(&self.header.alg).filter(|algorithm| allowed.contains(algorithm))
    }

    /// `typ`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// `kid`: a name to compare with, nothing else.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The key that it brings along. Good for what binds to any key (RFC 9449), never for who somebody is.
    #[must_use]
    pub const fn own_key(&self) -> Option<&Jwk> {
        self.header.jwk.as_ref()
    }

    /// `jku`: to be compared, never to be fetched.
    #[must_use]
    pub fn key_set_uri(&self) -> Option<&str> {
        self.header.jku.as_deref()
    }

    /// Whether this key signed it, by the algorithm that goes with the key.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        Algorithm::named(&self.header.alg) == Some(key.algorithm()) && key.verifies(self.signed, &self.signature)
    }
}

/// A NumericDate in whole seconds (RFC 7519 §2).
#[must_use]
pub fn seconds(date: &Value) -> Option<i64> {
    date.as_i64().or_else(|| {
        // Past 2^53 a number stands for several: no date is there.
        date.as_f64().filter(|date| date.is_finite() && date.abs() < 9e15).map(|date| date as i64)
    })
}

/// Whether an optional date is not further ahead than clocks differ. One that cannot be read is.
#[must_use]
pub fn has_come(date: Option<&Value>, now: Instant) -> bool {
    date.is_none_or(|date| seconds(date).is_some_and(|date| date <= now.seconds().saturating_add(CLOCK_SKEW)))
}
