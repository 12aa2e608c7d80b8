//! The addresses of this machine and the prefixes that are on its links.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::model::Prefix;

/// Shortest prefixes believed to be a link; a shorter one is a tunnel's way to say "everything".
const SHORTEST_V4: u32 = 8;
const SHORTEST_V6: u32 = 32;

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// The address, port 0, with its scope if it is link-local.
    pub(super) address: SocketAddr,
    /// The length of its prefix.
    pub(super) bits: u32,
}

/// Reads all addresses of all interfaces from the kernel.
pub(super) fn read() -> io::Result<Vec<Interface>> {
    let found = getifaddrs()?.filter_map(|entry| {
        let address = socket_address(&entry.address?)?;
        let mask = socket_address(&entry.netmask?)?;
        Some(Interface { address, bits: leading_ones(mask.ip()) })
    });
    Ok(found.collect())
}

/// Returns the prefixes whose addresses are reached without a router.
pub(super) fn on_link(interfaces: &[Interface]) -> Vec<Prefix> {
    let believed = interfaces.iter().filter(|interface| {
        let shortest = if interface.address.is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
        interface.bits >= shortest
    });
    let prefix = |interface: &Interface| {
        Prefix::of(interface.address.ip(), u8::try_from(interface.bits).ok()?)
    };
    let mut prefixes: Vec<Prefix> = believed.filter_map(prefix).collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes
}

fn socket_address(raw: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = raw.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| raw.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

fn leading_ones(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(v4) => v4.to_bits().leading_ones(),
        IpAddr::V6(v6) => v6.to_bits().leading_ones(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found() {
        let found = read().expect("the kernel tells");
        let loopback = found.iter().find(|i| i.address.ip() == IpAddr::from([127, 0, 0, 1]));
        assert_eq!(loopback.map(|interface| interface.bits), Some(8));
    }

    #[test]
    fn prefixes_are_those_of_the_links() {
        let interface = |address: &str, bits| Interface {
            address: SocketAddr::new(address.parse().expect("an address"), 0),
            bits,
        };
        let prefixes = on_link(&[
            interface("203.0.113.9", 24),
            interface("203.0.113.10", 24),
            interface("2001:db8:1::5", 64),
            interface("198.51.100.1", 0),
            interface("2002::1", 16),
        ]);
        let texts: Vec<String> = prefixes.iter().map(Prefix::to_string).collect();
        assert_eq!(texts, ["203.0.113.0/24", "2001:db8:1::/64"]);
    }
}
