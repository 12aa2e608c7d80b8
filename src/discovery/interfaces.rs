//! Interfaces and their addresses, as the system lists them when asked.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// One line of the list: an interface, and at most one of its addresses.
pub(super) struct Listed {
    /// The interface's name.
    pub(super) name: String,
    /// What it is and does.
    pub(super) flags: InterfaceFlags,
    /// An address and the length of its prefix.
    pub(super) address: Option<(IpAddr, u8)>,
}

/// Asks the system.
pub(super) fn list() -> io::Result<Vec<Listed>> {
    let listed = getifaddrs()?.map(|entry| {
        let address = entry.address.as_ref().and_then(ip);
        let mask = entry.netmask.as_ref().and_then(ip);
        let address = address.zip(mask.map(length));
        Listed { name: entry.interface_name, flags: entry.flags, address }
    });
    Ok(listed.collect())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn length(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    };
    u8::try_from(ones).unwrap_or(u8::MAX)
}
