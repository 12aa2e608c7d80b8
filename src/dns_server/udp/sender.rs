//! Batches of datagrams out.

use std::array;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, sendmmsg, sendmsg};
use tokio::net::UdpSocket;

use super::{BATCH, Calls, Peer, Route};

/// A reply and where it goes.
pub(super) struct Outgoing<P> {
    /// The reply.
    pub(super) octets: Vec<u8>,
    /// Who gets it.
    pub(super) peer: P,
    /// Which way it takes.
    pub(super) route: Route,
}

/// Sends replies a batch at a time, without an allocation; or one by one.
pub(super) struct Sender<P> {
    headers: MultiHeaders<P>,
    peers: Vec<Option<P>>,
    calls: Calls,
    informed: bool,
}

impl<P: Peer> Sender<P> {
    /// Makes room; `informed` says that replies are told which way to take.
    pub(super) fn new(calls: Calls, informed: bool) -> Sender<P> {
        // All of the room is sent as control message, so it is exactly what ours takes.
        let control = informed.then(|| vec![0; P::INFO]);
        let headers = MultiHeaders::preallocate(BATCH, control);
        Sender { headers, peers: Vec::with_capacity(BATCH), calls, informed }
    }

    /// Sends at once or not at all: replies that wait would hold up those behind them. Returns
    /// how many the kernel did not take.
    pub(super) fn send<'r>(
        &mut self,
        socket: &UdpSocket,
        replies: impl Iterator<Item = &'r Outgoing<P>>,
    ) -> usize {
        let (socket, mut replies, mut unsent) = (socket.as_raw_fd(), replies.fuse(), 0);
        loop {
            let mut waiting: [_; BATCH] = array::from_fn(|_| replies.next());
            if waiting.iter().all(Option::is_none) {
                return unsent;
            }
            // One call has one control message for all, so it takes those of one route.
            while let Some(first) = waiting.iter().flatten().next() {
                unsent += self.send_group(socket, first.route, &mut waiting);
            }
        }
    }

    /// Takes those of `route` out of `waiting` and sends them.
    fn send_group(
        &mut self,
        socket: RawFd,
        route: Route,
        waiting: &mut [Option<&Outgoing<P>>],
    ) -> usize {
        self.peers.clear();
        let (peers, of_route) = (&mut self.peers, |reply: &mut &Outgoing<P>| reply.route == route);
        let mut group = waiting.iter_mut().filter_map(|reply| reply.take_if(of_route));
        let octets: [_; BATCH] = array::from_fn(|_| {
            let reply = group.next();
            peers.extend(reply.map(|reply| Some(reply.peer)));
            [IoSlice::new(reply.map_or(&[], |reply| &reply.octets))]
        });
        if self.informed {
            P::with_info(route, |info| self.transmit(socket, &octets, &[info]))
        } else {
            self.transmit(socket, &octets, &[])
        }
    }

    fn transmit(
        &mut self,
        socket: RawFd,
        octets: &[[IoSlice<'_>; 1]],
        control: &[ControlMessage<'_>],
    ) -> usize {
        let (mut sent, mut unsent) = (0, 0);
        while let (Some(octets), Some(peers @ [_, ..])) =
            (octets.get(sent..), self.peers.get(sent..))
        {
            let (headers, flags) = (&mut self.headers, MsgFlags::MSG_DONTWAIT);
            let outcome = match (self.calls, octets, peers) {
                (Calls::Single, [octets, ..], [peer, ..]) => {
                    sendmsg(socket, octets, control, flags, peer.as_ref()).map(|_| 1)
                }
                _ => sendmmsg(socket, headers, octets, peers, control, flags).map(Iterator::count),
            };
            match outcome {
                Ok(taken) => sent += taken,
                Err(Errno::EAGAIN) => return unsent + peers.len(),
                // It is the first one's; those behind it may go elsewhere.
                Err(_) => {
                    unsent += 1;
                    sent += 1;
                }
            }
        }
        unsent
    }
}
