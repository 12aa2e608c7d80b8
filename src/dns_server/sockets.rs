//! Sockets bound: every address of config.toml for every worker, or none.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

use super::interfaces::{self, Interface};
use super::{BindError, Settings, port_holder};

/// What a burst of queries needs; the kernel's default loses them.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 1_024;
/// How often a free port is looked for before the search counts as failed.
const PORT_TRIES: usize = 16;

/// The sockets of one local address for one worker.
pub(super) struct Door {
    /// The address, port filled in; never a wildcard.
    pub(super) address: SocketAddr,
    /// Its datagrams.
    pub(super) udp: UdpSocket,
    /// Its connections.
    pub(super) tcp: TcpListener,
}

/// All sockets, by worker.
pub(super) struct Doors {
    /// The addresses of config.toml that are served, ports filled in.
    pub(super) addresses: Vec<SocketAddr>,
    /// What each worker serves.
    pub(super) workers: Vec<Vec<Door>>,
    /// What a person should know.
    pub(super) notices: Vec<String>,
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

/// One pass over the addresses: claims each alone, so that nobody else's port is shared unseen.
struct Claims<'i> {
    interfaces: &'i [Interface],
    doors: Vec<Door>,
    addresses: Vec<SocketAddr>,
    notices: Vec<String>,
    errors: Vec<BindError>,
}

/// Binds every address or none; tells all that is wrong.
pub(super) fn open(settings: &Settings) -> Result<Doors, Vec<BindError>> {
    let interfaces = interfaces::read().unwrap_or_default();
    let mut claims = Claims {
        interfaces: &interfaces,
        doors: Vec::new(),
        addresses: Vec::new(),
        notices: Vec::new(),
        errors: Vec::new(),
    };
    settings.listen.iter().for_each(|address| claims.claim(*address));
    let Claims { doors, addresses, mut notices, errors, .. } = claims;
    if !errors.is_empty() {
        return Err(errors);
    }
    if doors.is_empty() {
        return Err(settings.listen.iter().map(|address| nowhere(*address)).collect());
    }
    notices.extend(doors.first().and_then(|door| buffer_notice(granted(&door.udp))));
    let workers = share(doors, settings.worker_count())?;
    Ok(Doors { addresses, workers, notices })
}

impl Claims<'_> {
    fn claim(&mut self, configured: SocketAddr) {
        if configured.is_ipv6() && !has_ipv6() {
            let notice = format!("{configured} is not served: this machine has no IPv6");
            self.notices.push(notice);
            return;
        }
        let locals = self.locals(configured);
        match self.claim_port(&locals) {
            Ok(doors) => {
                let port = doors.first().map_or(configured.port(), |door| door.address.port());
                self.addresses.push(SocketAddr::new(configured.ip(), port));
                self.doors.extend(doors);
            }
            Err(mut errors) => self.errors.append(&mut errors),
        }
    }

    /// Returns the addresses of this machine that `configured` means and that are not claimed yet.
    ///
    /// A datagram must be answered from the address it was sent to, which a socket bound to a
    /// wildcard cannot know without packet info.
    fn locals(&mut self, configured: SocketAddr) -> Vec<SocketAddr> {
        if !configured.ip().is_unspecified() {
            self.notice_if_absent(configured);
        }
        let mut locals = expand(configured, self.interfaces);
        locals.retain(|local| self.doors.iter().all(|door| door.address != *local));
        locals
    }

    fn notice_if_absent(&mut self, configured: SocketAddr) {
        let ip = configured.ip();
        if !ip.is_loopback() && self.interfaces.iter().all(|known| known.address.ip() != ip) {
            self.notices.push(format!(
                "no interface has the address {ip} now; it is served as soon as one has"
            ));
        }
    }

    /// Claims all `locals` on one port; port 0 becomes one that is free for all of them.
    fn claim_port(&self, locals: &[SocketAddr]) -> Result<Vec<Door>, Vec<BindError>> {
        let Some(first) = locals.first().filter(|first| first.port() == 0) else {
            return claim_all(locals);
        };
        let mut outcome = Ok(Vec::new());
        for _ in 0..PORT_TRIES {
            let port = free_port(*first).map_err(|error| vec![tell(*first, "udp", &error)])?;
            let numbered: Vec<SocketAddr> =
                locals.iter().map(|local| with_port(*local, port)).collect();
            outcome = claim_all(&numbered);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

fn claim_all(locals: &[SocketAddr]) -> Result<Vec<Door>, Vec<BindError>> {
    let (mut doors, mut errors) = (Vec::new(), Vec::new());
    for local in locals {
        match door(*local, Sharing::Alone) {
            Ok(door) => doors.push(door),
            Err(mut told) => errors.append(&mut told),
        }
    }
    if errors.is_empty() { Ok(doors) } else { Err(errors) }
}

/// Gives every worker its own sockets on the addresses that were claimed.
///
/// `SO_REUSEPORT` must be set before a socket is bound, so the claims are given up for it.
fn share(claimed: Vec<Door>, workers: usize) -> Result<Vec<Vec<Door>>, Vec<BindError>> {
    if workers == 1 {
        return Ok(vec![claimed]);
    }
    let addresses: Vec<SocketAddr> = claimed.iter().map(|door| door.address).collect();
    drop(claimed);
    let doors = || addresses.iter().map(|address| door(*address, Sharing::WithWorkers)).collect();
    (0..workers).map(|_| doors()).collect()
}

fn door(address: SocketAddr, sharing: Sharing) -> Result<Door, Vec<BindError>> {
    let udp = bind(address, Transport::Udp, sharing);
    let tcp = bind(address, Transport::Tcp, sharing);
    match (udp, tcp) {
        (Ok(udp), Ok(tcp)) => Ok(Door { address, udp: udp.into(), tcp: tcp.into() }),
        (udp, tcp) => {
            let udp = udp.err().map(|error| tell(address, "udp", &error));
            let tcp = tcp.err().map(|error| tell(address, "tcp", &error));
            Err(udp.into_iter().chain(tcp).collect())
        }
    }
}

fn bind(address: SocketAddr, transport: Transport, sharing: Sharing) -> io::Result<Socket> {
    let socket = socket(address, transport)?;
    socket.set_nonblocking(true)?;
    if matches!(sharing, Sharing::WithWorkers) {
        socket.set_reuse_port(true)?;
    }
    match socket.bind(&address.into()) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => {
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
        // What the kernel refuses is noticed by `buffer_notice`.
        Transport::Udp => drop(socket.set_recv_buffer_size(RECEIVE_BUFFER)),
        // Connections of an earlier run that linger must not hinder a restart.
        Transport::Tcp => socket.set_reuse_address(true)?,
    }
    Ok(socket)
}

/// Binds an address that no interface has yet.
fn bind_ahead(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    socket.bind(&address.into())
}

fn expand(configured: SocketAddr, interfaces: &[Interface]) -> Vec<SocketAddr> {
    if !configured.ip().is_unspecified() {
        return vec![configured];
    }
    let same_family = |local: &SocketAddr| local.is_ipv4() == configured.is_ipv4();
    let mut locals: Vec<SocketAddr> = interfaces
        .iter()
        .map(|interface| with_port(interface.address, configured.port()))
        .filter(same_family)
        .collect();
    locals.sort();
    locals.dedup();
    locals
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

fn free_port(address: SocketAddr) -> io::Result<u16> {
    let socket = bind(address, Transport::Udp, Sharing::Alone)?;
    UdpSocket::from(socket).local_addr().map(|bound| bound.port())
}

fn has_ipv6() -> bool {
    let unsupported = Some(Errno::EAFNOSUPPORT as i32);
    Socket::new(Domain::IPV6, Type::DGRAM, None)
        .map_or_else(|error| error.raw_os_error() != unsupported, |_| true)
}

/// Returns the octets of receive buffer that the kernel granted; it tells the double.
fn granted(udp: &UdpSocket) -> usize {
    socket2::SockRef::from(udp).recv_buffer_size().map_or(RECEIVE_BUFFER, |told| told / 2)
}

fn buffer_notice(granted: usize) -> Option<String> {
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

fn nowhere(address: SocketAddr) -> BindError {
    let why = "this machine has no such address; give another `listen` in [dns] of config.toml";
    BindError { address, transport: "udp", why: why.into() }
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
    BindError { address, transport, why }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn settings(listen: &[&str], workers: usize) -> Settings {
        let listen = listen.iter().map(|text| text.parse().expect("an address")).collect();
        Settings { listen, workers, ..Settings::default() }
    }

    #[test]
    fn port_0_is_one_free_port_for_all_workers_and_transports() {
        let doors = open(&settings(&["127.0.0.1:0", "[::1]:0"], 3)).expect("free ports");
        assert_eq!((doors.addresses.len(), doors.workers.len()), (2, 3));
        for door in doors.workers.iter().flatten() {
            assert!(doors.addresses.contains(&door.address), "{}", door.address);
            assert_eq!(door.udp.local_addr().expect("bound"), door.address);
            assert_eq!(door.tcp.local_addr().expect("bound"), door.address);
            assert_ne!(door.address.port(), 0);
        }
    }

    #[test]
    fn every_port_in_use_is_told_with_its_holder() {
        let first = open(&settings(&["127.0.0.1:0", "127.0.0.2:0"], 2)).expect("free ports");
        let taken: Vec<String> = first.addresses.iter().map(SocketAddr::to_string).collect();
        let listen: Vec<&str> = taken.iter().map(String::as_str).chain(["127.0.0.3:0"]).collect();
        let errors = open(&settings(&listen, 2)).err().expect("two ports are in use");
        let told: Vec<_> = errors.iter().map(|e| (e.address, e.transport)).collect();
        let [a, b] = [first.addresses[0], first.addresses[1]];
        assert_eq!(told, [(a, "udp"), (a, "tcp"), (b, "udp"), (b, "tcp")]);
        let holder = format!("(process {})", std::process::id());
        assert!(errors.iter().all(|e| e.why.contains(&holder)), "{errors:?}");
        assert!(errors[0].why.contains("`listen` in [dns]"), "{}", errors[0]);
    }

    #[test]
    fn a_wildcard_becomes_the_addresses_of_this_machine() {
        let doors = open(&settings(&["0.0.0.0:0"], 1)).expect("free ports");
        let port = doors.addresses[0].port();
        assert!(doors.addresses[0].ip().is_unspecified());
        let bound: Vec<SocketAddr> = doors.workers[0].iter().map(|door| door.address).collect();
        assert!(bound.contains(&SocketAddr::from(([127, 0, 0, 1], port))), "{bound:?}");
        assert!(bound.iter().all(|address| !address.ip().is_unspecified()));
    }

    #[test]
    fn an_address_named_twice_is_bound_once() {
        let port = free_port(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let twice = format!("127.0.0.1:{port}");
        let doors = open(&settings(&[&twice, &twice], 2)).expect("a free port");
        assert_eq!(doors.workers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn an_address_that_is_not_there_yet_is_bound_with_a_notice() {
        let doors = open(&settings(&["192.0.2.53:0"], 2)).expect("it can be bound ahead");
        assert_eq!(doors.workers[1].len(), 1);
        assert!(doors.notices.iter().any(|n| n.contains("192.0.2.53")), "{:?}", doors.notices);
    }

    #[test]
    fn a_small_buffer_and_a_missing_right_are_told_with_the_mend() {
        assert_eq!(buffer_notice(RECEIVE_BUFFER), None);
        let notice = buffer_notice(212_992).expect("a notice");
        assert!(notice.contains("208 KiB") && notice.contains("net.core.rmem_max=4194304"));
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let error = tell("127.0.0.1:53".parse().expect("an address"), "udp", &denied);
        assert!(error.to_string().contains("setcap cap_net_bind_service"), "{error}");
    }

    #[test]
    fn wildcards_keep_the_family() {
        let interface = |ip: &str| Interface {
            address: SocketAddr::new(ip.parse::<IpAddr>().expect("an address"), 0),
            bits: 24,
        };
        let known = [interface("10.0.0.1"), interface("fd00::1"), interface("10.0.0.1")];
        let expanded = |text: &str| expand(text.parse().expect("an address"), &known);
        assert_eq!(expanded("0.0.0.0:53"), ["10.0.0.1:53".parse().expect("an address")]);
        assert_eq!(expanded("[::]:53"), ["[fd00::1]:53".parse().expect("an address")]);
        assert_eq!(expanded("10.9.9.9:53").len(), 1);
    }
}
