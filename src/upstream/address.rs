//! Which addresses may be dialled (SSRF): private ones only where the operator named them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

/// Resolves names and drops every address that is not public, unless the source's configuration allows its range. When
/// the resolver fails, the addresses that it gave last serve for a while.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    private: Vec<IpNet>,
    /// What was resolved and may be dialled, by name: a source has one, and another for its token endpoint at most.
    last_good: Arc<Mutex<BTreeMap<String, Resolved>>>,
}

/// When, and to what.
type Resolved = (Instant, Vec<SocketAddr>);

/// How long addresses serve for when the resolver fails. The system's resolver does not tell what TTL they had.
const LAST_GOOD: Duration = Duration::from_secs(60);
/// A resolver that takes longer has failed.
const RESOLVER_TIMEOUT: Duration = Duration::from_secs(2);

impl Addresses {
    /// Public addresses, and private ones in `ranges` (CIDR). A range that cannot be read allows nothing.
    pub(super) fn with_private(ranges: &[String]) -> Self {
        let private = ranges.iter().filter_map(|range| range.parse().ok()).collect();
        Self { private, ..Self::default() }
    }

    /// Whether `ip` may be dialled.
    pub(super) fn allow(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_public(ip) || self.private.iter().any(|range| range.contains(&ip))
    }

    /// The addresses to dial for what the resolver said. An address that may not be dialled is an answer, not a failure:
    /// nothing stands in for it.
    fn judge(&self, name: &str, found: io::Result<Vec<SocketAddr>>, now: Instant) -> io::Result<Vec<SocketAddr>> {
        let mut last_good = self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match found {
            Ok(found) if !found.is_empty() => found,
            failed => {
                let known = last_good.get(name).filter(|(at, _)| now.saturating_duration_since(*at) < LAST_GOOD);
                return known.map_or(failed, |(_, addresses)| Ok(addresses.clone()));
            }
        };
        let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| self.allow(address.ip())).collect();
        if allowed.is_empty() {
            last_good.remove(name);
            return Err(io::Error::other("no address of this host may be dialled"));
        }
        last_good.insert(name.to_owned(), (now, allowed.clone()));
        Ok(allowed)
    }
}

impl Resolve for Addresses {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.clone();
        Box::pin(async move {
            let lookup = tokio::time::timeout(RESOLVER_TIMEOUT, tokio::net::lookup_host((name.as_str(), 0)));
            let found = match lookup.await {
                Ok(found) => found.map(Iterator::collect),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
            };
            let allowed = addresses.judge(name.as_str(), found, Instant::now())?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Neither private nor reserved for anything (IANA special-purpose registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // Global unicast is 2000::/3; 2001:db8::/32 is documentation, 2002::/16 and 64:ff9b::/96 embed IPv4.
            (first & 0xe000) == 0x2000 && !(first == 0x2001 && second == 0x0db8) && first != 0x2002
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u01_private_and_special_addresses_are_not_dialled() {
        for ip in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "2001:db8::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!Addresses::default().allow(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["93.184.216.34", "2606:2800:220:1::1"] {
            assert!(Addresses::default().allow(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn r11_u02_when_the_resolver_fails_the_last_addresses_serve_for_a_minute() {
        let addresses = Addresses::default();
        let start = Instant::now();
        let failed = || Err(io::Error::other("no answer"));
        let good: Vec<SocketAddr> = vec!["93.184.216.34:0".parse().unwrap()];
        assert!(addresses.judge("ehr.example", failed(), start).is_err());
        assert_eq!(addresses.judge("ehr.example", Ok(good.clone()), start).unwrap(), good);
        for found in [failed(), Ok(Vec::new())] {
            assert_eq!(addresses.judge("ehr.example", found, start + Duration::from_secs(59)).unwrap(), good);
        }
        assert!(addresses.judge("other.example", failed(), start).is_err());
        assert!(addresses.judge("ehr.example", failed(), start + Duration::from_secs(60)).is_err());
        // U02: a name that now leads inside is refused, and what it led to before is forgotten.
        assert_eq!(addresses.judge("ehr.example", Ok(good), start).unwrap().len(), 1);
        assert!(addresses.judge("ehr.example", Ok(vec!["127.0.0.1:0".parse().unwrap()]), start).is_err());
        assert!(addresses.judge("ehr.example", failed(), start).is_err());
    }

    #[test]
    fn u01_a_private_range_opens_for_the_source_that_names_it() {
        let addresses = Addresses::with_private(&["10.1.0.0/16".to_owned()]);
        assert!(addresses.allow("10.1.2.3".parse().unwrap()));
        assert!(!addresses.allow("10.2.0.1".parse().unwrap()));
        assert!(!Addresses::with_private(&["nonsense".to_owned()]).allow("10.1.2.3".parse().unwrap()));
    }
}
