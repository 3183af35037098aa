//! Who waits for whom before a password is checked. A check takes a good part of a processor, and few run at a time: whoever
//! guesses by the thousand, from wherever, must not keep people out (security design, I12). What is known of the network
//! alone decides: the name must not, or the wait would tell who is known here.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::activation::network;

/// Networks that are remembered at most.
const NETWORKS: u64 = 200_000;
/// A network from which nobody tried for so long is new again.
const FORGET_AFTER: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Tries that may come to nothing, or be under way, from a network where people are at home.
const AT_HOME: u32 = 4;

/// The way to a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Somebody signed in from this network lately: of several checks that may run, one is for these alone.
    Home,
    /// Nobody tried from there before.
    New,
    /// Tries from there came to nothing: they take the room that is left by all others.
    Doubted,
}

#[derive(Clone, Copy, Debug, Default)]
struct Network {
    /// Somebody signed in from there.
    is_home: bool,
    /// Tries that came to nothing, or to no end yet. One that succeeds makes up for another one.
    open: u32,
}

/// What became of the tries of each network.
#[derive(Debug)]
pub(super) struct Lanes {
    networks: Cache<Vec<u8>, Network>,
    // Reading and changing a network is one step: of parallel guesses one alone is new.
    step: Mutex<()>,
}

impl Default for Lanes {
    fn default() -> Self {
        let networks = Cache::builder().max_capacity(NETWORKS).time_to_idle(FORGET_AFTER).build();
        Self { networks, step: Mutex::new(()) }
    }
}

impl Lanes {
    /// The lane of one more try.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Lane {
        self.change(address, |known| known.open = known.open.saturating_add(1))
    }

    /// That try had the right password.
    pub(super) fn proven(&self, address: Option<IpAddr>) {
        self.change(address, |known| *known = Network { is_home: true, open: known.open.saturating_sub(2) });
    }

    fn change(&self, address: Option<IpAddr>, change: impl FnOnce(&mut Network)) -> Lane {
        let _step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(address);
        let mut known = self.networks.get(&key).unwrap_or_default();
        change(&mut known);
        self.networks.insert(key, known);
        match known {
            Network { is_home: true, open: ..=AT_HOME } => Lane::Home,
            Network { is_home: false, open: ..=1 } => Lane::New,
            _ => Lane::Doubted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn i12_whoever_signed_in_goes_before_whoever_is_new_and_guesses_go_last() {
        let lanes = Lanes::default();
        assert_eq!(lanes.enter(from("192.0.2.1")), Lane::New);
        assert_eq!(lanes.enter(from("192.0.2.1")), Lane::Doubted, "while the first is under way");
        assert_eq!(lanes.enter(from("192.0.2.77")), Lane::Doubted, "one network");
        assert_eq!(lanes.enter(from("198.51.100.1")), Lane::New, "another one");
        lanes.proven(from("198.51.100.1"));
        for _ in 0..4 {
            assert_eq!(lanes.enter(from("198.51.100.1")), Lane::Home);
        }
        assert_eq!(lanes.enter(from("198.51.100.1")), Lane::Doubted, "too many that came to nothing");
        lanes.proven(from("198.51.100.1"));
        assert_eq!(lanes.enter(from("198.51.100.1")), Lane::Home, "a success makes up for another one");
        assert_eq!(lanes.enter(from("2001:db8:0:12::1")), Lane::New);
        assert_eq!(lanes.enter(from("2001:db8:0:34::9")), Lane::Doubted, "one customer's addresses are one network");
    }
}
