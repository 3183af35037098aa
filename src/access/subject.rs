use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, PersonId};
use crate::base::source_key::SourceKey;
use crate::consent::Standing;
use crate::identity::Link;
use crate::oauth::client::ClientId;
use crate::oauth::dpop::Thumbprint;
use crate::oauth::scope::ScopeSet;

/// The client that this server's own pages are to the gateway. Nobody can register it.
pub const OWN_PAGES: &str = "chartgate";

/// Who asks: what one access token stands for, as of one generation.
#[derive(Clone, Debug)]
pub struct Subject {
    /// On whose behalf.
    pub behalf: Behalf,
    /// The app that asks.
    pub client: ClientId,
    /// Whose record it is about: for a user's token one person, chosen at authorization; for a backend service the one
    /// that each request names.
    pub person: Option<PersonId>,
    /// What the app may do there.
    pub scopes: ScopeSet,
    /// The person's active charts, the primary one first.
    pub links: Vec<Link>,
    /// What the user's right to the record hangs on. `None` for a backend service, and without a person.
    pub standing: Option<Standing>,
    /// The key that the token is bound to.
    pub key: Option<Thumbprint>,
    /// What the access token is stored under.
    pub token_hash: [u8; 32],
    /// When the token ends.
    pub expires_at: Instant,
}

/// On whose behalf an app asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behalf {
    /// A user's, who granted it.
    User {
        /// Who signed in.
        account: AccountId,
        /// What the account granted to the app.
        authorization: AuthorizationId,
    },
    /// Nobody's but its own: a backend service.
    System {
        /// The sources whose charts it reaches.
        sources: Vec<SourceKey>,
    },
}

impl Subject {
    /// Who signed in, if somebody did.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match &self.behalf {
            Behalf::User { account, .. } => Some(*account),
            Behalf::System { .. } => None,
        }
    }

    /// What the token is part of, if a user granted it.
    #[must_use]
    pub const fn authorization(&self) -> Option<AuthorizationId> {
        match &self.behalf {
            Behalf::User { authorization, .. } => Some(*authorization),
            Behalf::System { .. } => None,
        }
    }

    /// Whether a page of this server asks, and no app.
    #[must_use]
    pub fn is_own_pages(&self) -> bool {
        self.client.as_str() == OWN_PAGES
    }

    /// Whether it is a backend service.
    #[must_use]
    pub const fn is_system(&self) -> bool {
        matches!(self.behalf, Behalf::System { .. })
    }
}
