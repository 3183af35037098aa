//! The sources that are connected, as of one generation.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::Algorithm;

use crate::base::clock::SharedClock;
use crate::base::random::SharedRandom;
use crate::config::{Limits, SourceAuthentication};
use crate::mapping::{VendorError, VendorProfile, VendorProfiles};
use crate::organization::{Organization, Source, SourceKey};
use crate::upstream::{Client, Connection, ConnectionError, Credential};

/// A source with its client.
#[derive(Debug)]
pub(crate) struct ConnectedSource {
    pub(crate) source: Source,
    /// The name of its organization, for people.
    pub(crate) organization: String,
    pub(crate) vendor: VendorProfile,
    pub(crate) client: Client,
    /// Resources it sent that were not about whom it was asked for.
    pub(crate) foreign: AtomicU64,
}

impl ConnectedSource {
    pub(super) fn base_url(&self) -> &str {
        self.client.connection().base_url()
    }
}

/// All connected sources by key.
#[derive(Debug, Default)]
pub struct Sources(RwLock<Arc<BTreeMap<SourceKey, Arc<ConnectedSource>>>>);

/// A source that cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its URL or address.
    #[error("source {0}: {1}")]
    Connection(SourceKey, ConnectionError),
    /// Its vendor profile.
    #[error("source {0}: {1}")]
    Vendor(SourceKey, VendorError),
}

/// What clients of sources are built with.
#[derive(Clone, Debug)]
pub struct ClientParts {
    /// Budgets.
    pub limits: Limits,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: SharedRandom,
}

impl Sources {
    /// Takes over what is stored. A source that did not change keeps its client, with its connections and memory.
    ///
    /// # Errors
    /// [`SourceError`] for the first source that cannot be connected; nothing changes then.
    pub fn replace(
        &self,
        organizations: &[Organization],
        stored: &[Source],
        vendors: &VendorProfiles,
        parts: &ClientParts,
    ) -> Result<(), SourceError> {
        let before = self.all();
        let mut connected = BTreeMap::new();
        for source in stored.iter().filter(|source| source.state.is_active()) {
            let organization = organizations
                .iter()
                .find(|organization| organization.id == source.organization)
                .map_or_else(|| source.name.clone(), |organization| organization.name.clone());
            let entry = match before.get(&source.key) {
                Some(known) if known.source == *source && known.organization == organization => known.clone(),
                _ => Arc::new(connect(source, organization, vendors, parts)?),
            };
            connected.insert(source.key, entry);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(connected);
        Ok(())
    }

    pub(crate) fn all(&self) -> Arc<BTreeMap<SourceKey, Arc<ConnectedSource>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn connect(
    source: &Source,
    organization: String,
    vendors: &VendorProfiles,
    parts: &ClientParts,
) -> Result<ConnectedSource, SourceError> {
    let vendor = vendors.by_name(&source.vendor).map_err(|error| SourceError::Vendor(source.key, error))?.clone();
    let connection = Connection::new(&source.base_url, &source.private_addresses, credential(&source.authentication))
        .map_err(|error| SourceError::Connection(source.key, error))?;
    let client = Client::new(connection, parts.limits.clone(), parts.clock.clone(), parts.random.clone());
    Ok(ConnectedSource { source: source.clone(), organization, vendor, client, foreign: AtomicU64::new(0) })
}

fn credential(authentication: &SourceAuthentication) -> Credential {
    match authentication {
        SourceAuthentication::None => Credential::None,
        SourceAuthentication::BackendServices { client_id, token_url, algorithm, key_file, key_id, scope } => {
            Credential::BackendServices {
                client_id: client_id.clone(),
                token_url: token_url.clone(),
                algorithm: if algorithm == "ES384" { Algorithm::ES384 } else { Algorithm::RS384 },
                key_file: key_file.clone(),
                key_id: key_id.clone(),
                scope: scope.clone(),
            }
        }
    }
}
