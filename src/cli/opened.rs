use std::path::PathBuf;
use std::sync::Arc;

use super::CliError;
use crate::accounts::Accounts;
use crate::app;
use crate::audit::Acts;
use crate::authorization::AuthorizationServer;
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::keys::MasterKey;
use crate::base::random::{SharedRandom, SystemRandom};
use crate::config::Config;
use crate::mail::Outbox;
use crate::practice::Mergers;
use crate::storage::Db;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) file: Option<PathBuf>,
    pub(super) demo: bool,
}

impl Settings {
    /// Reads and validates the configuration.
    pub(super) fn load(&self) -> Result<Config, CliError> {
        Ok(Config::load(self.file.as_deref(), std::env::vars(), self.demo)?)
    }

    /// Opens what commands on the database work with.
    pub(super) async fn open(&self) -> Result<Opened, CliError> {
        let config = self.load()?;
        let (clock, random) = machine();
        let db = Db::open(&config.storage).await?;
        Ok(Opened { config, db, clock, random })
    }
}

/// The machine's own clock and randomness.
pub(super) fn machine() -> (SharedClock, SharedRandom) {
    (Arc::new(SystemClock), Arc::new(SystemRandom::default()))
}

/// The database as a command works with it.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) db: Db,
    pub(super) clock: SharedClock,
    pub(super) random: SharedRandom,
}

impl Opened {
    /// The database as acts are written to it: once for each command, which has its own chain in the audit trail.
    pub(super) async fn acts(&self) -> Result<Acts, CliError> {
        Ok(Acts::begin(self.db.clone(), &self.master_key()?, &*self.random).await?)
    }

    pub(super) fn accounts(&self, acts: &Acts) -> Result<Accounts, CliError> {
        let (clock, random) = (self.clock.clone(), self.random.clone());
        Ok(Accounts::new(acts.clone(), clock, random, &self.master_key()?, &self.config))
    }

    pub(super) fn authorization(&self, acts: &Acts) -> Result<Arc<AuthorizationServer>, CliError> {
        let (clock, random) = (self.clock.clone(), self.random.clone());
        Ok(AuthorizationServer::new(acts.clone(), clock, random, &self.master_key()?, &self.config))
    }

    pub(super) async fn mergers(&self) -> Result<Mergers, CliError> {
        let (acts, key) = (self.acts().await?, self.master_key()?);
        let outbox = Outbox::new(&self.config, &key, self.clock.clone(), self.random.clone());
        Ok(Mergers::new(acts, outbox, self.clock.clone(), self.random.clone()))
    }

    fn master_key(&self) -> Result<MasterKey, CliError> {
        Ok(app::master_key(&self.config.storage.master_key_file)?)
    }
}
