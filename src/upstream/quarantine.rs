use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Instant;

/// How long answers are held against a source, and how long it is set aside for.
const WINDOW: Duration = Duration::from_secs(3_600);

/// Sets a source aside that hands out other people's records again and again (security design, U12). What it sends is
/// filtered all the same: this keeps a source that does not know whose records it gives away from being trusted with
/// the next question, and somebody has to look.
#[derive(Debug)]
pub(super) struct Quarantine {
    /// Answers within the window after which it is set aside; 0 never.
    most: usize,
    answers: Mutex<VecDeque<Instant>>,
    /// Microseconds since the epoch.
    until: AtomicI64,
}

impl Quarantine {
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { most, answers: Mutex::default(), until: AtomicI64::new(i64::MIN) }
    }

    /// Whether the source is not to be asked.
    pub(super) fn holds(&self, now: Instant) -> bool {
        let remaining = Instant::from_micros(self.until.load(Ordering::Acquire)).since(now);
        // One that is longer than any can be is from before the clock was set back.
        !remaining.is_zero() && remaining <= WINDOW
    }

    /// An answer held records of somebody else. True when this is the one with which the source is set aside.
    pub(super) fn hear(&self, now: Instant) -> bool {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|answer| now.since(*answer) < WINDOW);
        // Those that were under way when it was set aside change nothing.
        if self.most == 0 || self.holds(now) {
            return false;
        }
        answers.push_back(now);
        if answers.len() < self.most {
            return false;
        }
        answers.clear();
        self.until.store(now.plus(WINDOW).micros(), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(1_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn u12_three_within_an_hour_set_a_source_aside_for_an_hour() {
        let quarantine = Quarantine::new(3);
        assert!(!quarantine.hear(at(0)) && !quarantine.hear(at(1_000)) && !quarantine.holds(at(1_000)));
        assert!(quarantine.hear(at(3_599)), "the third within an hour");
        assert!(quarantine.holds(at(3_599)) && quarantine.holds(at(7_198)) && !quarantine.holds(at(7_199)));
        assert!(!quarantine.hear(at(4_000)), "one that was under way");
        // Again three, and not the ones before.
        assert!(!quarantine.hear(at(7_200)) && !quarantine.hear(at(7_201)) && quarantine.hear(at(7_202)));
    }

    #[test]
    fn u12_what_is_an_hour_old_counts_no_more_and_nothing_counts_when_it_is_off() {
        let quarantine = Quarantine::new(3);
        for hour in 0..20 {
            assert!(!quarantine.hear(at(hour * 1_800)), "two in each hour");
        }
        let off = Quarantine::new(0);
        assert!((0..100).all(|second| !off.hear(at(second))) && !off.holds(at(100)));
    }
}
