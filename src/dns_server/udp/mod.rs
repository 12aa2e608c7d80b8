//! UDP in batches: one call receives many datagrams, one sends the replies of all.

mod inbox;
mod outbox;
mod peer;
mod sender;

use std::io::{self, ErrorKind};
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
use super::udp_portable::{BATCH, LONGEST, PAUSE};

use inbox::{Datagram, Inbox};
use outbox::Outbox;
use peer::{Peer, Route};
use sender::{Outgoing, Sender};

/// What a batch needs; the loop reuses it, so that none allocates.
struct Batch<P> {
    local: IpAddr,
    inbox: Inbox<P>,
    outbox: Rc<Outbox<P>>,
    /// The replies; only the first `ready` are this batch's.
    replies: Vec<Outgoing<P>>,
    ready: usize,
}

/// Answers datagrams that are sent to `local`, for as long as the system has calls for batches:
/// it returns before the first datagram is taken, or never.
///
/// Of a socket on no address of its own (`local` is unspecified) the kernel is asked, datagram by
/// datagram, where it was sent to, and replies leave from there.
pub(super) async fn serve<A, F>(
    socket: &Arc<UdpSocket>,
    local: IpAddr,
    clock: &Clock,
    counters: &Arc<Counters>,
    answer: A,
) where
    A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    match socket.local_addr() {
        Ok(SocketAddr::V6(_)) => {
            let empty = SockaddrIn6::from(std::net::SocketAddrV6::new([0; 16].into(), 0, 0, 0));
            run(socket, Batch::new(socket, local, counters, empty), clock, counters, answer).await;
        }
        _ => {
            let empty = SockaddrIn::new(0, 0, 0, 0, 0);
            run(socket, Batch::new(socket, local, counters, empty), clock, counters, answer).await;
        }
    }
}

async fn run<P, A, F>(
    socket: &UdpSocket,
    mut batch: Batch<P>,
    clock: &Clock,
    counters: &Counters,
    mut answer: A,
) where
    P: Peer,
    A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
    F: Future<Output = Vec<u8>> + 'static,
{
    let _end = batch.outbox.loop_end();
    let mut works = false;
    loop {
        if socket.readable().await.is_err() {
            sleep(PAUSE).await;
            continue;
        }
        let taken = socket.try_io(Interest::READABLE, || batch.take(socket, clock, &mut answer));
        batch.send();
        match taken {
            Ok(()) => yield_now().await,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if !works && is_missing(&error) => return,
            Err(_) => {
                counters.socket_errors.add();
                sleep(PAUSE).await;
                continue;
            }
        }
        works = true;
    }
}

impl<P: Peer> Batch<P> {
    fn new(socket: &Arc<UdpSocket>, local: IpAddr, counters: &Arc<Counters>, empty: P) -> Batch<P> {
        // Without packet info the kernel chooses where replies leave from.
        let informed = local.is_unspecified() && P::request_info(socket).is_ok();
        let reply = || {
            let octets = Vec::with_capacity(usize::from(OUR_PAYLOAD));
            Outgoing { octets, peer: empty, route: Route::ANY }
        };
        Batch {
            local,
            inbox: Inbox::new(informed),
            outbox: Outbox::new(socket, counters, informed),
            replies: std::iter::repeat_with(reply).take(BATCH).collect(),
            ready: 0,
        }
    }

    /// Takes a batch of datagrams, and answers those that it can; `WouldBlock` says that no more
    /// are there.
    fn take<A, F>(&mut self, socket: &UdpSocket, clock: &Clock, answer: &mut A) -> io::Result<()>
    where
        A: FnMut(&[u8], Way, Moment, &mut Vec<u8>) -> Answer<F>,
        F: Future<Output = Vec<u8>> + 'static,
    {
        let Batch { local, inbox, outbox, replies, ready } = self;
        let mut now = None;
        let taken = inbox.receive(socket, |Datagram { octets, peer, route }| {
            let (address, Some(slot)) = (peer.address(), replies.get_mut(*ready)) else { return };
            // Nobody listens on port 0; only a forged datagram comes from there.
            if address.port() == 0 {
                return;
            }
            (slot.peer, slot.route) = (peer, route.unwrap_or(Route::ANY));
            slot.octets.clear();
            let local = route.map_or(*local, |route| route.local.to_canonical());
            let way = Way { client: address.ip().to_canonical(), local };
            let now = *now.get_or_insert_with(|| clock.now());
            let answer = || answer(octets, way, now, &mut slot.octets);
            match catch_unwind(AssertUnwindSafe(answer)) {
                Ok(Answer::Now) if !slot.octets.is_empty() => *ready += 1,
                Ok(Answer::Later(reply)) => finish(reply, slot, outbox),
                // A panic was told on stderr; it must not cost the others of the batch their replies.
                Ok(Answer::Now | Answer::Nothing) | Err(_) => {}
            }
        })?;
        if taken < BATCH { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn send(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        self.outbox.send(self.replies.get(..ready).unwrap_or_default());
    }
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
fn is_missing(error: &io::Error) -> bool {
    static ONCE: Once = Once::new();
    let code = error.raw_os_error().map(Errno::from_raw);
    let missing = matches!(code, Some(Errno::ENOSYS | Errno::EPERM));
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
