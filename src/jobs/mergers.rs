//! Links are brought to the records that they became when organizations merged, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::gateway::Sources;
use crate::practice::Mergers;

/// How often it looks for links that wait.
const INTERVAL: Duration = Duration::from_secs(30);

/// Runs as long as the process does.
pub async fn bring_links(mergers: Arc<Mergers>, sources: Arc<Sources>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = mergers.run_once(&sources).await {
            tracing::warn!(%error, "links were not brought to their new records");
        }
    }
}
