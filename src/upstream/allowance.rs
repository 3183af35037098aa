use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long one request waits for one source in all: the time while it waits for it counts, and not the time while it
/// waits for others. So a source that hangs takes nothing from those that are asked again after it was given up.
#[derive(Debug)]
pub(super) struct Allowance {
    /// Whatever happens, nothing is waited for beyond this: twice the time, from the start of the request.
    end: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    left: Duration,
    waiting: u32,
    since: Instant,
    /// When it was last not waited for any more.
    ended: Instant,
}

/// Something is waited for until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a Allowance);

impl Allowance {
    pub(super) fn new(time: Duration) -> Self {
        let now = Instant::now();
        Self { end: now + time * 2, state: Mutex::new(State { left: time, waiting: 0, since: now, ended: now }) }
    }

    /// Begins to wait, and says until when that may be.
    pub(super) fn wait(&self) -> (Waiting<'_>, Instant) {
        let now = Instant::now();
        let mut state = self.state();
        if state.waiting == 0 {
            state.since = now;
        }
        state.waiting = state.waiting.saturating_add(1);
        let until = (state.since + state.left).min(self.end);
        (Waiting(self), until)
    }

    /// When the source was last waited for.
    pub(super) fn ended(&self) -> Instant {
        self.state().ended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0 {
            state.ended = Instant::now();
            state.left = state.left.saturating_sub(state.ended.saturating_duration_since(state.since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(allowance: &Allowance) -> Duration {
        allowance.wait().1.saturating_duration_since(Instant::now())
    }

    #[test]
    fn r03_only_the_time_of_waiting_counts_and_at_once_counts_once() {
        let pause = |milliseconds| std::thread::sleep(Duration::from_millis(milliseconds));
        let allowance = Allowance::new(Duration::from_secs(10));
        pause(200);
        assert!(left(&allowance) > Duration::from_millis(9_950), "{:?}", left(&allowance));
        let (first, until) = allowance.wait();
        let (second, same) = allowance.wait();
        assert_eq!(until, same);
        pause(200);
        drop(first);
        pause(200);
        drop(second);
        let rest = left(&allowance);
        assert!(rest < Duration::from_millis(9_600) && rest > Duration::from_millis(8_000), "{rest:?}");
    }

    #[test]
    fn r03_nothing_is_waited_for_beyond_twice_the_time() {
        let allowance = Allowance::new(Duration::from_millis(100));
        std::thread::sleep(Duration::from_millis(150));
        assert!(left(&allowance) <= Duration::from_millis(50));
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(left(&allowance), Duration::ZERO);
    }
}
