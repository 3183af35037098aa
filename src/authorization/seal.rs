//! Authorization requests between pages: sealed, so that an abandoned one leaves no row behind.

use data_encoding::BASE64URL_NOPAD;

use super::AuthorizationServer;
use crate::oauth::request::AuthorizationRequest;

/// What a sealed request is bound to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binding<'a> {
    /// The browser that began it, by the value of its cookie: nobody can be sent into the middle of another's request.
    Browser(&'a str),
    /// A form post from the client's site, which comes without cookies, on its way to being bound.
    Posted,
}

impl Binding<'_> {
    fn context(self) -> Vec<u8> {
        match self {
            Self::Browser(cookie) => [b"browser ", cookie.as_bytes()].concat(),
            Self::Posted => b"posted".to_vec(),
        }
    }
}

impl AuthorizationServer {
    pub(super) fn seal(&self, request: &AuthorizationRequest, binding: Binding<'_>) -> String {
        BASE64URL_NOPAD.encode(&self.requests.seal(&*self.random, &binding.context(), &request.to_bytes()))
    }

    /// The request, unless it is not one of ours, belongs to another browser, or is too old.
    pub(super) fn unseal(&self, sealed: &str, binding: Binding<'_>) -> Option<AuthorizationRequest> {
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let plain = self.requests.open(&binding.context(), &sealed).ok()?;
        let request = AuthorizationRequest::from_bytes(&plain)?;
        let expires = request.received.plus(self.lifetimes.request);
        (self.clock.now() < expires).then_some(request)
    }
}
