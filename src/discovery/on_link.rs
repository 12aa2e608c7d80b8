//! Which addresses are reached without a router, and by which interface.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::is_link;
use crate::model::Prefix;

/// Addresses on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) prefix: Prefix,
    pub(super) interface: u32,
}

/// Our links, as look-ups need them; replaced whole.
#[derive(Debug, Default)]
pub(super) struct OnLink {
    places: Vec<Place>,
    own: HashMap<IpAddr, HashSet<u32>>,
}

impl OnLink {
    pub(super) fn new(mut places: Vec<Place>, addresses: Vec<(IpAddr, u32)>) -> OnLink {
        places.retain(|place| is_link(place.prefix));
        // The longest prefix first.
        places.sort_by_key(|place| (std::cmp::Reverse(place.prefix.bits()), place.interface));
        places.dedup();
        let mut own: HashMap<IpAddr, HashSet<u32>> = HashMap::new();
        for (address, interface) in addresses {
            own.entry(address).or_default().insert(interface);
        }
        OnLink { places, own }
    }

    /// Returns the interface on whose link `client` is, if it is no address of ours.
    ///
    /// Of several, the one that has `local`, the address that was asked.
    pub(super) fn interface_of(&self, client: IpAddr, local: IpAddr) -> Option<u32> {
        if self.own.contains_key(&client) || client.is_multicast() || client.is_loopback() {
            return None;
        }
        let mut found = self.places.iter().filter(|place| place.prefix.contains(client));
        let first = found.next()?.interface;
        let Some(asked) = self.own.get(&local) else { return Some(first) };
        let better = std::iter::once(first).chain(found.map(|place| place.interface));
        Some(better.into_iter().find(|interface| asked.contains(interface)).unwrap_or(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn links() -> OnLink {
        let place = |prefix: &str, interface| Place {
            prefix: prefix.parse().expect("a prefix"),
            interface,
        };
        let places = vec![
            place("192.168.1.0/24", 2),
            place("10.0.0.0/7", 9),
            place("fe80::/64", 2),
            place("fe80::/64", 3),
            place("192.168.1.128/25", 4),
        ];
        let own = [("192.168.1.2", 2), ("fe80::2", 2), ("fe80::3", 3)];
        OnLink::new(places, own.map(|(text, interface)| (address(text), interface)).into())
    }

    #[test]
    fn the_interface_is_the_one_that_was_asked() {
        let links = links();
        let of = |client, local| links.interface_of(address(client), address(local));
        assert_eq!(of("fe80::99", "fe80::3"), Some(3));
        assert_eq!(of("fe80::99", "fe80::2"), Some(2));
        assert_eq!(of("fe80::99", "192.168.1.2"), Some(2));
        assert_eq!(of("192.168.1.200", "192.168.1.2"), Some(2), "asked there, so it is there");
        assert_eq!(of("192.168.1.200", "203.0.113.1"), Some(4), "the longest prefix");
    }

    #[test]
    fn our_own_addresses_and_those_behind_routers_are_on_no_link() {
        let links = links();
        for client in ["192.168.1.2", "192.168.2.9", "10.1.2.3", "127.0.0.1", "224.0.0.251"] {
            assert_eq!(links.interface_of(address(client), address("192.168.1.2")), None);
        }
    }
}
