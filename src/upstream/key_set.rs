//! The key sets of clients that publish them at an address of their own (`jwks_uri`).

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Method, Request, StatusCode};

use super::client;
use super::connection::{Connection, ConnectionError, Credential};
use super::failure::SourceFailure;
use crate::config::Limits;

/// A key set is small; more is not one.
const KEY_SET_BYTES: usize = 64 * 1_024;
/// Whoever asks for a token waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches key sets: https, public addresses, no redirects, within bounds of size and time.
#[derive(Clone, Debug)]
pub struct KeySetFetcher {
    private: Vec<String>,
    is_demo: bool,
    limits: Limits,
}

/// A key set as it came.
#[derive(Clone, Debug)]
pub struct FetchedKeySet {
    /// The body.
    pub body: Bytes,
    /// For how long its owner says that it may be kept, if that was said.
    pub fresh: Option<Duration>,
}

impl KeySetFetcher {
    /// A fetcher. Clients that the operator entered may live in the `private` ranges too; one that registered itself
    /// never (DESIGN section 14, outbound addresses). A demo may use plain http on loopback.
    #[must_use]
    pub const fn new(private: Vec<String>, is_demo: bool, limits: Limits) -> Self {
        Self { private, is_demo, limits }
    }

    /// Whether keys may be fetched from there.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub fn check(&self, uri: &str, self_registered: bool) -> Result<(), ConnectionError> {
        self.connection(uri, self_registered).map(drop)
    }

    fn connection(&self, uri: &str, self_registered: bool) -> Result<Connection, ConnectionError> {
        let refused = || ConnectionError::BaseUrl(uri.to_owned());
        let url = url::Url::parse(uri).map_err(|_| refused())?;
        let is_bare = url.username().is_empty() && url.password().is_none();
        let is_sound = url.scheme() == "https" || (self.is_demo && url.scheme() == "http");
        if !is_bare || !is_sound {
            return Err(refused());
        }
        let private: &[String] = if self_registered { &[] } else { &self.private };
        Connection::new(uri, private, Credential::None)
    }

    /// Fetches a key set.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub async fn fetch(&self, uri: &str, self_registered: bool) -> Result<FetchedKeySet, SourceFailure> {
        let unreachable = |_| SourceFailure::Unreachable;
        let connection = self.connection(uri, self_registered).map_err(unreachable)?;
        let http = connection.http_client(&self.limits).map_err(unreachable)?;
        let mut request = Request::new(Method::GET, connection.url(&[], &[]));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let answer = tokio::time::timeout(PATIENCE, client::execute(&http, request, KEY_SET_BYTES));
        let answer = answer.await.map_err(|_| SourceFailure::Timeout)??;
        match answer.status {
            StatusCode::OK => {
                let fresh = if answer.keep.at_all { answer.keep.fresh } else { Some(Duration::ZERO) };
                Ok(FetchedKeySet { body: answer.body, fresh })
            }
            status => Err(SourceFailure::Refused { status: status.as_u16() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o19_keys_come_over_https_from_public_addresses() {
        let fetcher = |private: &[&str], is_demo| {
            KeySetFetcher::new(private.iter().map(|range| (*range).to_owned()).collect(), is_demo, Limits::default())
        };
        let closed = fetcher(&[], false);
        assert!(closed.check("https://app.example/jwks.json", true).is_ok());
        for bad in [
            "http://app.example/jwks.json",
            "https://user@app.example/jwks.json",
            "https://127.0.0.1/jwks.json",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:10.0.0.1]/jwks.json",
            "https://0x7f000001/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://app.example/jwks.json#x",
            "",
        ] {
            assert!(closed.check(bad, false).is_err(), "{bad}");
            assert!(closed.check(bad, true).is_err(), "{bad}");
        }
        let open = fetcher(&["10.0.0.0/8"], false);
        assert!(open.check("https://10.1.2.3/jwks.json", false).is_ok());
        assert!(open.check("https://10.1.2.3/jwks.json", true).is_err(), "nobody lets themselves in");
        assert!(fetcher(&["127.0.0.0/8"], true).check("http://127.0.0.1:9/jwks.json", false).is_ok());
    }
}
