//! Token revocation (RFC 7009).

use futures_util::FutureExt;

use super::{AuthorizationServer, ClientCredentials, TokenError};
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::token::TokenKind;
use crate::storage::{authorizations, tokens};

impl AuthorizationServer {
    /// Ends a token of the client that asks. A refresh token takes its whole authorization along. A token that is
    /// unknown or another client's changes nothing and is answered alike (RFC 7009 §2.2).
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn revoke(&self, header: Option<&str>, form: Vec<(String, String)>) -> Result<(), TokenError> {
        let parameters = Parameters::new(form)?;
        let client = self.authenticate_client(&ClientCredentials::read(header, &parameters)?).await?;
        let Some(token) = parameters.get("token") else {
            return Err(OauthError::new(ErrorCode::InvalidRequest, "token is missing").into());
        };
        let now = self.clock.now();
        if let Some(hash) = TokenKind::Access.hash(token)
            && let Some(bearer) = tokens::bearer(&self.db, &hash).await?
            && bearer.client == client.id
        {
            self.write(move |tx| async move { tokens::revoke_access(tx, &hash, now).await }.boxed()).await?;
        }
        if let Some(hash) = TokenKind::Refresh.hash(token)
            && let Some(stored) = tokens::refresh(&self.db, &hash).await?
            && let Some(authorization) = authorizations::get(&self.db, stored.authorization).await?
            && authorization.client == client.id
        {
            let id = authorization.id;
            self.write(move |tx| async move { authorizations::revoke(tx, id, now).await }.boxed()).await?;
        }
        Ok(())
    }
}
