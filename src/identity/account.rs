use std::fmt;

use crate::base::clock::Instant;
use crate::base::id::{AccountId, PersonId};
use crate::base::secret::Secret;

use super::Username;

/// A way to sign in. Belongs to one human.
#[derive(Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The name it signs in with; kept forever, so that a closed account's name never becomes somebody else.
    pub username: Username,
    /// Argon2id in PHC form; none when the account signs in another way only.
    pub password_hash: Option<Secret<String>>,
    /// The holder's own record. Everybody else is reached by a [`super::Grant`].
    pub person: Option<PersonId>,
    /// When it was opened.
    pub created: Instant,
    /// Whether it can be used.
    pub state: AccountState,
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It can sign in.
    Active,
    /// Somebody closed it; it never opens again.
    Closed {
        /// When.
        at: Instant,
    },
}

impl Account {
    /// Whether it may sign in.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, AccountState::Active)
    }
}

// The username is often an e-mail address: ids only.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}
