//! Token revocation (RFC 7009).

use futures_util::FutureExt;

use super::{AuthorizationServer, ClientRequest, TokenError};
use crate::audit::{Act, ActKind};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::Authorization;
use crate::oauth::parameters::Parameters;
use crate::oauth::token::TokenKind;
use crate::storage::{authorizations, system_tokens, tokens};

impl AuthorizationServer {
    /// Ends a token of the client that asks. A refresh token takes its whole authorization along. A token that is
    /// unknown or another client's changes nothing and is answered alike (RFC 7009 §2.2).
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn revoke(&self, mut request: ClientRequest<'_>) -> Result<(), TokenError> {
        let parameters = Parameters::new(std::mem::take(&mut request.form))?;
        let client = self.authenticate_client(&request, &parameters).await?;
        let Some(token) = parameters.get("token") else {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "token is missing").into());
        };
        let now = self.clock.now();
        if let Some(hash) = TokenKind::Access.hash(token)
            && let Some(bearer) = tokens::bearer(&self.db, &hash).await?
            && bearer.client == client.id
        {
            let act = self.new_act(ActKind::Revocation).by_way_of("access_token").under("client");
            let act = act.by(bearer.account).through(&client.id).about(bearer.person);
            let act = act.on("Authorization", bearer.authorization);
            self.act(move |tx| {
                async move {
                    let ended = tokens::revoke_access(tx, &hash, now).await?;
                    Ok(((), ended.then_some(act)))
                }
                .boxed()
            })
            .await?;
        }
        if let Some(hash) = TokenKind::Refresh.hash(token)
            && let Some(stored) = tokens::refresh(&self.db, &hash).await?
            && let Some(authorization) = authorizations::get(&self.db, stored.authorization).await?
            && authorization.client == client.id
        {
            let act = of_authorization(self.new_act(ActKind::Revocation), &authorization);
            let act = act.by_way_of("refresh_token").under("client");
            self.act(move |tx| {
                async move {
                    let ended = authorizations::revoke(tx, authorization.id, now).await?;
                    Ok(((), ended.then_some(act)))
                }
                .boxed()
            })
            .await?;
        }
        if let Some(hash) = TokenKind::System.hash(token)
            && let Some(bearer) = system_tokens::bearer(&self.db, &hash).await?
            && bearer.client == client.id
        {
            let act = self.new_act(ActKind::Revocation).by_way_of("access_token").under("client").through(&client.id);
            self.act(move |tx| {
                async move {
                    let ended = system_tokens::revoke(tx, &hash, now).await?;
                    Ok(((), ended.then_some(act)))
                }
                .boxed()
            })
            .await?;
        }
        Ok(())
    }
}

/// The act as one upon this authorization.
pub(super) fn of_authorization(act: Act, authorization: &Authorization) -> Act {
    act.by(authorization.account)
        .through(&authorization.client)
        .about(authorization.person)
        .on("Authorization", authorization.id)
}
