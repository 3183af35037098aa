//! The signed assertion of `private_key_jwt` (RFC 7523; SMART App Launch 2.2, Client Authentication: Asymmetric).

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::base::clock::Instant;
use crate::base::random::Random;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    jti: String,
}

/// An assertion for `client_id` towards `token_url`, good for four minutes (SMART allows at most five).
///
/// # Errors
/// When the key does not fit the algorithm.
pub(super) fn sign(
    client_id: &str,
    token_url: &str,
    (algorithm, key_id, key): (Algorithm, &str, &EncodingKey),
    now: Instant,
    random: &dyn Random,
) -> Result<String, jsonwebtoken::errors::Error> {
    let mut header = Header::new(algorithm);
    header.kid = Some(key_id.to_owned());
    let claims = Claims {
        iss: client_id,
        sub: client_id,
        aud: token_url,
        exp: now.seconds().saturating_add(240),
        iat: now.seconds(),
        jti: random.token(),
    };
    jsonwebtoken::encode(&header, &claims, key)
}
