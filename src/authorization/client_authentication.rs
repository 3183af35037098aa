//! Who a client is at the endpoints that it authenticates at (RFC 6749 §2.3, RFC 7523 §2.2).

use std::net::IpAddr;

use data_encoding::BASE64;
use futures_util::FutureExt;

use super::{AuthorizationServer, TokenError};
use crate::base::secret::Secret;
use crate::oauth::assertion::{ASSERTION_TYPE, Assertion};
use crate::oauth::client::{Client, ClientAuthentication, ClientId, ClientKeys};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::jwk::PublicKey;
use crate::oauth::parameters::Parameters;
use crate::storage::{StorageError, clients, spent_ids};

/// A request to an endpoint that clients authenticate at.
pub struct ClientRequest<'a> {
    /// Which.
    pub endpoint: ClientEndpoint,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The `DPoP` headers.
    pub proofs: Vec<&'a str>,
    /// Where it came from, as far as that is known.
    pub address: Option<IpAddr>,
    /// The form.
    pub form: Vec<(String, String)>,
}

// The rest holds secrets, codes and tokens.
impl std::fmt::Debug for ClientRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientRequest").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// An endpoint that clients authenticate at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEndpoint {
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7662.
    Introspection,
    /// RFC 7009.
    Revocation,
    /// RFC 9126.
    PushedRequests,
}

impl ClientEndpoint {
    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Token => "/oauth/token",
            Self::Introspection => "/oauth/introspect",
            Self::Revocation => "/oauth/revoke",
            Self::PushedRequests => "/oauth/par",
        }
    }
}

/// What a client showed of itself.
#[derive(Debug)]
pub struct ClientCredentials {
    pub(super) id: ClientId,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    None,
    Secret(Secret<String>),
    Assertion(Secret<String>),
}

/// Credentials that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct CredentialsError(#[from] pub OauthError);

const UNKNOWN: OauthError =
    OauthError::new(ErrorCode::InvalidClient, "the client is unknown or what it proved itself with is wrong");
const TWO_WAYS: OauthError =
    OauthError::new(ErrorCode::InvalidRequest, "a client authenticates in one way per request");
const OTHER_CLIENT: OauthError =
    OauthError::new(ErrorCode::InvalidRequest, "client_id differs from the authenticated client");
const BRAKED: OauthError = OauthError::new(ErrorCode::TemporarilyUnavailable, "too many assertions: wait a moment");

impl ClientCredentials {
    /// Reads the `Authorization` header and the form. Two proofs are an error; Basic with the same `client_id` in the
    /// body is not: real clients send that.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn read(header: Option<&str>, parameters: &Parameters) -> Result<Self, CredentialsError> {
        let posted_id = parameters.get("client_id");
        let posted_secret = parameters.get("client_secret");
        let is_asserted =
            parameters.raw("client_assertion").is_some() || parameters.raw("client_assertion_type").is_some();
        let ways = [header.is_some(), posted_secret.is_some(), is_asserted];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Err(TWO_WAYS.into());
        }
        let (id, proof) = if is_asserted {
            let (id, assertion) = asserted(parameters)?;
            (Some(id), Proof::Assertion(assertion))
        } else if let Some(header) = header {
            let (id, secret) = basic(header).ok_or(UNKNOWN)?;
            (Some(id), Proof::Secret(Secret::new(secret)))
        } else {
            let proof = posted_secret.map_or(Proof::None, |secret| Proof::Secret(Secret::new(secret.to_owned())));
            (posted_id.map(str::to_owned), proof)
        };
        let Some(id) = id else {
            return Err(OauthError::new(ErrorCode::InvalidClient, "the client did not say who it is").into());
        };
        if posted_id.is_some_and(|posted| posted != id) {
            return Err(OTHER_CLIENT.into());
        }
        Ok(Self { id: ClientId::parse(&id).ok_or(UNKNOWN)?, proof })
    }
}

/// Whose assertion it says to be, and the assertion.
fn asserted(parameters: &Parameters) -> Result<(String, Secret<String>), CredentialsError> {
    if parameters.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        let text = "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        return Err(OauthError::new(ErrorCode::InvalidClient, text).into());
    }
    let text = parameters.get("client_assertion").unwrap_or_default();
    let assertion = Assertion::parse(text).ok_or(UNKNOWN)?;
    Ok((assertion.client().to_string(), Secret::new(text.to_owned())))
}

/// `Basic` credentials; both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((decode(id)?, decode(secret)?))
}

impl AuthorizationServer {
    /// The client that a request proves. One that registered a key proves itself with nothing else (RFC 9700 §2.5).
    pub(super) async fn authenticate_client(
        &self,
        request: &ClientRequest<'_>,
        parameters: &Parameters,
    ) -> Result<Client, TokenError> {
        let credentials = ClientCredentials::read(request.authorization, parameters)?;
        let client = clients::get(&self.db, &credentials.id).await?;
        self.prove_client(client.as_ref(), &credentials, request).await?;
        client.ok_or(TokenError::Refused(UNKNOWN))
    }

    /// The client that was looked up by its credentials, if they prove it.
    pub(super) async fn prove_client<'c>(
        &self,
        client: Option<&'c Client>,
        credentials: &ClientCredentials,
        request: &ClientRequest<'_>,
    ) -> Result<&'c Client, TokenError> {
        let client = client.filter(|client| client.enabled).ok_or(TokenError::Refused(UNKNOWN))?;
        let is_proven = match (&client.authentication, &credentials.proof) {
            (ClientAuthentication::Keys(keys), Proof::Assertion(assertion)) => {
                Box::pin(self.is_proven_by_assertion(client, keys, assertion.expose(), request)).await?
            }
            (ClientAuthentication::Keys(_), _) | (_, Proof::Assertion(_)) => false,
            (_, Proof::Secret(secret)) => client.is_proven_by(Some(secret.expose())),
            (_, Proof::None) => client.is_proven_by(None),
        };
        if is_proven { Ok(client) } else { Err(TokenError::Refused(UNKNOWN)) }
    }

    /// Whether an assertion proves `client`, who has these keys. It is used up by it: durably, so that a restart lets
    /// no replay through.
    async fn is_proven_by_assertion(
        &self,
        client: &Client,
        keys: &ClientKeys,
        text: &str,
        request: &ClientRequest<'_>,
    ) -> Result<bool, TokenError> {
        // Before anything that costs: a verification on P-384 takes most of a millisecond. By address too, so that
        // nobody brakes another's client.
        let now = self.clock.now();
        if !self.assertions.passes((client.id.clone(), request.address), now) {
            return Err(TokenError::Refused(BRAKED));
        }
        let uri = match keys {
            ClientKeys::Inline(_) => None,
            ClientKeys::Uri(uri) => Some(uri.as_str()),
        };
        let Some(assertion) = Assertion::parse(text).filter(|assertion| assertion.agrees_with(uri)) else {
            return Ok(false);
        };
        let issuer = self.endpoints.issuer();
        let (token, endpoint) = (self.endpoints.token(), format!("{issuer}{}", request.endpoint.path()));
        // The issuer is what OpenID Connect clients put there, the token endpoint what SMART says (RFC 9126 §2).
        let Some(proven) = assertion.claims(&[issuer, &token, &endpoint], now) else { return Ok(false) };
        let Some(key) = self.key_of(client, keys, &assertion).await else { return Ok(false) };
        if !assertion.is_signed_by(&key) {
            return Ok(false);
        }
        let first = self
            .db
            .write::<_, StorageError>(move |tx| {
                async move { spent_ids::spend(tx, &proven.id, proven.expires).await }.boxed()
            })
            .await?;
        if !first {
            tracing::warn!(client.id = %client.id, "a client assertion was replayed");
        }
        Ok(first)
    }

    async fn key_of(&self, client: &Client, keys: &ClientKeys, assertion: &Assertion<'_>) -> Option<PublicKey> {
        let (kid, algorithm) = assertion.key();
        match keys {
            ClientKeys::Inline(set) => set.find(kid, algorithm).cloned(),
            ClientKeys::Uri(uri) => self.key_sets.find(uri, client.registration.is_some(), (kid, algorithm)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<(String, Option<String>), ErrorCode> {
        let pairs = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let secret = |proof| match proof {
            Proof::None => None,
            Proof::Secret(secret) | Proof::Assertion(secret) => Some(secret.expose().clone()),
        };
        ClientCredentials::read(header, &Parameters::new(pairs).unwrap())
            .map(|read| (read.id.to_string(), secret(read.proof)))
            .map_err(|error| error.0.code)
    }

    #[test]
    fn o17_one_way_to_authenticate_per_request() {
        let header = format!("Basic {}", BASE64.encode(b"app:s%3Acret+x"));
        let proven = Ok(("app".to_owned(), Some("s:cret x".to_owned())));
        assert_eq!(read(Some(&header), ""), proven);
        assert_eq!(read(Some(&header), "client_id=app"), proven, "Basic and client_id in the body");
        assert_eq!(read(None, "client_id=app&client_secret=s%3Acret+x"), proven);
        assert_eq!(read(None, "client_id=app"), Ok(("app".to_owned(), None)));
        for (header, form, code) in [
            (Some(header.as_str()), "client_id=app&client_secret=s", ErrorCode::InvalidRequest),
            (Some(&header), "client_id=other", ErrorCode::InvalidRequest),
            (Some(&header), "client_assertion=x", ErrorCode::InvalidRequest),
            (None, "client_id=app&client_secret=s&client_assertion=x", ErrorCode::InvalidRequest),
            (None, "client_id=app&client_assertion=x", ErrorCode::InvalidClient),
            (None, "client_id=app&client_assertion_type=x", ErrorCode::InvalidClient),
            (None, "", ErrorCode::InvalidClient),
            (None, "client_secret=s", ErrorCode::InvalidClient),
            (Some("Basic"), "", ErrorCode::InvalidClient),
            (Some("Basic !!!"), "", ErrorCode::InvalidClient),
            (Some("Basic YXBw"), "", ErrorCode::InvalidClient),
            (Some("Bearer x"), "client_id=app", ErrorCode::InvalidClient),
            (None, "client_id=a%20b", ErrorCode::InvalidClient),
        ] {
            assert_eq!(read(header, form), Err(code), "{header:?} {form}");
        }
    }
}
