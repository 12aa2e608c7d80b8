//! UDP in batches: one call receives many datagrams, one sends the replies of all.

mod inbox;
mod outbox;
mod peer;
mod sender;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Once};

use nix::errno::Errno;
use nix::sys::socket::{SockaddrIn, SockaddrIn6};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::{spawn_local, yield_now};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::model::Moment;
use crate::wire::OUR_PAYLOAD;

use super::counters::Counters;
use super::handler::{Answer, Way};
use super::udp_portable::{BATCH, LONGEST, PAUSE, rest};

use inbox::{Datagram, Inbox};
use outbox::Outbox;
use peer::{Peer, Route};
use sender::{Outgoing, Sender};

/// Batches that are taken before others on the thread have their turn: replies of upstreams, above all.
const IN_A_ROW: u32 = 4;

/// How datagrams are received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    /// `recvmmsg` and `sendmmsg`.
    Batched,
    /// `recvmsg` and `sendmsg`, which every system has.
    Single,
}

/// A socket, and what its loop needs.
pub(super) struct Door<'d> {
    /// The socket, which must not block.
    pub(super) socket: &'d Arc<UdpSocket>,
    /// Its address; unspecified where it is on no address of its own.
    pub(super) local: IpAddr,
    /// The clocks.
    pub(super) clock: &'d Clock,
    /// The worker's counts.
    pub(super) counters: &'d Arc<Counters>,
    /// The calls to make.
    pub(super) calls: Calls,
}

/// What a batch needs; the loop reuses it, so that none allocates.
struct Batch<P> {
    local: IpAddr,
    inbox: Inbox<P>,
    outbox: Rc<Outbox<P>>,
    /// The replies; only the first `ready` are this batch's.
    replies: Vec<Outgoing<P>>,
    ready: usize,
}

/// Answers datagrams. In batches it does so for as long as the system has calls for that: it returns
/// before the first datagram is taken, or never. Singly it never returns.
///
/// Of a socket on no address of its own the kernel is asked, datagram by datagram, where it was sent
/// to, and replies leave from there; the portable loop could not tell.
pub(super) async fn serve<A, F>(door: Door<'_>, answer: A)
where
    A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    match door.socket.local_addr() {
        Ok(SocketAddr::V6(local)) => run(SockaddrIn6::from(local), door, answer).await,
        _ => run(SockaddrIn::new(0, 0, 0, 0, 0), door, answer).await,
    }
}

/// Runs the loop for the family of `filler`, which stands where no peer is known yet.
async fn run<P, A, F>(filler: P, door: Door<'_>, mut answer: A)
where
    P: Peer,
    A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    let mut batch = Batch::new(&door, filler);
    let _end = batch.outbox.loop_end();
    let (mut works, mut empty_rounds) = (door.calls == Calls::Single, 0);
    let mut in_a_row = 0_u32;
    loop {
        if door.socket.readable().await.is_err() {
            sleep(PAUSE).await;
            continue;
        }
        let taken = batch.take(&door, &mut answer);
        batch.send();
        match taken {
            Err(Errno::EAGAIN) => (empty_rounds, in_a_row) = (rest(empty_rounds).await, 0),
            Err(error) if !works && is_missing(error) => return,
            Err(_) => {
                door.counters.socket_errors.add();
                sleep(PAUSE).await;
                continue;
            }
            Ok(_) => {
                (empty_rounds, in_a_row) = (0, in_a_row + 1);
                if in_a_row == IN_A_ROW {
                    in_a_row = 0;
                    yield_now().await;
                }
            }
        }
        works = true;
    }
}

impl<P: Peer> Batch<P> {
    fn new(door: &Door<'_>, filler: P) -> Batch<P> {
        // Without packet info the kernel chooses where replies leave from.
        let informed = door.local.is_unspecified() && P::request_info(door.socket).is_ok();
        let reply = || {
            let octets = Vec::with_capacity(usize::from(OUR_PAYLOAD));
            Outgoing { octets, peer: filler, route: Route::ANY }
        };
        let sender = Sender::new(door.calls, informed);
        Batch {
            local: door.local,
            inbox: Inbox::new(door.calls, informed),
            outbox: Outbox::new(door.socket, door.counters, sender),
            replies: std::iter::repeat_with(reply).take(BATCH).collect(),
            ready: 0,
        }
    }

    /// Takes a batch of datagrams, answers those that it can, and returns how many were taken.
    fn take<A, F>(&mut self, door: &Door<'_>, answer: &mut A) -> nix::Result<usize>
    where
        A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
        F: Future<Output = Vec<u8>> + 'static,
    {
        let Batch { local, inbox, outbox, replies, ready } = self;
        let mut now = None;
        let each = |Datagram { octets, peer, route }: Datagram<'_, P>| {
            let (address, Some(slot)) = (peer.address(), replies.get_mut(*ready)) else { return };
            // Nobody listens on port 0; only a forged datagram comes from there.
            if address.port() == 0 {
                return;
            }
            (slot.peer, slot.route) = (peer, route.unwrap_or(Route::ANY));
            slot.octets.clear();
            let local = route.map_or(*local, |route| route.local.to_canonical());
            let way = Way { client: address.ip().to_canonical(), local };
            let now = *now.get_or_insert_with(|| door.clock.now());
            let answer = || answer(octets, way, now, &mut slot.octets);
            match catch_unwind(AssertUnwindSafe(answer)) {
                Ok(Answer::Now) if !slot.octets.is_empty() => *ready += 1,
                Ok(Answer::Later(reply)) => finish(reply, slot, outbox),
                // A panic was told on stderr; it must not cost the others of the batch their replies.
                Ok(Answer::Now | Answer::Nothing) | Err(_) => {}
            }
        };
        exhaust(door.socket, || inbox.receive(door.socket, each))
    }

    fn send(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        self.outbox.send(self.replies.get(..ready).unwrap_or_default());
    }
}

/// Takes a batch. After a single datagram the runtime is to wait for an event: the socket is watched
/// for edges, and what comes from now on makes a new one, which saves the call that would find
/// nothing. While several were answered more will have come: then that call costs less than a wait.
fn exhaust(socket: &UdpSocket, receive: impl FnOnce() -> nix::Result<usize>) -> nix::Result<usize> {
    let mut taken = Err(Errno::EAGAIN);
    let _ = socket.try_io(Interest::READABLE, || {
        taken = receive();
        let more = !matches!(taken, Ok(0 | 1) | Err(Errno::EAGAIN));
        if more { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    });
    taken
}

fn finish<F, P>(reply: F, to: &Outgoing<P>, outbox: &Rc<Outbox<P>>)
where
    F: Future<Output = Vec<u8>> + 'static,
    P: Peer,
{
    let (peer, route, outbox) = (to.peer, to.route, Rc::clone(outbox));
    spawn_local(async move {
        let octets = reply.await;
        if !octets.is_empty() {
            outbox.post(Outgoing { octets, peer, route }).await;
        }
    });
}

/// Returns whether an error says that the system, or the sandbox around us, has no such call.
fn is_missing(error: Errno) -> bool {
    static ONCE: Once = Once::new();
    let missing = matches!(error, Errno::ENOSYS | Errno::EPERM);
    if missing {
        ONCE.call_once(|| {
            tracing::warn!(
                "this system refuses to receive datagrams in batches ({error}); they are taken one by \
                 one, which costs more (`batched = false` in [dns] of config.toml ends this notice)"
            );
        });
    }
    missing
}

#[cfg(test)]
mod tests;
