use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, PersonId};
use crate::identity::Link;
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;

/// Who asks: what one access token stands for, as of one generation.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who signed in.
    pub account: AccountId,
    /// The app that asks.
    pub client: ClientId,
    /// What the account granted to the app.
    pub authorization: AuthorizationId,
    /// Whose record the app was given; always one person, chosen at authorization.
    pub person: Option<PersonId>,
    /// What the app may do there.
    pub scopes: ScopeSet,
    /// The person's active charts, the primary one first.
    pub links: Vec<Link>,
    /// SHA-256 of the access token.
    pub token_hash: [u8; 32],
    /// When the token ends.
    pub expires_at: Instant,
}
