//! OAuth 2.0 and OpenID Connect as pure rules: scopes, clients, requests, PKCE, tokens, errors.

pub mod client;
pub mod error;
pub mod grant;
pub mod jwt;
pub mod launch;
pub mod parameters;
pub mod pkce;
pub mod request;
pub mod scope;
pub mod token;
