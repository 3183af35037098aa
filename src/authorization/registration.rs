//! Dynamic registration (RFC 7591) and its management (RFC 7592), as far as the operator lets it.

use std::net::IpAddr;

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::{AuthorizationServer, put};
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::base::hash::{equal_in_constant_time, sha256};
use crate::base::secret::Secret;
use crate::config::RegistrationPolicy;
use crate::oauth::client::{Client, ClientAuthentication, ClientId, ClientKeys};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::registration::{ClientMetadata, Method};
use crate::oauth::scope::{Scope, ScopeSet};
use crate::oauth::token::TokenKind;
use crate::storage::{StorageError, clients};

/// Why a registration is not made, shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The metadata is refused.
    #[error(transparent)]
    Refused(#[from] OauthError),
    /// Nobody may register here.
    #[error("clients do not register themselves here")]
    Closed,
    /// From there, or in all, for now.
    #[error("too many registrations")]
    TooMany,
    /// No registration access token, or not this client's (RFC 7592 §2.1: alike for a client that is not there).
    #[error("the registration access token is not valid")]
    Unauthorized,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A client's registration as it is told to the client (RFC 7591 §3.2.1).
#[derive(Debug)]
pub struct Registration {
    client: Client,
    access_token: Secret<String>,
    secret: Option<Secret<String>>,
    issued: Option<Instant>,
    address: String,
}

impl Registration {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Client { id, name, redirect_uris, scopes, authentication, native, requirements, .. } = &self.client;
        let method = match authentication {
            ClientAuthentication::None => "none",
            ClientAuthentication::Secret(_) => "client_secret_basic",
            ClientAuthentication::Keys(_) => "private_key_jwt",
        };
        let refreshes = scopes.contains(&Scope::OfflineAccess) || scopes.contains(&Scope::OnlineAccess);
        let grants: &[&str] =
            if refreshes { &["authorization_code", "refresh_token"] } else { &["authorization_code"] };
        let mut body = json!({
            "client_id": id.as_str(),
            "client_name": name,
            "redirect_uris": redirect_uris,
            "scope": scopes.to_string(),
            "grant_types": grants,
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "application_type": if *native { "native" } else { "web" },
            "require_pushed_authorization_requests": requirements.pushed_requests,
            "dpop_bound_access_tokens": requirements.bound_tokens,
            "registration_access_token": self.access_token.expose(),
            "registration_client_uri": self.address,
        });
        match authentication {
            ClientAuthentication::Keys(ClientKeys::Inline(keys)) => put(&mut body, "jwks", keys.to_json()),
            ClientAuthentication::Keys(ClientKeys::Uri(uri)) => put(&mut body, "jwks_uri", json!(uri)),
            _ => {}
        }
        if let Some(issued) = self.issued {
            put(&mut body, "client_id_issued_at", json!(issued.seconds()));
        }
        if let Some(secret) = &self.secret {
            put(&mut body, "client_secret", json!(secret.expose()));
            put(&mut body, "client_secret_expires_at", json!(0));
        }
        body
    }
}

impl AuthorizationServer {
    /// Registers whoever asks, within what the operator allows.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(&self, address: Option<IpAddr>, body: &[u8]) -> Result<Registration, RegisterError> {
        let enabled = match self.registration.policy {
            RegistrationPolicy::Closed => return Err(RegisterError::Closed),
            RegistrationPolicy::Approval => false,
            RegistrationPolicy::Open => true,
        };
        let now = self.clock.now();
        if !self.registration.of_address.passes(address, now) {
            return Err(RegisterError::TooMany);
        }
        let metadata = ClientMetadata::parse(body)?;
        if metadata.client_id.is_some() || metadata.client_secret.is_some() {
            let text = "client_id and client_secret are given out, not chosen";
            return Err(OauthError::new(ErrorCode::InvalidClientMetadata, text).into());
        }
        if clients::self_registered(&self.db).await? >= self.registration.most {
            tracing::warn!("no more clients can register themselves: there are as many as may be");
            return Err(RegisterError::TooMany);
        }
        let access_token = TokenKind::Registration.mint(&*self.random);
        let secret = matches!(metadata.method, Method::Secret).then(|| TokenKind::ClientSecret.mint(&*self.random));
        let id = ClientId::parse(&self.random.uuid().to_string()).ok_or(RegisterError::Unauthorized)?;
        let mut client = self.client_of(id, metadata, secret.as_ref())?;
        client.enabled = enabled;
        client.registration = Some(sha256(access_token.expose().as_bytes()));
        let stored = client.clone();
        let act = self.new_act(ActKind::Client).through(&client.id).by_way_of("register").under("self");
        self.act(move |tx| {
            async move {
                clients::insert(tx, &stored, now).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        Ok(self.told(client, access_token, secret, Some(now)))
    }

    /// What a client registered.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn registered(&self, id: &str, token: Option<&str>) -> Result<Registration, RegisterError> {
        let (client, token) = self.owner(id, token).await?;
        Ok(self.told(client, token, None, None))
    }

    /// Replaces what a client registered, whole (RFC 7592 §2.2).
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register_again(
        &self,
        id: &str,
        token: Option<&str>,
        body: &[u8],
    ) -> Result<Registration, RegisterError> {
        let (before, token) = self.owner(id, token).await?;
        let metadata = ClientMetadata::parse(body)?;
        check_same(&before, &metadata)?;
        let mut client = self.client_of(before.id.clone(), metadata, None)?;
        client.authentication = match (&before.authentication, client.authentication) {
            // The secret stays what it is.
            (ClientAuthentication::Secret(hash), _) => ClientAuthentication::Secret(*hash),
            (_, authentication) => authentication,
        };
        client.registration = before.registration;
        // What was approved was this name, these addresses and these scopes.
        let is_as_approved = client.name == before.name
            && client.redirect_uris == before.redirect_uris
            && before.scopes.covers(&client.scopes)
            && key_set_uri(&client) == key_set_uri(&before);
        client.enabled = before.enabled && (self.registration.policy == RegistrationPolicy::Open || is_as_approved);
        let stored = client.clone();
        let act = self.new_act(ActKind::Client).through(&client.id).by_way_of("update").under("self");
        self.act(move |tx| {
            async move {
                clients::update(tx, &stored).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        Ok(self.told(client, token, None, None))
    }

    /// Ends a registration, and with it every token of the client (RFC 7592 §2.3).
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn deregister(&self, id: &str, token: Option<&str>) -> Result<(), RegisterError> {
        let (client, _) = self.owner(id, token).await?;
        let now = self.clock.now();
        let act = self.new_act(ActKind::Client).through(&client.id).by_way_of("delete").under("self");
        self.act(move |tx| {
            async move {
                clients::delete(tx, &client.id, now).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        Ok(())
    }

    /// Whether people are to be told that nobody here has looked at an app (RFC 7591 §5).
    pub(super) fn is_unchecked(&self, client: &Client) -> bool {
        client.registration.is_some() && self.registration.policy == RegistrationPolicy::Open
    }

    /// The client with this id, if it is its registration access token.
    async fn owner(&self, id: &str, token: Option<&str>) -> Result<(Client, Secret<String>), RegisterError> {
        let unauthorized = RegisterError::Unauthorized;
        let Some(token) = token else { return Err(unauthorized) };
        let (Some(id), Some(hash)) = (ClientId::parse(id), TokenKind::Registration.hash(token)) else {
            return Err(unauthorized);
        };
        let client = clients::get(&self.db, &id).await?;
        let is_owner = |client: &Client| client.registration.is_some_and(|own| equal_in_constant_time(&own, &hash));
        let client = client.filter(is_owner).ok_or(unauthorized)?;
        Ok((client, Secret::new(token.to_owned())))
    }

    /// A client with what it said of itself, narrowed to what those who register themselves may have.
    fn client_of(
        &self,
        id: ClientId,
        metadata: ClientMetadata,
        secret: Option<&Secret<String>>,
    ) -> Result<Client, RegisterError> {
        let refused = |text| RegisterError::Refused(OauthError::new(ErrorCode::InvalidClientMetadata, text));
        let allowed = &self.registration.scopes;
        let scopes = metadata.scopes.map_or_else(|| allowed.clone(), |asked| asked.intersection(allowed)).of_users();
        if scopes.is_empty() {
            return Err(refused("no scope is left that an app may have that registers itself"));
        }
        let authentication = match metadata.method {
            Method::None => ClientAuthentication::None,
            Method::Secret => {
                // An update has none: the caller puts the old one back.
                ClientAuthentication::Secret(secret.map_or([0; 32], |secret| sha256(secret.expose().as_bytes())))
            }
            Method::Keys(keys) => {
                if let ClientKeys::Uri(uri) = &keys
                    && self.key_sets.fetcher().check(uri, true).is_err()
                {
                    return Err(refused("jwks_uri must be https on a public host"));
                }
                ClientAuthentication::Keys(keys)
            }
        };
        Ok(Client {
            id,
            name: metadata.name,
            redirect_uris: metadata.redirect_uris,
            launch_uri: None,
            scopes,
            authentication,
            native: metadata.native,
            enabled: false,
            sources: Vec::new(),
            requirements: metadata.requirements,
            registration: None,
        })
    }

    fn told(
        &self,
        client: Client,
        access_token: Secret<String>,
        secret: Option<Secret<String>>,
        issued: Option<Instant>,
    ) -> Registration {
        let address = format!("{}/{}", self.endpoints.registration(), client.id);
        Registration { client, access_token, secret, issued, address }
    }
}

/// An update must name the client, and may not change how it proves itself: a new secret has nobody to be given to.
fn check_same(before: &Client, metadata: &ClientMetadata) -> Result<(), OauthError> {
    let refused = |text| Err(OauthError::new(ErrorCode::InvalidClientMetadata, text));
    if metadata.client_id.as_deref() != Some(before.id.as_str()) {
        return refused("client_id must be the client's own");
    }
    let is_same = matches!(
        (&before.authentication, &metadata.method),
        (ClientAuthentication::None, Method::None)
            | (ClientAuthentication::Secret(_), Method::Secret)
            | (ClientAuthentication::Keys(_), Method::Keys(_))
    );
    if !is_same {
        return refused("token_endpoint_auth_method cannot be changed: register anew");
    }
    match metadata.client_secret.as_deref() {
        Some(secret) if !before.is_proven_by(Some(secret)) => refused("client_secret is not the client's own"),
        _ => Ok(()),
    }
}

fn key_set_uri(client: &Client) -> Option<&str> {
    match &client.authentication {
        ClientAuthentication::Keys(ClientKeys::Uri(uri)) => Some(uri),
        _ => None,
    }
}

/// What those who register themselves may have.
#[derive(Debug)]
pub(super) struct SelfRegistration {
    pub(super) policy: RegistrationPolicy,
    pub(super) scopes: ScopeSet,
    /// So many in all.
    pub(super) most: i64,
    pub(super) of_address: super::brakes::Brake<Option<IpAddr>>,
}
