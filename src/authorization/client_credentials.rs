//! Backend services (SMART App Launch 2.2 §5; RFC 6749 §4.4): a client acts for nobody but itself, within the scopes and
//! the sources that the operator gave it, for minutes.

use futures_util::FutureExt;

use super::AuthorizationServer;
use super::token::{TokenError, TokenResponse};
use crate::audit::ActKind;
use crate::oauth::client::{Client, ClientAuthentication};
use crate::oauth::dpop::Thumbprint;
use crate::oauth::error::{ErrorCode, OauthError};
use crate::oauth::grant::SystemToken;
use crate::oauth::launch::LaunchContext;
use crate::oauth::parameters::Parameters;
use crate::oauth::scope::ScopeSet;
use crate::oauth::token::TokenKind;
use crate::storage::system_tokens;

const NOT_ALLOWED: OauthError =
    OauthError::new(ErrorCode::UnauthorizedClient, "this client may not act as a backend service");
const NO_SCOPE: OauthError =
    OauthError::new(ErrorCode::InvalidScope, "no system/ scope was asked for that this client may have");

impl AuthorizationServer {
    /// Gives a backend service a token. There is no refresh token: it asks again (SMART App Launch 2.2 §5.1.4).
    pub(super) async fn client_credentials(
        &self,
        client: Client,
        key: Option<Thumbprint>,
        parameters: &Parameters,
    ) -> Result<TokenResponse, TokenError> {
        let has_key = matches!(client.authentication, ClientAuthentication::Keys(_));
        if !has_key || client.sources.is_empty() || client.scopes.of_system().is_empty() {
            return Err(NOT_ALLOWED.into());
        }
        let asked = ScopeSet::parse(parameters.get("scope").unwrap_or_default()).0;
        let scopes = asked.of_system().intersection(&client.scopes);
        if scopes.is_empty() {
            return Err(NO_SCOPE.into());
        }
        let access = TokenKind::System.mint(&*self.random);
        let hash = crate::base::hash::sha256(access.expose().as_bytes());
        let issued = self.clock.now();
        let expires = issued.plus(self.lifetimes.system_token);
        let token = SystemToken { client: client.id.clone(), scopes: scopes.clone(), key, issued, expires };
        let act = self.new_act(ActKind::Token).by_way_of("client_credentials").through(&client.id).under("operator");
        self.act(move |tx| {
            async move {
                system_tokens::insert(tx, &hash, &token).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        let expires_in = self.lifetimes.system_token.as_secs();
        Ok(TokenResponse {
            access_token: access,
            expires_in,
            scopes,
            key,
            patient: None,
            context: LaunchContext::default(),
            style: String::new(),
            refresh_token: None,
            id_token: None,
        })
    }
}
