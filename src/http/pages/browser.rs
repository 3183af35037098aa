//! Who a browser is: its own cookie, its session, its address.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::Pages;
use crate::accounts::Accounts;
use crate::authorization::SignedIn;
use crate::http::error::page_unavailable;
use crate::storage::StorageError;

const SESSION: &str = "chartgate-session";
const BROWSER: &str = "chartgate-browser";
/// A code that is being redeemed.
const REDEMPTION: &str = "chartgate-redemption";
/// Whose record pages are about.
const PERSON: &str = "chartgate-person";
/// Somebody at work.
const STAFF: &str = "chartgate-staff";

impl Pages {
    fn cookie_name(&self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// A cookie that scripts cannot read and that other sites' forms do not bring along; it ends with the browser.
    fn cookie(&self, name: &str, value: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie_name(name))
    }

    /// The `Set-Cookie` value that begins a session.
    #[must_use]
    pub fn session_cookie(&self, value: &str) -> String {
        self.cookie(SESSION, value)
    }

    /// Begins a session in this browser.
    pub(in crate::http) fn set_session(&self, response: &mut Response, value: &str) {
        set_cookie(response, &self.session_cookie(value));
    }

    /// Forgets the session in this browser.
    pub(in crate::http) fn clear_session(&self, response: &mut Response) {
        set_cookie(response, &format!("{}; Max-Age=0", self.cookie(SESSION, "")));
    }
}

impl Pages {
    /// Remembers a code that is being redeemed in this browser, or forgets it.
    pub(in crate::http) fn set_redemption(&self, response: &mut Response, sealed: Option<&str>) {
        self.set_or_clear(response, REDEMPTION, sealed);
    }

    /// The code that is being redeemed in this browser.
    pub(in crate::http) fn redemption<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, &self.cookie_name(REDEMPTION))
    }

    /// Chooses whose record pages are about in this browser.
    pub(super) fn set_person_in_view(&self, response: &mut Response, person: Option<&str>) {
        self.set_or_clear(response, PERSON, person);
    }

    /// Whose record pages are about in this browser, as it says.
    pub(super) fn person_in_view<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, &self.cookie_name(PERSON))
    }

    /// Begins or ends somebody's work in this browser.
    pub(in crate::http) fn set_staff(&self, response: &mut Response, value: Option<&str>) {
        self.set_or_clear(response, STAFF, value);
    }

    /// Who is at work in this browser.
    pub(in crate::http) fn staff<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookie(headers, &self.cookie_name(STAFF))
    }

    fn set_or_clear(&self, response: &mut Response, name: &str, value: Option<&str>) {
        match value {
            Some(value) => set_cookie(response, &self.cookie(name, value)),
            None => set_cookie(response, &format!("{}; Max-Age=0", self.cookie(name, ""))),
        }
    }
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// The cookie with this name; two of them are none.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(n, _)| *n == name)
        .map(|(_, value)| value);
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// One browser, signed in or not: what pages under way are bound to.
#[derive(Debug)]
pub struct Browser {
    pub(in crate::http) pages: Arc<Pages>,
    value: String,
    new: bool,
}

impl Browser {
    /// The value of its cookie.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Sets the cookie, if the browser has none yet.
    pub(in crate::http) fn remember(&self, response: &mut Response) {
        if self.new {
            set_cookie(response, &self.pages.cookie(BROWSER, &self.value));
        }
    }
}

impl<S> FromRequestParts<S> for Browser
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let pages = Arc::<Pages>::from_ref(state);
        let known = cookie(&parts.headers, &pages.cookie_name(BROWSER)).filter(|value| value.len() == 43);
        Ok(match known {
            Some(value) => Self { value: value.to_owned(), new: false, pages },
            None => Self { value: pages.random.token(), new: true, pages },
        })
    }
}

/// Whether a browser is signed in cannot be told: the database did not answer.
#[derive(Debug)]
pub struct SessionUnavailable(StorageError);

impl IntoResponse for SessionUnavailable {
    fn into_response(self) -> Response {
        page_unavailable(&self.0)
    }
}

/// The session of a browser, if it is signed in.
#[derive(Debug)]
pub struct Session {
    pub(super) pages: Arc<Pages>,
    pub(in crate::http) cookie: Option<String>,
    signed_in: Option<SignedIn>,
}

impl Session {
    /// Who is signed in.
    #[must_use]
    pub const fn signed_in(&self) -> Option<&SignedIn> {
        self.signed_in.as_ref()
    }
}

impl<S> FromRequestParts<S> for Session
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
    Arc<Accounts>: FromRef<S>,
{
    type Rejection = SessionUnavailable;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionUnavailable> {
        let pages = Arc::<Pages>::from_ref(state);
        let cookie = cookie(&parts.headers, &pages.cookie_name(SESSION)).map(str::to_owned);
        let signed_in = match &cookie {
            None => None,
            Some(value) => Arc::<Accounts>::from_ref(state).session(value).await.map_err(SessionUnavailable)?,
        };
        Ok(Self { pages, cookie, signed_in })
    }
}

/// Where a request came from: the peer, or what a named proxy says of it.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub Option<IpAddr>);

impl<S> FromRequestParts<S> for PeerAddress
where
    S: Send + Sync,
    Arc<Pages>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let pages = Arc::<Pages>::from_ref(state);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Ok(Self(peer.map(|peer| client_address(peer, &parts.headers, &pages.trusted_proxies))))
    }
}

/// The last hop of `X-Forwarded-For` that is no proxy of ours; only a proxy of ours is believed at all.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    if !trusted.contains(&peer) {
        return peer;
    }
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in hops.iter().rev() {
        match hop.parse::<IpAddr>() {
            Ok(address) if trusted.contains(&address) => {}
            Ok(address) => return address,
            Err(_) => return peer,
        }
    }
    peer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w13_only_named_proxies_are_believed() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let other: IpAddr = "192.0.2.7".parse().unwrap();
        let client: IpAddr = "198.51.100.3".parse().unwrap();
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", value.parse().unwrap());
            headers
        };
        for (peer, forwarded, seen) in [
            (other, "198.51.100.3", other),
            (proxy, "198.51.100.3", client),
            (proxy, "203.0.113.9, 198.51.100.3", client),
            (proxy, "198.51.100.3, 10.0.0.1", client),
            (proxy, "198.51.100.3, nonsense", proxy),
            (proxy, "", proxy),
        ] {
            assert_eq!(client_address(peer, &headers(forwarded), &[proxy]), seen, "{peer} {forwarded}");
        }
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; b=2".parse().unwrap());
        headers.append(header::COOKIE, "b=3; c=4".parse().unwrap());
        assert_eq!((cookie(&headers, "a"), cookie(&headers, "b"), cookie(&headers, "c")), (Some("1"), None, Some("4")));
    }
}
