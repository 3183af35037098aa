use std::time::Duration;

use super::opened::{Settings, machine};
use super::{CliError, say};
use crate::app::Certificates;
use crate::{app, telemetry};

/// Runs the gateway until it is told to stop.
pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let config = settings.load()?;
    let _flush = telemetry::start(&config.log)?;
    let (clock, random) = machine();
    let master_key = app::master_key(&config.storage.master_key_file)?;
    let mut listeners = app::bind(&config.server.listen).await?;
    if let Some(tls) = &config.server.tls {
        let certificates = Certificates::load(tls.clone())?;
        listeners = listeners.with_tls(&certificates);
        tokio::spawn(certificates.watch());
    }
    let operations = match config.server.operations_listen {
        Some(address) => Some(app::bind(&[address]).await?),
        None => None,
    };
    let grace = Duration::from_secs(config.server.shutdown_seconds);
    let running = app::start(app::Parts { config: config.clone(), master_key, clock, random }).await?;
    let (stop, patience) = (app::stop_signal(), app::Patience::of(&config.server));
    if let Some(operations) = operations {
        let (router, stop) = (running.operations.clone(), stop.clone());
        tokio::spawn(app::serve(operations, router, patience, stop, grace));
    }
    for address in listeners.addresses() {
        say(&format!("listening on {address} for {}", config.server.public_url))?;
    }
    tokio::select! {
        () = app::serve(listeners, running.router, patience, stop, grace) => {}
        () = running.db.halted() => return Err("storage: the disk failed, nothing more can be made durable".into()),
    }
    running.db.close().await;
    Ok(())
}
