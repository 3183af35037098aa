use std::sync::atomic::{AtomicI64, Ordering};

/// How many requests to one source may be sent a second time: a share of those sent once. When everything fails, a
/// failing source gets that share more, not twice as much.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// In hundredths of a retry.
    saved: AtomicI64,
    percent: i64,
}

/// What can be saved, in hundredths: a source that is asked seldom may still be asked again.
const MOST: i64 = 10 * 100;

impl RetryBudget {
    /// `percent` retries for each hundred requests; none at all with 0.
    pub(super) fn new(percent: u8) -> Self {
        let percent = i64::from(percent);
        Self { saved: AtomicI64::new(if percent == 0 { 0 } else { MOST }), percent }
    }

    /// One request is sent for the first time.
    pub(super) fn earn(&self) {
        if self.saved.load(Ordering::Relaxed) < MOST {
            self.saved.fetch_add(self.percent, Ordering::Relaxed);
        }
    }

    /// Whether one may be sent again; if so, it is paid for.
    pub(super) fn spend(&self) -> bool {
        let paid = |saved: i64| (saved >= 100).then(|| saved - 100);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r05_retries_are_a_tenth_of_requests_when_all_fail() {
        let budget = RetryBudget::new(10);
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.earn();
            retries += u32::from(budget.spend());
        }
        assert!((100..=110).contains(&retries), "{retries}");
        // What was not needed is saved, but not for ever.
        for _ in 0..100_000 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn none_is_none() {
        let budget = RetryBudget::new(0);
        budget.earn();
        assert!(!budget.spend());
    }
}
