//! The gateway as an app at the EHR's own authorization server, for one person (SMART App Launch 2.2, standalone launch):
//! discovery, the authorization request, and the tokens it leads to.

use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthUrl, AuthorizationCode, CsrfToken, EndpointNotSet, EndpointSet, ExtraTokenFields,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use super::connection::{Connection, Endpoint};
use super::credential::{ClientProof, LONGEST_TOKEN, SHORTEST_TOKEN, TokenEndpoint};
use super::failure::SourceFailure;
use crate::base::clock::{Instant, SharedClock};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config::Limits;

/// A discovery document is small; more is not one.
const DISCOVERY_BYTES: usize = 64 * 1024;
/// Discovery is looked at again after this.
const DISCOVERY_LIFETIME: Duration = Duration::from_secs(3_600);
/// Where it was is good enough for so long when it cannot be looked at.
const DISCOVERY_TRUST: Duration = Duration::from_secs(86_400);
/// The life of a token whose answer does not say.
const USUAL_TOKEN: Duration = Duration::from_secs(300);

/// What the gateway is at one EHR's authorization server.
#[derive(Debug)]
pub struct SmartApp {
    connection: Connection,
    limits: Limits,
    client_id: String,
    proof: ClientProof,
    scope: String,
    clock: SharedClock,
    random: SharedRandom,
    discovered: Mutex<Option<(Instant, Endpoints)>>,
}

/// Where the EHR's authorization server is.
#[derive(Clone, Debug)]
struct Endpoints {
    authorize: Url,
    token: Endpoint,
    /// Where tokens are ended (RFC 7009), if that can be done.
    revoke: Option<Endpoint>,
    /// Who it says it is.
    issuer: Option<String>,
    /// It says so in each answer as well (RFC 9207 §3).
    names_itself: bool,
}

/// An authorization request, and what its answer is checked with.
pub struct Launch {
    /// Where the person signs in.
    pub url: Url,
    /// `state`.
    pub state: Secret<String>,
    /// The PKCE verifier (RFC 7636).
    pub verifier: Secret<String>,
    /// Who has to answer.
    pub issuer: ExpectedIssuer,
}

/// Without the URL, which holds the state.
impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Who has to answer an authorization request (RFC 9207).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedIssuer {
    /// The server's own name, if it has one.
    name: Option<String>,
    /// An answer without it is not its answer.
    is_required: bool,
}

impl ExpectedIssuer {
    /// Whether an answer with this `iss` is from the server that was asked (RFC 9207 §2.4: compared as they are).
    #[must_use]
    pub fn admits(&self, said: Option<&str>) -> bool {
        match (&self.name, said) {
            (Some(name), Some(said)) => name == said,
            (_, None) => !self.is_required,
            // Nothing to compare it with: the redirect URI, which no other server has, must do.
            (None, Some(_)) => true,
        }
    }
}

/// What a token request gave.
#[derive(Debug)]
pub struct SmartTokens {
    /// The access token.
    pub access: Secret<String>,
    /// The refresh token, if there is one.
    pub refresh: Option<Secret<String>>,
    /// When they were asked for.
    pub asked: Instant,
    /// How long the access token is good from then on.
    pub lifetime: Duration,
    /// The patient that was chosen at sign-in.
    pub patient: Option<String>,
}

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The person has to sign in again: the code or refresh token is not taken (RFC 6749 §5.2 `invalid_grant`).
    #[error("the grant is not taken")]
    Grant,
    /// Anything else that went wrong at the EHR.
    #[error(transparent)]
    Source(#[from] SourceFailure),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Context {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patient: Option<String>,
}

impl ExtraTokenFields for Context {}

type Answer = StandardTokenResponse<Context, BasicTokenType>;
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
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    issuer: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl SmartApp {
    /// The gateway as `client_id` at the EHR behind `connection`.
    #[must_use]
    pub fn new(
        connection: Connection,
        limits: Limits,
        (client_id, proof, scope): (String, ClientProof, String),
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        Self { connection, limits, client_id, proof, scope, clock, random, discovered: Mutex::new(None) }
    }

    /// An authorization request whose answer comes to `redirect_uri`.
    ///
    /// # Errors
    /// When the EHR does not say where its authorization server is, or says it lies where it must not.
    pub async fn launch(&self, redirect_uri: &str) -> Result<Launch, SourceFailure> {
        let endpoints = self.endpoints().await?;
        let (state, verifier) = (self.random.token(), self.random.token());
        let pkce = PkceCodeVerifier::new(verifier.clone());
        let client = self.client(&endpoints, redirect_uri).await?;
        let (url, _) = client
            .authorize_url(|| CsrfToken::new(state.clone()))
            .add_scopes(self.scope.split_whitespace().map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("aud", self.connection.base_url())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&pkce))
            .url();
        let issuer = ExpectedIssuer { name: endpoints.issuer, is_required: endpoints.names_itself };
        Ok(Launch { url, state: Secret::new(state), verifier: Secret::new(verifier), issuer })
    }

    /// Makes sure that there is a place where people sign in.
    ///
    /// # Errors
    /// As [`SmartApp::launch`].
    pub async fn find(&self) -> Result<(), SourceFailure> {
        self.endpoints().await.map(drop)
    }

    /// Exchanges a code for tokens.
    ///
    /// # Errors
    /// [`TokenRefusal`].
    pub async fn redeem(
        &self,
        redirect_uri: &str,
        code: &str,
        verifier: &Secret<String>,
    ) -> Result<SmartTokens, TokenRefusal> {
        let endpoints = self.endpoints().await?;
        let client = self.client(&endpoints, redirect_uri).await?;
        let mut request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().clone()));
        for (name, value) in self.assertion(&endpoints).await? {
            request = request.add_extra_param(name, value);
        }
        let (http, asked) = (self.http(&endpoints.token)?, self.clock.now());
        tokens(request.request_async(&http).await, asked)
    }

    /// Exchanges a refresh token for tokens.
    ///
    /// # Errors
    /// [`TokenRefusal`].
    pub async fn refresh(&self, refresh: &Secret<String>) -> Result<SmartTokens, TokenRefusal> {
        let endpoints = self.endpoints().await?;
        let client = self.client(&endpoints, self.connection.base_url()).await?;
        let presented = RefreshToken::new(refresh.expose().clone());
        let mut request = client.exchange_refresh_token(&presented);
        for (name, value) in self.assertion(&endpoints).await? {
            request = request.add_extra_param(name, value);
        }
        let (http, asked) = (self.http(&endpoints.token)?, self.clock.now());
        tokens(request.request_async(&http).await, asked)
    }

    /// Asks the EHR to end a token and what it is part of (RFC 7009). Nothing when it has no place to ask.
    ///
    /// # Errors
    /// [`SourceFailure`]: then the token ends by itself at some time.
    pub async fn revoke(&self, token: &Secret<String>, hint: &'static str) -> Result<(), SourceFailure> {
        let endpoints = self.endpoints().await?;
        let Some(endpoint) = &endpoints.revoke else { return Ok(()) };
        let mut pairs = vec![("token", token.expose().clone()), ("token_type_hint", hint.to_owned())];
        let mut request = http::Request::post(endpoint.url.as_str())
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(http::header::ACCEPT, "application/json");
        if let Some(basic) = self.proof.basic(&self.client_id).await? {
            request = request.header(http::header::AUTHORIZATION, basic);
        } else {
            pairs.push(("client_id", self.client_id.clone()));
            let secret = self.proof.secret().await?;
            pairs.extend(secret.map(|secret| ("client_secret", secret.secret().clone())));
            // RFC 7523 §3: the token endpoint is the audience at every endpoint of the server.
            pairs.extend(self.assertion(&endpoints).await?);
        }
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = request.body(form.into_bytes()).map_err(|_| SourceFailure::Malformed)?;
        let answer = self.http(endpoint)?.call(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(SourceFailure::CredentialRefused) }
    }

    /// What `.well-known/smart-configuration` says, asked for at most once an hour as long as it can be read.
    async fn endpoints(&self) -> Result<Endpoints, SourceFailure> {
        let mut discovered = self.discovered.lock().await;
        // A clock that was set back makes it old.
        let known = discovered.as_ref().filter(|(at, _)| self.clock.now() >= *at);
        let known = known.map(|(at, endpoints)| (self.clock.now().since(*at), endpoints));
        if let Some((age, endpoints)) = known
            && age < DISCOVERY_LIFETIME
        {
            return Ok(endpoints.clone());
        }
        match (self.discover().await, known) {
            (Ok(endpoints), _) => {
                *discovered = Some((self.clock.now(), endpoints.clone()));
                Ok(endpoints)
            }
            (Err(failure), Some((age, endpoints))) if failure.is_down() && age < DISCOVERY_TRUST => {
                Ok(endpoints.clone())
            }
            (Err(failure), _) => Err(failure),
        }
    }

    async fn discover(&self) -> Result<Endpoints, SourceFailure> {
        let document =
            self.connection.open_document(&[".well-known", "smart-configuration"], &self.limits, DISCOVERY_BYTES);
        let found: Discovery = serde_json::from_slice(&document.await?).map_err(|_| SourceFailure::Malformed)?;
        let endpoint = |url: Option<String>| url.and_then(|url| self.connection.endpoint(&url));
        let authorize = endpoint(found.authorization_endpoint).ok_or(SourceFailure::Malformed)?;
        let token = endpoint(found.token_endpoint).ok_or(SourceFailure::Malformed)?;
        let revoke = endpoint(found.revocation_endpoint);
        let names_itself = found.authorization_response_iss_parameter_supported;
        Ok(Endpoints { authorize: authorize.url, token, revoke, issuer: found.issuer, names_itself })
    }

    async fn client(
        &self,
        endpoints: &Endpoints,
        redirect_uri: &str,
    ) -> Result<OauthClient<EndpointSet, EndpointSet>, SourceFailure> {
        let broken = |_| SourceFailure::Malformed;
        let mut client =
            OauthClient::<EndpointNotSet, EndpointNotSet>::new(oauth2::ClientId::new(self.client_id.clone()))
                .set_auth_type(self.proof.auth_type());
        if let Some(secret) = self.proof.secret().await? {
            client = client.set_client_secret(secret);
        }
        Ok(client
            .set_auth_uri(AuthUrl::new(endpoints.authorize.to_string()).map_err(broken)?)
            .set_token_uri(TokenUrl::new(endpoints.token.url.to_string()).map_err(broken)?)
            .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).map_err(broken)?))
    }

    async fn assertion(&self, endpoints: &Endpoints) -> Result<Vec<(&'static str, String)>, SourceFailure> {
        let audience = endpoints.token.url.as_str();
        self.proof.assertion(&self.client_id, audience, self.clock.now(), &*self.random).await
    }

    fn http(&self, endpoint: &Endpoint) -> Result<TokenEndpoint, SourceFailure> {
        let client = self.connection.client_for(endpoint, &self.limits);
        client.map(TokenEndpoint).map_err(|_| SourceFailure::Unreachable)
    }
}

fn tokens(
    answer: Result<Answer, RequestTokenError<SourceFailure, BasicErrorResponse>>,
    asked: Instant,
) -> Result<SmartTokens, TokenRefusal> {
    let answer = answer.map_err(|error| match error {
        RequestTokenError::ServerResponse(response) if *response.error() == BasicErrorResponseType::InvalidGrant => {
            TokenRefusal::Grant
        }
        RequestTokenError::Request(failure) => TokenRefusal::Source(failure),
        _ => TokenRefusal::Source(SourceFailure::CredentialRefused),
    })?;
    // RFC 6750 §2.1: it is to stand in a header.
    let is_sound = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let is_good = *answer.token_type() == BasicTokenType::Bearer && is_sound(answer.access_token().secret());
    if !is_good || answer.refresh_token().is_some_and(|token| token.secret().is_empty()) {
        return Err(TokenRefusal::Source(SourceFailure::CredentialRefused));
    }
    Ok(SmartTokens {
        access: Secret::new(answer.access_token().secret().clone()),
        refresh: answer.refresh_token().map(|token| Secret::new(token.secret().clone())),
        asked,
        lifetime: answer.expires_in().unwrap_or(USUAL_TOKEN).clamp(SHORTEST_TOKEN, LONGEST_TOKEN),
        patient: answer.extra_fields().patient.clone(),
    })
}
