use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::Instant;

/// Leaves a failing source alone for a while, then lets one request try (half-open).
///
/// It opens after so many failures in a row, or when half of the requests within [`WINDOW`] failed, if they are at least
/// four times as many. Each try that fails doubles the pause, up to the longest. What counts as a failure:
///
/// - no answer in time, or no connection: always. It is the source, not the resource, and each costs a place and the
///   deadline.
/// - a 5xx: once for each URL until something succeeds. A server that answers 500 lives; that one chart or one
///   resource breaks it, however often it is asked for, says nothing of the others.
/// - an answer that cannot be used (no FHIR, another resource, too long, refused): never. It came in time, so nothing is
///   gained by not asking.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    threshold: u32,
    first_pause: Duration,
    longest_pause: Duration,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// The pause is over: the next request tries.
    HalfOpen,
    /// Requests are refused at once.
    Open,
}

#[derive(Debug)]
enum State {
    Closed(Tally),
    Open { until: Instant, pause: Duration, trying: bool },
}

/// What happened since the last success, and in the current window.
#[derive(Debug, Default)]
struct Tally {
    in_a_row: u32,
    failed_urls: Vec<u64>,
    window_start: Option<Instant>,
    calls: u32,
    failures: u32,
}

/// How long calls are counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// What a request taught about its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// It answers.
    Answered,
    /// It answered, but with nothing that could be used.
    Unusable,
    /// It failed at this one URL, given by a hash.
    FailedAt(u64),
    /// It gave no answer at all.
    Silent,
}

/// The right to send one request. Dropped without a lesson (the caller hung up), it leaves the breaker as it was.
#[derive(Debug)]
pub(super) struct Admission<'b> {
    breaker: &'b Breaker,
    is_try: bool,
    is_open: bool,
}

impl Breaker {
    pub(super) fn new(threshold: u32, first_pause: Duration, longest_pause: Duration) -> Self {
        Self {
            state: Mutex::new(State::Closed(Tally::default())),
            threshold,
            first_pause,
            longest_pause: longest_pause.max(first_pause),
        }
    }

    /// Whether it would let nothing through: to be asked before one queues for a place.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        match &*self.state() {
            State::Closed(_) => false,
            State::Open { until, trying, .. } => *trying || self.is_before(now, *until),
        }
    }

    /// How it stands, without changing it.
    pub(super) fn stands(&self, now: Instant) -> BreakerState {
        match &*self.state() {
            State::Closed(_) => BreakerState::Closed,
            State::Open { until, trying, .. } if *trying || !self.is_before(now, *until) => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// The right to send one request; while open, only when the pause is over and nobody else tries.
    pub(super) fn admit(&self, now: Instant) -> Option<Admission<'_>> {
        let is_try = match &mut *self.state() {
            State::Closed(_) => false,
            State::Open { until, trying, .. } => {
                if *trying || self.is_before(now, *until) {
                    return None;
                }
                *trying = true;
                true
            }
        };
        Some(Admission { breaker: self, is_try, is_open: true })
    }

    /// A pause that ends later than any pause can is one from before the clock was set back: it is over.
    fn is_before(&self, now: Instant, until: Instant) -> bool {
        now < until && until.since(now) <= self.longest_pause
    }

    fn learn(&self, lesson: Lesson, is_try: bool, now: Instant) {
        let mut state = self.state();
        match (&mut *state, lesson) {
            (State::Closed(tally), Lesson::Answered) => tally.answered(now),
            (State::Closed(_), Lesson::Unusable) => {}
            (State::Closed(tally), Lesson::FailedAt(_) | Lesson::Silent) => {
                let enough = self.threshold.saturating_mul(4);
                if tally.failed(lesson, now) >= self.threshold || tally.is_half_failing(enough) {
                    let until = now.plus(self.first_pause);
                    *state = State::Open { until, pause: self.first_pause, trying: false };
                }
            }
            // What was sent before it opened tells nothing of now; only the one that tries does.
            (State::Open { .. }, _) if !is_try => {}
            (State::Open { .. }, Lesson::Answered | Lesson::Unusable) => *state = State::Closed(Tally::default()),
            (State::Open { until, pause, trying }, Lesson::FailedAt(_) | Lesson::Silent) => {
                *pause = pause.saturating_mul(2).min(self.longest_pause);
                *until = now.plus(*pause);
                *trying = false;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// Whether it is the one request that tries whether the source is back.
    pub(super) const fn is_try(&self) -> bool {
        self.is_try
    }

    pub(super) fn teach(mut self, lesson: Lesson, now: Instant) {
        self.is_open = false;
        self.breaker.learn(lesson, self.is_try, now);
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.is_open
            && self.is_try
            && let State::Open { trying, .. } = &mut *self.breaker.state()
        {
            *trying = false;
        }
    }
}

impl Tally {
    fn answered(&mut self, now: Instant) {
        self.in_a_row = 0;
        self.failed_urls.clear();
        self.count(now);
    }

    /// How many failures in a row count now.
    fn failed(&mut self, lesson: Lesson, now: Instant) -> u32 {
        match lesson {
            Lesson::FailedAt(url) if self.failed_urls.contains(&url) => return self.in_a_row,
            Lesson::FailedAt(url) => self.failed_urls.push(url),
            _ => {}
        }
        self.count(now);
        self.failures = self.failures.saturating_add(1);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_a_row
    }

    fn count(&mut self, now: Instant) {
        if self.window_start.is_none_or(|start| now.since(start) >= WINDOW || now < start) {
            (self.window_start, self.calls, self.failures) = (Some(now), 0, 0);
        }
        self.calls = self.calls.saturating_add(1);
    }

    const fn is_half_failing(&self, enough: u32) -> bool {
        self.calls >= enough && self.failures.saturating_mul(2) >= self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1_000_000_000);

    fn breaker() -> Breaker {
        Breaker::new(3, Duration::from_secs(1), Duration::from_secs(8))
    }

    fn at(seconds: u64) -> Instant {
        START.plus(Duration::from_secs(seconds))
    }

    fn meet(breaker: &Breaker, lesson: Lesson, now: Instant) {
        breaker.admit(now).expect("closed").teach(lesson, now);
    }

    #[test]
    fn r02_opens_after_the_threshold_and_tries_once_after_a_pause_that_doubles() {
        let breaker = breaker();
        for _ in 0..3 {
            meet(&breaker, Lesson::Silent, at(0));
        }
        assert!(breaker.is_open(at(0)) && breaker.admit(at(0)).is_none());
        assert_eq!([breaker.stands(at(0)), breaker.stands(at(1))], [BreakerState::Open, BreakerState::HalfOpen]);
        // Pauses of 1, 2, 4, 8, 8 seconds.
        for (tried, again) in [(1, 3), (3, 7), (7, 15), (15, 23)] {
            let probe = breaker.admit(at(tried)).expect("the pause is over");
            assert!(breaker.is_open(at(tried)) && breaker.admit(at(tried)).is_none(), "only one tries");
            probe.teach(Lesson::Silent, at(tried));
            assert!(breaker.is_open(at(again - 1)), "{tried}");
        }
        meet(&breaker, Lesson::Answered, at(23));
        assert!(!breaker.is_open(at(23)));
        assert_eq!(breaker.stands(at(23)), BreakerState::Closed);
        meet(&breaker, Lesson::Silent, at(23));
        assert!(!breaker.is_open(at(23)), "what was before is forgotten");
    }

    #[test]
    fn a_try_whose_caller_hung_up_is_left_to_the_next() {
        let breaker = breaker();
        for _ in 0..3 {
            meet(&breaker, Lesson::Silent, at(0));
        }
        drop(breaker.admit(at(1)).expect("the pause is over"));
        assert!(breaker.admit(at(1)).is_some());
    }

    #[test]
    fn answers_to_what_was_sent_before_it_opened_do_not_close_it() {
        let breaker = breaker();
        let early = breaker.admit(at(0)).expect("closed");
        for _ in 0..3 {
            meet(&breaker, Lesson::Silent, at(0));
        }
        early.teach(Lesson::Answered, at(0));
        assert!(breaker.is_open(at(0)));
    }

    #[test]
    fn one_resource_that_cannot_be_read_does_not_open_it() {
        let breaker = breaker();
        for second in 0..100 {
            meet(&breaker, Lesson::Unusable, at(second));
            meet(&breaker, Lesson::FailedAt(7), at(second));
        }
        assert!(!breaker.is_open(at(100)));
        meet(&breaker, Lesson::FailedAt(8), at(100));
        meet(&breaker, Lesson::FailedAt(9), at(100));
        assert!(breaker.is_open(at(100)), "three resources in a row are the server");
    }

    #[test]
    fn an_unusable_answer_neither_counts_nor_ends_a_row_but_ends_a_pause() {
        let breaker = breaker();
        for lesson in [Lesson::Silent, Lesson::Unusable, Lesson::Silent, Lesson::Unusable, Lesson::Silent] {
            meet(&breaker, lesson, at(0));
        }
        assert!(breaker.is_open(at(0)));
        meet(&breaker, Lesson::Unusable, at(1));
        assert!(!breaker.is_open(at(1)));
    }

    #[test]
    fn r05_half_of_the_calls_within_ten_seconds_open_it_and_a_third_does_not() {
        let run = |pattern: &[Lesson]| {
            let breaker = Breaker::new(5, Duration::from_secs(1), Duration::from_secs(8));
            for (number, lesson) in pattern.iter().cycle().take(120).enumerate() {
                let now = START.plus(Duration::from_millis(200 * u64::try_from(number).unwrap()));
                let Some(admission) = breaker.admit(now) else { return true };
                admission.teach(*lesson, now);
            }
            false
        };
        assert!(run(&[Lesson::Silent, Lesson::Answered]));
        assert!(!run(&[Lesson::Silent, Lesson::Answered, Lesson::Answered]));
    }

    #[test]
    fn r16_a_clock_that_is_set_back_does_not_prolong_a_pause() {
        let breaker = breaker();
        for _ in 0..3 {
            meet(&breaker, Lesson::Silent, at(3_600));
        }
        assert!(breaker.is_open(at(3_600)));
        assert!(!breaker.is_open(at(0)));
    }
}
