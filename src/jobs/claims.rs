//! Looks at what people said of themselves, beside the requests in which they said it.

use std::sync::Arc;
use std::time::Duration;

use crate::accounts::Claims;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs as long as the process does.
pub async fn look_at_claims(claims: Arc<Claims>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = claims.look().await {
            tracing::warn!(%error, "claims were not looked at");
        }
    }
}
