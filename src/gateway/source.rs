//! The sources that are connected, as of one generation.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::Algorithm;

use crate::base::clock::SharedClock;
use crate::base::random::SharedRandom;
use crate::config::{Limits, SourceAuthentication, SourceView};
use crate::mapping::{
    ReleasePolicies, ReleasePolicyError, STANDARD_RELEASE_POLICY, VendorError, VendorProfile, VendorProfiles,
};
use crate::organization::{Organization, ReleasePolicy, Source, SourceKey};
use crate::upstream::{Cache, Client, Connection, ConnectionError, Credential};

/// A source with its client.
#[derive(Debug)]
pub(crate) struct ConnectedSource {
    pub(crate) source: Source,
    /// The name of its organization, for people.
    pub(crate) organization: String,
    pub(crate) vendor: VendorProfile,
    /// What its full view holds back; none for a source that gives the patient's own view.
    pub(crate) release: Option<Arc<ReleasePolicy>>,
    pub(crate) client: Arc<Client>,
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
    /// Its organization's policy of release.
    #[error("source {0}: {1}")]
    Release(SourceKey, ReleasePolicyError),
}

/// The tables that say how sources differ.
#[derive(Clone, Debug)]
pub struct Mappings {
    /// Vendor profiles.
    pub vendors: VendorProfiles,
    /// Policies of release.
    pub releases: ReleasePolicies,
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
    /// Where answers are kept, if they are.
    pub cache: Option<Arc<Cache>>,
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
        mappings: &Mappings,
        parts: &ClientParts,
    ) -> Result<(), SourceError> {
        let before = self.all();
        let mut connected = BTreeMap::new();
        for source in stored.iter().filter(|source| source.state.is_active()) {
            let owner = organizations.iter().find(|organization| organization.id == source.organization);
            let organization = owner.map_or_else(|| source.name.clone(), |organization| organization.name.clone());
            let release = release_policy(source, owner, &mappings.releases)?;
            let entry = match before.get(&source.key) {
                Some(known)
                    if known.source == *source && known.organization == organization && known.release == release =>
                {
                    known.clone()
                }
                _ => Arc::new(connect(source, (organization, release), &mappings.vendors, parts)?),
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

/// The terms of release of a source that gives more than the patient's own view.
fn release_policy(
    source: &Source,
    owner: Option<&Organization>,
    policies: &ReleasePolicies,
) -> Result<Option<Arc<ReleasePolicy>>, SourceError> {
    if source.view == SourceView::Patient {
        return Ok(None);
    }
    let name = owner.map_or(STANDARD_RELEASE_POLICY, |owner| owner.release_policy.as_str());
    policies.by_name(name).map(Some).map_err(|error| SourceError::Release(source.key, error))
}

fn connect(
    source: &Source,
    (organization, release): (String, Option<Arc<ReleasePolicy>>),
    vendors: &VendorProfiles,
    parts: &ClientParts,
) -> Result<ConnectedSource, SourceError> {
    let vendor = vendors.by_name(&source.vendor).map_err(|error| SourceError::Vendor(source.key, error))?.clone();
    let connection = Connection::new(&source.base_url, &source.private_addresses, credential(&source.authentication))
        .map_err(|error| SourceError::Connection(source.key, error))?;
    let client = Client::new(connection, parts.limits.clone(), parts.clock.clone(), parts.random.clone())
        .with_cache(parts.cache.clone());
    let (client, foreign) = (Arc::new(client), AtomicU64::new(0));
    Ok(ConnectedSource { source: source.clone(), organization, vendor, release, client, foreign })
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
