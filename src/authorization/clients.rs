//! Registration of clients, by the operator.

use futures_util::FutureExt;

use super::AuthorizationServer;
use crate::audit::ActKind;
use crate::base::secret::Secret;
use crate::oauth::client::{Client, ClientAuthentication, ClientId, RedirectUriError, check_redirect_uri};
use crate::oauth::scope::ScopeSet;
use crate::oauth::token::TokenKind;
use crate::storage::{StorageError, clients};

/// What a new client says of itself.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its id; minted when left out.
    pub id: Option<ClientId>,
    /// Its name, as people read it on the consent page.
    pub name: String,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Where it is opened from here, if it can be.
    pub launch_uri: Option<String>,
    /// The most it can be granted.
    pub scopes: ScopeSet,
    /// Whether it can keep a secret.
    pub confidential: bool,
    /// Whether it is an installed app.
    pub native: bool,
}

/// A client just registered.
#[derive(Debug)]
pub struct RegisteredClient {
    /// The client.
    pub client: Client,
    /// Its secret, for confidential clients: shown this once, kept as a hash.
    pub secret: Option<Secret<String>>,
}

/// Why a client was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A name nobody can read, or one that imitates another page's text.
    #[error("the name must have 1 to 100 characters, none of them invisible")]
    Name,
    /// No redirect URI, or too many.
    #[error("there must be 1 to 20 redirect URIs")]
    RedirectUris,
    /// A redirect URI that must not be.
    #[error("redirect URI {uri}: {reason}")]
    RedirectUri {
        /// Which.
        uri: String,
        /// Why.
        reason: RedirectUriError,
    },
    /// A launch URI that must not be.
    #[error("launch URI {uri}: {reason}")]
    LaunchUri {
        /// Which.
        uri: String,
        /// Why.
        reason: RedirectUriError,
    },
    /// The id of our own pages.
    #[error("the id is reserved")]
    ReservedId,
    /// Nothing it could be granted.
    #[error("there must be at least one scope")]
    Scopes,
    /// The id is taken, or the database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Characters that change how the text around them is read: they could make an app look like another one.
const fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl AuthorizationServer {
    /// Registers a client.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn register_client(&self, new: NewClient) -> Result<RegisteredClient, RegistrationError> {
        let name = new.name.trim().to_owned();
        let bad_character = name.chars().any(|c| c.is_control() || is_deceptive(c));
        if name.is_empty() || name.chars().count() > 100 || bad_character {
            return Err(RegistrationError::Name);
        }
        if !(1..=20).contains(&new.redirect_uris.len()) {
            return Err(RegistrationError::RedirectUris);
        }
        for uri in &new.redirect_uris {
            check_redirect_uri(uri, new.native)
                .map_err(|reason| RegistrationError::RedirectUri { uri: uri.clone(), reason })?;
        }
        if let Some(uri) = &new.launch_uri {
            check_redirect_uri(uri, new.native)
                .map_err(|reason| RegistrationError::LaunchUri { uri: uri.clone(), reason })?;
        }
        if new.scopes.is_empty() {
            return Err(RegistrationError::Scopes);
        }
        let secret = new.confidential.then(|| TokenKind::ClientSecret.mint(&*self.random));
        let authentication = match &secret {
            None => ClientAuthentication::None,
            Some(secret) => ClientAuthentication::Secret(crate::base::hash::sha256(secret.expose().as_bytes())),
        };
        let id = new.id.or_else(|| ClientId::parse(&self.random.uuid().to_string())).ok_or(RegistrationError::Name)?;
        if id.as_str() == super::launch::OWN_PAGES {
            return Err(RegistrationError::ReservedId);
        }
        let (redirect_uris, launch_uri, scopes, native) = (new.redirect_uris, new.launch_uri, new.scopes, new.native);
        let client = Client { id, name, redirect_uris, launch_uri, scopes, authentication, native, enabled: true };
        let (stored, created) = (client.clone(), self.clock.now());
        let act = self.new_act(ActKind::Client).through(&client.id).by_way_of("register").under("operator");
        self.act(move |tx| {
            async move {
                clients::insert(tx, &stored, created).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await?;
        Ok(RegisteredClient { client, secret })
    }
}
