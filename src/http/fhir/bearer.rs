use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;

use super::error::FhirError;
use crate::access::Subject;
use crate::authorization::AuthorizationServer;

/// The caller, by the bearer token in the `Authorization` header; nowhere else is one looked for (RFC 9700 §4.3.2).
#[derive(Debug)]
pub(super) struct Bearer(pub(super) Arc<Subject>);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Arc<AuthorizationServer>: FromRef<S>,
{
    type Rejection = FhirError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(FhirError::Unauthenticated { presented: false });
        };
        let token = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(FhirError::Unauthenticated { presented: true })?;
        let server: Arc<AuthorizationServer> = FromRef::from_ref(state);
        Ok(Self(server.authenticate(token).await?))
    }
}
