use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use super::{Browser, Form, Pages, PeerAddress, Session, forbidden, see_other};
use crate::accounts::Accounts;
use crate::authorization::SignedIn;
use crate::http::form::{field, form_pairs};

/// A form as a browser posted it. What it says counts once it is seen to come from a page of ours.
#[derive(Debug)]
pub(in crate::http) struct Posted {
    pub(in crate::http) browser: Browser,
    pub(in crate::http) session: Session,
    pub(in crate::http) address: PeerAddress,
    pub(in crate::http) headers: HeaderMap,
    pairs: Vec<(String, String)>,
}

impl Posted {
    /// A field; empty when it is not there.
    pub(in crate::http) fn text(&self, name: &str) -> &str {
        field(&self.pairs, name).unwrap_or_default()
    }

    /// Every value of a field: boxes that were ticked.
    pub(in crate::http) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A field that was filled in.
    pub(in crate::http) fn filled(&self, name: &str) -> Option<String> {
        Some(self.text(name).trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Whether the form is bound to whatever this is, and comes from here.
    pub(in crate::http) fn is_own(&self, form: Form, owner: &[u8]) -> bool {
        self.browser.pages.is_own_form(&self.headers, form, owner, Some(self.text("form_token")))
    }

    /// The form comes from a page that this browser was shown.
    pub(super) fn of_browser(&self, form: Form) -> Result<(), Box<Response>> {
        if self.is_own(form, self.browser.value().as_bytes()) { Ok(()) } else { Err(Box::new(forbidden())) }
    }

    /// The form comes from a page that somebody signed in was shown.
    pub(super) fn of_session(&self, form: Form) -> Result<SignedIn, Box<Response>> {
        let Some(signed_in) = self.session.signed_in() else { return Err(Box::new(see_other("/sign-in"))) };
        if self.is_own(form, &signed_in.hash) { Ok(signed_in.clone()) } else { Err(Box::new(forbidden())) }
    }
}

impl<S> FromRequest<S> for Posted
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(browser) = Browser::from_request_parts(&mut parts, state).await;
        let Ok(address) = PeerAddress::from_request_parts(&mut parts, state).await;
        let session = Session::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let headers = parts.headers.clone();
        let body =
            Bytes::from_request(Request::from_parts(parts, body), state).await.map_err(IntoResponse::into_response)?;
        let pairs = form_pairs(&headers, &body).map_err(|_| forbidden())?;
        Ok(Self { browser, session, address, headers, pairs })
    }
}
