//! Registration of clients, by the operator.

use futures_util::FutureExt;

use super::AuthorizationServer;
use crate::audit::{Act, ActKind};
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::base::source_key::SourceKey;
use crate::config::SourceAuthentication;
use crate::oauth::client::{
    Client, ClientAuthentication, ClientId, ClientKeys, RedirectUriError, Requirements, check_redirect_uri,
};
use crate::oauth::registration::{MOST_REDIRECT_URIS, readable_name};
use crate::oauth::scope::ScopeSet;
use crate::oauth::token::TokenKind;
use crate::storage::{StorageError, clients, sources};

/// What a new client says of itself.
#[derive(Clone, Debug, Default)]
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
    /// How it proves itself.
    pub proof: NewProof,
    /// Whether it is an installed app.
    pub native: bool,
    /// The sources whose charts its `system/` scopes reach, all of one organization.
    pub sources: Vec<SourceKey>,
    /// What it takes upon itself.
    pub requirements: Requirements,
}

/// How a new client will prove itself.
#[derive(Clone, Debug, Default)]
pub enum NewProof {
    /// Not at all: a public client.
    #[default]
    None,
    /// With a secret that is minted for it.
    Secret,
    /// With keys of its own.
    Keys(ClientKeys),
}

/// Who registers, and turns off and on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Registrar {
    Operator,
    /// Whoever runs the gateway, from the console.
    OperatorAtWork(AccountId),
    /// An administrator of a practice.
    Staff(AccountId),
}

impl Registrar {
    /// Whether what it registers may begin at once. A service reads many people's records: a stolen sign-in of an
    /// administrator must not be enough for that, so the operator lets it in.
    const fn lets_in(self) -> bool {
        matches!(self, Self::Operator | Self::OperatorAtWork(_))
    }

    fn sign(self, act: Act) -> Act {
        match self {
            Self::Operator => act.under("operator"),
            Self::OperatorAtWork(account) => act.by(account).under("operator"),
            Self::Staff(account) => act.by(account).under("administrator"),
        }
    }
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
    /// A backend service without a key, or with nothing that it reaches.
    #[error("system/ scopes need keys and at least one source, and sources need system/ scopes")]
    System,
    /// A source that is not there, of another organization, or opened by each patient's own sign-in.
    #[error("the sources of a client must be connected, all of one organization, and with a credential of their own")]
    Sources,
    /// Keys that cannot be fetched from there.
    #[error("the key set's address: {0}")]
    KeySetUri(String),
    /// The id is taken, or the database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl AuthorizationServer {
    /// Registers a client.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn register_client(&self, new: NewClient) -> Result<RegisteredClient, RegistrationError> {
        self.register_for(Registrar::Operator, new).await
    }

    pub(super) async fn register_for(
        &self,
        registrar: Registrar,
        new: NewClient,
    ) -> Result<RegisteredClient, RegistrationError> {
        let name = readable_name(&new.name).ok_or(RegistrationError::Name)?;
        if new.scopes.is_empty() {
            return Err(RegistrationError::Scopes);
        }
        // A backend service has nobody to send anywhere.
        let least = usize::from(!new.scopes.of_users().is_empty());
        if !(least..=MOST_REDIRECT_URIS).contains(&new.redirect_uris.len()) {
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
        self.check_reach(&new).await?;
        let secret = matches!(new.proof, NewProof::Secret).then(|| TokenKind::ClientSecret.mint(&*self.random));
        let authentication = match (new.proof, &secret) {
            (NewProof::Keys(keys), _) => ClientAuthentication::Keys(keys),
            (_, Some(secret)) => ClientAuthentication::Secret(crate::base::hash::sha256(secret.expose().as_bytes())),
            (_, None) => ClientAuthentication::None,
        };
        let id = new.id.or_else(|| ClientId::parse(&self.random.uuid().to_string())).ok_or(RegistrationError::Name)?;
        if id.as_str() == crate::access::OWN_PAGES {
            return Err(RegistrationError::ReservedId);
        }
        let client = Client {
            id,
            name,
            redirect_uris: new.redirect_uris,
            launch_uri: new.launch_uri,
            scopes: new.scopes,
            authentication,
            native: new.native,
            enabled: registrar.lets_in(),
            sources: new.sources,
            requirements: new.requirements,
            registration: None,
        };
        let (stored, created) = (client.clone(), self.clock.now());
        let act = registrar.sign(self.new_act(ActKind::Client).through(&client.id).by_way_of("register"));
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

    /// Whether what a backend service would reach is whole, and one organization's (DESIGN section 14, tenancy).
    async fn check_reach(&self, new: &NewClient) -> Result<(), RegistrationError> {
        if let NewProof::Keys(ClientKeys::Uri(uri)) = &new.proof {
            let checked = self.key_sets.fetcher().check(uri, false);
            checked.map_err(|error| RegistrationError::KeySetUri(error.to_string()))?;
        }
        let is_system = !new.scopes.of_system().is_empty();
        if is_system == new.sources.is_empty() || (is_system && !matches!(new.proof, NewProof::Keys(_))) {
            return Err(RegistrationError::System);
        }
        let mut organization = None;
        for key in &new.sources {
            let source = sources::by_key(&self.db, *key).await?.filter(|source| source.state.is_active());
            let source = source.ok_or(RegistrationError::Sources)?;
            // What people's own sign-ins at the EHR open is theirs alone.
            if matches!(source.authentication, SourceAuthentication::PerPatient { .. }) {
                return Err(RegistrationError::Sources);
            }
            let owner = source.organization;
            if *organization.get_or_insert(owner) != owner {
                return Err(RegistrationError::Sources);
            }
        }
        Ok(())
    }

    /// Turns a client on, such as one that registered itself and waits, or off: then its tokens are dead.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is none.
    pub async fn enable_client(&self, id: &ClientId, enabled: bool) -> Result<(), StorageError> {
        self.enable_for(Registrar::Operator, id, enabled).await
    }

    pub(super) async fn enable_for(
        &self,
        registrar: Registrar,
        id: &ClientId,
        enabled: bool,
    ) -> Result<(), StorageError> {
        let way = if enabled { "enable" } else { "disable" };
        let act = registrar.sign(self.new_act(ActKind::Client).through(id).by_way_of(way));
        let id = id.clone();
        self.act(move |tx| {
            async move {
                clients::set_enabled(tx, &id, enabled).await?;
                Ok(((), Some(act)))
            }
            .boxed()
        })
        .await
    }
}
