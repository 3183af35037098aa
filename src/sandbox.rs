//! A small but honest FHIR R4 server that plays the EHR in demos, tests and measurements.
//!
//! It keeps everything in memory, speaks HTTP like any EHR, and can be told to misbehave ([`Faults`]). It shares the
//! search evaluator with the gateway and nothing else.

mod bundle;
mod client;
mod connection;
mod control;
mod create;
mod document;
mod ehr;
mod faults;
mod history;
mod include;
mod interaction;
mod load;
mod metadata;
mod misbehave;
mod outcome;
mod paging;
mod read;
mod requests;
mod search;
mod searchset;
mod selection;
mod smart;
mod smart_configuration;
mod store;
mod token;
mod update;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use bundle::BundleError;
pub use client::{Client, ClientError};
pub use document::DocumentError;
pub use faults::{Fault, FaultKind, Faults};
pub use load::{Data, LoadError, LoadErrorReason, LoadReport};
pub use requests::{Presented, Request, Requests};
pub use smart::{SimulatedError, Smart, SmartApp};

use crate::base::clock::{SharedClock, SystemClock};
use crate::base::random::{SharedRandom, SystemRandom};
use crate::fhir::knowledge::{Knowledge, KnowledgeError};
use connection::{Cut, CuttableListener};
use ehr::{Ehr, Settings};
use store::{Arrival, Store};
use token::Tokens;

/// A sandbox EHR that is not running yet.
#[derive(Debug)]
pub struct Sandbox {
    data: Vec<Data>,
    address: SocketAddr,
    host: Option<String>,
    base_path: String,
    page_size: usize,
    clients: Vec<Client>,
    require_authentication: bool,
    token_lifetime: Duration,
    strict_parameters: bool,
    control: bool,
    log_requests: bool,
    versioned: bool,
    clock: SharedClock,
    random: SharedRandom,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            host: None,
            base_path: "/fhir".to_owned(),
            page_size: 50,
            clients: Vec::new(),
            require_authentication: false,
            token_lifetime: Duration::from_secs(300),
            strict_parameters: false,
            control: false,
            log_requests: true,
            versioned: true,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom::default()),
        }
    }
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is taken or not this machine's.
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
    /// The data cannot be loaded; none of it is served.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The tables of FHIR knowledge in this binary are broken.
    #[error(transparent)]
    Knowledge(#[from] &'static KnowledgeError),
    /// The base path is not `/` followed by something that does not end in `/`.
    #[error("the base path {0:?} must begin with a slash and not end with one")]
    BasePath(String),
}

impl Sandbox {
    /// An empty EHR on a free port of 127.0.0.1, without authentication, with the machine's clock.
    #[must_use]
    pub fn builder() -> Self {
        Self::default()
    }

    /// Adds data to start with.
    #[must_use]
    pub fn data(mut self, data: impl Into<Data>) -> Self {
        self.data.push(data.into());
        self
    }

    /// Listens on this port; 0 takes a free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Listens on this address instead of 127.0.0.1.
    #[must_use]
    pub const fn address(mut self, address: IpAddr) -> Self {
        self.address.set_ip(address);
        self
    }

    /// The host name in the server's own URLs, where it is not the address.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// The path of the FHIR base instead of `/fhir`.
    #[must_use]
    pub fn base_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.base_path);
        self
    }

    /// Entries on a page when `_count` does not say.
    #[must_use]
    pub const fn page_size(mut self, entries: usize) -> Self {
        self.page_size = entries;
        self
    }

    /// Registers a backend client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// Whether FHIR requests need a bearer token.
    #[must_use]
    pub const fn require_authentication(mut self, required: bool) -> Self {
        self.require_authentication = required;
        self
    }

    /// How long access tokens live.
    #[must_use]
    pub const fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Whether unknown search parameters are refused with 400. Most EHRs ignore them, and so does this one otherwise.
    #[must_use]
    pub const fn strict_parameters(mut self, strict: bool) -> Self {
        self.strict_parameters = strict;
        self
    }

    /// Whether `/__sandbox/` lets anybody switch faults and read the request log.
    #[must_use]
    pub const fn control(mut self, enabled: bool) -> Self {
        self.control = enabled;
        self
    }

    /// Whether requests are remembered. They are counted in any case; measurements switch this off.
    #[must_use]
    pub const fn log_requests(mut self, enabled: bool) -> Self {
        self.log_requests = enabled;
        self
    }

    /// Whether resources have `meta.versionId` and answers an `ETag`. Some EHRs have neither.
    #[must_use]
    pub const fn versioned(mut self, versioned: bool) -> Self {
        self.versioned = versioned;
        self
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Where tokens and new ids come from.
    #[must_use]
    pub fn random(mut self, random: SharedRandom) -> Self {
        self.random = random;
        self
    }

    /// Binds the port, loads the data, and serves.
    ///
    /// # Errors
    /// [`SandboxError`]; then nothing listens.
    pub async fn start(self) -> Result<RunningSandbox, SandboxError> {
        if !self.base_path.starts_with('/') || self.base_path.ends_with('/') {
            return Err(SandboxError::BasePath(self.base_path));
        }
        let listener = TcpListener::bind(self.address).await?;
        let address = listener.local_addr()?;
        let host = self.host.unwrap_or_else(|| match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        let settings = Settings {
            origin: format!("http://{host}:{}", address.port()),
            base_path: self.base_path,
            page_size: self.page_size,
            require_authentication: self.require_authentication,
            strict_parameters: self.strict_parameters,
            control: self.control,
            log_requests: self.log_requests,
            versioned: self.versioned,
        };
        let base = settings.base_url();
        let store = Store::default();
        let knowledge = Knowledge::embedded()?;
        let arrival =
            Arrival { now: self.clock.now(), base: &base, knowledge, keep_meta: true, versioned: self.versioned };
        let report = load::load(&mut store.write(), &self.data, arrival)?;
        let ehr = Arc::new(Ehr {
            settings,
            base,
            knowledge,
            store,
            tokens: Tokens::new(self.clients, self.token_lifetime),
            faults: Arc::default(),
            smart: Arc::default(),
            requests: Arc::default(),
            clock: self.clock,
            random: self.random,
        });
        Ok(RunningSandbox::serve(ehr, listener, address, report))
    }
}

/// A sandbox EHR that serves until it is stopped or dropped.
pub struct RunningSandbox {
    /// The FHIR base URL, without a trailing slash.
    pub base_url: String,
    /// The token endpoint.
    pub token_url: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What loading did.
    pub report: LoadReport,
    /// Its fault switches.
    pub faults: Arc<Faults>,
    /// What was asked of it.
    pub requests: Arc<Requests>,
    /// Its authorization server for patients.
    pub smart: Arc<Smart>,
    ehr: Arc<Ehr>,
    stopped: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for RunningSandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningSandbox").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl RunningSandbox {
    fn serve(ehr: Arc<Ehr>, listener: TcpListener, address: SocketAddr, report: LoadReport) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, stopping) = oneshot::channel();
        let listener = CuttableListener { listener, stopped: Arc::clone(&stopped) };
        let service = router(&ehr).into_make_service_with_connect_info::<Cut>();
        let task = tokio::spawn(async move {
            // Serving ends with the signal alone: accept errors are outlived in the listener.
            let _ = axum::serve(listener, service)
                .with_graceful_shutdown(async {
                    let _ = stopping.await;
                })
                .await;
        });
        Self {
            base_url: ehr.base.clone(),
            token_url: ehr.settings.token_url(),
            address,
            report,
            faults: Arc::clone(&ehr.faults),
            requests: Arc::clone(&ehr.requests),
            smart: Arc::clone(&ehr.smart),
            ehr,
            stopped,
            stop: Some(stop),
            task,
        }
    }

    /// How many resources it holds of a type.
    #[must_use]
    pub fn count(&self, type_name: &str) -> usize {
        self.ehr.store.read().shelf(type_name).map_or(0, store::Shelf::len)
    }

    /// How many resources it holds.
    #[must_use]
    pub fn total(&self) -> usize {
        let shelves = self.ehr.store.read();
        shelves.types().into_iter().filter_map(|name| shelves.shelf(name)).map(store::Shelf::len).sum()
    }

    /// Takes back every access token it gave.
    pub fn revoke_tokens(&self) {
        self.ehr.tokens.revoke_all();
    }

    /// Frees the port and cuts every connection; returns once nothing listens any more.
    pub async fn stop(mut self) {
        self.cut();
        // Requests that a fault holds up are not waited for: their connections are cut already.
        let _ = tokio::time::timeout(Duration::from_millis(500), &mut self.task).await;
    }

    /// Runs until the process ends or the listener fails.
    pub async fn run(mut self) {
        let _ = (&mut self.task).await;
    }

    fn cut(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.cut();
    }
}

fn router(ehr: &Arc<Ehr>) -> Router {
    let mut router = Router::new()
        .route("/oauth/authorize", get(ehr::authorize))
        .route("/oauth/token", post(ehr::token))
        .route("/oauth/revoke", post(ehr::revoke))
        .fallback(ehr::fhir);
    if ehr.settings.control {
        router = router
            .route(
                "/__sandbox/faults",
                get(control::get_faults).put(control::put_faults).delete(control::delete_faults),
            )
            .route("/__sandbox/requests", get(control::get_requests).delete(control::delete_requests))
            .route("/__sandbox/tokens", axum::routing::delete(control::delete_tokens));
    }
    router.with_state(Arc::clone(ehr))
}
