use super::{PasswordError, SignInError, Throttled};
use crate::federated_login::ProviderError;
use crate::identity::{ContactError, UsernameError};
use crate::storage::StorageError;

/// Why something is not done to an account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Whoever sits there must first show once more who they are.
    #[error("a recent proof is needed")]
    NotProved,
    /// The password, code or answer is another one, or too old.
    #[error("this is not right, or too old")]
    Wrong,
    /// Too many tries.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// Somebody got back in within the last 24 hours.
    #[error("this waits until 24 hours after the recovery")]
    Held,
    /// No address.
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// No username.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// The username is somebody's.
    #[error("this username cannot be had")]
    UsernameTaken,
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is no such thing.
    #[error("there is no such thing")]
    NotFound,
    /// It is the last way in.
    #[error("this is the last way to sign in")]
    LastWay,
    /// The provider of another sign-in.
    #[error(transparent)]
    Elsewhere(#[from] ProviderError),
    /// The sign-in elsewhere is connected to another account.
    #[error("this sign-in is connected to another account")]
    IdentityTaken,
    /// The provider did not prove who somebody is.
    #[error("the provider did not prove who this is")]
    NotProofed,
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<SignInError> for AccountError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Wrong => Self::Wrong,
            SignInError::Throttled(throttled) => Self::Throttled(throttled),
            SignInError::Password(error) => Self::Password(error),
            SignInError::Storage(error) => Self::Storage(error),
        }
    }
}
