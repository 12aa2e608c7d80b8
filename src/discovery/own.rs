//! Our own addresses, for whoever follows them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use nix::net::if_::if_nametoindex;
use tokio::sync::watch;

use super::interfaces;
use crate::model::Prefix;

/// Shortest prefixes believed to be a link; a shorter one is a tunnel's way to say "everything".
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 32;

/// An address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OwnAddress {
    /// The address.
    pub address: IpAddr,
    /// Its link's addresses.
    pub prefix: Prefix,
    /// The number of its interface.
    pub interface: u32,
    /// Whether the kernel does not use it yet: it looks whether another host has it, or found one.
    pub tentative: bool,
}

impl OwnAddress {
    /// Asks the system for all of them; which are tentative it does not say.
    pub fn read() -> io::Result<Vec<OwnAddress>> {
        let mut numbers: HashMap<String, Option<u32>> = HashMap::new();
        let own = interfaces::list()?.into_iter().filter_map(|listed| {
            let (address, bits) = listed.address?;
            let number = |name: &String| if_nametoindex(name.as_str()).ok();
            let known = numbers.entry(listed.name);
            let interface = known.or_insert_with_key(number).as_ref().copied()?;
            let prefix = Prefix::of(address, bits)?;
            Some(OwnAddress { address, prefix, interface, tentative: false })
        });
        Ok(own.collect())
    }

    /// Returns the addresses that are reached without a router; none if they would be too many.
    pub fn link(&self) -> Option<Prefix> {
        Some(self.prefix).filter(|prefix| is_link(*prefix))
    }

    /// Returns where a socket is bound for it.
    pub fn at(&self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                SocketAddrV6::new(v6, port, 0, self.interface).into()
            }
            address => SocketAddr::new(address, port),
        }
    }
}

/// Returns whether a prefix is believed to be a link.
pub(super) fn is_link(prefix: Prefix) -> bool {
    prefix.bits() >= if prefix.address().is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 }
}

/// All of them as they were last told; a handle that is cheap to clone.
#[derive(Clone)]
pub(super) struct Own(watch::Sender<Arc<[OwnAddress]>>);

impl Own {
    /// Begins with those that the system lists.
    pub(super) fn read() -> Own {
        let (sender, _) = watch::channel(Arc::default());
        let own = Own(sender);
        own.read_again();
        own
    }

    /// Asks the system; where it does not tell, what was known stays.
    pub(super) fn read_again(&self) {
        if let Ok(all) = OwnAddress::read() {
            self.publish(all);
        }
    }

    /// Tells all of them to those who follow, if anything changed.
    pub(super) fn publish(&self, mut all: Vec<OwnAddress>) {
        all.sort();
        all.dedup();
        self.0.send_if_modified(|known| {
            let changed = **known != *all;
            if changed {
                *known = all.into();
            }
            changed
        });
    }

    /// Returns what tells them now and whenever they change.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<[OwnAddress]>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str, bits: u8) -> OwnAddress {
        let address: IpAddr = text.parse().expect("an address");
        let prefix = Prefix::of(address, bits).expect("a prefix");
        OwnAddress { address, prefix, interface: 7, tentative: false }
    }

    #[test]
    fn the_system_lists_loopback() {
        let all = OwnAddress::read().expect("the system tells");
        let loopback = all.iter().find(|own| own.address == IpAddr::from([127, 0, 0, 1]));
        assert_eq!(loopback.map(|own| own.prefix.bits()), Some(8));
    }

    #[test]
    fn a_prefix_that_says_everything_is_no_link() {
        assert!(own("203.0.113.9", 24).link().is_some());
        assert!(own("2001:db8:1::5", 64).link().is_some());
        assert_eq!((own("198.51.100.1", 0).link(), own("2002::1", 16).link()), (None, None));
    }

    #[test]
    fn only_link_local_addresses_are_bound_with_their_interface() {
        assert_eq!(own("fe80::5", 64).at(53).to_string(), "[fe80::5%7]:53");
        assert_eq!(own("fd00::5", 64).at(53).to_string(), "[fd00::5]:53");
    }

    #[test]
    fn those_who_follow_are_told_of_changes_alone() {
        let own_addresses = Own(watch::channel(Arc::default()).0);
        let mut follower = own_addresses.follow();
        let (a, b) = (own("10.0.0.1", 8), own("10.0.0.2", 8));
        own_addresses.publish(vec![b, a]);
        assert_eq!(**follower.borrow_and_update(), [a, b]);
        own_addresses.publish(vec![a, b, a]);
        assert!(!follower.has_changed().expect("it is followed"));
    }
}
