use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey};
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    TokenResponse, TokenUrl,
};
use tokio::sync::Mutex;

use super::connection::{Connection, Credential, Endpoint};
use super::failure::SourceFailure;
use super::refusals::Refusals;
use super::{assertion, client};
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::LinkId;
use crate::base::random::{Random, SharedRandom};
use crate::base::secret::Secret;
use crate::config::{Limits, SecretMethod};

/// The bearer token of one source, asked for anew shortly before it ends; one request at a time asks.
#[derive(Debug)]
pub(super) struct Bearer {
    credential: Credential,
    clock: SharedClock,
    random: SharedRandom,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    token: Option<Token>,
    refusals: Refusals,
}

#[derive(Clone, Debug)]
struct Token {
    value: Secret<String>,
    renew_at: Instant,
}

/// What each person's own sign-in at an EHR gave. Whoever implements it gives a value for the link it was given for, and
/// for no other.
pub trait PatientCredential: std::fmt::Debug + Send + Sync {
    /// The value of the `Authorization` header for requests on behalf of `link`.
    fn authorization(&self, link: LinkId) -> BoxFuture<'static, Result<Secret<String>, SourceFailure>>;

    /// The EHR did not take this value.
    fn refused(&self, link: LinkId, authorization: &Secret<String>);
}

/// How the gateway proves to an authorization server which client it is.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// Not at all: a public client.
    None,
    /// A secret in a file.
    Secret {
        /// The file.
        file: PathBuf,
        /// How it is sent.
        method: SecretMethod,
    },
    /// A signed assertion (RFC 7523; SMART App Launch 2.2, Client Authentication: Asymmetric).
    Key {
        /// RS384 or ES384.
        algorithm: Algorithm,
        /// The private key, PEM.
        key_file: PathBuf,
        /// The `kid` the EHR knows the key by.
        key_id: String,
    },
}

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token answer is small; more is not one.
const TOKEN_RESPONSE_BYTES: usize = 64 * 1024;

/// A token endpoint has so long to answer. Less than any claim on a refresh.
pub const TOKEN_PATIENCE: Duration = Duration::from_secs(20);

/// SMART App Launch 2.2: an access token lives an hour at most, whatever a server says.
pub(super) const LONGEST_TOKEN: Duration = Duration::from_secs(3_600);
/// A token that is said to end sooner is used for so long all the same: not every request asks for one of its own.
pub(super) const SHORTEST_TOKEN: Duration = Duration::from_secs(30);

impl ClientProof {
    /// Where client id and secret go.
    pub(crate) const fn auth_type(&self) -> AuthType {
        match self {
            Self::Secret { method: SecretMethod::Basic, .. } => AuthType::BasicAuth,
            // The id in the body at most.
            _ => AuthType::RequestBody,
        }
    }

    /// The secret, read anew each time: it may have been changed.
    pub(crate) async fn secret(&self) -> Result<Option<ClientSecret>, SourceFailure> {
        let Self::Secret { file, .. } = self else { return Ok(None) };
        let text = tokio::fs::read_to_string(file).await.map_err(|_| SourceFailure::CredentialRefused)?;
        Ok(Some(ClientSecret::new(text.trim_end().to_owned())))
    }

    /// The `Authorization` header of a secret that is sent there (RFC 6749 §2.3.1).
    pub(super) async fn basic(&self, client_id: &str) -> Result<Option<http::HeaderValue>, SourceFailure> {
        let (AuthType::BasicAuth, Some(secret)) = (self.auth_type(), self.secret().await?) else { return Ok(None) };
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Secret::new(format!("{}:{}", encoded(client_id), encoded(secret.secret())));
        let value = format!("Basic {}", BASE64.encode(pair.expose().as_bytes()));
        let mut value = http::HeaderValue::from_str(&value).map_err(|_| SourceFailure::CredentialRefused)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The parameters of a signed assertion, if this is one.
    pub(crate) async fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Instant,
        random: &dyn Random,
    ) -> Result<Vec<(&'static str, String)>, SourceFailure> {
        let Self::Key { algorithm, key_file, key_id } = self else { return Ok(Vec::new()) };
        let refused = |_| SourceFailure::CredentialRefused;
        let pem = tokio::fs::read(key_file).await.map_err(|_| SourceFailure::CredentialRefused)?;
        let key = match algorithm {
            Algorithm::ES384 => EncodingKey::from_ec_pem(&pem),
            _ => EncodingKey::from_rsa_pem(&pem),
        };
        let key = key.map_err(refused)?;
        let assertion = assertion::sign(client_id, audience, (*algorithm, key_id, &key), now, random);
        Ok(vec![
            ("client_assertion_type", ASSERTION_TYPE.to_owned()),
            ("client_assertion", assertion.map_err(refused)?),
        ])
    }
}

impl Bearer {
    pub(super) fn new(credential: Credential, clock: SharedClock, random: SharedRandom) -> Self {
        Self { credential, clock, random, current: Mutex::default() }
    }

    /// The value of the `Authorization` header for a request on behalf of `link`, or none for a source that wants no
    /// proof.
    pub(super) async fn header(
        &self,
        http: &reqwest::Client,
        link: Option<LinkId>,
    ) -> Result<Option<Secret<String>>, SourceFailure> {
        let ask = match &self.credential {
            Credential::None => return Ok(None),
            Credential::Token(token) => return Ok(Some(Secret::new(format!("Bearer {}", token.expose())))),
            Credential::Patients(own) => {
                let link = link.ok_or(SourceFailure::NotConnected)?;
                return own.authorization(link).await.map(Some);
            }
            Credential::BackendServices { client_id, token_url, algorithm, key_file, key_id, scope } => {
                let proof =
                    ClientProof::Key { algorithm: *algorithm, key_file: key_file.clone(), key_id: key_id.clone() };
                (client_id, token_url, proof, scope)
            }
            Credential::ClientSecret { client_id, token_url, proof, scope } => {
                (client_id, token_url, proof.clone(), scope)
            }
        };
        let mut current = self.current.lock().await;
        if let Some(token) = &current.token
            && self.clock.now() < token.renew_at
        {
            return Ok(Some(token.value.clone()));
        }
        let token = self.ask(http, ask).await?;
        let value = token.value.clone();
        current.token = Some(token);
        Ok(Some(value))
    }

    /// Takes note that the source refused a value, so that the next request asks for another.
    pub(super) async fn refused(&self, link: Option<LinkId>, authorization: &Secret<String>) {
        if let Credential::Patients(own) = &self.credential {
            if let Some(link) = link {
                own.refused(link, authorization);
            }
            return;
        }
        let mut current = self.current.lock().await;
        // Only that one: the answer may come after somebody got another.
        let is_current = current.token.as_ref().is_some_and(|token| token.value.expose() == authorization.expose());
        if is_current && current.refusals.may_replace(self.clock.now()) {
            current.token = None;
        }
    }

    /// `client_credentials` (RFC 6749 §4.4; SMART App Launch 2.2, Backend Services).
    async fn ask(
        &self,
        http: &reqwest::Client,
        (client_id, token_url, proof, scope): (&String, &String, ClientProof, &String),
    ) -> Result<Token, SourceFailure> {
        let now = self.clock.now();
        let endpoint = TokenUrl::new(token_url.clone()).map_err(|_| SourceFailure::CredentialRefused)?;
        let mut client = BasicClient::new(ClientId::new(client_id.clone())).set_auth_type(proof.auth_type());
        if let Some(secret) = proof.secret().await? {
            client = client.set_client_secret(secret);
        }
        let client = client.set_token_uri(endpoint);
        let mut request = client
            .exchange_client_credentials()
            .add_scopes(scope.split_whitespace().map(|scope| Scope::new(scope.to_owned())));
        for (name, value) in proof.assertion(client_id, token_url, now, &*self.random).await? {
            request = request.add_extra_param(name, value);
        }
        let http = TokenEndpoint(http.clone());
        let token = request.request_async(&http).await.map_err(|error| failure_of(&error))?;
        if *token.token_type() != BasicTokenType::Bearer {
            return Err(SourceFailure::CredentialRefused);
        }
        // Renewed a minute early, or after half its life when that is shorter.
        let life = token.expires_in().unwrap_or(Duration::from_secs(300)).clamp(SHORTEST_TOKEN, LONGEST_TOKEN);
        let good_for = life.saturating_sub(Duration::from_secs(60)).max(life / 2);
        Ok(Token {
            value: Secret::new(format!("Bearer {}", token.access_token().secret())),
            renew_at: now.plus(good_for),
        })
    }
}

/// The source's own HTTP client, as the OAuth library wants one.
pub(crate) struct TokenEndpoint(pub(super) reqwest::Client);

impl TokenEndpoint {
    /// The one that a document of whoever is at `connection` names.
    pub(crate) fn at(connection: &Connection, endpoint: &Endpoint, limits: &Limits) -> Result<Self, SourceFailure> {
        connection.client_for(endpoint, limits).map(Self).map_err(|_| SourceFailure::Unreachable)
    }
}

impl<'c> AsyncHttpClient<'c> for TokenEndpoint {
    type Error = SourceFailure;
    type Future = BoxFuture<'c, Result<HttpResponse, SourceFailure>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(exchange(&self.0, request))
    }
}

/// Sends a token request with the source's own HTTP client: its addresses and limits hold here too. Whoever waits may be
/// gone sooner; what was asked for is waited for a good while, as a refresh token may be used up by it.
async fn exchange(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, SourceFailure> {
    let request = reqwest::Request::try_from(request).map_err(|_| SourceFailure::CredentialRefused)?;
    let answer = tokio::time::timeout(TOKEN_PATIENCE, client::execute(http, request, TOKEN_RESPONSE_BYTES));
    let answer = answer.await.map_err(|_| SourceFailure::Timeout)??;
    if answer.status == reqwest::StatusCode::TOO_MANY_REQUESTS {
        return Err(SourceFailure::Throttled { retry_after: answer.retry_after });
    }
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
