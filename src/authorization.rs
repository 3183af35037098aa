//! The authorization server: authorize, consent, tokens, and whose token it is.

mod apps;
mod authenticate;
mod authorize;
mod client_authentication;
mod clients;
mod consent;
mod generation;
mod introspect;
mod launch;
mod refresh;
mod revoke;
mod rights;
mod seal;
mod signing;
mod token;
mod userinfo;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::SharedClock;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config::Config;
use crate::smart::discovery::Endpoints;
use crate::storage::{Db, StorageError};

pub use apps::ConnectedApp;
pub use authenticate::Unauthenticated;
pub use authorize::{AuthorizeAnswer, AuthorizeError, Decision, Redirect, SignedIn};
pub use client_authentication::{ClientCredentials, CredentialsError};
pub use clients::{NewClient, RegisteredClient, RegistrationError};
pub use consent::{ConsentItem, ConsentPage, ConsentPerson, Problem};
pub use introspect::Introspection;
pub use launch::{LaunchError, LaunchableApp, OpenedApp, Reached};
pub use rights::person_name;
pub(crate) use rights::{active_links, reachable};
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
    signing: tokio::sync::OnceCell<signing::SigningKeys>,
    snapshots: authenticate::Snapshots,
    generation: generation::Generation,
}

/// How long things live.
#[derive(Clone, Copy, Debug)]
struct Lifetimes {
    request: Duration,
    code: Duration,
    access_token: Duration,
    refresh_token: Duration,
}

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
            signing: tokio::sync::OnceCell::new(),
            requests: master_key.sealer(KeyUse::AuthorizationState),
            keys: master_key.sealer(KeyUse::SigningKey),
            refresh_key: master_key.derive(KeyUse::RefreshSuccessor),
            subject_key: master_key.derive(KeyUse::SubjectIdentifier),
            endpoints: Endpoints::new(&config.server.public_url),
            lifetimes: Lifetimes {
                request: seconds(config.oauth.authorization_seconds),
                code: seconds(config.oauth.code_seconds),
                access_token: seconds(config.oauth.access_token_seconds),
                refresh_token: seconds(config.oauth.refresh_token_seconds),
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
