use std::sync::Arc;

use http::{HeaderMap, Method, header};

use crate::access::Subject;
use crate::authorization::{AuthorizationServer, ShownProof, Unauthenticated};
use crate::storage::StorageError;

/// Why a request for a resource has no caller.
#[derive(Debug)]
pub enum NotAuthenticated {
    /// There is no token, or two of them.
    Missing,
    /// It opens nothing, or was not shown as it must be.
    Invalid {
        /// Whether it came with a proof of its key (RFC 9449 §7.1).
        bound: bool,
    },
    /// The proof of its key is not good.
    Proof,
    /// It cannot be checked at the moment.
    Unavailable(StorageError),
}

impl NotAuthenticated {
    /// `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1).
    #[must_use]
    pub const fn challenge(&self) -> &'static str {
        match self {
            Self::Missing | Self::Unavailable(_) => "Bearer",
            Self::Invalid { bound: false } => "Bearer error=\"invalid_token\"",
            Self::Invalid { bound: true } => "DPoP error=\"invalid_token\", algs=\"ES256 ES384 EdDSA Ed25519\"",
            Self::Proof => "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 ES384 EdDSA Ed25519\"",
        }
    }
}

/// The caller, by the token in the `Authorization` header; nowhere else is one looked for (RFC 9700 §4.3.2).
///
/// # Errors
/// [`NotAuthenticated`].
pub async fn authenticate(
    server: &AuthorizationServer,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Arc<Subject>, NotAuthenticated> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return Err(NotAuthenticated::Missing) };
    let shown = only.to_str().ok().and_then(|text| text.split_once(' '));
    let (scheme, token) = shown.ok_or(NotAuthenticated::Invalid { bound: false })?;
    let is_bound = scheme.eq_ignore_ascii_case("dpop");
    let found = if is_bound {
        let proofs: Vec<&str> =
            headers.get_all("dpop").iter().map(|proof| proof.to_str().unwrap_or_default()).collect();
        let shown = ShownProof { proofs: &proofs, method: method.as_str(), path };
        // Boxed: few tokens are bound.
        Box::pin(server.authenticate_bound(token.trim(), &shown)).await
    } else if scheme.eq_ignore_ascii_case("bearer") {
        server.authenticate(token.trim()).await
    } else {
        Err(Unauthenticated::Invalid)
    };
    found.map_err(|error| match error {
        Unauthenticated::Invalid => NotAuthenticated::Invalid { bound: is_bound },
        Unauthenticated::Proof => NotAuthenticated::Proof,
        Unauthenticated::Unavailable(error) => NotAuthenticated::Unavailable(error),
    })
}

/// The bearer token of a request (RFC 6750 §2.1): in the `Authorization` header and nowhere else. Two such headers are
/// none, since nobody can say which one counts.
#[must_use]
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_the_right_scheme() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer x"]).as_deref(), Some("x"));
        assert_eq!(read(&["bearer  x"]).as_deref(), Some("x"));
        for bad in [&[][..], &["Bearer"], &["Bearer "], &["Basic x"], &["x"], &["Bearer x", "Bearer x"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
