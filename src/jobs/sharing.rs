//! Tells people before what they share changes by itself: a birthday, a review, the end of a grant. Nothing hangs on it:
//! decisions look at the day themselves.

use std::sync::Arc;
use std::time::Duration;

use crate::practice::SharingNotices;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// Runs as long as the process does.
pub async fn tell_before_sharing_changes(notices: Arc<SharingNotices>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = notices.look().await {
            tracing::warn!(%error, "nobody was told of what they share that changes");
        }
    }
}
