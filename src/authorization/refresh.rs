//! Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): rotated for public clients, constant for confidential ones.

use std::sync::Arc;

use futures_util::FutureExt;

use super::revoke::of_authorization;
use super::token::{INVALID_GRANT, Minted, TokenError, TokenResponse};
use super::{AuthorizationServer, ClientCredentials, ClientRequest};
use crate::audit::{Act, ActKind};
use crate::base::clock::Instant;
use crate::base::secret::Secret;
use crate::oauth::client::Client;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::{Authorization, RefreshToken};
use crate::oauth::parameters::Parameters;
use crate::oauth::scope::ScopeSet;
use crate::oauth::token::{TokenKind, refresh_successor};
use crate::storage::refreshes::{self, Held, Reissued};
use crate::storage::{StorageError, Tx, authorizations, tokens};

const TOO_WIDE: OauthError = OauthError::new(ErrorCode::InvalidScope, "scope asks for more than was granted");

/// Whether a request says nothing at all of who sends it.
fn is_nameless(request: &ClientRequest<'_>, parameters: &Parameters) -> bool {
    let said = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
    request.authorization.is_none() && said.iter().all(|name| parameters.raw(name).is_none())
}

/// A refresh that may happen, as far as what was looked up says.
struct Exchange {
    authorization: Arc<Authorization>,
    scopes: ScopeSet,
    token_hash: [u8; 32],
    /// The key that the token is bound to.
    token_key: Option<Thumbprint>,
    minted: Minted,
    /// When the refresh token will end.
    until: Instant,
    act: Act,
}

/// What came of it.
enum Exchanged {
    Granted,
    Refused,
    /// The token had been exchanged and its successor used: the authorization is dead.
    Replayed,
}

impl AuthorizationServer {
    pub(super) async fn refresh(
        &self,
        request: &ClientRequest<'_>,
        mut parameters: Parameters,
    ) -> Result<TokenResponse, TokenError> {
        let said = match is_nameless(request, &parameters) {
            true => None,
            false => Some(ClientCredentials::read(request.authorization, &parameters)?),
        };
        let hash = parameters.get("refresh_token").and_then(|token| TokenKind::Refresh.hash(token));
        let found = self.find_refresh(said.as_ref().map(|said| &said.id), hash.as_ref()).await?;
        let credentials = match (said, &found.client) {
            (Some(said), _) => said,
            // SMART App Launch 2.2 has no client_id in the refresh of a public app. Who must prove itself is none the
            // closer to it by an id that the token says.
            (None, Some(client)) => {
                parameters = parameters.and("client_id", client.id.to_string());
                ClientCredentials::read(None, &parameters)?
            }
            (None, None) => ClientCredentials::read(None, &parameters)?,
        };
        let client = self.prove_client(found.client.as_ref(), &credentials, request).await?;
        let key = self.possession(client, request).await?;
        let Some(token) = parameters.get("refresh_token") else {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "refresh_token is missing").into());
        };
        let (Some(token_hash), Some(held)) = (hash, &found.held) else { return Err(INVALID_GRANT.into()) };
        let scopes = self.granted(client, key, held, &parameters)?;
        let minted = self.mint_access(key);
        let until = minted.issued.plus(self.lifetimes.refresh_token);
        let act = self.new_act(ActKind::Token).by_way_of("refresh_token");
        let (authorization, token_key) = (Arc::clone(&held.authorization), held.token.key);
        let exchange = Exchange { authorization, scopes, token_hash, token_key, minted, until, act };
        // Boxed, each: a refresh is one of them.
        match client.is_confidential() {
            true => Box::pin(self.reissue(exchange)).await,
            false => Box::pin(self.rotate(exchange, token)).await,
        }
    }

    /// What a refresh may bring, as far as what was looked up says.
    fn granted(
        &self,
        client: &Client,
        key: Option<Thumbprint>,
        held: &Held,
        parameters: &Parameters,
    ) -> Result<ScopeSet, OauthError> {
        let (authorization, now) = (&held.authorization, self.clock.now());
        let asked = match parameters.get("scope").map(ScopeSet::parse) {
            None => None,
            Some((asked, dropped)) if dropped.is_empty() && !asked.is_empty() => Some(asked),
            Some(_) => return Err(TOO_WIDE),
        };
        // Another client's token: its family is left unharmed, or anybody could sign others out.
        let is_theirs = authorization.client == client.id;
        // RFC 9449 §5: a public client's refresh token is good with its key alone.
        let has_key = held.token.key.is_none() || held.token.key == key;
        if !is_theirs || !has_key || !held.is_live(now) {
            return Err(INVALID_GRANT);
        }
        // What the client may have since then, and no more.
        let granted = authorization.scopes.intersection(&client.scopes);
        match asked {
            Some(asked) if !granted.covers(&asked) => Err(TOO_WIDE),
            Some(asked) => Ok(asked),
            None => Ok(granted),
        }
    }

    /// Another access token for a client that keeps its refresh token.
    async fn reissue(&self, exchange: Exchange) -> Result<TokenResponse, TokenError> {
        let Minted { access_hash, key, issued, expires, .. } = &exchange.minted;
        let new = Reissued {
            hash: *access_hash,
            refresh_hash: exchange.token_hash,
            scopes: exchange.scopes.clone(),
            key: *key,
            issued: *issued,
            expires: *expires,
            until: exchange.until,
        };
        let is_done = self.acts.reissue(new, exchange.act()).await?;
        if is_done { Ok(self.refreshed(exchange, None)) } else { Err(INVALID_GRANT.into()) }
    }

    /// An access token and the successor of `token`.
    async fn rotate(&self, exchange: Exchange, token: &str) -> Result<TokenResponse, TokenError> {
        let successor = refresh_successor(&self.refresh_key, token);
        let successor_hash = crate::base::hash::sha256(successor.expose().as_bytes());
        let (exchange, exchanged) = self
            .act(move |tx| {
                async move {
                    let exchanged = exchange.rotate(tx, &successor_hash).await?;
                    let act = match exchanged {
                        Exchanged::Granted => Some(exchange.act()),
                        Exchanged::Replayed => Some(exchange.act().refused("refresh-token-replayed")),
                        Exchanged::Refused => None,
                    };
                    Ok(((exchange, exchanged), act))
                }
                .boxed()
            })
            .await?;
        match exchanged {
            Exchanged::Granted => Ok(self.refreshed(exchange, Some(successor))),
            Exchanged::Refused | Exchanged::Replayed => Err(INVALID_GRANT.into()),
        }
    }

    fn refreshed(&self, exchange: Exchange, refresh_token: Option<Secret<String>>) -> TokenResponse {
        let Exchange { authorization, scopes, minted, .. } = exchange;
        TokenResponse {
            access_token: minted.access,
            expires_in: self.lifetimes.access_token.as_secs(),
            scopes,
            key: minted.key,
            patient: authorization.person,
            context: authorization.context.clone(),
            style: self.endpoints.style(),
            refresh_token,
            id_token: None,
        }
    }
}

impl Exchange {
    fn act(&self) -> Act {
        of_authorization(self.act.clone(), &self.authorization)
    }

    /// Exchanges the token for its successor, or repeats the exchange while nothing of the successor was used.
    async fn rotate(&self, tx: &mut Tx, successor_hash: &[u8; 32]) -> Result<Exchanged, StorageError> {
        let now = self.minted.issued;
        if refreshes::use_up(tx, &self.token_hash, now).await? {
            let successor = RefreshToken {
                authorization: self.authorization.id,
                key: self.token_key,
                issued: now,
                expires: self.until,
                activated: None,
                used: None,
            };
            tokens::insert_refresh(tx, successor_hash, &successor).await?;
        } else if !refreshes::is_live(tx, &self.token_hash, now).await? {
            return Ok(Exchanged::Refused);
        } else if !self.is_repeatable(tx, successor_hash).await? {
            return Ok(Exchanged::Replayed);
        }
        self.minted.store(tx, &self.authorization, &self.scopes, Some(*successor_hash)).await?;
        Ok(Exchanged::Granted)
    }

    /// Whether nothing was used of what the token was exchanged for. If something was, the family is dead from here on:
    /// one of the two who have the token stole it.
    async fn is_repeatable(&self, tx: &mut Tx, successor_hash: &[u8; 32]) -> Result<bool, StorageError> {
        let successor = tokens::refresh(&mut *tx, successor_hash).await?;
        if successor.is_some_and(|successor| successor.activated.is_none()) {
            return Ok(true);
        }
        let Authorization { id, client, .. } = &*self.authorization;
        authorizations::revoke(tx, *id, self.minted.issued).await?;
        tracing::warn!(
            client.id = %client,
            authorization.id = %id,
            "a refresh token was replayed after its successor was used: its authorization is revoked"
        );
        Ok(false)
    }
}
