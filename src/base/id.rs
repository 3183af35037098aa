//! Ids with a kind: an account's cannot stand where a client's is wanted.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::random::Random;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub struct $name(Uuid);

        impl $name {
            /// Mints one.
            #[must_use]
            pub fn mint(random: &dyn Random) -> Self {
                Self(random.uuid())
            }

            /// The bare UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated lower-case form: one id, one spelling.
                let uuid = Uuid::try_parse(text)?;
                if uuid.hyphenated().to_string() == text {
                    Ok(Self(uuid))
                } else {
                    Uuid::try_parse("").map(Self)
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

ids! {
    /// A way to sign in.
    AccountId,
    /// The logical patient; `Patient/{PersonId}` at the gateway.
    PersonId,
    /// A practice or health system.
    OrganizationId,
    /// One EHR endpoint of an organization.
    SourceId,
    /// A person's chart at a source.
    LinkId,
    /// An account's right to act for another person.
    GrantId,
    /// What one user granted to one client.
    AuthorizationId,
    /// A signed-in browser.
    SessionId,
    /// One entry of the audit trail.
    AuditEventId,
    /// The audit chain of one process.
    ChainId,
}
