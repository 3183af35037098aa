use std::sync::atomic::Ordering;

use super::Gateway;
use crate::audit::AuditLog;
use crate::organization::SourceKey;
use crate::upstream::BreakerState;

/// What operators are told of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStanding {
    /// Which.
    pub key: SourceKey,
    /// Resources it sent, since this process connected it, that were not about whom it was asked for.
    pub foreign: u64,
    /// What requests to it failed by since then, by kind, with how often.
    pub failures: Vec<(&'static str, u64)>,
    /// Whether it is left alone at the moment.
    pub breaker: BreakerState,
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
            failures: source.client.failures().all().filter(|(_, count)| *count > 0).collect(),
            breaker: source.client.breaker(),
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
