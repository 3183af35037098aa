//! OAuth clients: who they are, how they prove it, where answers to them may go.

use std::fmt;

use super::jwk::KeySet;
use super::scope::ScopeSet;
use crate::base::hash::{equal_in_constant_time, sha256};
use crate::base::source_key::SourceKey;

/// A client's id, as it stands in requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// Reads an id: 1 to 128 characters that need no escaping in URLs, forms and Basic credentials.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
        good.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a client authenticates at the token endpoint (RFC 6749 §2.3).
#[derive(Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// A public client: its id alone; PKCE and the redirect URI protect it.
    None,
    /// `client_secret_basic` or `client_secret_post`; the SHA-256 of a 256-bit secret is kept.
    Secret([u8; 32]),
    /// `private_key_jwt` (SMART App Launch 2.2, Client Authentication: Asymmetric).
    Keys(ClientKeys),
}

/// Where a client's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKeys {
    /// Registered themselves.
    Inline(KeySet),
    /// At an address, where the client can change them.
    Uri(String),
}

/// What a client takes upon itself beyond what every client must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Its authorization requests are pushed (RFC 9126 §6).
    pub pushed_requests: bool,
    /// Its tokens are bound to a key (RFC 9449 §5.2).
    pub bound_tokens: bool,
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Secret(_) => "Secret(…)",
            Self::Keys(_) => "Keys(…)",
        })
    }
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its name, as the consent page shows it.
    pub name: String,
    /// Where answers may go, exactly.
    pub redirect_uris: Vec<String>,
    /// Where it is opened from here, if it can be (SMART App Launch 2.2 §2.0.7).
    pub launch_uri: Option<String>,
    /// The most it can be granted.
    pub scopes: ScopeSet,
    /// How it authenticates.
    pub authentication: ClientAuthentication,
    /// An installed app: its loopback redirect may use any port (RFC 8252 §7.3).
    pub native: bool,
    /// A client that is not enabled gets nothing, and its tokens do not work.
    pub enabled: bool,
    /// The sources whose charts its `system/` scopes reach.
    pub sources: Vec<SourceKey>,
    /// What it takes upon itself.
    pub requirements: Requirements,
    /// The SHA-256 of its registration access token, if it registered itself (RFC 7592 §3).
    pub registration: Option<[u8; 32]>,
}

impl Client {
    /// Whether the client can prove that it is itself.
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        !matches!(self.authentication, ClientAuthentication::None)
    }

    /// Whether `secret` proves this client: the right secret for a confidential one, none for a public one.
    #[must_use]
    pub fn is_proven_by(&self, secret: Option<&str>) -> bool {
        match (&self.authentication, secret) {
            (ClientAuthentication::None, None) => true,
            (ClientAuthentication::Secret(hash), Some(secret)) => {
                equal_in_constant_time(hash, &sha256(secret.as_bytes()))
            }
            _ => false,
        }
    }

    /// Whether answers may go to `uri`: equal, character by character, to a registered one (RFC 9700 §2.1). A native
    /// client's loopback address may have another port.
    #[must_use]
    pub fn may_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| {
            registered == uri
                || (self.native
                    && match (loopback_without_port(registered), loopback_without_port(uri)) {
                        (Some(a), Some(b)) => a == b,
                        _ => false,
                    })
        })
    }
}

/// The host and the rest of an `http` URI on a literal loopback address, its port cut out. Works on the text, so that
/// nothing is normalised into a match.
fn loopback_without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]"].into_iter().find(|host| rest.starts_with(host))?;
    let rest = rest.strip_prefix(host)?;
    let path_at = rest.find('/')?;
    let (port, path) = rest.split_at_checked(path_at)?;
    let good_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => {
            !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
    };
    good_port.then_some((host, path))
}

/// Why a redirect URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Not an absolute URI, or not in its canonical spelling.
    #[error("is not an absolute URI in its canonical spelling")]
    Malformed,
    /// Not https, loopback http, or an app's own scheme.
    #[error("must be https, http on a loopback address, or a native app's own scheme (with a dot in it)")]
    Scheme,
    /// Has a user name, a fragment, or a wildcard.
    #[error("must have no user name, no fragment and no wildcard")]
    Forbidden,
}

/// Checks a redirect URI at registration (RFC 6749 §3.1.2, RFC 8252 §7).
///
/// # Errors
/// [`RedirectUriError`].
pub fn check_redirect_uri(text: &str, native: bool) -> Result<(), RedirectUriError> {
    let url = url::Url::parse(text).map_err(|_| RedirectUriError::Malformed)?;
    let has_user = !url.username().is_empty() || url.password().is_some() || text.contains('@');
    if has_user || url.fragment().is_some() || text.contains('#') || text.contains('*') {
        return Err(RedirectUriError::Forbidden);
    }
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        scheme if native && scheme.contains('.') => {}
        _ => return Err(RedirectUriError::Scheme),
    }
    // What a browser would rewrite never equals what it sends back.
    if url.as_str() == text { Ok(()) } else { Err(RedirectUriError::Malformed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn client(redirect_uris: &[&str], native: bool) -> Client {
        Client {
            id: ClientId::parse("app").unwrap(),
            name: "App".to_owned(),
            redirect_uris: redirect_uris.iter().map(|u| (*u).to_owned()).collect(),
            launch_uri: None,
            scopes: ScopeSet::default(),
            authentication: ClientAuthentication::None,
            native,
            enabled: true,
            sources: Vec::new(),
            requirements: Requirements::default(),
            registration: None,
        }
    }

    #[test]
    fn o03_only_the_port_of_a_literal_loopback_address_may_vary_and_only_for_native_clients() {
        let native = client(&["http://127.0.0.1/cb", "http://[::1]:7000/cb", "http://localhost:7000/cb"], true);
        for good in ["http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", "http://[::1]/cb", "http://[::1]:1/cb"] {
            assert!(native.may_redirect_to(good), "{good}");
        }
        for bad in [
            "http://127.0.0.1.evil.test/cb",
            "http://127.0.0.1:80.evil.test/cb",
            "http://127.0.0.1:51004/cb/",
            "http://127.0.0.1:51004/cb?x=1",
            "http://127.0.0.1:51004@evil.test/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:065/cb",
            "http://127.0.0.1:70000/cb",
            "http://127.0.0.1:+80/cb",
            "https://127.0.0.1:51004/cb",
            "HTTP://127.0.0.1:51004/cb",
            "http://localhost.evil.test/cb",
            "http://localhost:7001/cb",
            "http://[::1%25lo]/cb",
            "http://127.0.0.2/cb",
            "http://127.1/cb",
        ] {
            assert!(!native.may_redirect_to(bad), "{bad}");
        }
        let web = client(&["http://127.0.0.1:7000/cb"], false);
        assert!(web.may_redirect_to("http://127.0.0.1:7000/cb"));
        assert!(!web.may_redirect_to("http://127.0.0.1:7001/cb"));
    }

    #[test]
    fn o04_redirect_uris_that_cannot_be_registered() {
        for bad in [
            "http://app.test/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "https://*/cb",
            "https://*.app.test/cb",
            "https://user@app.test/cb",
            "https://user:pw@app.test/cb",
            "https://app.test/cb#f",
            "https://app.test/cb#",
            "HTTPS://APP.TEST/cb",
            "https://app.test/a/../cb",
            "https://app.test:443/cb",
            "https://app.test",
            "//app.test/cb",
            "/cb",
            "cb",
            "",
            " https://app.test/cb",
            "https://app.test/c\tb",
            "myapp:/cb",
            "http://localhost.evil.test/cb",
        ] {
            assert!(check_redirect_uri(bad, true).is_err(), "{bad}");
        }
        assert!(check_redirect_uri("com.example.app:/cb", false).is_err());
        for good in
            ["https://app.test/cb", "https://app.test/cb?x=1", "http://127.0.0.1:8000/cb", "http://localhost:3000/"]
        {
            assert_eq!(check_redirect_uri(good, false), Ok(()), "{good}");
        }
        assert_eq!(check_redirect_uri("com.example.app:/cb", true), Ok(()));
    }

    #[test]
    fn a_secret_proves_a_confidential_client_alone() {
        let mut app = client(&[], false);
        assert!(app.is_proven_by(None));
        assert!(!app.is_proven_by(Some("")));
        assert!(!app.is_proven_by(Some("x")));
        app.authentication = ClientAuthentication::Secret(sha256(b"right"));
        assert!(app.is_proven_by(Some("right")));
        for wrong in [None, Some(""), Some("wrong"), Some("right ")] {
            assert!(!app.is_proven_by(wrong), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn o01_nothing_but_the_registered_text_matches(uri in "(https://app\\.test)?[/a-zA-Z0-9:@%#?.]{0,12}") {
            let app = client(&["https://app.test/cb"], false);
            prop_assert_eq!(app.may_redirect_to(&uri), uri == "https://app.test/cb");
        }
    }
}
