//! Key sets that clients publish at an address of their own: kept as long as they say, looked at again when a key is new.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::Mutex;

use crate::base::clock::{Instant, SharedClock};
use crate::oauth::jwk::{Algorithm, KeySet, PublicKey};
use crate::upstream::KeySetFetcher;

/// Nobody's address is asked more often, whatever keys are named: what a request says must not make us ask.
const LEAST_INTERVAL: Duration = Duration::from_secs(30);
/// How long a set is kept whose owner does not say.
const USUAL: Duration = Duration::from_secs(600);
/// How long a set is kept at most: a key that was taken back must go.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long one is good enough beyond that while its address does not answer.
const TRUST: Duration = Duration::from_secs(600);
/// Addresses that are remembered.
const MOST: u64 = 1_000;

/// The sets by address.
#[derive(Debug)]
pub(super) struct KeySets {
    fetcher: KeySetFetcher,
    clock: SharedClock,
    /// By address and by whether it may be a private one. Each is fetched by one request at a time.
    known: Cache<(String, bool), Arc<Mutex<Known>>>,
}

#[derive(Debug, Default)]
struct Known {
    set: Option<(KeySet, Instant)>,
    asked: Option<Instant>,
}

impl KeySets {
    pub(super) fn new(fetcher: KeySetFetcher, clock: SharedClock) -> Self {
        Self { fetcher, clock, known: Cache::builder().max_capacity(MOST).time_to_idle(LONGEST).build() }
    }

    pub(super) const fn fetcher(&self) -> &KeySetFetcher {
        &self.fetcher
    }

    /// The key with this id at this address. A set that is no longer fresh, or that has no such key, is fetched once
    /// more unless that was just done.
    pub(super) async fn find(
        &self,
        uri: &str,
        self_registered: bool,
        (kid, algorithm): (&str, Algorithm),
    ) -> Option<PublicKey> {
        let entry = self.known.get_with((uri.to_owned(), self_registered), async { Arc::default() }).await;
        let mut known = entry.lock().await;
        let now = self.clock.now();
        let in_fresh = known.set.as_ref().filter(|(_, fresh_until)| now < *fresh_until);
        if let Some(key) = in_fresh.and_then(|(set, _)| set.find(kid, algorithm)) {
            return Some(key.clone());
        }
        if known.asked.is_none_or(|asked| now.since(asked) >= LEAST_INTERVAL) {
            known.asked = Some(now);
            match self.fetch(uri, self_registered).await {
                Ok((set, fresh)) => known.set = Some((set, now.plus(fresh.clamp(LEAST_INTERVAL, LONGEST)))),
                Err(reason) => tracing::warn!(reason, "the key set of a client cannot be used"),
            }
        }
        let (set, _) = known.set.as_ref().filter(|(_, fresh_until)| now < fresh_until.plus(TRUST))?;
        set.find(kid, algorithm).cloned()
    }

    async fn fetch(&self, uri: &str, self_registered: bool) -> Result<(KeySet, Duration), String> {
        let fetched = self.fetcher.fetch(uri, self_registered).await.map_err(|failure| failure.to_string())?;
        let set = KeySet::parse(&fetched.body).map_err(|error| error.to_string())?;
        Ok((set, fetched.fresh.unwrap_or(USUAL)))
    }
}
