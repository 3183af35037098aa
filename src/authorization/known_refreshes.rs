//! What a refresh rests on, in memory as long as no right changes: an app that asks often is not looked up each time.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::AuthorizationServer;
use crate::oauth::client::{Client, ClientId};
use crate::storage::StorageError;
use crate::storage::refreshes::{self, Found};

/// What was found when the generation was `generation`.
#[derive(Clone, Debug)]
struct Known {
    found: Arc<Found>,
    generation: i64,
}

/// What was found for refresh tokens that stay, by their hash.
#[derive(Clone, Debug)]
pub(super) struct KnownRefreshes(Cache<[u8; 32], Known>);

impl Default for KnownRefreshes {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(600)).build())
    }
}

impl AuthorizationServer {
    /// What a refresh rests on. From memory only what lets it through, and no longer than access tokens are trusted
    /// after a change of rights: whoever is refused was looked up. Whether the authorization is live is decided once more
    /// where the token is stored.
    pub(super) async fn find_refresh(
        &self,
        client: Option<&ClientId>,
        hash: Option<&[u8; 32]>,
    ) -> Result<Arc<Found>, StorageError> {
        // Read before the rows are: a change in between makes what was found old, never the other way round.
        let generation = self.generation.current();
        if let (Some(generation), Some(client), Some(hash)) = (generation, client, hash)
            && let Some(known) = self.known_refreshes.0.get(hash)
            && known.generation == generation
            && known.found.client.as_ref().is_some_and(|known| known.id == *client)
            && known.found.held.as_ref().is_some_and(|held| held.is_live(self.clock.now()))
        {
            return Ok(known.found);
        }
        let found = Arc::new(refreshes::find(&self.db, client, hash).await?);
        // A token that rotates is shown once.
        let stays = found.held.is_some() && found.client.as_ref().is_some_and(Client::is_confidential);
        if let (Some(generation), Some(hash), true) = (generation, hash, stays) {
            self.known_refreshes.0.insert(*hash, Known { found: Arc::clone(&found), generation });
        }
        Ok(found)
    }
}
