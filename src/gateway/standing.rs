use std::sync::atomic::Ordering;

use super::Gateway;
use crate::audit::AuditLog;
use crate::organization::SourceKey;

/// What operators are told of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceStanding {
    /// Which.
    pub key: SourceKey,
    /// Resources it sent, since this process connected it, that were not about whom it was asked for.
    pub foreign: u64,
    /// Whether it is not asked for a while because of them.
    pub set_aside: bool,
}

impl Gateway {
    /// How the connected sources stand.
    #[must_use]
    pub fn standing(&self) -> Vec<SourceStanding> {
        let sources = self.sources.all();
        let standing = |(key, source): (&SourceKey, &std::sync::Arc<super::source::ConnectedSource>)| SourceStanding {
            key: *key,
            foreign: source.foreign.load(Ordering::Relaxed),
            set_aside: source.client.is_set_aside(),
        };
        sources.iter().map(standing).collect()
    }

    /// Where decisions are recorded.
    #[must_use]
    pub const fn audit(&self) -> &AuditLog {
        &self.audit
    }
}
