use std::time::Duration;

use crate::base::clock::Instant;

/// How often fresh tokens were refused of late: a resource server that takes none must not make its authorization server
/// give out one for each request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusals {
    since: Option<Instant>,
    times: u32,
}

/// Tokens that are asked for in place of refused ones, within [`WINDOW`].
const REPLACED_AT_MOST: u32 = 3;
const WINDOW: Duration = Duration::from_secs(60);

impl Refusals {
    /// Counts a refusal; whether another token may be asked for in its place.
    pub fn may_replace(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now < since || now.since(since) >= WINDOW) {
            *self = Self { since: Some(now), times: 0 };
        }
        self.times = self.times.saturating_add(1);
        self.times <= REPLACED_AT_MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r14_three_tokens_a_minute_are_replaced_at_most() {
        let mut refusals = Refusals::default();
        let at = |seconds| Instant::from_micros(1_000_000_000).plus(Duration::from_secs(seconds));
        for (second, may) in [(0, true), (1, true), (2, true), (3, false), (59, false), (60, true), (61, true)] {
            assert_eq!(refusals.may_replace(at(second)), may, "{second}");
        }
        assert!(refusals.may_replace(at(30)), "a clock that was set back begins anew");
    }
}
