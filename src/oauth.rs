//! OAuth 2.0 and OpenID Connect as pure rules: scopes, clients, requests, PKCE, tokens, errors.

pub mod assertion;
pub mod client;
pub mod dpop;
pub mod error;
pub mod grant;
pub mod jwk;
pub mod jws;
pub mod jwt;
pub mod launch;
pub mod parameters;
pub mod pkce;
pub mod registration;
pub mod request;
pub mod scope;
pub mod token;
