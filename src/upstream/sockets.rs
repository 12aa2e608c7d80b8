//! The sockets that queries over UDP go out by: one for each query, a few times over.
//!
//! A forger who sees no traffic must guess the port and the number of a query, and the letters of
//! its name. The kernel picks the port of a new socket at random. To make a socket for each query
//! costs more than all else about it, so a thread keeps those whose reply came in, for a moment:
//!
//! - A socket carries one query at a time; which of those at hand is left to chance. What a forger
//!   must guess for a query is the same as if its port were new.
//! - It carries at most [`USES`] queries within [`LIFE`], which is too short to find its port
//!   by trying them all: a thousand tries a second take half a minute. Where queries are rare,
//!   and a forger has time, each has a new port.
//! - Anything that comes in beside the one reply ends it, as does a query without a reply. So what
//!   is late for one query never comes in during the next; if it did, number and question would
//!   not fit.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::runtime::{self, Handle, RuntimeFlavor};

use super::Outgoing;

/// Queries that one socket carries.
const USES: u8 = 16;
/// For how long a socket carries queries.
const LIFE: Duration = Duration::from_secs(2);
/// Most sockets that a thread keeps.
const KEPT: usize = 64;
/// A datagram, or word that nobody took ours.
const INCOMING: Interest = Interest::READABLE.add(Interest::ERROR);

thread_local! {
    static AT_HAND: RefCell<AtHand> = const { RefCell::new(AtHand::new()) };
}

/// The sockets that a thread keeps for its runtime.
struct AtHand {
    /// The runtime they are registered with; they are of no use to another.
    runtime: Option<runtime::Id>,
    sockets: Vec<Kept>,
    sweeping: bool,
}

struct Kept {
    socket: UdpSocket,
    server: SocketAddr,
    uses: u8,
    /// When it was made, on the monotonic clock.
    made: u64,
    /// Whether the sweeper has seen it lie here.
    seen: bool,
}

/// A socket by which a query went out.
pub(super) struct Socket {
    kept: Kept,
    trusted: bool,
}

impl Socket {
    /// Sends a query by a socket at hand, or by a new one.
    pub(super) fn send(server: SocketAddr, query: &Outgoing, now: u64) -> io::Result<Socket> {
        let at_hand = take(server, query.lot(), now);
        let query = query.octets();
        // Its port may have been refused since: that says nothing about this query.
        if let Some(kept) = at_hand.filter(|kept| SockRef::from(&kept.socket).send(query).is_ok()) {
            return Ok(Socket { kept, trusted: true });
        }
        let socket = socket2::Socket::new(
            Domain::for_address(server),
            Type::DGRAM.nonblocking().cloexec(),
            Some(Protocol::UDP),
        )?;
        // Not bound before: connecting it binds it to a random port, as well as to its own address.
        socket.connect(&server.into())?;
        socket.send(query)?;
        let socket = UdpSocket::from_std(socket.into())?;
        let kept = Kept { socket, server, uses: 0, made: now, seen: false };
        Ok(Socket { kept, trusted: true })
    }

    /// Looks for a datagram whenever one may be there, until the look is not in vain.
    pub(super) async fn when_ready<T>(&self, look: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.kept.socket.async_io(INCOMING, look).await
    }

    /// Takes a datagram, if one is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*SockRef::from(&self.kept.socket)).read(buffer)
    }

    /// Notes that something came in that is not the reply.
    pub(super) fn mistrust(&mut self) {
        self.trusted = false;
    }

    /// Keeps it for another query, now that its reply came in, unless it has done its part.
    pub(super) fn keep(self) {
        let Socket { mut kept, trusted } = self;
        kept.uses += 1;
        kept.seen = false;
        if !trusted || kept.uses >= USES {
            return;
        }
        // More threads than one may run the tasks of the other kind.
        if let Ok(here) = Handle::try_current()
            && here.runtime_flavor() == RuntimeFlavor::CurrentThread
        {
            // It is taken for readable until a look is in vain; nothing more is to come.
            let _ = kept
                .socket
                .try_io(INCOMING, || -> io::Result<()> { Err(ErrorKind::WouldBlock.into()) });
            AT_HAND.with_borrow_mut(|at_hand| at_hand.keep(kept, &here));
        }
    }
}

/// Takes a socket that is connected to `server`, drawn by `lot`.
fn take(server: SocketAddr, lot: u16, now: u64) -> Option<Kept> {
    let here = Handle::try_current().ok()?;
    AT_HAND.with_borrow_mut(|at_hand| at_hand.take(&here, server, lot, now))
}

impl AtHand {
    const fn new() -> AtHand {
        AtHand { runtime: None, sockets: Vec::new(), sweeping: false }
    }

    fn take(&mut self, here: &Handle, server: SocketAddr, lot: u16, now: u64) -> Option<Kept> {
        if self.sockets.is_empty() || self.runtime != Some(here.id()) {
            return None;
        }
        let young = now.saturating_sub(LIFE.as_micros() as u64);
        self.sockets.retain(|kept| kept.made >= young);
        let fitting = self.sockets.iter().filter(|kept| kept.server == server).count();
        let chosen = usize::from(lot).checked_rem(fitting)?;
        let places = self.sockets.iter().enumerate().filter(|(_, kept)| kept.server == server);
        let place = places.map(|(place, _)| place).nth(chosen)?;
        Some(self.sockets.swap_remove(place))
    }

    fn keep(&mut self, kept: Kept, here: &Handle) {
        if self.runtime != Some(here.id()) {
            *self = AtHand { runtime: Some(here.id()), ..AtHand::new() };
        }
        if self.sockets.len() < KEPT {
            self.sockets.push(kept);
        }
        if !std::mem::replace(&mut self.sweeping, true) {
            here.spawn(sweep());
        }
    }

    /// Closes those that lay here since the last time; returns whether there are others.
    fn sweep(&mut self) -> bool {
        self.sockets.retain_mut(|kept| !std::mem::replace(&mut kept.seen, true));
        self.sweeping = !self.sockets.is_empty();
        self.sweeping
    }
}

/// Closes sockets that are no longer used.
async fn sweep() {
    loop {
        tokio::time::sleep(LIFE).await;
        if !AT_HAND.with_borrow_mut(AtHand::sweep) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::model::{DomainName, RecordType};
    use crate::upstream::Manner;
    use crate::wire::Question;

    const SECOND: u64 = 1_000_000;

    /// A server that never answers.
    fn server() -> (std::net::UdpSocket, SocketAddr) {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        (socket, address)
    }

    fn send(server: SocketAddr, now: u64) -> Socket {
        let question = Question {
            name: DomainName::parse("www.ex").expect("a name"),
            query_type: RecordType::A,
            dnssec_ok: false,
            checking_disabled: false,
        };
        let manner = Manner { random_letters: true, edns: true, stream: false };
        let query = Outgoing::write(&question, manner).expect("random numbers");
        Socket::send(server, &query, now).expect("loopback")
    }

    /// Sends a query whose reply comes in at once, and returns the port that it went out by.
    fn port_of(socket: Socket) -> u16 {
        let address = socket.kept.socket.local_addr().expect("it is bound");
        socket.keep();
        address.port()
    }

    fn at_hand() -> usize {
        AT_HAND.with_borrow(|at_hand| at_hand.sockets.len())
    }

    #[tokio::test]
    async fn a_socket_carries_a_few_queries_one_after_the_other() {
        let (_server, server) = server();
        let ports: Vec<u16> = (0..2 * USES).map(|_| port_of(send(server, 0))).collect();
        let (first, second) = ports.split_at(usize::from(USES));
        assert!(first.iter().all(|port| port == &first[0]), "{ports:?}");
        assert!(second.iter().all(|port| port == &second[0]), "{ports:?}");
        let (one, two) = (send(server, 0), send(server, 0));
        assert_ne!(port_of(one), port_of(two), "both in flight");
    }

    #[tokio::test]
    async fn a_socket_is_not_used_when_it_is_old_mistrusted_or_leads_elsewhere() {
        let ((_one, one), (_two, two)) = (server(), server());
        port_of(send(one, 0));
        assert_eq!((at_hand(), send(two, 0).kept.uses), (1, 0), "another server");
        assert_eq!(send(one, 2 * SECOND).kept.uses, 1, "just young enough");
        port_of(send(one, 0));
        assert_eq!(send(one, 2 * SECOND + 1).kept.uses, 0, "too old");
        let mut strange = send(one, 0);
        strange.mistrust();
        port_of(strange);
        assert_eq!(at_hand(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_that_nobody_uses_are_closed_and_few_are_kept() {
        let (_server, server) = server();
        let many: Vec<Socket> = (0..KEPT + 5).map(|_| send(server, 0)).collect();
        many.into_iter().for_each(Socket::keep);
        assert_eq!(at_hand(), KEPT);
        tokio::time::sleep(2 * LIFE + Duration::from_millis(1)).await;
        assert_eq!(at_hand(), 0);
        port_of(send(server, 0));
        tokio::time::sleep(2 * LIFE + Duration::from_millis(1)).await;
        assert_eq!(at_hand(), 0, "again");
    }

    #[test]
    fn sockets_of_a_runtime_that_is_gone_are_not_used() {
        let (_server, server) = server();
        let runtime = || {
            let builder = &mut tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().expect("a runtime")
        };
        runtime().block_on(async { port_of(send(server, 0)) });
        assert_eq!(at_hand(), 1);
        runtime().block_on(async {
            assert_eq!(send(server, 0).kept.uses, 0);
            port_of(send(server, 0));
            assert_eq!((at_hand(), send(server, 0).kept.uses), (1, 1));
        });
    }
}
