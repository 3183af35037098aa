//! `chartgate demo`: the whole product on one machine. Sandbox EHRs filled with the fixtures, the gateway before them,
//! people who can sign in, and apps that can be connected. What was made at the first start is kept in the data-dir.

mod announce;
mod desk;
mod enrolment;
mod family;
mod fixtures;
mod keys;
mod smart_app;
mod state;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CliError;
use super::master_key;
use super::opened::machine;
use crate::app::{self, Listeners};
use crate::config::{Config, OrganizationEntry, SourceAuthentication, SourceEntry, SourceView};
use crate::sandbox::{self, RunningSandbox, Sandbox};
use crate::telemetry;

use fixtures::{Fixtures, Practice};
use keys::SourceKeyFile;
use state::State;

/// Run the whole product on this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The port of the gateway; 0 takes a free one and keeps it in the data-dir.
    #[arg(long)]
    port: Option<u16>,
    /// Where the demo keeps its database, keys and passwords.
    #[arg(long, default_value = "chartgate-demo")]
    data_dir: PathBuf,
    /// Print one line of JSON once everything is ready.
    #[arg(long)]
    json: bool,
}

const DEFAULT_PORT: u16 = 8080;

/// Runs until it is told to stop.
pub(super) async fn run(args: Args) -> Result<(), CliError> {
    let (clock, random) = machine();
    std::fs::create_dir_all(&args.data_dir).map_err(|e| format!("{}: {e}", args.data_dir.display()))?;
    let mut state = State::load(&args.data_dir)?;
    let fixtures = Fixtures::load()?;
    let key_file = args.data_dir.join("master.key");
    if !key_file.exists() {
        master_key::create(&key_file, &*random)?;
    }
    let (listeners, port) = listen(args.port, state.port).await?;
    state.port = Some(port);
    let (app_listeners, app_port) = smart_app::listen(state.app_port).await?;
    state.app_port = Some(app_port);
    let mut ehrs = Vec::new();
    for practice in &fixtures.practices {
        ehrs.push(start_ehr(practice, &args.data_dir, &mut state).await?);
    }
    let config = config(port, &args.data_dir, &fixtures, &ehrs);
    config.validate()?;
    let _flush = telemetry::start(&config.log)?;
    let grace = Duration::from_secs(config.server.shutdown_seconds);
    let patience = app::Patience::of(&config.server);
    let parts = app::Parts { config, master_key: app::master_key(&key_file)?, clock, random };
    let running = app::start(parts.clone()).await?;
    enrolment::enrol(&running, &parts, &fixtures, &ehrs, &mut state).await?;
    family::open(&running, &parts, &mut state).await?;
    desk::open(&running, &parts, &mut state).await?;
    state.save(&args.data_dir)?;
    let stop = app::stop_signal();
    let smart_app = smart_app::router(running.gateway.base_url())?;
    tokio::spawn(app::serve(app_listeners, smart_app, patience, stop.clone(), grace));
    let serving = tokio::spawn(app::serve(listeners, running.router.clone(), patience, stop, grace));
    announce::announce(&running, &parts.config, &state, args.json).await?;
    tokio::select! {
        served = serving => served?,
        () = running.db.halted() => return Err("storage: the disk failed, nothing more can be made durable".into()),
    }
    for ehr in ehrs {
        ehr.running.stop().await;
    }
    running.db.close().await;
    Ok(())
}

/// A sandbox EHR of the demo.
struct Ehr {
    practice: Practice,
    running: RunningSandbox,
    key: SourceKeyFile,
}

async fn start_ehr(practice: &Practice, folder: &Path, state: &mut State) -> Result<Ehr, CliError> {
    let key = SourceKeyFile::open(folder, practice)?;
    let port = state.ehr_ports.get(&practice.key).copied().unwrap_or(0);
    let client = sandbox::Client::from_pem(&key.client_id, &key.key_id, key.algorithm(), &key.public_pem)?;
    let running = Sandbox::builder()
        .data(practice.data.clone())
        .port(port)
        .client(client)
        .require_authentication(true)
        .start()
        .await
        .map_err(|error| format!("the EHR of {}: {error}", practice.name))?;
    state.ehr_ports.insert(practice.key.clone(), running.address.port());
    Ok(Ehr { practice: practice.clone(), running, key })
}

/// Binds both loopback addresses: `localhost` may mean either.
async fn listen(asked: Option<u16>, kept: Option<u16>) -> Result<(Listeners, u16), CliError> {
    let port = match asked {
        Some(0) => kept.unwrap_or(0),
        Some(port) => port,
        None => DEFAULT_PORT,
    };
    let first = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, port))]).await?;
    let port = first.addresses().first().map_or(port, SocketAddr::port);
    match app::bind(&[SocketAddr::from((Ipv6Addr::LOCALHOST, port))]).await {
        Ok(second) => Ok((first.and(second), port)),
        // A machine without IPv6.
        Err(_) => Ok((first, port)),
    }
}

fn config(port: u16, folder: &Path, fixtures: &Fixtures, ehrs: &[Ehr]) -> Config {
    let mut config = Config { demo: true, ..Config::default() };
    config.server.public_url = format!("http://localhost:{port}");
    config.storage.url = format!("sqlite:{}", folder.join("chartgate.db").display());
    config.storage.master_key_file = folder.join("master.key");
    config.mail.from = "records@chartgate.example".to_owned();
    config.mail.outbox_dir = Some(folder.join("mail"));
    config.log.filter = std::env::var("CHARTGATE_LOG_FILTER").unwrap_or_else(|_| "warn".to_owned());
    config.organizations = fixtures
        .practices
        .iter()
        .map(|practice| OrganizationEntry {
            key: practice.key.clone(),
            name: practice.name.clone(),
            release_policy: "standard".to_owned(),
            brand: practice.brand.clone(),
        })
        .collect();
    config.sources = ehrs.iter().map(Ehr::source).collect();
    config
}

impl Ehr {
    fn source(&self) -> SourceEntry {
        SourceEntry {
            organization: self.practice.key.clone(),
            name: format!("{} EHR", self.practice.name),
            base_url: self.running.base_url.clone(),
            vendor: self.practice.vendor.clone(),
            authentication: SourceAuthentication::BackendServices {
                client_id: self.key.client_id.clone(),
                token_url: self.running.token_url.clone(),
                algorithm: self.key.algorithm().to_owned(),
                key_file: self.key.private_file.clone(),
                key_id: self.key.key_id.clone(),
                scope: "system/*.rs".to_owned(),
            },
            view: SourceView::Patient,
            private_addresses: vec!["127.0.0.0/8".to_owned()],
            ca_file: None,
        }
    }
}
