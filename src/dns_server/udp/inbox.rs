//! Batches of datagrams in.

use std::array;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};
use tokio::net::UdpSocket;

use super::{BATCH, LONGEST, Peer, Route};

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
    informed: bool,
}

impl<P: Peer> Inbox<P> {
    /// Makes room; `informed` says that datagrams come with packet info.
    pub(super) fn new(informed: bool) -> Inbox<P> {
        Inbox { packets: vec![0; STRIDE * BATCH], headers: headers(informed), informed }
    }

    /// Takes what has come, a batch at most, and returns how many those are: fewer than a batch
    /// are all there were.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        mut take: impl FnMut(Datagram<'_, P>),
    ) -> nix::Result<usize> {
        let mut packets = self.packets.chunks_exact_mut(STRIDE);
        let mut slots: [_; BATCH] = array::from_fn(|_| {
            let packet = packets.next().and_then(|packet| packet.get_mut(..LONGEST));
            [IoSliceMut::new(packet.unwrap_or_default())]
        });
        let (socket, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let messages = recvmmsg(socket, &mut self.headers, slots.iter_mut(), flags, None)?;
        let (mut taken, mut cramped) = (0, false);
        for message in messages {
            taken += 1;
            cramped |= message.flags.contains(MsgFlags::MSG_CTRUNC);
            let route = match message.cmsgs() {
                Ok(mut control) if self.informed => control.find_map(|told| P::route(&told)),
                _ => None,
            };
            let octets = message.iovs().next().unwrap_or_default();
            if let Some(peer) = message.address {
                take(Datagram { octets, peer, route });
            }
        }
        if cramped {
            // The kernel leaves in a header how much room the last message took, and that is all
            // the room that the next one gets.
            self.headers = headers(self.informed);
        }
        Ok(taken)
    }
}

fn headers<P: Peer>(informed: bool) -> MultiHeaders<P> {
    MultiHeaders::preallocate(BATCH, informed.then(|| vec![0; CONTROL]))
}
