//! One provider: where it is, the request to it, and what its answer says.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthUrl, AuthorizationCode, CsrfToken, EndpointNotSet, EndpointSet, ExtraTokenFields, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use super::id_token::{Expected, key_id};
use super::{IdToken, IdTokenError};
use crate::base::clock::{Instant, SharedClock};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config::{AppProof, Config, IdentityProvider, Limits};
use crate::upstream::{ClientProof, Connection, Credential, Endpoint, SourceFailure, TokenEndpoint};

/// A discovery document or key set is small; more is not one.
const DOCUMENT_BYTES: usize = 64 * 1_024;
/// What was discovered is looked at again after this; a key that was taken back must go.
const LIFETIME: Duration = Duration::from_secs(3_600);
/// A key that is not among those known is looked for once more, but not more often than this.
const LEAST_INTERVAL: Duration = Duration::from_secs(30);

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider does not answer, or not as it must.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(#[from] SourceFailure),
    /// Its documents say that it is somebody else.
    #[error("the provider is not who it was said to be")]
    OtherIssuer,
    /// It did not take the code.
    #[error("the provider did not take the code")]
    Refused,
    /// What it says of who signed in does not hold.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
}

/// A request to a provider, and what its answer is checked with.
pub struct Begun {
    /// Where the browser goes.
    pub url: Url,
    /// `state`.
    pub state: Secret<String>,
    /// What the answer needs.
    pub pending: PendingSignIn,
}

// The URL holds the state.
impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Begun(…)")
    }
}

/// What a request's answer is checked with. To be kept sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingSignIn {
    verifier: String,
    nonce: String,
    /// They were asked to show once more who they are, at this time.
    again: Option<i64>,
}

impl std::fmt::Debug for PendingSignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingSignIn(…)")
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct WithIdToken {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

impl ExtraTokenFields for WithIdToken {}

type Answer = StandardTokenResponse<WithIdToken, BasicTokenType>;
type OauthClient<Auth, Token> = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    Auth,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
>;

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What its documents say.
#[derive(Clone, Debug)]
struct Known {
    at: Instant,
    authorize: Url,
    token: Endpoint,
    names_itself: bool,
    keys: Arc<JwkSet>,
    key_set: Endpoint,
    keys_at: Instant,
}

/// A provider.
#[derive(Debug)]
pub struct Provider {
    entry: IdentityProvider,
    proof: ClientProof,
    redirect_uri: String,
    limits: Limits,
    clock: SharedClock,
    random: SharedRandom,
    known: Mutex<Option<Known>>,
}

/// Those that are configured.
#[derive(Clone, Debug, Default)]
pub struct Providers(Vec<Arc<Provider>>);

impl Providers {
    /// The providers of a configuration.
    #[must_use]
    pub fn new(config: &Config, clock: &SharedClock, random: &SharedRandom) -> Self {
        let one = |entry: &IdentityProvider| {
            Arc::new(Provider {
                proof: proof(&entry.proof),
                redirect_uri: format!("{}/sign-in/with/{}/callback", config.server.public_url, entry.key),
                entry: entry.clone(),
                limits: config.limits.clone(),
                clock: clock.clone(),
                random: random.clone(),
                known: Mutex::default(),
            })
        };
        Self(config.identity_providers.iter().map(one).collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.0.iter()
    }

    /// The one with this key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Arc<Provider>> {
        self.0.iter().find(|provider| provider.entry.key == key)
    }
}

fn proof(proof: &AppProof) -> ClientProof {
    match proof {
        AppProof::None => ClientProof::None,
        AppProof::Secret { secret_file, method } => ClientProof::Secret { file: secret_file.clone(), method: *method },
        AppProof::Key { algorithm, key_file, key_id } => ClientProof::Key {
            algorithm: if algorithm == "ES384" {
                jsonwebtoken::Algorithm::ES384
            } else {
                jsonwebtoken::Algorithm::RS384
            },
            key_file: key_file.clone(),
            key_id: key_id.clone(),
        },
    }
}

impl Provider {
    /// Its short name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.entry.key
    }

    /// The name people know.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Who it is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.entry.issuer
    }

    /// Whether it proves who people are: it was configured with what it says then.
    #[must_use]
    pub const fn proves(&self) -> bool {
        !self.entry.ial2_acr.is_empty()
    }

    /// Whether what it said is that it proved who somebody is.
    #[must_use]
    pub fn is_proofed(&self, token: &IdToken) -> bool {
        token.class.as_ref().is_some_and(|class| self.entry.ial2_acr.contains(class))
    }

    /// A request whose answer comes to this provider's own redirect URI; `again` if whoever is signed in there is to show
    /// who they are once more, `proof` if it is to say that it proved who they are.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn begin(&self, again: bool, proof: bool) -> Result<Begun, ProviderError> {
        let known = self.known(None).await?;
        let (state, nonce, verifier) = (self.random.token(), self.random.token(), self.random.token());
        let pkce = PkceCodeVerifier::new(verifier.clone());
        let client = self.client(&known).await?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_scopes(self.entry.scope.split_whitespace().map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("nonce", nonce.clone())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&pkce));
        if again {
            // OpenID Connect Core 1.0 §3.1.2.1: then the answer says when.
            request = request.add_extra_param("prompt", "login").add_extra_param("max_age", "0");
        }
        if proof {
            // OpenID Connect Core 1.0 §3.1.2.1: some say of how sure they are only when asked for it.
            request = request.add_extra_param("acr_values", self.entry.ial2_acr.join(" "));
        }
        let (url, _) = request.url();
        let again = again.then(|| self.clock.now().micros());
        Ok(Begun { url, state: Secret::new(state), pending: PendingSignIn { verifier, nonce, again } })
    }

    /// What an answer says: the code is exchanged, and the ID Token that comes of it read.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn finish(
        &self,
        pending: &PendingSignIn,
        code: &Secret<String>,
        issuer: Option<&str>,
    ) -> Result<IdToken, ProviderError> {
        let known = self.known(None).await?;
        // RFC 9207 §2.4: an answer that says to be another server's is, and one that ought to say does.
        let is_from_there = issuer.map_or(!known.names_itself, |said| said == self.entry.issuer);
        if !is_from_there {
            return Err(ProviderError::OtherIssuer);
        }
        let client = self.client(&known).await?;
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.expose().clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()));
        let audience = known.token.url().as_str();
        let assertion = self.proof.assertion(&self.entry.client_id, audience, self.clock.now(), &*self.random);
        for (name, value) in assertion.await? {
            request = request.add_extra_param(name, value);
        }
        let http = TokenEndpoint::at(&self.connection()?, &known.token, &self.limits)?;
        let answer: Answer = request.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(response)
                if *response.error() == BasicErrorResponseType::InvalidGrant =>
            {
                ProviderError::Refused
            }
            RequestTokenError::Request(failure) => ProviderError::Unreachable(failure),
            _ => ProviderError::Unreachable(SourceFailure::CredentialRefused),
        })?;
        let token = answer.extra_fields().id_token.clone().ok_or(IdTokenError("missing"))?;
        let known = self.known(key_id(&token).as_deref()).await?;
        let expected = Expected {
            issuer: &self.entry.issuer,
            client_id: &self.entry.client_id,
            nonce: &pending.nonce,
            shown_since: pending.again.map(Instant::from_micros),
            now: self.clock.now(),
        };
        Ok(IdToken::read(&token, &known.keys, expected)?)
    }

    fn connection(&self) -> Result<Connection, SourceFailure> {
        let connection = Connection::new(&self.entry.issuer, &self.entry.private_addresses, Credential::None);
        connection.map_err(|_| SourceFailure::Unreachable)
    }

    /// Its documents, looked at once an hour, and its keys once more where `key` is not among them.
    async fn known(&self, key: Option<&str>) -> Result<Known, ProviderError> {
        let mut held = self.known.lock().await;
        let now = self.clock.now();
        let connection = self.connection()?;
        let fresh = held.take().filter(|known| now.since(known.at) < LIFETIME);
        let mut known = match fresh {
            Some(known) => known,
            None => self.discover(&connection, now).await?,
        };
        let is_there = |known: &Known| key.is_none_or(|key| known.keys.find(key).is_some());
        if !is_there(&known) && now.since(known.keys_at) >= LEAST_INTERVAL {
            let keys = self.key_set(&connection, &known.key_set).await;
            known = Known { keys_at: now, ..known };
            if let Ok(keys) = keys {
                known.keys = Arc::new(keys);
            }
        }
        *held = Some(known.clone());
        Ok(known)
    }

    async fn discover(&self, connection: &Connection, now: Instant) -> Result<Known, ProviderError> {
        let segments = [".well-known", "openid-configuration"];
        let document = connection.open_document(&segments, &self.limits, DOCUMENT_BYTES).await?;
        let found: Discovery = serde_json::from_slice(&document).map_err(|_| SourceFailure::Malformed)?;
        // OpenID Connect Discovery 1.0 §4.3: exactly the one that was asked for.
        if found.issuer != self.entry.issuer {
            return Err(ProviderError::OtherIssuer);
        }
        let endpoint = |url: &str| connection.endpoint(url).ok_or(SourceFailure::Malformed);
        let key_set = endpoint(&found.jwks_uri)?;
        Ok(Known {
            at: now,
            authorize: endpoint(&found.authorization_endpoint)?.url().clone(),
            token: endpoint(&found.token_endpoint)?,
            names_itself: found.authorization_response_iss_parameter_supported,
            keys: Arc::new(self.key_set(connection, &key_set).await?),
            key_set,
            keys_at: now,
        })
    }

    async fn key_set(&self, connection: &Connection, endpoint: &Endpoint) -> Result<JwkSet, SourceFailure> {
        let body = connection.document_at(endpoint, &self.limits, DOCUMENT_BYTES).await?;
        // Keys of kinds that are not known are left out: they sign nothing here.
        let set: serde_json::Value = serde_json::from_slice(&body).map_err(|_| SourceFailure::Malformed)?;
        let keys = set.get("keys").and_then(serde_json::Value::as_array).ok_or(SourceFailure::Malformed)?;
        let keys = keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect();
        Ok(JwkSet { keys })
    }

    async fn client(&self, known: &Known) -> Result<OauthClient<EndpointSet, EndpointSet>, SourceFailure> {
        let broken = |_| SourceFailure::Malformed;
        let id = oauth2::ClientId::new(self.entry.client_id.clone());
        let mut client = OauthClient::<EndpointNotSet, EndpointNotSet>::new(id).set_auth_type(self.proof.auth_type());
        if let Some(secret) = self.proof.secret().await? {
            client = client.set_client_secret(secret);
        }
        Ok(client
            .set_auth_uri(AuthUrl::new(known.authorize.to_string()).map_err(broken)?)
            .set_token_uri(TokenUrl::new(known.token.url().to_string()).map_err(broken)?)
            .set_redirect_uri(RedirectUrl::new(self.redirect_uri.clone()).map_err(broken)?))
    }
}
