use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::connection::Credential;
use super::failure::SourceFailure;
use super::{assertion, client};
use crate::base::clock::{Instant, SharedClock};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;

/// The bearer token of one source, asked for anew shortly before it ends; one request at a time asks.
#[derive(Debug)]
pub(super) struct Bearer {
    credential: Credential,
    clock: SharedClock,
    random: SharedRandom,
    current: Mutex<Option<Token>>,
}

#[derive(Clone, Debug)]
struct Token {
    value: Secret<String>,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// A token answer is small; more is not one.
const TOKEN_RESPONSE_BYTES: usize = 64 * 1024;

impl Bearer {
    pub(super) fn new(credential: Credential, clock: SharedClock, random: SharedRandom) -> Self {
        Self { credential, clock, random, current: Mutex::new(None) }
    }

    /// The value of the `Authorization` header, or none for a source that wants no proof.
    pub(super) async fn header(&self, http: &reqwest::Client) -> Result<Option<Secret<String>>, SourceFailure> {
        if matches!(self.credential, Credential::None) {
            return Ok(None);
        }
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref()
            && self.clock.now() < token.renew_at
        {
            return Ok(Some(token.value.clone()));
        }
        let token = self.ask(http).await?;
        let value = token.value.clone();
        *current = Some(token);
        Ok(Some(value))
    }

    /// Forgets a token that the source refused, so that the next request asks for another.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn ask(&self, http: &reqwest::Client) -> Result<Token, SourceFailure> {
        let Credential::BackendServices { client_id, token_url, algorithm, key_file, key_id, scope } = &self.credential
        else {
            return Err(SourceFailure::CredentialRefused);
        };
        let pem = tokio::fs::read(key_file).await.map_err(|_| SourceFailure::CredentialRefused)?;
        let key = match algorithm {
            Algorithm::ES384 => EncodingKey::from_ec_pem(&pem),
            _ => EncodingKey::from_rsa_pem(&pem),
        }
        .map_err(|_| SourceFailure::CredentialRefused)?;
        let now = self.clock.now();
        let assertion = assertion::sign(client_id, token_url, (*algorithm, key_id, &key), now, &*self.random)
            .map_err(|_| SourceFailure::CredentialRefused)?;
        let request = http
            .post(token_url)
            .header(reqwest::header::ACCEPT, "application/json")
            .form(&[
                ("grant_type", "client_credentials"),
                ("scope", scope.as_str()),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion.as_str()),
            ])
            .build()
            .map_err(|_| SourceFailure::CredentialRefused)?;
        let answer = client::execute(http, request, TOKEN_RESPONSE_BYTES).await?;
        if answer.status.is_server_error() {
            return Err(SourceFailure::Failed { status: answer.status.as_u16() });
        }
        if !answer.status.is_success() {
            return Err(SourceFailure::CredentialRefused);
        }
        let token: TokenResponse =
            serde_json::from_slice(&answer.body).map_err(|_| SourceFailure::CredentialRefused)?;
        if !token.token_type.eq_ignore_ascii_case("bearer") {
            return Err(SourceFailure::CredentialRefused);
        }
        // Renewed 30 s early, or after half its life when that is shorter.
        let life = Duration::from_secs(token.expires_in.unwrap_or(300));
        let good_for = life.saturating_sub(Duration::from_secs(30)).max(life / 2);
        Ok(Token { value: Secret::new(format!("Bearer {}", token.access_token)), renew_at: now.plus(good_for) })
    }
}
