//! The token endpoint of SMART Backend Services (SMART App Launch 2.2 §5; RFC 7523 `private_key_jwt`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::ehr::Ehr;
use super::outcome::Answer;
use crate::base::clock::Instant;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// SMART App Launch 2.2 §5.1: `exp` no more than five minutes in the future.
const LONGEST_ASSERTION: Duration = Duration::from_secs(300);

/// Registered clients, what they were given, and the assertions that were used up.
pub(super) struct Tokens {
    clients: Vec<Client>,
    lifetime: Duration,
    state: Mutex<Issued>,
}

#[derive(Default)]
struct Issued {
    tokens: HashMap<String, Token>,
    /// (`iss`, `jti`) → the assertion's `exp`, in seconds.
    used: HashMap<(String, String), i64>,
}

struct Token {
    client: String,
    expires: Instant,
}

/// A refusal of RFC 6749 §5.2.
struct Refusal(&'static str, &'static str);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    jti: String,
    nbf: Option<i64>,
}

impl Tokens {
    pub(super) fn new(clients: Vec<Client>, lifetime: Duration) -> Self {
        Self { clients, lifetime, state: Mutex::default() }
    }

    /// The client to which this token was given, while it is alive.
    pub(super) fn client_of(&self, token: &str, now: Instant) -> Option<String> {
        let issued = self.issued();
        issued.tokens.get(token).filter(|token| token.expires > now).map(|token| token.client.clone())
    }

    /// Takes every token back: the next request with one meets 401.
    pub(super) fn revoke_all(&self) {
        self.issued().tokens.clear();
    }

    /// Answers a token request.
    pub(super) fn answer(&self, ehr: &Ehr, form: &[(String, String)]) -> Answer {
        let answer = match self.grant(ehr, form) {
            Ok(body) => Answer::json(StatusCode::OK, &body),
            Err(Refusal(error, description)) => {
                Answer::json(StatusCode::BAD_REQUEST, &json!({"error": error, "error_description": description}))
            }
        };
        answer.with(header::CACHE_CONTROL, "no-store").with(header::PRAGMA, "no-cache")
    }

    fn grant(&self, ehr: &Ehr, form: &[(String, String)]) -> Result<Value, Refusal> {
        if only(form, "grant_type")? != "client_credentials" {
            return Err(Refusal("unsupported_grant_type", "grant_type must be client_credentials"));
        }
        if only(form, "client_assertion_type")? != JWT_BEARER {
            return Err(Refusal("invalid_request", "client_assertion_type must be jwt-bearer"));
        }
        let assertion = only(form, "client_assertion")?;
        let scope: Vec<&str> =
            only(form, "scope")?.split_whitespace().filter(|scope| scope.starts_with("system/")).collect();
        let now = ehr.clock.now();
        let client = self.authenticate(assertion, &ehr.settings.token_url(), now)?;
        if scope.is_empty() {
            return Err(Refusal("invalid_scope", "no system/ scope was asked for"));
        }
        let token = ehr.random.token();
        let expires = now.plus(self.lifetime);
        let mut issued = self.issued();
        issued.tokens.retain(|_, token| token.expires > now);
        issued.tokens.insert(token.clone(), Token { client, expires });
        Ok(json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.lifetime.as_secs(),
            "scope": scope.join(" "),
        }))
    }

    /// The id of the client whose key signed `assertion`. The assertion is used up by it.
    fn authenticate(&self, assertion: &str, token_url: &str, now: Instant) -> Result<String, Refusal> {
        let refused = |why| Refusal("invalid_client", why);
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| refused("not a signed JWT"))?;
        if !matches!(header.alg, Algorithm::RS384 | Algorithm::ES384) {
            return Err(refused("alg must be RS384 or ES384"));
        }
        let kid = header.kid.ok_or_else(|| refused("kid is missing"))?;
        // The times are checked below, against the injected clock.
        let mut validation = Validation::new(header.alg);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        // No claim is read before a signature is checked: every client's key of this name is tried.
        let mut keys =
            self.clients.iter().filter_map(|client| Some((client, client.key(&kid, header.alg)?))).peekable();
        if keys.peek().is_none() {
            return Err(refused("no client has such a key"));
        }
        let (client, claims) = keys
            .find_map(|(client, key)| {
                let decoded = jsonwebtoken::decode::<Claims>(assertion, key, &validation).ok()?;
                (decoded.claims.iss == client.id).then_some((client, decoded.claims))
            })
            .ok_or_else(|| refused("the signature does not verify, or iss is not its client, or a claim is missing"))?;
        if claims.sub != client.id {
            return Err(refused("sub is not the client id"));
        }
        if !names(&claims.aud, token_url) {
            return Err(refused("aud is not this token endpoint"));
        }
        if claims.exp <= now.seconds() || claims.nbf.is_some_and(|nbf| nbf > now.seconds()) {
            return Err(refused("expired or not yet valid"));
        }
        if claims.exp > now.plus(LONGEST_ASSERTION).seconds() {
            return Err(refused("exp is more than five minutes away"));
        }
        let mut issued = self.issued();
        issued.used.retain(|_, exp| *exp > now.seconds());
        if claims.jti.is_empty() || issued.used.insert((claims.iss, claims.jti), claims.exp).is_some() {
            return Err(refused("jti was used before"));
        }
        Ok(client.id.clone())
    }

    fn issued(&self) -> MutexGuard<'_, Issued> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a parameter that must stand exactly once (RFC 6749 §3.2).
fn only<'a>(form: &'a [(String, String)], name: &str) -> Result<&'a str, Refusal> {
    let mut values = form.iter().filter(|(present, _)| present == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Refusal("invalid_request", "a parameter is missing or repeated")),
    }
}

/// `aud` is one string or a list (RFC 7519 §4.1.3).
fn names(aud: &Value, token_url: &str) -> bool {
    match aud {
        Value::String(one) => one == token_url,
        Value::Array(many) => many.iter().any(|one| one.as_str() == Some(token_url)),
        _ => false,
    }
}
