use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::SourceFailure;

/// What a source failed by so far, counted by kind. Each failure of a request is counted once, however many waited for
/// its answer.
#[derive(Debug, Default)]
pub struct FailureCounts([AtomicU64; KINDS.len()]);

/// The kinds, as operators read them.
const KINDS: [&str; 15] = [
    "timeout",
    "unreachable",
    "breaker-open",
    "busy",
    "throttled",
    "credential-refused",
    "not-connected",
    "forbidden",
    "refused",
    "failed",
    "malformed",
    "over-budget",
    "unsafe-page-link",
    "set-aside",
    "other",
];

/// The index in [`KINDS`]; `None` for what is an answer: that there is no such thing there.
const fn kind(failure: SourceFailure) -> Option<usize> {
    Some(match failure {
        SourceFailure::NotFound => return None,
        SourceFailure::Timeout => 0,
        SourceFailure::Unreachable => 1,
        SourceFailure::BreakerOpen => 2,
        SourceFailure::Busy => 3,
        SourceFailure::Throttled { .. } => 4,
        SourceFailure::CredentialRefused => 5,
        SourceFailure::NotConnected => 6,
        SourceFailure::Forbidden => 7,
        SourceFailure::Refused { .. } => 8,
        SourceFailure::Failed { .. } => 9,
        SourceFailure::Malformed => 10,
        SourceFailure::OverBudget => 11,
        SourceFailure::UnsafePageLink => 12,
        SourceFailure::SetAside => 13,
        SourceFailure::Incomplete
        | SourceFailure::Changed
        | SourceFailure::ByKindOnly
        | SourceFailure::OutOfOrder
        | SourceFailure::Stale { .. } => 14,
    })
}

impl FailureCounts {
    pub(super) fn add(&self, failure: SourceFailure) {
        if let Some(count) = kind(failure).and_then(|kind| self.0.get(kind)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every kind with how often it was met.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(&self.0).map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_kind_and_answers_are_not() {
        let counts = FailureCounts::default();
        for failure in [
            SourceFailure::Timeout,
            SourceFailure::Timeout,
            SourceFailure::Failed { status: 500 },
            SourceFailure::Failed { status: 503 },
            SourceFailure::UnsafePageLink,
            SourceFailure::NotConnected,
            SourceFailure::NotFound,
        ] {
            counts.add(failure);
        }
        let met: Vec<_> = counts.all().filter(|(_, count)| *count > 0).collect();
        assert_eq!(met, [("timeout", 2), ("not-connected", 1), ("failed", 2), ("unsafe-page-link", 1)]);
    }
}
