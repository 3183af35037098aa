use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::SourceFailure;

/// What a source failed by so far, counted by kind. Each failure of a request is counted once, however many waited for
/// its answer.
#[derive(Debug, Default)]
pub struct FailureCounts([AtomicU64; KINDS.len()]);

/// The kinds, as operators read them.
const KINDS: [&str; 16] = [
    "timeout",
    "unreachable",
    "untrusted",
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
        SourceFailure::Untrusted => 2,
        SourceFailure::BreakerOpen => 3,
        SourceFailure::Busy => 4,
        SourceFailure::Throttled { .. } => 5,
        SourceFailure::CredentialRefused => 6,
        SourceFailure::NotConnected => 7,
        SourceFailure::Forbidden => 8,
        SourceFailure::Refused { .. } => 9,
        SourceFailure::Failed { .. } => 10,
        SourceFailure::Malformed => 11,
        SourceFailure::OverBudget => 12,
        SourceFailure::UnsafePageLink => 13,
        SourceFailure::SetAside => 14,
        SourceFailure::Incomplete
        | SourceFailure::Changed
        | SourceFailure::ByKindOnly
        | SourceFailure::OutOfOrder
        | SourceFailure::Stale { .. } => 15,
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
