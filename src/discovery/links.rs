//! Our interfaces: which carry multicast, and which addresses are on a link with us.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::interfaces;
use crate::model::Prefix;

/// One interface that is up, other than loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    /// Its number.
    pub(super) index: u32,
    /// Whether it carries multicast.
    pub(super) multicast: bool,
    /// Our addresses on it, with the lengths of their prefixes.
    pub(super) addresses: Vec<(IpAddr, u8)>,
}

impl Link {
    /// Returns our first IPv4 address on it.
    pub(super) fn ipv4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|(address, _)| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }
}

/// All interfaces that are up, other than loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Links(pub(super) Vec<Link>);

impl Links {
    /// Asks the kernel; none where it does not tell.
    pub(super) fn read() -> Links {
        let mut found: BTreeMap<String, Link> = BTreeMap::new();
        for listed in interfaces::list().into_iter().flatten() {
            let up = InterfaceFlags::IFF_UP;
            if !listed.flags.contains(up) || listed.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
                continue;
            }
            let link = found.entry(listed.name).or_default();
            link.multicast = listed.flags.contains(InterfaceFlags::IFF_MULTICAST);
            link.addresses.extend(listed.address);
        }
        let numbered = found.into_iter().filter_map(|(name, link)| {
            let index = if_nametoindex(name.as_str()).ok()?;
            Some(Link { index, ..link })
        });
        Links(numbered.collect())
    }

    /// Returns whether an address is one of our own.
    pub(super) fn is_ours(&self, address: IpAddr) -> bool {
        let mut all = self.0.iter().flat_map(|link| &link.addresses);
        address.is_loopback() || all.any(|(ours, _)| *ours == address)
    }

    /// Returns whether an address is on a link of ours.
    pub(super) fn has_on_link(&self, address: IpAddr) -> bool {
        if let IpAddr::V6(v6) = address
            && v6.is_unicast_link_local()
        {
            return true;
        }
        let mut all = self.0.iter().flat_map(|link| &link.addresses);
        all.any(|&(ours, bits)| Prefix::of(ours, bits).is_some_and(|link| link.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shares_a_prefix_with_us_is_on_a_link_of_ours() {
        let at = |text: &str| text.parse::<IpAddr>().expect("an address");
        let addresses = vec![(at("192.168.7.1"), 24), (at("fd00:7::1"), 64), (at("10.9.9.9"), 32)];
        let links = Links(vec![Link { index: 2, multicast: true, addresses }]);
        for near in ["192.168.7.200", "fd00:7::abcd", "fe80::1", "10.9.9.9"] {
            assert!(links.has_on_link(at(near)), "{near}");
        }
        for far in ["192.168.8.1", "fd00:8::1", "10.9.9.8", "1.1.1.1", "::1", "127.0.0.1"] {
            assert!(!links.has_on_link(at(far)), "{far}");
        }
        assert!(links.is_ours(at("10.9.9.9")) && !links.is_ours(at("192.168.7.200")));
    }
}
