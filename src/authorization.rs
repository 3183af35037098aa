//! The authorization server: authorize, consent, tokens, and whose token it is.

mod apps;
mod authenticate;
mod authorize;
mod brakes;
mod challenges;
mod client_authentication;
mod client_credentials;
mod clients;
mod consent;
mod generation;
mod history;
mod introspect;
mod key_sets;
mod known_refreshes;
mod launch;
mod people;
mod proofs;
mod pushed;
mod refresh;
mod registered_apps;
mod registration;
mod revoke;
mod rights;
mod seal;
mod services;
mod signing;
mod token;
mod userinfo;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::SharedClock;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config::{Config, RegistrationPolicy};
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::smart::discovery::Endpoints;
use crate::storage::{Db, StorageError};
use crate::upstream::KeySetFetcher;

pub use apps::ConnectedApp;
pub use authenticate::Unauthenticated;
pub use authorize::{AuthorizeAnswer, AuthorizeError, Decision, Redirect, SignedIn};
pub(crate) use brakes::Brake;
pub use client_authentication::{ClientCredentials, ClientEndpoint, ClientRequest, CredentialsError};
pub use clients::{NewClient, NewProof, RegisteredClient, RegistrationError};
pub use consent::{AtWork, ConsentItem, ConsentPage, ConsentPerson, Problem};
pub use history::{Look, LookKind, Looker};
pub use introspect::Introspection;
pub(crate) use launch::page_subject;
pub use launch::{LaunchError, LaunchableApp, OpenedApp, Reached};
pub(crate) use people::is_of_age;
pub use people::{Gone, People, Shared};
pub use proofs::ShownProof;
pub use pushed::PushedRequest;
pub use registration::{RegisterError, Registration};
pub use rights::person_name;
pub(crate) use rights::{active_links, current_person, reachable};
pub use services::{NewService, ServiceError};
pub use signing::{SigningError, SigningKeyState};
pub use token::{TokenError, TokenResponse};
pub use userinfo::UserInfo;

/// The authorization server of one gateway.
pub struct AuthorizationServer {
    db: Db,
    acts: Acts,
    clock: SharedClock,
    random: SharedRandom,
    endpoints: Endpoints,
    lifetimes: Lifetimes,
    requests: Sealer,
    keys: Sealer,
    refresh_key: Secret<[u8; 32]>,
    subject_key: Secret<[u8; 32]>,
    signing: Mutex<Option<Arc<signing::SigningKeys>>>,
    /// Assertions by client and address.
    assertions: brakes::Brake<(ClientId, Option<IpAddr>)>,
    /// Pushed requests by client and address.
    pushes: brakes::Brake<(ClientId, Option<IpAddr>)>,
    key_sets: key_sets::KeySets,
    proofs: proofs::UsedProofs,
    challenges_again: challenges::ChallengesAgain,
    registration: registration::SelfRegistration,
    snapshots: authenticate::Snapshots,
    known_refreshes: known_refreshes::KnownRefreshes,
    generation: generation::Generation,
}

/// How long things live.
#[derive(Clone, Copy, Debug)]
struct Lifetimes {
    request: Duration,
    code: Duration,
    access_token: Duration,
    refresh_token: Duration,
    system_token: Duration,
    pushed_request: Duration,
    /// How old the newest signing key becomes, if that is limited.
    signing_key: Option<Duration>,
}

/// Assertions of one client from one address at a time, and how soon there may be one more: a second of verification at
/// the most, and as many ids to remember as come in five minutes.
const ASSERTIONS: (u32, Duration) = (200, Duration::from_millis(20));
/// Pushed requests of one client from one address.
const PUSHES: (u32, Duration) = (100, Duration::from_millis(500));

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl AuthorizationServer {
    /// The authorization server of this configuration. [`AuthorizationServer::watch`] must run beside it.
    #[must_use]
    pub fn new(
        acts: Acts,
        clock: SharedClock,
        random: SharedRandom,
        master_key: &MasterKey,
        config: &Config,
    ) -> Arc<Self> {
        let seconds = Duration::from_secs;
        let db = acts.db().clone();
        Arc::new(Self {
            generation: generation::Generation::new(&db),
            snapshots: authenticate::Snapshots::default(),
            known_refreshes: known_refreshes::KnownRefreshes::default(),
            signing: Mutex::default(),
            assertions: brakes::Brake::new(ASSERTIONS.0, ASSERTIONS.1),
            pushes: brakes::Brake::new(PUSHES.0, PUSHES.1),
            key_sets: key_sets::KeySets::new(
                KeySetFetcher::new(config.oauth.key_set_private_addresses.clone(), config.demo, config.limits.clone()),
                clock.clone(),
            ),
            proofs: proofs::UsedProofs::new(clock.now()),
            challenges_again: challenges::ChallengesAgain::default(),
            registration: registration::SelfRegistration {
                policy: config.registration(),
                scopes: ScopeSet::parse(&config.oauth.registration_scopes).0,
                most: i64::from(config.oauth.registrations),
                of_address: brakes::Brake::new(
                    config.oauth.registrations_per_hour,
                    seconds(3_600 / u64::from(config.oauth.registrations_per_hour.max(1))),
                ),
            },
            requests: master_key.sealer(KeyUse::AuthorizationState),
            keys: master_key.sealer(KeyUse::SigningKey),
            refresh_key: master_key.derive(KeyUse::RefreshSuccessor),
            subject_key: master_key.derive(KeyUse::SubjectIdentifier),
            endpoints: Endpoints::new(&config.server.public_url, config.registration() != RegistrationPolicy::Closed),
            lifetimes: Lifetimes {
                request: seconds(config.oauth.authorization_seconds),
                code: seconds(config.oauth.code_seconds),
                access_token: seconds(config.oauth.access_token_seconds),
                refresh_token: seconds(config.oauth.refresh_token_seconds),
                system_token: seconds(config.oauth.system_token_seconds),
                pushed_request: seconds(config.oauth.pushed_request_seconds),
                signing_key: Some(config.oauth.signing_key_days)
                    .filter(|days| *days > 0)
                    .map(|days| seconds(days.saturating_mul(86_400))),
            },
            db,
            acts,
            clock,
            random,
        })
    }

    /// The URLs of this server.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Does `work` in one write with the entry of the act that it was, with errors of storage alone.
    async fn act<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(
            &'t mut crate::storage::Tx,
        ) -> futures_util::future::BoxFuture<'t, Result<(T, Option<Act>), StorageError>>
        + Send
        + 'static,
    ) -> Result<T, StorageError> {
        self.acts.write(work).await
    }

    /// An act of now.
    fn new_act(&self, kind: ActKind) -> Act {
        Act::new(kind, self.clock.now(), &*self.random)
    }
}

/// Adds a member to a JSON object.
fn put(object: &mut serde_json::Value, name: &str, value: serde_json::Value) {
    if let serde_json::Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}
