//! Brakes on what costs others: so many at once, so many in a time, for each who asks. In memory, within bounds.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::base::clock::Instant;

/// Who is remembered at most.
const MOST: u64 = 50_000;

/// A bucket for each key: it holds `burst`, and one comes back every `each`.
#[derive(Debug)]
pub(crate) struct Brake<K: Hash + Eq + Send + Sync + 'static> {
    burst: u32,
    each: Duration,
    /// When the bucket is full again.
    full_at: Cache<K, Instant>,
    // Reading and moving a bucket on is one step.
    step: Mutex<()>,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Brake<K> {
    pub(crate) fn new(burst: u32, each: Duration) -> Self {
        let whole = each.saturating_mul(burst);
        let full_at = Cache::builder().max_capacity(MOST).time_to_idle(whole).build();
        Self { burst, each, full_at, step: Mutex::new(()) }
    }

    /// Takes one out; false when there is none.
    pub(crate) fn passes(&self, key: K, now: Instant) -> bool {
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = self.full_at.get(&key).unwrap_or(now).max(now).plus(self.each);
        if full_at.since(now) > self.each.saturating_mul(self.burst) {
            return false;
        }
        self.full_at.insert(key, full_at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_at_a_time_and_each_for_itself() {
        let brake = Brake::new(3, Duration::from_secs(10));
        let at = |seconds: i64| Instant::from_micros(seconds * 1_000_000);
        let taken = |key, seconds, times: usize| (0..times).filter(|_| brake.passes(key, at(seconds))).count();
        assert_eq!(taken("a", 0, 10), 3);
        assert_eq!(taken("b", 0, 10), 3);
        assert_eq!(taken("a", 9, 10), 0);
        assert_eq!(taken("a", 10, 10), 1);
        assert_eq!(taken("a", 40, 10), 3);
    }
}
