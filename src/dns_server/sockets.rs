//! Sockets of one address: bound for every worker, or not at all.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockRef, Socket, Type};

use super::{BindError, port_holder};

/// What a burst of queries needs; the kernel's default loses them.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1_024;

/// The sockets of one local address for one worker.
pub(super) struct Door {
    /// The address, port filled in; unspecified where packet info tells it.
    pub(super) address: SocketAddr,
    /// Its datagrams; only what was handed over can lack them.
    pub(super) udp: Option<UdpSocket>,
    /// Its connections, likewise.
    pub(super) tcp: Option<TcpListener>,
}

/// An address that is to be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// The address; unspecified for a socket of all.
    pub(super) address: SocketAddr,
    /// Whether it is bound even if no interface has it yet.
    pub(super) ahead: bool,
}

/// Why an address cannot be bound.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is wrong, by transport.
    pub(super) errors: Vec<BindError>,
    /// Whether the kernel does not let anybody use the address yet.
    pub(super) unavailable: bool,
}

#[derive(Clone, Copy)]
enum Transport {
    Udp,
    Tcp,
}

/// Where a socket stands among others on its address.
#[derive(Clone, Copy)]
enum Sharing {
    /// Alone: a port in use is an error.
    Alone,
    /// Beside the sockets of the other workers.
    WithWorkers,
}

/// Opens one door for each of so many workers.
///
/// The address is claimed alone first, so that nobody else's port is shared unseen. `SO_REUSEPORT`
/// must be set before a socket is bound, so the claim is given up for it.
pub(super) fn open(spot: Spot, workers: usize) -> Result<Vec<Door>, Refusal> {
    let claimed = door(spot, Sharing::Alone)?;
    if workers == 1 {
        return Ok(vec![claimed]);
    }
    drop(claimed);
    (0..workers).map(|_| door(spot, Sharing::WithWorkers)).collect()
}

fn door(spot: Spot, sharing: Sharing) -> Result<Door, Refusal> {
    let address = spot.address;
    let udp = bind(spot, Transport::Udp, sharing);
    let tcp = bind(spot, Transport::Tcp, sharing);
    match (udp, tcp) {
        (Ok(udp), Ok(tcp)) => Ok(Door { address, udp: Some(udp.into()), tcp: Some(tcp.into()) }),
        (udp, tcp) => {
            let errors = [udp.err().map(|e| ("udp", e)), tcp.err().map(|e| ("tcp", e))];
            let errors = || errors.iter().flatten();
            let not_there = |error: &io::Error| error.kind() == ErrorKind::AddrNotAvailable;
            Err(Refusal {
                unavailable: errors().all(|(_, error)| not_there(error)),
                errors: errors().map(|(which, error)| tell(address, which, error)).collect(),
            })
        }
    }
}

fn bind(spot: Spot, transport: Transport, sharing: Sharing) -> io::Result<Socket> {
    let address = spot.address;
    let socket = socket(address, transport)?;
    socket.set_nonblocking(true)?;
    if matches!(sharing, Sharing::WithWorkers) {
        socket.set_reuse_port(true)?;
    }
    match socket.bind(&address.into()) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable && spot.ahead => {
            bind_ahead(&socket, address)?;
        }
        outcome => outcome?,
    }
    if matches!(transport, Transport::Tcp) {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

fn socket(address: SocketAddr, transport: Transport) -> io::Result<Socket> {
    let kind = match transport {
        Transport::Udp => Type::DGRAM,
        Transport::Tcp => Type::STREAM,
    };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match transport {
        Transport::Udp => prepare_udp(&socket, address.ip())?,
        // Connections of an earlier run that linger must not hinder a restart.
        Transport::Tcp => socket.set_reuse_address(true)?,
    }
    Ok(socket)
}

/// Gives a socket for datagrams the buffer it needs, and packet info where its address says little.
pub(super) fn prepare_udp(socket: &Socket, ip: IpAddr) -> io::Result<()> {
    if granted(socket) < RECEIVE_BUFFER {
        // Beyond the system's limit only a privileged process gets it; what the kernel refuses is
        // noticed by `buffer_notice`.
        setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)
            .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &RECEIVE_BUFFER))
            .unwrap_or_default();
    }
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => {
            setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        IpAddr::V6(v6) if v6.is_unspecified() => {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        _ => {}
    }
    Ok(())
}

/// Binds an address that no interface has yet.
fn bind_ahead(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    socket.bind(&address.into())
}

/// Returns a port that is free at an address.
pub(super) fn free_port(spot: Spot) -> Result<u16, Refusal> {
    let bound = bind(spot, Transport::Udp, Sharing::Alone)
        .and_then(|socket| UdpSocket::from(socket).local_addr().map(|bound| bound.port()));
    bound.map_err(|error| Refusal {
        unavailable: error.kind() == ErrorKind::AddrNotAvailable,
        errors: vec![tell(spot.address, "udp", &error)],
    })
}

/// Returns whether this machine has IPv6.
pub(super) fn has_ipv6() -> bool {
    let unsupported = Some(Errno::EAFNOSUPPORT as i32);
    Socket::new(Domain::IPV6, Type::DGRAM, None)
        .map_or_else(|error| error.raw_os_error() != unsupported, |_| true)
}

/// Returns the octets of receive buffer that the kernel granted; it tells the double.
fn granted(socket: &Socket) -> usize {
    socket.recv_buffer_size().map_or(RECEIVE_BUFFER, |told| told / 2)
}

/// Returns what a person should know of the smallest receive buffer among these.
pub(super) fn buffer_notice<'d>(doors: impl Iterator<Item = &'d Door>) -> Option<String> {
    let sockets = doors.filter_map(|door| door.udp.as_ref());
    let smallest = sockets.filter_map(|udp| SockRef::from(udp).recv_buffer_size().ok()).min()?;
    notice_of(smallest / 2)
}

fn notice_of(granted: usize) -> Option<String> {
    (granted < RECEIVE_BUFFER).then(|| {
        format!(
            "the kernel grants DNS sockets a receive buffer of {} KiB instead of {} KiB, so bursts \
             of queries may be lost; as root: `sysctl -w net.core.rmem_max={RECEIVE_BUFFER}` \
             (socket units of systemd: `ReceiveBuffer=4M`)",
            granted >> 10,
            RECEIVE_BUFFER >> 10,
        )
    })
}

fn tell(address: SocketAddr, transport: &'static str, error: &io::Error) -> BindError {
    let why = match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = port_holder::find(address, transport);
            let holder = holder.unwrap_or_else(|| "another program".into());
            format!(
                "{holder} holds the port; stop it, or give another `listen` in [dns] of config.toml"
            )
        }
        ErrorKind::PermissionDenied if address.port() < 1_024 => format!(
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; give it to the program \
             (`sudo setcap cap_net_bind_service=+ep` and its path), or a port such as 5335 in \
             `listen` in [dns] of config.toml (port {} was asked for)",
            address.port()
        ),
        _ => format!("{error}; correct `listen` in [dns] of config.toml"),
    };
    BindError { door: format!("{address} ({transport})"), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(text: &str) -> Spot {
        Spot { address: text.parse().expect("an address"), ahead: false }
    }

    fn free_spot(text: &str) -> Spot {
        let mut free = spot(text);
        free.address.set_port(free_port(free).expect("a free port"));
        free
    }

    #[test]
    fn every_worker_gets_both_transports_of_an_address() {
        let spot = free_spot("[::1]:0");
        let doors = open(spot, 3).expect("a free port");
        assert_eq!(doors.len(), 3);
        for door in doors {
            let udp = door.udp.expect("a socket").local_addr().expect("bound");
            let tcp = door.tcp.expect("a socket").local_addr().expect("bound");
            assert_eq!((udp, tcp), (spot.address, spot.address));
        }
    }

    #[test]
    fn a_port_in_use_is_told_with_its_holder_and_never_shared() {
        let spot = free_spot("127.0.0.1:0");
        let _first = open(spot, 2).expect("a free port");
        let refusal = open(spot, 2).err().expect("it is in use");
        let doors: Vec<&str> = refusal.errors.iter().map(|e| e.door.as_str()).collect();
        assert_eq!(doors, [format!("{} (udp)", spot.address), format!("{} (tcp)", spot.address)]);
        let holder = format!("(process {})", std::process::id());
        assert!(refusal.errors.iter().all(|e| e.why.contains(&holder)), "{refusal:?}");
        assert!(refusal.errors[0].why.contains("`listen` in [dns]"), "{refusal:?}");
        assert!(!refusal.unavailable);
    }

    #[test]
    fn an_address_of_nobody_is_bound_ahead_or_not_available() {
        let refusal = open(spot("192.0.2.53:5353"), 1).err().expect("no interface has it");
        assert!(refusal.unavailable, "{refusal:?}");
        let ahead = Spot { ahead: true, ..free_spot("127.0.0.1:0") };
        let ahead = Spot { address: ([192, 0, 2, 53], ahead.address.port()).into(), ..ahead };
        assert_eq!(open(ahead, 2).expect("it can be bound ahead").len(), 2);
    }

    #[test]
    fn a_socket_of_all_addresses_has_packet_info() {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let doors = open(free_spot(address), 1).expect("a free port");
            let udp = doors[0].udp.as_ref().expect("a socket");
            let on = match doors[0].address {
                SocketAddr::V4(_) => nix::sys::socket::getsockopt(udp, sockopt::Ipv4PacketInfo),
                SocketAddr::V6(_) => nix::sys::socket::getsockopt(udp, sockopt::Ipv6RecvPacketInfo),
            };
            assert_eq!(on, Ok(true), "{address}");
        }
    }

    #[test]
    fn a_small_buffer_and_a_missing_right_are_told_with_the_mend() {
        assert_eq!(notice_of(RECEIVE_BUFFER), None);
        let notice = notice_of(212_992).expect("a notice");
        assert!(notice.contains("208 KiB") && notice.contains("net.core.rmem_max=4194304"));
        assert!(notice.contains("ReceiveBuffer=4M"));
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let error = tell("127.0.0.1:53".parse().expect("an address"), "udp", &denied);
        assert!(error.to_string().contains("setcap cap_net_bind_service"), "{error}");
    }
}
