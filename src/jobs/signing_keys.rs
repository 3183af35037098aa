//! The keys that sign id_tokens are followed by new ones in time.

use std::sync::Arc;
use std::time::Duration;

use crate::authorization::AuthorizationServer;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Loads the signing key, or makes the first: that takes a moment, once, and not at the expense of the first answer. Then
/// runs as long as the process does.
pub async fn keep_signing_keys(server: Arc<AuthorizationServer>) {
    if let Err(error) = server.prepare_signing_key().await {
        tracing::error!(%error, "no key to sign id_tokens with");
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        match server.rotate_signing_key_in_time().await {
            Ok(false) => {}
            Ok(true) => tracing::info!("a new key is published and signs id_tokens in a day"),
            Err(error) => tracing::warn!(%error, "signing keys were not looked at"),
        }
    }
}
