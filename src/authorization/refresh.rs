//! Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): rotated for public clients, constant for confidential ones.

use futures_util::FutureExt;

use super::revoke::of_authorization;
use super::token::{INVALID_GRANT, TokenError, TokenResponse};
use super::{AuthorizationServer, ClientRequest};
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::oauth::client::Client;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::{Authorization, RefreshToken};
use crate::oauth::parameters::Parameters;
use crate::oauth::scope::ScopeSet;
use crate::oauth::token::{TokenKind, refresh_successor};
use crate::storage::{StorageError, Tx, authorizations, sessions, tokens};

const TOO_WIDE: OauthError = OauthError::new(ErrorCode::InvalidScope, "scope asks for more than was granted");

/// Whether a request says nothing at all of who sends it.
pub(super) fn is_nameless(request: &ClientRequest<'_>, parameters: &Parameters) -> bool {
    let said = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
    request.authorization.is_none() && said.iter().all(|name| parameters.raw(name).is_none())
}

/// The part of a refresh that happens in one write.
struct Exchange {
    token_hash: [u8; 32],
    successor_hash: [u8; 32],
    asked: Option<ScopeSet>,
    client: Client,
    key: Option<Thumbprint>,
    now: Instant,
    expires: Instant,
}

/// What came of it.
enum Exchanged {
    Granted(Authorization, ScopeSet),
    Refused(OauthError),
    /// The token had been exchanged and its successor used: the authorization is dead.
    Replayed(Authorization),
}

impl AuthorizationServer {
    pub(super) async fn refresh(
        &self,
        client: Client,
        key: Option<Thumbprint>,
        parameters: &Parameters,
    ) -> Result<TokenResponse, TokenError> {
        let Some(token) = parameters.get("refresh_token") else {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "refresh_token is missing").into());
        };
        let token_hash = TokenKind::Refresh.hash(token).ok_or(INVALID_GRANT)?;
        let asked = match parameters.get("scope").map(ScopeSet::parse) {
            None => None,
            Some((asked, dropped)) if dropped.is_empty() && !asked.is_empty() => Some(asked),
            Some(_) => return Err(TOO_WIDE.into()),
        };
        self.check_standing(&token_hash, &client).await?;
        let successor = refresh_successor(&self.refresh_key, token);
        let successor_hash = crate::base::hash::sha256(successor.expose().as_bytes());
        let (minted, now, rotating) = (self.mint_access(key), self.clock.now(), !client.is_confidential());
        let expires = now.plus(self.lifetimes.refresh_token);
        let exchange = Exchange { token_hash, successor_hash, asked, client, key, now, expires };
        let act = self.new_act(ActKind::Token).by_way_of("refresh_token");
        let (minted, exchanged) = self
            .act(move |tx| {
                async move {
                    let exchanged = exchange.run(tx).await?;
                    let act = match &exchanged {
                        Exchanged::Granted(authorization, scopes) => {
                            let refresh_hash = rotating.then_some(exchange.successor_hash);
                            minted.store(tx, authorization, scopes, refresh_hash).await?;
                            Some(of_authorization(act, authorization))
                        }
                        Exchanged::Replayed(authorization) => {
                            Some(of_authorization(act, authorization).refused("refresh-token-replayed"))
                        }
                        Exchanged::Refused(_) => None,
                    };
                    Ok(((minted, exchanged), act))
                }
                .boxed()
            })
            .await?;
        match exchanged {
            Exchanged::Refused(error) => Err(error.into()),
            Exchanged::Replayed(_) => Err(INVALID_GRANT.into()),
            Exchanged::Granted(authorization, scopes) => Ok(TokenResponse {
                access_token: minted.access,
                expires_in: self.lifetimes.access_token.as_secs(),
                scopes,
                key,
                patient: authorization.person,
                context: authorization.context,
                style: self.endpoints.style(),
                refresh_token: rotating.then_some(successor),
                id_token: None,
            }),
        }
    }

    /// The request with the `client_id` that it lacks: of the client that the token was given to. SMART App Launch 2.2
    /// has none in the refresh of a public app; who must prove itself is none the closer to it by its id.
    pub(super) async fn name_client_by_token(&self, parameters: Parameters) -> Result<Parameters, StorageError> {
        let Some(hash) = parameters.get("refresh_token").and_then(|token| TokenKind::Refresh.hash(token)) else {
            return Ok(parameters);
        };
        let Some(stored) = tokens::refresh(&self.db, &hash).await? else { return Ok(parameters) };
        let found = authorizations::get(&self.db, stored.authorization).await?;
        Ok(match found {
            Some(authorization) => parameters.and("client_id", authorization.client.to_string()),
            None => parameters,
        })
    }

    /// Refuses when the account was closed or its right to the person has ended.
    async fn check_standing(&self, token_hash: &[u8; 32], client: &Client) -> Result<(), TokenError> {
        let stored = tokens::refresh(&self.db, token_hash).await?.ok_or(INVALID_GRANT)?;
        let authorization = authorizations::get(&self.db, stored.authorization).await?.ok_or(INVALID_GRANT)?;
        // Another client's token: its family is left unharmed, or anybody could sign others out.
        let good = authorization.client == client.id && self.stands(&authorization, self.clock.now()).await?;
        if good { Ok(()) } else { Err(INVALID_GRANT.into()) }
    }
}

impl Exchange {
    async fn run(&self, tx: &mut Tx) -> Result<Exchanged, StorageError> {
        let refused = Ok(Exchanged::Refused(INVALID_GRANT));
        let Some(stored) = tokens::refresh(&mut *tx, &self.token_hash).await? else { return refused };
        let Some(authorization) = authorizations::get(&mut *tx, stored.authorization).await? else { return refused };
        let theirs = authorization.client == self.client.id;
        if !theirs || authorization.revoked.is_some() || self.now >= stored.expires {
            return refused;
        }
        // RFC 9449 §5: a public client's refresh token is good with its key alone.
        if stored.key.is_some() && stored.key != self.key {
            return refused;
        }
        if let Some(session) = &authorization.session
            && sessions::get(&mut *tx, session).await?.is_none_or(|session| self.now >= session.expires)
        {
            return refused;
        }
        // What the client may have since then, and no more.
        let granted = authorization.scopes.intersection(&self.client.scopes);
        let scopes = match &self.asked {
            Some(asked) if !granted.covers(asked) => return Ok(Exchanged::Refused(TOO_WIDE)),
            Some(asked) => asked.clone(),
            None => granted,
        };
        if self.client.is_confidential() {
            tokens::extend_refresh(tx, &self.token_hash, self.expires).await?;
            return Ok(Exchanged::Granted(authorization, scopes));
        }
        Ok(match self.rotate(tx, &authorization, stored.key).await? {
            true => Exchanged::Granted(authorization, scopes),
            false => Exchanged::Replayed(authorization),
        })
    }

    /// Exchanges the token for its successor, or repeats the exchange while nothing of the successor was used. False,
    /// and the family is dead, when the successor had been used: one of the two who have the token stole it.
    async fn rotate(
        &self,
        tx: &mut Tx,
        authorization: &Authorization,
        key: Option<Thumbprint>,
    ) -> Result<bool, StorageError> {
        if !tokens::use_refresh(tx, &self.token_hash, self.now).await? {
            let successor = tokens::refresh(&mut *tx, &self.successor_hash).await?;
            if successor.is_none_or(|successor| successor.activated.is_some()) {
                authorizations::revoke(tx, authorization.id, self.now).await?;
                tracing::warn!(
                    client.id = %authorization.client,
                    authorization.id = %authorization.id,
                    "a refresh token was replayed after its successor was used: its authorization is revoked"
                );
                return Ok(false);
            }
        }
        tokens::activate_refresh(tx, &self.token_hash, self.now).await?;
        let successor = RefreshToken {
            authorization: authorization.id,
            key,
            issued: self.now,
            expires: self.expires,
            activated: None,
            used: None,
        };
        tokens::insert_refresh(tx, &self.successor_hash, &successor).await?;
        Ok(true)
    }
}
