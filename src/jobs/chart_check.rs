//! Links are held against their charts, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::practice::ChartCheck;

/// How often it looks for links whose turn it is.
const INTERVAL: Duration = Duration::from_secs(60);

/// Runs as long as the process does.
pub async fn check_charts(check: Arc<ChartCheck>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = check.run_once().await {
            tracing::warn!(%error, "links were not held against their charts");
        }
    }
}
