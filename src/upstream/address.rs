//! Which addresses may be dialled (SSRF): private ones only where the operator named them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names and drops every address that is not public, unless the source's configuration allows its range.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    private: Vec<IpNet>,
}

impl Addresses {
    /// Public addresses, and private ones in `ranges` (CIDR). A range that cannot be read allows nothing.
    pub(super) fn with_private(ranges: &[String]) -> Self {
        Self { private: ranges.iter().filter_map(|range| range.parse().ok()).collect() }
    }

    /// Whether `ip` may be dialled.
    pub(super) fn allow(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_public(ip) || self.private.iter().any(|range| range.contains(&ip))
    }
}

impl Resolve for Addresses {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| addresses.allow(address.ip())).collect();
            if allowed.is_empty() {
                return Err("no address of this host may be dialled".into());
            }
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
    fn u_private_and_special_addresses_are_not_dialled() {
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
    fn a_private_range_opens_for_the_source_that_names_it() {
        let addresses = Addresses::with_private(&["10.1.0.0/16".to_owned()]);
        assert!(addresses.allow("10.1.2.3".parse().unwrap()));
        assert!(!addresses.allow("10.2.0.1".parse().unwrap()));
        assert!(!Addresses::with_private(&["nonsense".to_owned()]).allow("10.1.2.3".parse().unwrap()));
    }
}
