//! Sign-in at somebody else's (OpenID Connect Core 1.0, authorization code flow with PKCE): who is configured, the request,
//! and what its answer says. Who an answer is here is not decided here.

mod id_token;
mod provider;

pub use id_token::{IdToken, IdTokenError, Subject};
pub use provider::{Begun, PendingSignIn, Provider, ProviderError, Providers};
