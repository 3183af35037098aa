use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use crate::base::clock::Instant;

/// Leaves a failing source alone for a while, then lets one request try.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: AtomicU32,
    open_until: AtomicI64,
    threshold: u32,
    open_for: Duration,
}

impl Breaker {
    pub(super) const fn new(threshold: u32, open_for: Duration) -> Self {
        Self { failures: AtomicU32::new(0), open_until: AtomicI64::new(i64::MIN), threshold, open_for }
    }

    /// Whether a request may go out. When the pause is over, only the caller that moves it on gets through.
    pub(super) fn admits(&self, now: Instant) -> bool {
        if self.failures.load(Ordering::Relaxed) < self.threshold {
            return true;
        }
        let until = self.open_until.load(Ordering::Relaxed);
        let next = now.plus(self.open_for).micros();
        now.micros() >= until
            && self.open_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, now: Instant) {
        if self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= self.threshold {
            self.open_until.store(now.plus(self.open_for).micros(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_the_threshold_and_lets_one_through_after_the_pause() {
        let breaker = Breaker::new(3, Duration::from_secs(5));
        let start = Instant::from_micros(1_000_000_000);
        for _ in 0..3 {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(!breaker.admits(start.plus(Duration::from_secs(4))));
        let later = start.plus(Duration::from_secs(5));
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "only one request tries a source that was failing");
        breaker.succeeded();
        assert!(breaker.admits(later));
    }
}
