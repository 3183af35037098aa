//! How much may be asked of sources within a minute, by one person through one app and by one app in all (security
//! design, U29). Counted are the calls that a request caused, so that one for everything costs what it costs.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::access::Subject;
use crate::base::clock::Instant;
use crate::config::Limits;

/// Buckets of one kind. Those that have run empty make room for others; who finds none shares one, so that memory has an
/// end: about 5 MB for each kind.
const BUCKETS: usize = 100_000;
/// The bucket that is shared.
const SHARED: u64 = 0;
/// One call, as buckets count: a minute's microseconds, so that what runs out within one is a whole number.
const CALL: u64 = 60_000_000;

/// What everybody asked of late.
#[derive(Debug)]
pub(super) struct Rates {
    /// Of one person through one app: an app that asks too much must not take the person's other apps along.
    of_user: Buckets,
    of_client: Buckets,
    hasher: RandomState,
}

/// Too much was asked: when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) retry_after: Duration,
    /// Whether this is the first to be told so since something was allowed.
    pub(super) is_first: bool,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            of_user: Buckets::new(limits.user_calls_per_minute),
            of_client: Buckets::new(limits.client_calls_per_minute),
            hasher: RandomState::new(),
        }
    }

    /// Counts one call before anything is done for it.
    pub(super) fn take(&self, subject: &Subject, now: Instant) -> Result<(), Exceeded> {
        let (user, client) = self.keys(subject);
        if let Some(user) = user {
            self.of_user.check(user, now)?;
        }
        self.of_client.check(client, now)?;
        // Those who ask at the same moment may pass together: each is counted.
        if let Some(user) = user {
            self.of_user.add(user, 1, now);
        }
        self.of_client.add(client, 1, now);
        Ok(())
    }

    /// Counts what a request caused in all: its first call is counted already. What goes beyond the minute's number is
    /// waited for by the requests after it.
    pub(super) fn settle(&self, subject: &Subject, calls: u32, now: Instant) {
        let more = calls.saturating_sub(1);
        if more > 0 {
            let (user, client) = self.keys(subject);
            if let Some(user) = user {
                self.of_user.add(user, more, now);
            }
            self.of_client.add(client, more, now);
        }
    }

    /// A backend service is nobody's app: what it asks counts for it alone.
    fn keys(&self, subject: &Subject) -> (Option<u64>, u64) {
        let user = subject.account().map(|account| self.key((account, &subject.client)));
        // Our own pages are no app: what one person reads there keeps nobody else from theirs.
        let client = user.filter(|_| subject.is_own_pages()).unwrap_or_else(|| self.key(&subject.client));
        (user, client)
    }

    fn key(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of).max(SHARED + 1)
    }
}

/// So many calls within a minute, all at once or one after the other, for each key.
#[derive(Debug)]
struct Buckets {
    /// 0 is no limit.
    per_minute: u64,
    by_key: Mutex<HashMap<u64, Bucket>>,
}

/// What was asked and has not run out yet: a minute's calls run out within a minute.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    at: Instant,
    told: bool,
}

impl Buckets {
    fn new(per_minute: u32) -> Self {
        Self { per_minute: u64::from(per_minute), by_key: Mutex::default() }
    }

    fn check(&self, key: u64, now: Instant) -> Result<(), Exceeded> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let key = place(&by_key, key);
        let Some(bucket) = by_key.get_mut(&key) else { return Ok(()) };
        self.leak(bucket, now);
        let over = bucket.level.saturating_add(CALL).saturating_sub(self.per_minute.saturating_mul(CALL));
        if over == 0 {
            bucket.told = false;
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut bucket.told, true);
        Err(Exceeded { retry_after: Duration::from_micros(over.div_ceil(self.per_minute)), is_first })
    }

    fn add(&self, key: u64, calls: u32, now: Instant) {
        if self.per_minute == 0 {
            return;
        }
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if place(&by_key, key) == SHARED {
            by_key.retain(|_, bucket| {
                self.leak(bucket, now);
                bucket.level > 0
            });
        }
        let key = place(&by_key, key);
        let bucket = by_key.entry(key).or_insert(Bucket { level: 0, at: now, told: false });
        self.leak(bucket, now);
        bucket.level = bucket.level.saturating_add(u64::from(calls).saturating_mul(CALL));
    }

    /// Lets run out what has run out by `now`.
    fn leak(&self, bucket: &mut Bucket, now: Instant) {
        let elapsed = u64::try_from(now.since(bucket.at).as_micros()).unwrap_or(u64::MAX);
        bucket.level = bucket.level.saturating_sub(elapsed.saturating_mul(self.per_minute));
        bucket.at = bucket.at.max(now);
    }
}

/// The key under which this one is counted.
fn place(by_key: &HashMap<u64, Bucket>, key: u64) -> u64 {
    if by_key.len() < BUCKETS || by_key.contains_key(&key) { key } else { SHARED }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_789_477_200_000_000);

    fn at(milliseconds: u64) -> Instant {
        NOW.plus(Duration::from_millis(milliseconds))
    }

    fn take(buckets: &Buckets, key: u64, now: Instant) -> Result<(), Duration> {
        buckets.check(key, now).map_err(|exceeded| exceeded.retry_after)?;
        buckets.add(key, 1, now);
        Ok(())
    }

    #[test]
    fn u29_a_minutes_calls_may_come_at_once_and_then_one_by_one() {
        let buckets = Buckets::new(120);
        for _ in 0..120 {
            assert_eq!(take(&buckets, 7, NOW), Ok(()));
        }
        // Two in a second: the next fits after half of one.
        assert_eq!(take(&buckets, 7, NOW), Err(Duration::from_millis(500)));
        assert_eq!(take(&buckets, 7, at(499)), Err(Duration::from_millis(1)));
        assert_eq!(take(&buckets, 7, at(500)), Ok(()));
        assert_eq!(take(&buckets, 7, at(500)), Err(Duration::from_millis(500)));
        assert_eq!(take(&buckets, 8, NOW), Ok(()), "others are free");
        // Over a long time no more than so many get through, however often is asked.
        let passed = (0..600_000).step_by(10).filter(|ms| take(&buckets, 9, at(*ms)).is_ok()).count();
        assert!((1_310..=1_320).contains(&passed), "{passed}");
    }

    #[test]
    fn u29_what_a_request_caused_is_waited_for_by_the_next() {
        let buckets = Buckets::new(60);
        assert_eq!(take(&buckets, 7, NOW), Ok(()));
        buckets.add(7, 99, NOW);
        assert_eq!(take(&buckets, 7, NOW), Err(Duration::from_secs(41)));
        assert_eq!(take(&buckets, 7, at(41_000)), Ok(()));
    }

    #[test]
    fn u29_only_the_first_of_those_who_have_to_wait_is_told_apart() {
        let buckets = Buckets::new(1);
        buckets.add(7, 1, NOW);
        let first = |now| buckets.check(7, now).unwrap_err().is_first;
        assert_eq!([first(NOW), first(NOW), first(at(59_000))], [true, false, false]);
        assert_eq!(take(&buckets, 7, at(60_000)), Ok(()));
        assert_eq!([first(at(60_000)), first(at(60_001))], [true, false]);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let buckets = Buckets::new(0);
        for _ in 0..1_000 {
            assert_eq!(take(&buckets, 7, NOW), Ok(()));
        }
        assert!(buckets.by_key.lock().unwrap().is_empty());
    }

    #[test]
    fn u29_memory_has_an_end_and_what_ran_out_makes_room() {
        let buckets = Buckets::new(60);
        let most = BUCKETS as u64;
        for key in 1..=most + 60 {
            assert_eq!(take(&buckets, key, NOW), Ok(()));
        }
        let held = || buckets.by_key.lock().unwrap().len();
        assert_eq!(held(), BUCKETS + 1);
        // Those who found none share one: it is full now.
        assert_eq!(take(&buckets, most + 1_000, NOW), Err(Duration::from_secs(1)));
        assert_eq!(take(&buckets, 1, NOW), Ok(()));
        // A second later nearly all have run out, and whoever comes has one of their own.
        assert_eq!(take(&buckets, most + 1_000, at(2_000)), Ok(()));
        assert!(held() < 100, "{}", held());
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_away() {
        let buckets = Buckets::new(1);
        buckets.add(7, 1, at(60_000));
        assert!(take(&buckets, 7, NOW).is_err());
        assert_eq!(take(&buckets, 7, at(120_000)), Ok(()));
    }
}
