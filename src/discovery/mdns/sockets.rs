//! Sockets that hear announcements and ask for them; no capability is needed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::discovery::links::Link;

/// The port of multicast DNS.
pub(super) const PORT: u16 = 5353;

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// The addresses' family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// Opens a socket that hears the group, beside others on this machine that do.
pub(super) fn listening(family: Family) -> io::Result<UdpSocket> {
    let socket = socket(family)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Bound to the group we cannot take what is sent to another program here alone. IPv6 would
    // want a socket for each link.
    let address = match family {
        Family::V4 => IpAddr::V4(GROUP_V4),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    bind(socket, SocketAddr::new(address, PORT))
}

/// Opens a socket of our own port, from which a simple query is asked (RFC 6762, section 6.7).
pub(super) fn asking(family: Family) -> io::Result<UdpSocket> {
    let socket = socket(family)?;
    let any = match family {
        Family::V4 => {
            socket.set_multicast_ttl_v4(255)?;
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        }
        Family::V6 => {
            socket.set_multicast_hops_v6(255)?;
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        }
    };
    bind(socket, SocketAddr::new(any, 0))
}

/// Joins the group on a link; a link that has no address of the family cannot be joined.
pub(super) fn join(socket: &UdpSocket, family: Family, link: &Link) -> io::Result<()> {
    match (family, link.ipv4()) {
        (Family::V4, Some(ours)) => socket.join_multicast_v4(GROUP_V4, ours),
        (Family::V4, None) => Err(io::ErrorKind::AddrNotAvailable.into()),
        (Family::V6, _) => socket.join_multicast_v6(&GROUP_V6, link.index),
    }
}

/// Sends a query to the group on a link.
pub(super) async fn ask(
    socket: &UdpSocket,
    family: Family,
    link: &Link,
    query: &[u8],
) -> io::Result<()> {
    let group = match (family, link.ipv4()) {
        (Family::V4, Some(ours)) => {
            socket2::SockRef::from(socket).set_multicast_if_v4(&ours)?;
            SocketAddr::V4(SocketAddrV4::new(GROUP_V4, PORT))
        }
        (Family::V4, None) => return Ok(()),
        (Family::V6, _) => {
            socket2::SockRef::from(socket).set_multicast_if_v6(link.index)?;
            SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, link.index))
        }
    };
    socket.send_to(query, group).await.map(|_| ())
}

fn socket(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if family == Family::V6 {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bind(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
