//! Codes as they are kept and compared: by keyed hashes.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::authorization::Brake;
use crate::base::clock::Instant;
use crate::base::hash::hmac_sha256;
use crate::base::keys::{KeyUse, MasterKey};
use crate::base::secret::Secret;
use crate::identity::ActivationCode;

const HOUR: Duration = Duration::from_secs(3_600);

/// Makes hashes of codes.
#[derive(Clone, Debug)]
pub struct CodeHashes(Secret<[u8; 32]>);

impl CodeHashes {
    /// Those of this installation.
    #[must_use]
    pub fn new(master_key: &MasterKey) -> Self {
        Self(master_key.derive(KeyUse::ActivationCode))
    }

    /// The hash of an activation code.
    #[must_use]
    pub fn of(&self, code: &ActivationCode) -> [u8; 32] {
        hmac_sha256(self.0.expose(), &[b"activation", code.symbols().as_bytes()])
    }

    /// The hash of a one-time code, which is good for one claim alone.
    #[must_use]
    pub fn of_one_time(&self, claim: &str, code: &str) -> [u8; 32] {
        hmac_sha256(self.0.expose(), &[b"one-time", claim.as_bytes(), code.as_bytes()])
    }
}

/// Brakes on guessing codes (portal design, 2.2; security design, I01): for a browser, for a network, and for the whole.
#[derive(Debug)]
pub(super) struct CodeBrakes {
    browser: Brake<String>,
    network: Brake<Vec<u8>>,
    everybody: Brake<()>,
    /// When staff were last told that the last one held, in microseconds.
    told: AtomicI64,
}

/// Whose brake held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// One browser's or network's.
    One,
    /// That of all together: somebody guesses from many places.
    All,
}

impl CodeBrakes {
    pub(super) fn new(per_hour: u32) -> Self {
        Self {
            browser: Brake::new(10, HOUR / 10),
            network: Brake::new(30, HOUR / 30),
            everybody: Brake::new(per_hour, HOUR / per_hour.max(1)),
            told: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether nobody was told within the last hour; from now on somebody was.
    pub(super) fn is_first_in_an_hour(&self, now: Instant) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        told <= now.minus(HOUR).micros()
            && self.told.compare_exchange(told, now.micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether another try may be made.
    pub(super) fn pass(&self, browser: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Held> {
        let is_one = self.browser.passes(browser.to_owned(), now) && self.network.passes(network(address), now);
        if !is_one {
            return Err(Held::One);
        }
        if self.everybody.passes((), now) { Ok(()) } else { Err(Held::All) }
    }
}

/// The network that an address is counted with: /24, or /56 of IPv6, which one customer has to hand out.
pub(super) fn network(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(v4)) => v4.octets().iter().take(3).copied().collect(),
        Some(IpAddr::V6(v6)) => v6.octets().iter().take(7).copied().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i01_guesses_are_held_for_a_browser_a_network_and_the_whole() {
        let at = |minutes: i64| Instant::from_micros(minutes * 60_000_000);
        let address = |text: &str| Some(text.parse().unwrap());
        let brakes = CodeBrakes::new(100);
        let tries = |browser: &str, from, n: usize, now| {
            (0..n).filter(|_| brakes.pass(browser, address(from), now).is_ok()).count()
        };
        assert_eq!(tries("a", "192.0.2.1", 20, at(0)), 10, "one browser, ten in an hour");
        assert_eq!(tries("a", "198.51.100.9", 20, at(0)), 0, "wherever it comes from");
        let from_one_network =
            (0..60).filter(|n| brakes.pass(&n.to_string(), address(&format!("203.0.113.{n}")), at(0)).is_ok()).count();
        assert_eq!(from_one_network, 30, "one network, thirty in an hour");
        assert_eq!(tries("a", "192.0.2.1", 20, at(6)), 1, "one comes back every six minutes");
        let from_everywhere =
            (0..250).filter(|n| brakes.pass(&format!("b{n}"), address(&format!("10.0.{n}.1")), at(6)).is_ok()).count();
        assert!((55..=75).contains(&from_everywhere), "{from_everywhere} of the hundred that an hour has");
        assert_eq!(brakes.pass("c", address("2001:db8::1"), at(6)), Err(Held::All));
        assert_eq!(network(address("2001:db8:0:12::1")), network(address("2001:db8:0:34::9")));
        assert_ne!(network(address("2001:db8:0:112::1")), network(address("2001:db8:0:212::9")));
    }
}
