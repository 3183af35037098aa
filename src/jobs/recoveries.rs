//! Looks who asked for the way back in, and has them written to.

use std::sync::Arc;
use std::time::Duration;

use crate::accounts::Accounts;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs as long as the process does.
pub async fn answer_recoveries(accounts: Arc<Accounts>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = accounts.answer_recovery_requests().await {
            tracing::warn!(%error, "requests for the way back in were not answered");
        }
    }
}
