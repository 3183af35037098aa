//! One challenge, one transaction (RFC 9700 §2.1.1): an app that sends the same `code_challenge` again has a constant for
//! a secret, and whoever reads it once can redeem every code of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::AuthorizationServer;
use crate::base::clock::Instant;
use crate::base::hash::sha256;
use crate::oauth::client::ClientId;
use crate::oauth::request::AuthorizationRequest;
use crate::storage::{StorageError, Tx, spent_ids};

/// How long a challenge that led to a code is remembered.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// The challenge of a request, and the transaction that it is of: a page that is loaded or sent twice is the same one,
/// and has the same `state`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChallengeUse {
    challenge: [u8; 32],
    transaction: [u8; 32],
}

impl ChallengeUse {
    pub(super) fn of(request: &AuthorizationRequest) -> Self {
        let mut text = format!("code_challenge {} ", request.client).into_bytes();
        text.extend(request.challenge.as_bytes());
        let challenge = sha256(&text);
        text.extend(request.state.as_bytes());
        Self { challenge, transaction: sha256(&text) }
    }

    /// Whether another transaction had the challenge before. That of the first one is remembered.
    pub(super) async fn is_again(&self, tx: &mut Tx, now: Instant) -> Result<bool, StorageError> {
        let expires = now.plus(REMEMBERED);
        if spent_ids::spend(&mut *tx, &self.challenge, expires).await? {
            spent_ids::spend(tx, &self.transaction, expires).await?;
            return Ok(false);
        }
        Ok(!spent_ids::is_spent(tx, &self.transaction).await?)
    }
}

/// How often a challenge came again, in this process.
#[derive(Debug, Default)]
pub(super) struct ChallengesAgain(AtomicU64);

impl AuthorizationServer {
    pub(super) fn count_challenge_again(&self, client: &ClientId) {
        self.challenges_again.0.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(client.id = %client, "an app sent a code_challenge that it had sent before");
    }

    /// How often an app sent a `code_challenge` that it had sent before, since the start.
    #[must_use]
    pub fn challenges_again(&self) -> u64 {
        self.challenges_again.0.load(Ordering::Relaxed)
    }
}
