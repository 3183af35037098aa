//! Who calls the API: the session of the front end's own browser.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{Method, StatusCode};

use super::Problem;
use crate::accounts::Accounts;
use crate::authorization::SignedIn;
use crate::http::pages::{Pages, Session};

/// Somebody signed in who calls from a page of this origin.
#[derive(Debug)]
pub(super) struct Caller(pub(super) SignedIn);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let session = Session::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment"))?;
        let signed_in = session.signed_in().cloned().ok_or(Problem::NOT_SIGNED_IN)?;
        // The cookie comes along with other sites' requests in some cases (SameSite=Lax); only what the browser says of
        // its own origin counts, and it must say so (security design, W01).
        let changes = !matches!(parts.method, Method::GET | Method::HEAD);
        if changes && !Arc::<Pages>::from_ref(state).is_said_to_be_own(&parts.headers) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the request must come from a page of this origin"));
        }
        Ok(Self(signed_in))
    }
}
