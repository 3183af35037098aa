use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::address::Addresses;
use super::credential::{ClientProof, PatientCredential};
use super::failure::SourceFailure;
use crate::base::secret::Secret;
use crate::config::Limits;

/// How to reach one source.
#[derive(Clone, Debug)]
pub struct Connection {
    base: Url,
    base_text: String,
    addresses: Addresses,
    /// The authorities that alone are trusted; none means those of the system.
    authorities: Option<Arc<[reqwest::Certificate]>>,
    /// How the gateway proves itself there.
    pub credential: Credential,
}

/// An endpoint that the source's discovery document names.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(super) url: Url,
    /// It lies where the operator said the source is: the private ranges of the source hold for it.
    same_origin: bool,
}

impl Endpoint {
    /// Where it is.
    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }
}

/// How the gateway proves itself to a source.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Not at all.
    None,
    /// SMART App Launch 2.2, Backend Services: `client_credentials` with a signed assertion.
    BackendServices {
        /// The client id that the EHR gave out.
        client_id: String,
        /// The EHR's token endpoint.
        token_url: String,
        /// RS384 or ES384.
        algorithm: jsonwebtoken::Algorithm,
        /// The private key, PEM.
        key_file: PathBuf,
        /// The `kid` the EHR knows the key by.
        key_id: String,
        /// Scopes to ask for.
        scope: String,
    },
    /// `client_credentials` with a secret.
    ClientSecret {
        /// The client id that the EHR gave out.
        client_id: String,
        /// The EHR's token endpoint.
        token_url: String,
        /// The secret.
        proof: ClientProof,
        /// Scopes to ask for.
        scope: String,
    },
    /// A token that somebody has at hand: for probes.
    Token(Secret<String>),
    /// What each person's own sign-in at the EHR gave.
    Patients(Arc<dyn PatientCredential>),
}

/// A source that cannot be connected as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Not an absolute http(s) URL without query and fragment.
    #[error("base URL {0} is not an absolute http(s) URL")]
    BaseUrl(String),
    /// The base URL is a private address that the operator did not allow.
    #[error("{0} is a private address: name its range in private_addresses to allow it")]
    PrivateAddress(String),
    /// The file with its certificate authorities.
    #[error("ca_file {}: {reason}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be built.
    #[error("HTTP client: {0}")]
    HttpClient(#[from] reqwest::Error),
}

impl Connection {
    /// A connection to `base_url`; `private` are the CIDR ranges it may live in besides public addresses.
    ///
    /// # Errors
    /// [`ConnectionError::BaseUrl`], [`ConnectionError::PrivateAddress`].
    pub fn new(base_url: &str, private: &[String], credential: Credential) -> Result<Self, ConnectionError> {
        let malformed = || ConnectionError::BaseUrl(base_url.to_owned());
        let base = Url::parse(base_url).map_err(|_| malformed())?;
        if !matches!(base.scheme(), "http" | "https") || base.query().is_some() || base.fragment().is_some() {
            return Err(malformed());
        }
        let addresses = Addresses::with_private(private);
        // A literal address is dialled without asking the resolver, so it is judged here.
        let literal = match base.host() {
            Some(url::Host::Ipv4(ip)) => Some(ip.into()),
            Some(url::Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if literal.is_some_and(|ip| !addresses.allow(ip)) {
            return Err(ConnectionError::PrivateAddress(base_url.to_owned()));
        }
        let base_text = base_url.trim_end_matches('/').to_owned();
        Ok(Self { base, base_text, addresses, authorities: None, credential })
    }

    /// The same, with certificates of the authorities in `file` (PEM) alone, where there is one.
    ///
    /// # Errors
    /// [`ConnectionError::Authorities`] when none can be read from it.
    pub fn trusting(self, file: Option<&Path>) -> Result<Self, ConnectionError> {
        let Some(file) = file else { return Ok(self) };
        let refused = |reason: String| ConnectionError::Authorities { file: file.to_path_buf(), reason };
        let pem = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
        let authorities: Arc<[_]> =
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| refused("is not PEM".to_owned()))?.into();
        if authorities.is_empty() {
            return Err(refused("holds no certificate".to_owned()));
        }
        let trusting = Self { authorities: Some(authorities), ..self };
        // A certificate is first looked into when a client is built with it.
        trusting.http_client(&Limits::default()).map_err(|_| refused("holds what is no certificate".to_owned()))?;
        Ok(trusting)
    }

    /// The FHIR base URL without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_text
    }

    /// Host and port as they stand in URLs: must not appear in any answer.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base.authority()
    }

    /// `{base}/{segments…}?{pairs…}`: each part is encoded, so none can change the path or the query.
    pub(super) fn url(&self, segments: &[&str], pairs: &[(String, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        url
    }

    /// A `next` link, if it stays on the source's own origin and under its own path.
    pub(crate) fn page_url(&self, next: &str) -> Option<Url> {
        // Absolute, or relative to the base as RFC 3986 says with the base taken as a folder.
        let folder = Url::parse(&format!("{}/", self.base_text)).ok()?;
        let url = folder.join(next).ok()?;
        let prefix = self.base.path().trim_end_matches('/');
        let rest = url.path().strip_prefix(prefix)?;
        let inside = rest.is_empty() || rest.starts_with('/');
        let is_bare = url.username().is_empty() && url.password().is_none();
        (url.origin() == self.base.origin() && inside && is_bare).then_some(url)
    }

    /// An endpoint that a document of the source names: on https, or on the source's own origin where that is a demo's
    /// plain http. A literal address that is not public counts only there as well.
    pub(crate) fn endpoint(&self, text: &str) -> Option<Endpoint> {
        let url = Url::parse(text).ok()?;
        let same_origin = url.origin() == self.base.origin();
        let literal = match url.host()? {
            url::Host::Ipv4(ip) => Some(ip.into()),
            url::Host::Ipv6(ip) => Some(ip.into()),
            url::Host::Domain(_) => None,
        };
        let is_public = literal.is_none_or(|ip| Addresses::default().allow(ip));
        let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let is_sound = same_origin || (url.scheme() == "https" && is_public);
        (is_bare && is_sound).then_some(Endpoint { url, same_origin })
    }

    /// A client for an endpoint: a discovered host is never a private one (DESIGN section 14, outbound addresses).
    pub(super) fn client_for(&self, endpoint: &Endpoint, limits: &Limits) -> Result<reqwest::Client, ConnectionError> {
        if endpoint.same_origin {
            return self.http_client(limits);
        }
        // Nor does the source's own authority speak for it.
        Self { addresses: Addresses::default(), authorities: None, ..self.clone() }.http_client(limits)
    }

    /// `GET {base}/{segments…}` without a credential: metadata and discovery are open.
    pub(crate) async fn open_document(
        &self,
        segments: &[&str],
        limits: &Limits,
        cap: usize,
    ) -> Result<bytes::Bytes, SourceFailure> {
        let http = self.http_client(limits).map_err(|_| SourceFailure::Unreachable)?;
        let (body, is_json) = open(&http, self.url(segments, &[]), limits, cap).await?;
        if is_json { Ok(body) } else { Err(SourceFailure::Malformed) }
    }

    /// `GET` of an endpoint that a document of the source names. Key sets have a media type of their own (RFC 7517 §8.5.2),
    /// and some servers none.
    pub(crate) async fn document_at(
        &self,
        endpoint: &Endpoint,
        limits: &Limits,
        cap: usize,
    ) -> Result<bytes::Bytes, SourceFailure> {
        let http = self.client_for(endpoint, limits).map_err(|_| SourceFailure::Unreachable)?;
        open(&http, endpoint.url.clone(), limits, cap).await.map(|(body, _)| body)
    }

    pub(super) fn http_client(&self, limits: &Limits) -> Result<reqwest::Client, ConnectionError> {
        // The one place that builds a client. No redirects: a token must not follow one. No proxy from the
        // environment: a request goes where the operator said.
        let mut builder = reqwest::Client::builder();
        if let Some(authorities) = &self.authorities {
            builder = builder.tls_certs_only(authorities.iter().cloned());
        }
        Ok(builder
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_millis(limits.source_deadline_ms.min(3_000)))
            .pool_max_idle_per_host(limits.source_concurrency)
            .dns_resolver(self.addresses.clone())
            .build()?)
    }
}

/// A document without a credential, within bounds of size and time, and whether it says that it is JSON.
async fn open(
    http: &reqwest::Client,
    url: Url,
    limits: &Limits,
    cap: usize,
) -> Result<(bytes::Bytes, bool), SourceFailure> {
    let mut request = reqwest::Request::new(reqwest::Method::GET, url);
    let accept = reqwest::header::HeaderValue::from_static(
        "application/json, application/fhir+json;q=0.9, application/jwk-set+json",
    );
    request.headers_mut().insert(reqwest::header::ACCEPT, accept);
    let time = Duration::from_millis(limits.source_deadline_ms);
    let answer = tokio::time::timeout(time, super::client::execute(http, request, cap));
    let answer = answer.await.map_err(|_| SourceFailure::Timeout)??;
    match answer.status {
        reqwest::StatusCode::OK => Ok((answer.body, answer.is_json)),
        status => Err(SourceFailure::Refused { status: status.as_u16() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection::new("https://ehr.example/api/fhir", &[], Credential::None).unwrap()
    }

    #[test]
    fn u04_parts_of_a_url_are_encoded_and_cannot_leave_their_place() {
        let url =
            connection().url(&["Patient", "../../admin?x=1#y"], &[("name".to_owned(), "a&patient=other#b".to_owned())]);
        assert_eq!(
            url.as_str(),
            "https://ehr.example/api/fhir/Patient/..%2F..%2Fadmin%3Fx=1%23y?name=a%26patient%3Dother%23b"
        );
    }

    #[test]
    fn u04_page_links_stay_on_the_source() {
        let connection = connection();
        for good in [
            "https://ehr.example/api/fhir?page=2",
            "https://ehr.example/api/fhir/Observation?page=2",
            "Observation?page=2",
            "?page=2",
        ] {
            assert!(connection.page_url(good).is_some(), "{good}");
        }
        for bad in [
            "https://ehr.example.attacker.example/api/fhir?page=2",
            "https://attacker.example/api/fhir?page=2",
            "http://ehr.example/api/fhir?page=2",
            "https://ehr.example:8443/api/fhir?page=2",
            "https://ehr.example/api/fhir2?page=2",
            "https://ehr.example/api/fhir/../admin",
            "https://ehr.example/other",
            "//attacker.example/api/fhir",
            "https://user@ehr.example/api/fhir?page=2",
            "javascript:alert(1)",
        ] {
            assert!(connection.page_url(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn u01_a_discovered_endpoint_is_https_and_public_or_the_sources_own() {
        let private = Connection::new("https://10.1.2.3/fhir", &["10.0.0.0/8".to_owned()], Credential::None).unwrap();
        let demo = Connection::new("http://127.0.0.1:9/fhir", &["127.0.0.0/8".to_owned()], Credential::None).unwrap();
        for (connection, good) in [
            (connection(), "https://ehr.example/oauth/token"),
            (connection(), "https://login.ehr.example/token?x=1"),
            (connection(), "https://93.184.216.34/token"),
            (private.clone(), "https://10.1.2.3/token"),
            (demo.clone(), "http://127.0.0.1:9/oauth/token"),
        ] {
            assert!(connection.endpoint(good).is_some(), "{good}");
        }
        for (connection, bad) in [
            (connection(), "http://ehr.example/oauth/token"),
            (connection(), "http://169.254.169.254/latest"),
            (connection(), "https://169.254.169.254/latest"),
            (connection(), "https://[::ffff:10.0.0.1]/token"),
            (connection(), "https://127.1:5432/"),
            (connection(), "https://0x7f000001/"),
            (connection(), "https://user@login.ehr.example/token"),
            (connection(), "https://login.ehr.example/token#x"),
            (connection(), "gopher://login.ehr.example/"),
            (connection(), "javascript:alert(1)"),
            (connection(), "/oauth/token"),
            (private, "https://10.1.2.4/token"),
            (demo.clone(), "http://127.0.0.1:10/oauth/token"),
            (demo, "http://127.0.0.2:9/oauth/token"),
        ] {
            assert!(connection.endpoint(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn u01_a_private_literal_must_be_allowed() {
        // However the address is spelled.
        for inside in [
            "http://127.0.0.1:9/fhir",
            "http://127.1:5432/",
            "http://0x7f000001/fhir",
            "http://2130706433/fhir",
            "http://0177.0.0.1/fhir",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/fhir",
            "http://[::ffff:10.0.0.1]/fhir",
            "http://[fe80::1]/fhir",
            "http://[::ffff:a9fe:a9fe]/fhir",
            "http://0/fhir",
            "http://%31%32%37.0.0.1/fhir",
            "http://\u{ff11}27.0.0.1/fhir",
            "gopher://ehr.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "//ehr.example/fhir",
            "ehr.example/fhir",
            "",
        ] {
            assert!(Connection::new(inside, &[], Credential::None).is_err(), "{inside}");
        }
        assert!(Connection::new("http://127.0.0.1:9/fhir", &["127.0.0.0/8".to_owned()], Credential::None).is_ok());
        assert!(Connection::new("ftp://ehr.example/fhir", &[], Credential::None).is_err());
    }

    proptest::proptest! {
        #[test]
        fn u04_the_credential_goes_to_the_same_origin_and_below_the_same_path_only(
            scheme in "https?|ftp|HTTPS",
            user in "(|u@|ehr\\.example@|u:p@)",
            host in "(ehr\\.example|EHR\\.example|ehr\\.example\\.|ehr\\.example\\.evil|evil|xehr\\.example|ehr\\.examplex)",
            port in "(|:443|:8443|:80)",
            path in "(|/|/api/fhir|/api/fhir/|/api/fhir/Observation|/api/fhirx|/api/fhir-other/x|/api|/api/fhir/\\.\\./x|\
                /api/fhir/%2e%2e/x|/other/\\.\\./api/fhir/x|//api/fhir)",
            rest in "(|\\?page=2|#x)",
        ) {
            let text = format!("{scheme}://{user}{host}{port}{path}{rest}");
            // By hand: the origin by its parts, the path by its segments once dots are resolved.
            let same_origin = scheme.eq_ignore_ascii_case("https")
                && host.eq_ignore_ascii_case("ehr.example")
                && matches!(port.as_str(), "" | ":443");
            let inside = matches!(
                path.as_str(),
                "/api/fhir" | "/api/fhir/" | "/api/fhir/Observation" | "/other/../api/fhir/x"
            );
            let wanted = same_origin && user.is_empty() && inside;
            proptest::prop_assert_eq!(connection().page_url(&text).is_some(), wanted, "{}", text);
        }
    }
}
