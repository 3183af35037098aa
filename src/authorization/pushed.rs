//! Pushed authorization requests (RFC 9126): sent by the client itself, taken up once by a browser.

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::authorize::AuthorizeError;
use super::{AuthorizationServer, ClientRequest, TokenError};
use crate::base::hash::{sha256, sha256_of_parts};
use crate::oauth::client::{Client, ClientId};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::request::{self, AuthorizationRequest};
use crate::storage::{StorageError, pushed_requests};

/// What addresses of pushed requests begin with (RFC 9126 §2.2, RFC 9101 §10.2).
pub(super) const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

const UNKNOWN: OauthError = OauthError::new(
    ErrorCode::InvalidRequestUri,
    "this request was taken up before, is too old, or was never made (invalid_request_uri): go back to the app and \
     start again",
);
const NESTED: OauthError = OauthError::new(ErrorCode::InvalidRequest, "request_uri has no place in a pushed request");
const TWO_KEYS: OauthError = OauthError::new(ErrorCode::InvalidRequest, "dpop_jkt is not the key of the DPoP proof");
const BRAKED: OauthError = OauthError::new(ErrorCode::TemporarilyUnavailable, "too many requests: wait a moment");

/// Where a pushed request is.
pub struct PushedRequest {
    request_uri: String,
    expires_in: u64,
}

// Whoever knows the address can take the request up.
impl std::fmt::Debug for PushedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushedRequest").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl PushedRequest {
    /// The answer's body (RFC 9126 §2.2).
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"request_uri": self.request_uri, "expires_in": self.expires_in})
    }
}

impl AuthorizationServer {
    /// Takes an authorization request from its client, after every check that the authorization endpoint makes.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn push(&self, mut request: ClientRequest<'_>) -> Result<PushedRequest, TokenError> {
        let parameters = Parameters::new(std::mem::take(&mut request.form))?;
        let client = self.authenticate_client(&request, &parameters).await?;
        let now = self.clock.now();
        if !self.pushes.passes((client.id.clone(), request.address), now) {
            return Err(BRAKED.into());
        }
        if parameters.raw("request_uri").is_some() {
            return Err(NESTED.into());
        }
        let key = match request.proofs.is_empty() {
            true => None,
            false => self.possession(&client, &request).await?,
        };
        let mut pushed = self.pushed(&parameters, &client)?;
        if key.is_some() && pushed.key.is_some_and(|named| Some(named) != key) {
            return Err(TWO_KEYS.into());
        }
        pushed.key = pushed.key.or(key);
        let id = self.random.token();
        let (hash, expires) = (sha256(id.as_bytes()), now.plus(self.lifetimes.pushed_request));
        let sealed = self.requests.seal(&*self.random, &context(&hash), &pushed.to_bytes());
        let owner = client.id;
        self.db
            .write::<_, StorageError>(move |tx| {
                async move { pushed_requests::insert(tx, &hash, &owner, &sealed, expires).await }.boxed()
            })
            .await?;
        let expires_in = self.lifetimes.pushed_request.as_secs();
        Ok(PushedRequest { request_uri: format!("{PREFIX}{id}"), expires_in })
    }

    fn pushed(&self, parameters: &Parameters, client: &Client) -> Result<AuthorizationRequest, OauthError> {
        let redirect_uri = request::redirect_uri(parameters, client)?;
        let fhir_base = self.endpoints.fhir_base();
        request::validate(parameters, client, redirect_uri, fhir_base, self.clock.now()).map_err(|bad| bad.error)
    }

    /// Takes up what this client pushed. What else stands in the query counts for nothing (RFC 9126 §4, RFC 9101 §5).
    pub(super) async fn take_pushed(
        &self,
        request_uri: &str,
        client: &ClientId,
    ) -> Result<AuthorizationRequest, AuthorizeError> {
        let id = request_uri.strip_prefix(PREFIX).ok_or(UNKNOWN)?;
        let (hash, owner, now) = (sha256(id.as_bytes()), client.clone(), self.clock.now());
        let taken = self
            .db
            .write::<_, StorageError>(move |tx| {
                async move { pushed_requests::take(tx, &hash, &owner, now).await }.boxed()
            })
            .await?
            .ok_or(UNKNOWN)?;
        let plain = self.requests.open(&context(&hash), &taken).map_err(|_| UNKNOWN)?;
        Ok(AuthorizationRequest::from_bytes(&plain).ok_or(UNKNOWN)?)
    }
}

fn context(hash: &[u8; 32]) -> Vec<u8> {
    sha256_of_parts([b"pushed".as_slice(), hash.as_slice()]).to_vec()
}
