use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;

use super::{AppParts, AppState, router};
use crate::accounts::{Accounts, ChartAccess, Claims, Redemptions};
use crate::audit::{Acts, AuditLog};
use crate::authorization::AuthorizationServer;
use crate::base::clock::SharedClock;
use crate::base::keys::MasterKey;
use crate::base::random::SharedRandom;
use crate::config::Config;
use crate::fhir::capability;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::model::OauthUris;
use crate::gateway::{ClientParts, Gateway, GatewayParts, Mappings, PatientTokens, SourceError, Sources};
use crate::http::brands::Directory;
use crate::http::fhir::Metadata;
use crate::http::metrics::RequestCounts;
use crate::http::pages::Pages;
use crate::http::{operations, request_log};
use crate::jobs::{
    Delivery, Expiry, answer_recoveries, bring_links, check_charts, keep_signing_keys, look_at_claims,
    tell_before_sharing_changes,
};
use crate::mail::{Carrier, CarrierError, Outbox};
use crate::mapping::{ConsentPolicies, ReleasePolicies, Terminology, VendorProfiles, contacts, sensitivity};
use crate::practice::{self, ChartCheck, Desk, Mergers, SharingNotices};
use crate::storage::{Db, StorageError, consent, generations, label_tables, organizations, sources};
use crate::upstream::Cache;

/// Why the gateway does not start. One line, which names what to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The master key's file.
    #[error("storage.master_key_file {path}: {reason}")]
    MasterKey {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database.
    #[error("storage: {0}")]
    Storage(#[from] StorageError),
    /// A table in `fhir-profiles/` or `mappings/`, or a document made from them.
    #[error("{0}")]
    Knowledge(String),
    /// A source.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// A practice in the configuration.
    #[error("{0}")]
    Practice(#[from] practice::ConnectError),
    /// The way that mail takes.
    #[error("{0}")]
    Mail(#[from] CarrierError),
}

/// A gateway that is ready to serve.
#[derive(Debug)]
pub struct App {
    /// The public routes.
    pub router: Router,
    /// Health, for a listener of its own.
    pub operations: Router,
    /// The authorization server.
    pub authorization: Arc<AuthorizationServer>,
    /// Accounts and sign-in.
    pub accounts: Arc<Accounts>,
    /// Codes on their way to links.
    pub redemptions: Arc<Redemptions>,
    /// What people say of themselves.
    pub claims: Arc<Claims>,
    /// The staff side.
    pub desk: Arc<Desk>,
    /// What holds links against their charts.
    pub chart_check: Arc<ChartCheck>,
    /// What tells people of what they share.
    pub sharing_notices: Arc<SharingNotices>,
    /// What organizations become.
    pub mergers: Arc<Mergers>,
    /// What is written to people.
    pub outbox: Outbox,
    /// What sends it.
    pub delivery: Arc<Delivery>,
    /// The federation.
    pub gateway: Arc<Gateway>,
    /// The database.
    pub db: Db,
    /// The database as acts are written to it.
    pub acts: Acts,
    linking: Linking,
}

/// What staff reach.
#[derive(Debug)]
struct Linking {
    sources: Arc<Sources>,
    outbox: Outbox,
}

impl App {
    /// Looks at links that are to lead to new records, and says at how many.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn bring_links(&self) -> Result<usize, StorageError> {
        self.mergers.run_once(&self.linking.sources).await
    }

    /// The staff side with another clock: what was done at another time.
    #[must_use]
    pub fn desk_at(&self, clock: SharedClock, master_key: &MasterKey, random: SharedRandom) -> Desk {
        let parts = (self.acts.clone(), self.linking.sources.clone(), self.linking.outbox.clone());
        Desk::new(parts, master_key, clock, random)
    }
}

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The validated configuration.
    pub config: Config,
    /// The master key.
    pub master_key: MasterKey,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
}

/// How often changes of sources, and of rights that end what the cache keeps, are looked for that another process made.
const SOURCES_INTERVAL: Duration = Duration::from_millis(500);
/// Rights that were read before a change are not used any more after this. A source that went to another organization is that
/// one's only then: leave for the one must not be taken for leave for the other in between.
const RIGHTS_FIRST: Duration = Duration::from_millis(300);

/// Opens the database, connects the sources, and starts what runs beside requests.
///
/// # Errors
/// [`StartError`].
pub async fn start(parts: Parts) -> Result<App, StartError> {
    let Parts { config, master_key, clock, random } = parts;
    let knowledge = Knowledge::embedded().map_err(|error| StartError::Knowledge(error.to_string()))?;
    let mappings = Mappings {
        vendors: VendorProfiles::embedded().map_err(|error| StartError::Knowledge(error.to_string()))?,
        terminology: Terminology::load(&config.terminology_files)
            .map_err(|error| StartError::Knowledge(error.to_string()))?,
        consents: ConsentPolicies::embedded().map_err(|error| StartError::Knowledge(error.to_string()))?,
        sensitivity: Some(Arc::new(sensitivity::embedded().map_err(|error| StartError::Knowledge(error.to_string()))?)),
        contacts: Arc::new(contacts::embedded().map_err(|error| StartError::Knowledge(error.to_string()))?),
        releases: ReleasePolicies::embedded().map_err(|error| StartError::Knowledge(error.to_string()))?,
    };
    let db = Db::open(&config.storage).await?;
    let acts = Acts::begin(db.clone(), &master_key, &*random).await?;
    practice::connect(&acts, &config, &clock, &random).await?;
    let sources = Arc::new(Sources::default());
    let cache = Cache::new(&config.cache, db.generation(), random.clone());
    let tokens = PatientTokens::new(acts.clone(), &master_key, clock.clone(), random.clone());
    let clients = ClientParts {
        limits: config.limits.clone(),
        clock: clock.clone(),
        random: random.clone(),
        cache,
        tokens: tokens.clone(),
    };
    let mut refresh = Refresh { db: db.clone(), sources: sources.clone(), mappings, label_tables: Vec::new(), clients };
    refresh.run_once(Duration::ZERO).await?;
    let authorization = AuthorizationServer::new(acts.clone(), clock.clone(), random.clone(), &master_key, &config);
    let chart_access = Arc::new(ChartAccess::new(
        (acts.clone(), sources.clone(), tokens),
        &config.server.public_url,
        &master_key,
        clock.clone(),
        random.clone(),
    ));
    let base_url = format!("{}/fhir", config.server.public_url);
    let gateway = Arc::new(Gateway::new(GatewayParts {
        knowledge,
        sources: sources.clone(),
        audit: AuditLog::start(&acts),
        db: db.clone(),
        master_key: master_key.clone(),
        limits: config.limits.clone(),
        clock: clock.clone(),
        random: random.clone(),
        base_url: base_url.clone(),
    }));
    let expiry_clock = clock.clone();
    let outbox = Outbox::new(&config, &master_key, clock.clone(), random.clone());
    let carrier = Carrier::new(&config.mail, &config.server.public_url)?;
    let delivery = Arc::new(Delivery::new(db.clone(), outbox.clone(), carrier, clock.clone()));
    let linking = || (acts.clone(), sources.clone(), outbox.clone());
    let redemptions = Arc::new(Redemptions::new(linking(), &master_key, clock.clone(), random.clone()));
    let claims = Arc::new(Claims::new(linking(), &master_key, clock.clone(), random.clone()));
    let chart_check = Arc::new(ChartCheck::new(linking(), clock.clone(), random.clone()));
    let sharing_notices =
        Arc::new(SharingNotices::new(db.clone(), sources.clone(), outbox.clone(), (clock.clone(), random.clone())));
    let mergers = Arc::new(Mergers::new(acts.clone(), outbox.clone(), clock.clone(), random.clone()));
    let linked_sources = sources.clone();
    let desk = Desk::new(linking(), &master_key, clock.clone(), random.clone());
    let desk = Arc::new(desk.with_second_factor(config.staff_second_factor()));
    let accounts = Arc::new(Accounts::new(acts.clone(), clock, random.clone(), &master_key, &config));
    let uris = oauth_uris(&authorization);
    let metadata = Metadata::new(move || capability::statement(knowledge, &base_url, uris));
    let state = AppState(Arc::new(AppParts {
        gateway: gateway.clone(),
        authorization: authorization.clone(),
        accounts: accounts.clone(),
        chart_access,
        claims: claims.clone(),
        desk: desk.clone(),
        redemptions: redemptions.clone(),
        directory: Directory::new(config.server.name.clone()),
        pages: Pages::new(&config, &master_key, random.clone()),
        metadata: Arc::new(metadata),
        db: db.clone(),
    }));
    let watched = authorization.clone();
    tokio::spawn(async move { watched.watch().await });
    tokio::spawn(keep_signing_keys(authorization.clone()));
    tokio::spawn(refresh.run());
    tokio::spawn(look_at_claims(claims.clone()));
    tokio::spawn(check_charts(chart_check.clone()));
    tokio::spawn(bring_links(mergers.clone(), linked_sources.clone()));
    tokio::spawn(Expiry::new(db.clone(), expiry_clock).run());
    tokio::spawn(answer_recoveries(accounts.clone()));
    tokio::spawn(tell_before_sharing_changes(sharing_notices.clone()));
    let sending = delivery.clone();
    tokio::spawn(async move { sending.run().await });
    let counts = Arc::new(RequestCounts::default());
    let counted = counts.clone();
    let logged = axum::middleware::from_fn(move |request, next| {
        request_log::log(random.clone(), counted.clone(), request, next)
    });
    Ok(App {
        router: router(state.clone()).layer(logged),
        operations: operations::router(counts).with_state(state),
        authorization,
        accounts,
        redemptions,
        claims,
        desk,
        chart_check,
        mergers,
        linking: Linking { sources: linked_sources, outbox: outbox.clone() },
        sharing_notices,
        outbox,
        delivery,
        gateway,
        db,
        acts,
    })
}

fn oauth_uris(server: &AuthorizationServer) -> OauthUris {
    let endpoints = server.endpoints();
    OauthUris { authorize: endpoints.authorize(), token: endpoints.token(), ..OauthUris::default() }
}

/// Keeps the connected sources as they are stored.
struct Refresh {
    db: Db,
    sources: Arc<Sources>,
    mappings: Mappings,
    /// Those that `mappings` has beside the program's own.
    label_tables: Vec<(String, String)>,
    clients: ClientParts,
}

impl Refresh {
    /// Takes over what is stored, `after` it was read.
    async fn run_once(&mut self, after: Duration) -> Result<(), StartError> {
        let organizations = organizations::all(&self.db).await?;
        let stored = sources::all(&self.db).await?;
        let choices = consent::policies(&self.db).await?;
        let tables = label_tables::all(&self.db).await?;
        if tables != self.label_tables {
            // A table that cannot be read might have labelled anything: nobody but people themselves sees anything until it
            // is mended (portal design, 3.8 scenario 68).
            self.mappings.sensitivity = match sensitivity::with_tables(&tables) {
                Ok(sets) => Some(Arc::new(sets)),
                Err(error) => {
                    tracing::error!(%error, "proxies see nothing anywhere: `chartgate consent put-labels` mends it");
                    None
                }
            };
            self.label_tables = tables;
        }
        tokio::time::sleep(after).await;
        Ok(self.sources.replace((&organizations, &choices), &stored, &self.mappings, &self.clients)?)
    }

    async fn run(mut self) {
        let mut seen = None;
        loop {
            tokio::time::sleep(SOURCES_INTERVAL).await;
            let Ok(generation) = generations::current(&self.db).await else { continue };
            if let Some(cache) = &self.clients.cache {
                cache.moved_on(generation);
            }
            self.clients.tokens.moved_on(generation);
            if seen == Some(generation) {
                continue;
            }
            match self.run_once(RIGHTS_FIRST).await {
                Ok(()) => seen = Some(generation),
                Err(error) => tracing::error!(%error, "sources were not refreshed"),
            }
        }
    }
}

/// Reads the master key: 64 hexadecimal digits in a file that its owner alone may read.
///
/// # Errors
/// [`StartError::MasterKey`].
pub fn master_key(path: &Path) -> Result<MasterKey, StartError> {
    let refused = |reason: String| StartError::MasterKey { path: path.display().to_string(), reason };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(refused("must be readable by its owner alone (chmod 600)".to_owned()));
        }
    }
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).unwrap_or_default();
    let key: [u8; 32] = bytes.try_into().map_err(|_| refused("must hold 64 hexadecimal digits".to_owned()))?;
    Ok(MasterKey::new(key))
}

/// Tells everything that waits for it to stop when the process is asked to (SIGINT, SIGTERM).
#[must_use]
pub fn stop_signal() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        #[cfg(unix)]
        {
            let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            if let Ok(mut terminate) = terminate {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = sender.send(true);
    });
    receiver
}
