//! OAuth 2.0 and OpenID Connect as pure rules: scopes, clients, grants, PKCE, errors.
