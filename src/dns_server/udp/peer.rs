//! Both families of addresses: who sent a datagram, and what the kernel tells of its way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, SockaddrIn, SockaddrIn6, SockaddrLike, setsockopt,
};

/// Which way a reply takes, where the socket alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The address it leaves from; an unspecified one leaves the choice to the kernel.
    pub(super) local: IpAddr,
    /// The interface, where an address means nothing without; 0 elsewhere, so that replies follow
    /// the routing table.
    pub(super) interface: u32,
}

impl Route {
    /// The socket and the kernel choose.
    pub(super) const ANY: Route = Route { local: IpAddr::V4(Ipv4Addr::UNSPECIFIED), interface: 0 };
}

/// The address of whoever sent a datagram.
pub(super) trait Peer: SockaddrLike + Copy + 'static {
    /// Octets that a control message with packet info takes.
    const INFO: usize;

    /// Returns the address as the standard library has it.
    fn address(self) -> SocketAddr;

    /// Asks for packet info with each datagram.
    fn request_info(socket: &impl AsFd) -> nix::Result<()>;

    /// Returns the way back, if the message tells it.
    fn route(message: &ControlMessageOwned) -> Option<Route>;

    /// Calls `act` with the control message that makes datagrams take `route`.
    fn with_info<R>(route: Route, act: impl FnOnce(ControlMessage<'_>) -> R) -> R;
}

impl Peer for SockaddrIn {
    const INFO: usize = nix::sys::socket::cmsg_space::<in_pktinfo>();

    fn address(self) -> SocketAddr {
        self.into()
    }

    fn request_info(socket: &impl AsFd) -> nix::Result<()> {
        setsockopt(socket, Ipv4PacketInfo, &true)
    }

    fn route(message: &ControlMessageOwned) -> Option<Route> {
        let ControlMessageOwned::Ipv4PacketInfo(info) = message else { return None };
        let read = |address: in_addr| Ipv4Addr::from(address.s_addr.to_ne_bytes());
        // The first is one of ours even where the datagram went to a broadcast address.
        let [ours, asked] = [info.ipi_spec_dst, info.ipi_addr].map(read);
        let local = if ours.is_unspecified() { asked } else { ours };
        Some(Route { local: local.into(), interface: 0 })
    }

    fn with_info<R>(route: Route, act: impl FnOnce(ControlMessage<'_>) -> R) -> R {
        let local = match route.local {
            IpAddr::V4(local) => local,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let write = |address: Ipv4Addr| in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
        act(ControlMessage::Ipv4PacketInfo(&in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: write(local),
            ipi_addr: write(Ipv4Addr::UNSPECIFIED),
        }))
    }
}

impl Peer for SockaddrIn6 {
    const INFO: usize = nix::sys::socket::cmsg_space::<in6_pktinfo>();

    fn address(self) -> SocketAddr {
        self.into()
    }

    fn request_info(socket: &impl AsFd) -> nix::Result<()> {
        setsockopt(socket, Ipv6RecvPacketInfo, &true)
    }

    fn route(message: &ControlMessageOwned) -> Option<Route> {
        let ControlMessageOwned::Ipv6PacketInfo(info) = message else { return None };
        let asked = Ipv6Addr::from(info.ipi6_addr.s6_addr);
        let on_link = asked.is_unicast_link_local() || asked.is_multicast();
        let local = if asked.is_multicast() { Ipv6Addr::UNSPECIFIED } else { asked };
        Some(Route { local: local.into(), interface: if on_link { info.ipi6_ifindex } else { 0 } })
    }

    fn with_info<R>(route: Route, act: impl FnOnce(ControlMessage<'_>) -> R) -> R {
        let local = match route.local {
            IpAddr::V6(local) => local,
            IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
        };
        act(ControlMessage::Ipv6PacketInfo(&in6_pktinfo {
            ipi6_addr: in6_addr { s6_addr: local.octets() },
            ipi6_ifindex: route.interface,
        }))
    }
}
