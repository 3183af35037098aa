//! The sources that are connected, as of one generation.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::Algorithm;

use super::patient_tokens::{PatientTokens, PatientsOwn};
use jiff::tz::TimeZone;

use crate::base::clock::SharedClock;
use crate::base::id::OrganizationId;
use crate::base::random::SharedRandom;
use crate::config::{AppProof, Limits, SourceAuthentication, SourceView};
use crate::consent::{CodeSets, Contacts, Policy};
use crate::fhir::ResourceType;
use crate::fhir::scan::Needle;
use crate::fhir::search::Criterion;
use crate::mapping::{
    ConsentPolicies, ReleasePolicies, ReleasePolicyError, STANDARD_CONSENT_POLICY, STANDARD_RELEASE_POLICY,
    STANDARD_ZONE, SourceTerms, Terminology, VendorError, VendorProfile, VendorProfiles, time_zone,
};
use crate::organization::{Organization, ReleasePolicy, Source, SourceKey};
use crate::storage::consent::PolicyChoice;
use crate::upstream::{Cache, Client, ClientProof, Connection, ConnectionError, Credential, SmartApp};

/// A source with its client.
#[derive(Debug)]
pub(crate) struct ConnectedSource {
    pub(crate) source: Source,
    /// The name of its organization, for people.
    pub(crate) organization: String,
    pub(crate) vendor: VendorProfile,
    /// What its full view holds back; none for a source that gives the patient's own view.
    pub(crate) release: Option<Arc<ReleasePolicy>>,
    /// By which rules it decides about proxies; none when its practice chose what does not exist: then they see nothing.
    pub(crate) consent: Option<ConsentRules>,
    /// What its codes mean in other systems.
    pub(crate) terms: SourceTerms,
    pub(crate) client: Arc<Client>,
    /// Its host, which no answer may name.
    pub(crate) authority: Option<Arc<Needle>>,
    /// What the gateway is at its authorization server, where people connect their charts themselves.
    pub(crate) smart: Option<Arc<SmartApp>>,
    /// Resources it sent that were not about whom it was asked for.
    pub(crate) foreign: AtomicU64,
}

impl ConnectedSource {
    /// The criteria that it is sent: those that it understands, and that no coding which is added here could meet.
    pub(super) fn sendable<'q>(&self, resource_type: ResourceType, criteria: &'q [Criterion]) -> Vec<&'q Criterion> {
        let mut sendable = self.vendor.sendable(resource_type, criteria);
        sendable.retain(|criterion| !self.terms.may_meet(criterion));
        sendable
    }

    pub(super) fn base_url(&self) -> &str {
        self.client.connection().base_url()
    }
}

/// What a practice decides by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsentRules {
    pub(crate) policy: Arc<Policy>,
    pub(crate) zone: TimeZone,
    pub(crate) sets: Arc<CodeSets>,
    pub(crate) contacts: Arc<Contacts>,
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
    /// Policies of consent.
    pub consents: ConsentPolicies,
    /// Which codes are sensitive. None where that cannot be had: then proxies see nothing.
    pub sensitivity: Option<Arc<CodeSets>>,
    /// What a custody order takes.
    pub contacts: Arc<Contacts>,
    /// What local codes mean.
    pub terminology: Terminology,
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
    /// What people's own sign-ins at EHRs gave.
    pub tokens: Arc<PatientTokens>,
}

impl Sources {
    /// Takes over what is stored. A source that did not change keeps its client, with its connections and memory.
    ///
    /// # Errors
    /// [`SourceError`] for the first source that cannot be connected; nothing changes then.
    pub fn replace(
        &self,
        (organizations, choices): (&[Organization], &BTreeMap<OrganizationId, PolicyChoice>),
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
            let consent = consent_rules(source, choices.get(&source.organization), mappings);
            let entry = match before.get(&source.key) {
                Some(known)
                    if known.source == *source
                        && known.organization == organization
                        && known.release == release
                        && known.consent == consent =>
                {
                    known.clone()
                }
                _ => Arc::new(connect(source, (organization, release, consent), mappings, parts)?),
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

/// What a practice decides by; it has chosen nothing where it says nothing.
fn consent_rules(source: &Source, choice: Option<&PolicyChoice>, mappings: &Mappings) -> Option<ConsentRules> {
    let policy = choice.map_or(STANDARD_CONSENT_POLICY, |choice| choice.policy.as_str());
    let zone = choice.map_or(STANDARD_ZONE, |choice| choice.time_zone.as_str());
    // Why there are none was said once for all sources.
    let sets = mappings.sensitivity.clone()?;
    match (mappings.consents.by_name(policy), time_zone(zone)) {
        (Ok(policy), Ok(zone)) => Some(ConsentRules { policy, zone, sets, contacts: mappings.contacts.clone() }),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(source.key = %source.key, %error, "proxies see nothing of a source");
            None
        }
    }
}

fn connect(
    source: &Source,
    (organization, release, consent): (String, Option<Arc<ReleasePolicy>>, Option<ConsentRules>),
    mappings: &Mappings,
    parts: &ClientParts,
) -> Result<ConnectedSource, SourceError> {
    let vendor =
        mappings.vendors.by_name(&source.vendor).map_err(|error| SourceError::Vendor(source.key, error))?.clone();
    let reach = |credential| {
        Connection::new(&source.base_url, &source.private_addresses, credential)
            .and_then(|connection| connection.trusting(source.ca_file.as_deref()))
            .map_err(|error| SourceError::Connection(source.key, error))
    };
    let smart = match &source.authentication {
        SourceAuthentication::PerPatient { client_id, proof: app, scope } => {
            let client = (client_id.clone(), proof(app), scope.clone());
            let (clock, random) = (parts.clock.clone(), parts.random.clone());
            Some(Arc::new(SmartApp::new(reach(Credential::None)?, parts.limits.clone(), client, clock, random)))
        }
        _ => None,
    };
    let credential = match &smart {
        Some(app) => Credential::Patients(Arc::new(PatientsOwn {
            source: source.key,
            app: app.clone(),
            tokens: parts.tokens.clone(),
        })),
        None => credential(&source.authentication),
    };
    let client = Client::new(reach(credential)?, parts.limits.clone(), parts.clock.clone(), parts.random.clone())
        .with_cache(parts.cache.clone());
    let (client, foreign) = (Arc::new(client), AtomicU64::new(0));
    let authority = Needle::new(client.connection().authority()).map(Arc::new);
    let terms = mappings.terminology.for_vendor(&source.vendor);
    Ok(ConnectedSource {
        source: source.clone(),
        organization,
        vendor,
        release,
        consent,
        terms,
        client,
        authority,
        smart,
        foreign,
    })
}

fn algorithm(name: &str) -> Algorithm {
    if name == "ES384" { Algorithm::ES384 } else { Algorithm::RS384 }
}

fn proof(proof: &AppProof) -> ClientProof {
    match proof {
        AppProof::None => ClientProof::None,
        AppProof::Secret { secret_file, method } => ClientProof::Secret { file: secret_file.clone(), method: *method },
        AppProof::Key { algorithm: name, key_file, key_id } => {
            ClientProof::Key { algorithm: algorithm(name), key_file: key_file.clone(), key_id: key_id.clone() }
        }
    }
}

/// The credential that all requests of a source share.
fn credential(authentication: &SourceAuthentication) -> Credential {
    match authentication {
        // The other kind has none of its own.
        SourceAuthentication::None | SourceAuthentication::PerPatient { .. } => Credential::None,
        SourceAuthentication::BackendServices { client_id, token_url, algorithm: name, key_file, key_id, scope } => {
            Credential::BackendServices {
                client_id: client_id.clone(),
                token_url: token_url.clone(),
                algorithm: algorithm(name),
                key_file: key_file.clone(),
                key_id: key_id.clone(),
                scope: scope.clone(),
            }
        }
        SourceAuthentication::ClientSecret { client_id, token_url, secret_file, method, scope } => {
            Credential::ClientSecret {
                client_id: client_id.clone(),
                token_url: token_url.clone(),
                proof: ClientProof::Secret { file: secret_file.clone(), method: *method },
                scope: scope.clone(),
            }
        }
    }
}
