use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::base::clock::Instant;

/// A source is left alone for at most this long, whatever it says.
const LONGEST: Duration = Duration::from_secs(300);
/// And for this long when it says that it has too many requests, but not until when.
const UNSAID: Duration = Duration::from_secs(1);

/// Until when a source asked not to be asked (RFC 9110 §10.2.3).
#[derive(Debug)]
pub(super) struct RetryAfter(AtomicI64);

impl RetryAfter {
    pub(super) const fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// How long it is still to be left alone.
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        let until = Instant::from_micros(self.0.load(Ordering::Relaxed));
        let remaining = until.since(now);
        // One that is longer than any can be is from before the clock was set back.
        (!remaining.is_zero() && remaining <= LONGEST).then_some(remaining)
    }

    /// What the source said last counts.
    pub(super) fn hear(&self, said: Option<Duration>, now: Instant) {
        self.0.store(now.plus(said.unwrap_or(UNSAID).min(LONGEST)).micros(), Ordering::Relaxed);
    }
}

/// `Retry-After`: seconds, or a date, which is taken from the source's own `Date` so that no two clocks are compared.
pub(super) fn parse(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let said = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = said.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let [until, now] = [said, text(DATE)?.trim()].map(|date| jiff::fmt::rfc2822::parse(date).ok());
    Some(Duration::try_from(until?.timestamp().duration_since(now?.timestamp())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000_000);

    #[test]
    fn r06_what_was_said_holds_up_to_five_minutes() {
        let pause = RetryAfter::new();
        assert_eq!(pause.remaining(NOW), None);
        pause.hear(Some(Duration::from_secs(30)), NOW);
        assert_eq!(pause.remaining(NOW.plus(Duration::from_secs(10))), Some(Duration::from_secs(20)));
        assert_eq!(pause.remaining(NOW.plus(Duration::from_secs(30))), None);
        pause.hear(Some(Duration::from_secs(86_400)), NOW);
        assert_eq!(pause.remaining(NOW), Some(LONGEST));
        pause.hear(None, NOW);
        assert_eq!(pause.remaining(NOW), Some(UNSAID));
        pause.hear(Some(Duration::ZERO), NOW);
        assert_eq!(pause.remaining(NOW), None);
    }

    #[test]
    fn r16_a_clock_that_is_set_back_does_not_prolong_it() {
        let pause = RetryAfter::new();
        pause.hear(Some(LONGEST), NOW);
        assert_eq!(pause.remaining(Instant::from_micros(0)), None);
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let read = |retry_after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            parse(&headers)
        };
        let date = Some("Fri, 31 Dec 1999 23:58:29 GMT");
        assert_eq!(read("120", None), Some(Duration::from_secs(120)));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT", date), Some(Duration::from_secs(90)));
        assert_eq!(read("Fri, 31 Dec 1999 23:00:00 GMT", date), Some(Duration::ZERO));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT", None), None);
        assert_eq!(read("-5", date), None);
        assert_eq!(read("soon", date), None);
        assert_eq!(parse(&HeaderMap::new()), None);
    }
}
