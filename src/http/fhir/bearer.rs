use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use super::error::FhirError;
use crate::access::Subject;
use crate::authorization::AuthorizationServer;
use crate::http::oauth::authenticate;

/// The caller, by the token in the `Authorization` header and the proof of its key where it has one.
#[derive(Debug)]
pub(super) struct Bearer(pub(super) Arc<Subject>);

/// The caller of a batch, for its entries: the proof that came with the batch is for no other request. Only this
/// process puts it there.
#[derive(Clone, Debug)]
pub(super) struct OfBatch(pub(super) Arc<Subject>);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Arc<AuthorizationServer>: FromRef<S>,
{
    type Rejection = FhirError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        if let Some(OfBatch(subject)) = parts.extensions.remove() {
            return Ok(Self(subject));
        }
        let server: Arc<AuthorizationServer> = FromRef::from_ref(state);
        Ok(Self(authenticate(&server, &parts.method, parts.uri.path(), &parts.headers).await?))
    }
}
