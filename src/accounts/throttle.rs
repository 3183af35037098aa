//! Brakes on guessing: per account name and per address, in memory.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::base::clock::Instant;

/// Tries of one account name before it has to wait.
const FREE_FOR_NAME: u32 = 5;
/// Tries from one address before it has to wait: a household or a clinic may share one.
const FREE_FOR_ADDRESS: u32 = 50;
/// The first wait of a name, and the longest; each try after it doubles it.
const NAME_WAITS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3_600));
/// The same for an address, behind which others may sit who did nothing.
const ADDRESS_WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15 * 60));
/// Counters kept at most: enough that pushing one out takes more tries than waiting for it.
const COUNTERS: u64 = 200_000;
/// Counters are forgotten when nobody tried for this long.
const FORGET_AFTER: Duration = Duration::from_secs(4 * 3_600);

/// Too many tries: come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts")]
pub struct Throttled {
    /// How long to wait.
    pub wait: Duration,
    /// Whether this is the first to be told during this wait.
    pub first: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Address(Option<IpAddr>),
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    tries: u32,
    not_before: Option<Instant>,
    told: bool,
}

/// The address that tries are counted against: of IPv6 the network of one link (/64), whose addresses one machine takes as
/// it likes.
fn counted(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    })
}

/// Counts tries to sign in.
#[derive(Debug)]
pub struct Throttle {
    counts: Cache<Key, Count>,
    // Reading and moving a counter on is one step: parallel guesses count one by one.
    step: Mutex<()>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            counts: Cache::builder().max_capacity(COUNTERS).time_to_idle(FORGET_AFTER).build(),
            step: Mutex::new(()),
        }
    }
}

impl Throttle {
    /// Counts a try before it is made. An empty name counts for its address alone.
    ///
    /// # Errors
    /// [`Throttled`] when the name or the address must wait; then nothing is counted.
    pub fn attempt(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Throttled> {
        let of_name = (Key::Name(name.to_owned()), FREE_FOR_NAME, NAME_WAITS);
        let of_address = (Key::Address(counted(address)), FREE_FOR_ADDRESS, ADDRESS_WAITS);
        if name.is_empty() { self.count([of_address], now) } else { self.count([of_name, of_address], now) }
    }

    /// The same for a name alone, wherever it comes from.
    ///
    /// # Errors
    /// [`Throttled`].
    pub fn attempt_name(&self, name: &str, now: Instant) -> Result<(), Throttled> {
        self.count([(Key::Name(name.to_owned()), FREE_FOR_NAME, NAME_WAITS)], now)
    }

    fn count<const N: usize>(
        &self,
        keys: [(Key, u32, (Duration, Duration)); N],
        now: Instant,
    ) -> Result<(), Throttled> {
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = keys.map(|(key, free, waits)| {
            let count = self.counts.get(&key).unwrap_or_default();
            (key, (free, waits), count)
        });
        for (key, _, count) in &counts {
            if let Some(until) = count.not_before.filter(|until| now < *until) {
                let first = !count.told;
                if first {
                    self.counts.insert(key.clone(), Count { told: true, ..*count });
                }
                return Err(Throttled { wait: until.since(now), first });
            }
        }
        for (key, (free, (first, longest)), count) in counts {
            let tries = count.tries.saturating_add(1);
            let not_before = tries.checked_sub(free).map(|over| {
                let wait = first.saturating_mul(1_u32.checked_shl(over.min(20)).unwrap_or(u32::MAX));
                now.plus(wait.min(longest))
            });
            self.counts.insert(key, Count { tries, not_before, told: false });
        }
        Ok(())
    }

    /// Forgets the tries for a name that was proven. The address keeps its count less this one: one good account must
    /// not buy guesses at others.
    pub fn proven(&self, name: &str, address: Option<IpAddr>) {
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        self.counts.invalidate(&Key::Name(name.to_owned()));
        let key = Key::Address(counted(address));
        if let Some(count) = self.counts.get(&key) {
            let tries = count.tries.saturating_sub(1);
            let not_before = count.not_before.filter(|_| tries >= FREE_FOR_ADDRESS);
            self.counts.insert(key, Count { tries, not_before, told: count.told });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(0).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_name_waits_longer_each_time_up_to_an_hour() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.attempt("ann", HOME, at(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
            for first in [true, false, false] {
                let throttled = Throttled { wait: Duration::from_secs(wait), first };
                assert_eq!(throttle.attempt("ann", HOME, at(now)), Err(throttled));
            }
            now += wait;
            assert_eq!(throttle.attempt("ann", None, at(now)), Ok(()), "after {wait} s");
        }
        assert_eq!(throttle.attempt("bob", HOME, at(0)), Ok(()), "another name is free");
    }

    #[test]
    fn an_address_waits_whatever_the_names_and_a_good_account_buys_nothing() {
        let throttle = Throttle::default();
        for n in 0..50 {
            assert_eq!(throttle.attempt(&format!("name{n}"), HOME, at(0)), Ok(()));
            if n % 10 == 0 {
                assert_eq!(throttle.attempt("mine", HOME, at(0)), Ok(()));
                throttle.proven("mine", HOME);
            }
        }
        assert!(throttle.attempt("other", HOME, at(0)).is_err());
        assert_eq!(throttle.attempt("other", None, at(0)), Ok(()), "another address is free");
    }

    /// Rule: who has one /64 has all its addresses, and is one address.
    #[test]
    fn i12_the_addresses_of_one_link_are_one() {
        let throttle = Throttle::default();
        let from = |n: u32| Some(format!("2001:db8:0:1::{n:x}").parse().unwrap());
        let free = (0..200).filter(|n| throttle.attempt(&format!("name{n}"), from(*n), at(0)).is_ok()).count();
        assert_eq!(free, 50);
        let elsewhere = Some("2001:db8:0:2::1".parse().unwrap());
        assert_eq!(throttle.attempt("other", elsewhere, at(0)), Ok(()), "another link is free");
    }

    #[test]
    fn a_proven_name_starts_anew() {
        let throttle = Throttle::default();
        for _ in 0..20 {
            assert_eq!(throttle.attempt("ann", HOME, at(0)), Ok(()));
            throttle.proven("ann", HOME);
        }
    }
}
