//! Who calls the API: the session of the front end's own browser, or somebody who is not signed in yet.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::Problem;
use super::body::Sent;
use crate::accounts::{Accounts, NewSession, SignIn};
use crate::authorization::SignedIn;
use crate::base::secret::Secret;
use crate::http::error::no_store;
use crate::http::pages::{Browser, Pages, PeerAddress, Session, browser_in_words};
use crate::storage::sessions::SessionState;

/// Somebody signed in who calls from a page of this origin.
#[derive(Debug)]
pub(super) struct Caller(pub(super) SignedIn);

/// Refuses what another site's page sends: the cookie comes along with other sites' requests in some cases
/// (SameSite=Lax); only what the browser says of its own origin counts, and it must say so (security design, W01).
fn own_origin<S>(parts: &Parts, state: &S) -> Result<(), Problem>
where
    Arc<Pages>: FromRef<S>,
{
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    if changes && !Arc::<Pages>::from_ref(state).is_said_to_be_own(&parts.headers) {
        return Err(Problem::FOREIGN);
    }
    Ok(())
}

async fn session<S>(parts: &mut Parts, state: &S) -> Result<Session, Problem>
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    let unavailable = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "try again in a moment");
    Session::from_request_parts(parts, state).await.map_err(unavailable)
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let session = session(parts, state).await?;
        let signed_in = session.signed_in().cloned().ok_or(Problem::NOT_SIGNED_IN)?;
        own_origin(parts, state)?;
        Ok(Self(signed_in))
    }
}

/// Whoever calls from a page of this origin, signed in or not.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) browser: Browser,
    pub(super) session: Session,
    pub(super) address: Option<IpAddr>,
    pub(super) headers: HeaderMap,
}

impl<S> FromRequestParts<S> for Visitor
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        own_origin(parts, state)?;
        let Ok(browser) = Browser::from_request_parts(parts, state).await;
        let Ok(PeerAddress(address)) = PeerAddress::from_request_parts(parts, state).await;
        Ok(Self { browser, session: session(parts, state).await?, address, headers: parts.headers.clone() })
    }
}

/// Name and password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSignIn {
    username: String,
    password: Secret<String>,
}

/// `POST /api/v1/sessions`: signs in.
pub(super) async fn sign_in(
    State(accounts): State<Arc<Accounts>>,
    visitor: Visitor,
    Sent(new): Sent<NewSignIn>,
) -> Result<Response, Problem> {
    let request = SignIn {
        username: new.username,
        password: new.password,
        address: visitor.address,
        previous: visitor.session.cookie.clone(),
        browser: browser_in_words(&visitor.headers),
    };
    let begun = accounts.sign_in(request).await?;
    let body = Json(json!({"state": state_word(begun.state)}));
    Ok(begun_with((StatusCode::CREATED, body).into_response(), &visitor.browser.pages, &begun))
}

const fn state_word(state: SessionState) -> &'static str {
    match state {
        SessionState::Open => "open",
        SessionState::SecondFactor | SessionState::Recovery => "second-factor",
    }
}

/// The answer with which a session begins or goes on under another cookie.
pub(super) fn begun_with(response: Response, pages: &Pages, begun: &NewSession) -> Response {
    let mut response = no_store(response);
    pages.set_session(&mut response, begun.cookie.expose());
    response
}

/// A code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCode {
    pub(super) code: Secret<String>,
}

/// `POST /api/v1/sessions/second-factor`: the second step of a sign-in.
pub(super) async fn second_factor(
    State(accounts): State<Arc<Accounts>>,
    visitor: Visitor,
    Sent(new): Sent<NewCode>,
) -> Result<Response, Problem> {
    let cookie = visitor.session.cookie.as_deref().unwrap_or_default();
    let completed = accounts.complete_sign_in(cookie, new.code.expose(), visitor.address).await?;
    let body = json!({"state": "open", "new_code": completed.new_code.as_ref().map(Secret::expose)});
    Ok(begun_with(Json(body).into_response(), &visitor.browser.pages, &completed.session))
}

/// `DELETE /api/v1/sessions/current`: signs out.
pub(super) async fn sign_out(State(accounts): State<Arc<Accounts>>, visitor: Visitor) -> Result<Response, Problem> {
    accounts.sign_out(visitor.session.cookie.as_deref().unwrap_or_default()).await?;
    let mut response = no_store(StatusCode::NO_CONTENT.into_response());
    visitor.browser.pages.clear_session(&mut response);
    Ok(response)
}
