use std::time::Duration;

use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey};
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, HttpRequest, HttpResponse, RequestTokenError, Scope, TokenResponse, TokenUrl,
};
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

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

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
        let endpoint = TokenUrl::new(token_url.clone()).map_err(|_| SourceFailure::CredentialRefused)?;
        // The client authenticates by its assertion: no secret, and the id in the body at most.
        let client = BasicClient::new(ClientId::new(client_id.clone()))
            .set_token_uri(endpoint)
            .set_auth_type(AuthType::RequestBody);
        let http = TokenEndpoint(http.clone());
        let token = client
            .exchange_client_credentials()
            .add_scopes(scope.split_whitespace().map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("client_assertion_type", ASSERTION_TYPE)
            .add_extra_param("client_assertion", assertion)
            .request_async(&http)
            .await
            .map_err(|error| failure_of(&error))?;
        if *token.token_type() != BasicTokenType::Bearer {
            return Err(SourceFailure::CredentialRefused);
        }
        // Renewed 30 s early, or after half its life when that is shorter.
        let life = token.expires_in().unwrap_or(Duration::from_secs(300));
        let good_for = life.saturating_sub(Duration::from_secs(30)).max(life / 2);
        Ok(Token {
            value: Secret::new(format!("Bearer {}", token.access_token().secret())),
            renew_at: now.plus(good_for),
        })
    }
}

/// The source's own HTTP client, as the OAuth library wants one.
struct TokenEndpoint(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for TokenEndpoint {
    type Error = SourceFailure;
    type Future = BoxFuture<'c, Result<HttpResponse, SourceFailure>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(exchange(&self.0, request))
    }
}

/// Sends a token request with the source's own HTTP client: its addresses, limits and timeouts hold here too.
async fn exchange(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, SourceFailure> {
    let request = reqwest::Request::try_from(request).map_err(|_| SourceFailure::CredentialRefused)?;
    let answer = client::execute(http, request, TOKEN_RESPONSE_BYTES).await?;
    if answer.status.is_server_error() {
        return Err(SourceFailure::Failed { status: answer.status.as_u16() });
    }
    let mut response = HttpResponse::new(answer.body.to_vec());
    *response.status_mut() = answer.status;
    Ok(response)
}

/// What the source said of a failed request is not passed on: it may hold anything.
fn failure_of(error: &RequestTokenError<SourceFailure, BasicErrorResponse>) -> SourceFailure {
    match error {
        RequestTokenError::Request(failure) => *failure,
        RequestTokenError::ServerResponse(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            SourceFailure::CredentialRefused
        }
    }
}
