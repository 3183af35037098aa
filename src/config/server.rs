use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Addresses and URLs.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address people and apps use, without a trailing slash: the OAuth issuer. FHIR is served under `/fhir`.
    pub public_url: String,
    /// The name of this site, as lists of practices show it to people.
    pub name: String,
    /// Where the gateway listens.
    pub listen: Vec<SocketAddr>,
    /// Where health and metrics are served: loopback or a private address, never the public listener.
    pub operations_listen: Option<SocketAddr>,
    /// TLS on the listener itself; without it, a proxy in front ends TLS.
    pub tls: Option<Tls>,
    /// Proxies in front that end TLS; only from them is the connection taken to be encrypted.
    pub trusted_proxies: Vec<IpAddr>,
    /// How long a graceful stop waits for requests under way, in seconds.
    pub shutdown_seconds: u64,
    /// How long the head of a request may take from its first byte, in seconds.
    pub head_seconds: u64,
    /// How long each piece of a request's body may take, in seconds.
    pub body_seconds: u64,
    /// How long a connection may stay without a request, in seconds: longer than proxies in front keep theirs, so that
    /// none of them sends a request into a connection that is just being closed, and longer than a document may take to come
    /// from its source.
    pub idle_seconds: u64,
}

/// The certificate of the listener. Both files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate and those that lead to its authority, PEM.
    pub certificate_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            name: "Chartgate".to_owned(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            operations_listen: None,
            tls: None,
            trusted_proxies: Vec::new(),
            shutdown_seconds: 10,
            head_seconds: 10,
            body_seconds: 20,
            idle_seconds: 75,
        }
    }
}

impl Server {
    pub(super) fn validate(&self, demo: bool) -> Result<(), ConfigError> {
        let waits = [
            ("server.head_seconds", self.head_seconds),
            ("server.body_seconds", self.body_seconds),
            ("server.idle_seconds", self.idle_seconds),
        ];
        if let Some((name, _)) = waits.into_iter().find(|(_, seconds)| !(1..=3_600).contains(seconds)) {
            return Err(ConfigError::refused(name, "must be from 1 to 3600"));
        }
        let refused = |reason: &str| Err(ConfigError::refused("server.public_url", reason));
        let Ok(url) = url::Url::parse(&self.public_url) else {
            return refused("must be an absolute URL, such as https://records.example.org");
        };
        if self.public_url.ends_with('/') || url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
            return refused("must be scheme, host and port alone, without a trailing slash");
        }
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme() {
            "https" => {}
            "http" if demo && loopback => return Ok(()),
            _ => return refused("must be https (http is for the demo on loopback only)"),
        }
        if self.trusted_proxies.is_empty() && self.tls.is_none() {
            return Err(ConfigError::refused(
                "server.trusted_proxies",
                "name the proxy that ends TLS, or set server.tls: the gateway must not be reachable without encryption",
            ));
        }
        match self.operations_listen {
            Some(address) if !is_private(address.ip()) => Err(ConfigError::refused(
                "server.operations_listen",
                "health and metrics belong on a loopback or private address",
            )),
            _ => Ok(()),
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}
