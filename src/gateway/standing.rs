use std::sync::atomic::Ordering;

use jiff::tz::TimeZone;

use super::Gateway;
use crate::audit::AuditLog;
use crate::base::clock::Instant;
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

/// A practice as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practice {
    /// Its name.
    pub name: String,
    /// How its clocks go, where that is known.
    pub zone: Option<TimeZone>,
}

impl Gateway {
    /// The practice that a resource with this id is from; `None` for an id that no connected source's resource has.
    #[must_use]
    pub fn practice_of(&self, id: &str) -> Option<Practice> {
        let (key, _) = id.split_once('.')?;
        let sources = self.sources.all();
        let source = sources.get(&key.parse::<SourceKey>().ok()?)?;
        let zone = source.consent.as_ref().map(|rules| rules.zone.clone());
        // A practice that named no zone is held to UTC where days are counted; its clocks do not go by it.
        Some(Practice { name: source.organization.clone(), zone: zone.filter(|zone| *zone != TimeZone::UTC) })
    }

    /// The time by which it decides.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

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
