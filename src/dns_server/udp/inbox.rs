//! Batches of datagrams in.

use std::array;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, RecvMsg, recvmmsg, recvmsg};
use tokio::net::UdpSocket;

use super::{BATCH, Calls, LONGEST, Peer, Route};

/// Octets from one packet's buffer to the next: were it a power of two, the packets of a batch
/// would push each other out of the processor's cache.
const STRIDE: usize = LONGEST + 3 * 64;
/// Room for control messages; a socket that was handed to us may have others than ours.
const CONTROL: usize = 256;

/// A datagram in its slot.
pub(super) struct Datagram<'p, P> {
    /// What it says; cut if it is longer than `LONGEST`.
    pub(super) octets: &'p [u8],
    /// Who sent it.
    pub(super) peer: P,
    /// The way back, where packet info was asked for and came.
    pub(super) route: Option<Route>,
}

/// Room for a batch.
///
/// Its headers are for receiving only: sending leaves pointers in them that the next
/// `recvmmsg` would write through.
pub(super) struct Inbox<P> {
    packets: Vec<u8>,
    headers: MultiHeaders<P>,
    calls: Calls,
    informed: bool,
}

impl<P: Peer> Inbox<P> {
    /// Makes room; `informed` says that datagrams come with packet info.
    pub(super) fn new(calls: Calls, informed: bool) -> Inbox<P> {
        Inbox { packets: vec![0; STRIDE * BATCH], headers: headers_for(informed), calls, informed }
    }

    /// Takes what has come, a batch at most, and returns how many those are: fewer than a batch
    /// are all there were.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        take: impl FnMut(Datagram<'_, P>),
    ) -> nix::Result<usize> {
        match self.calls {
            Calls::Batched => self.receive_batch(socket.as_raw_fd(), take),
            Calls::Single => self.receive_singly(socket.as_raw_fd(), take),
        }
    }

    fn receive_batch(
        &mut self,
        socket: RawFd,
        mut take: impl FnMut(Datagram<'_, P>),
    ) -> nix::Result<usize> {
        let mut packets = packets(&mut self.packets);
        let mut slots: [_; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(packets.next().unwrap_or_default())]);
        let (headers, flags) = (&mut self.headers, MsgFlags::MSG_DONTWAIT);
        let (mut taken, mut cramped) = (0, false);
        for message in recvmmsg(socket, headers, slots.iter_mut(), flags, None)? {
            taken += 1;
            cramped |= message.flags.contains(MsgFlags::MSG_CTRUNC);
            hand_on(&message, self.informed, &mut take);
        }
        if cramped {
            // The kernel leaves in a header how much room the last message took, and that is all
            // the room that the next one gets.
            self.headers = headers_for(self.informed);
        }
        Ok(taken)
    }

    fn receive_singly(
        &mut self,
        socket: RawFd,
        mut take: impl FnMut(Datagram<'_, P>),
    ) -> nix::Result<usize> {
        let (mut taken, mut control) = (0, [0; CONTROL]);
        for packet in packets(&mut self.packets) {
            let control = self.informed.then_some(&mut control[..]);
            let mut slot = [IoSliceMut::new(packet)];
            match recvmsg(socket, &mut slot, control, MsgFlags::MSG_DONTWAIT) {
                Ok(message) => hand_on(&message, self.informed, &mut take),
                Err(Errno::EAGAIN) if taken > 0 => break,
                Err(error) => return Err(error),
            }
            taken += 1;
        }
        Ok(taken)
    }
}

fn hand_on<P: Peer>(
    message: &RecvMsg<'_, '_, P>,
    informed: bool,
    take: &mut impl FnMut(Datagram<'_, P>),
) {
    let route = match message.cmsgs() {
        Ok(mut control) if informed => control.find_map(|told| P::route(&told)),
        _ => None,
    };
    let octets = message.iovs().next().unwrap_or_default();
    if let Some(peer) = message.address {
        take(Datagram { octets, peer, route });
    }
}

fn packets(room: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    room.chunks_exact_mut(STRIDE).filter_map(|packet| packet.get_mut(..LONGEST))
}

fn headers_for<P: Peer>(informed: bool) -> MultiHeaders<P> {
    MultiHeaders::preallocate(BATCH, informed.then(|| vec![0; CONTROL]))
}
