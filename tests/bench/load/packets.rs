//! Datagrams in batches: one call of the kernel for many.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

/// The longest datagram.
const LONGEST: usize = 1_400;
/// What a socket may hold that nobody has read yet.
const BUFFER: usize = 4 << 20;

/// How long a received datagram is, and who sent it.
#[derive(Clone, Copy)]
struct Received {
    length: usize,
    from: Option<SockaddrIn>,
}

/// Room for a batch of datagrams that come in.
pub(super) struct Packets {
    headers: MultiHeaders<SockaddrIn>,
    buffers: Vec<[u8; LONGEST]>,
    received: Vec<Received>,
}

impl Packets {
    pub(super) fn new(batch: usize) -> Packets {
        Packets {
            headers: MultiHeaders::preallocate(batch, None),
            buffers: vec![[0; LONGEST]; batch],
            received: Vec::with_capacity(batch),
        }
    }

    /// Receives up to a batch; none where nothing is there.
    pub(super) fn receive(&mut self, socket: &UdpSocket, flags: MsgFlags) -> io::Result<usize> {
        self.received.clear();
        let mut slices: Vec<[IoSliceMut; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let (fd, headers) = (socket.as_raw_fd(), &mut self.headers);
        match recvmmsg(fd, headers, slices.iter_mut(), flags, None) {
            Ok(messages) => self.received.extend(
                messages.map(|message| Received { length: message.bytes, from: message.address }),
            ),
            Err(error) => quiet(error)?,
        }
        Ok(self.received.len())
    }

    /// Returns what was received, with its sender.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&mut [u8], Option<SockaddrIn>)> {
        let buffers = self.buffers.iter_mut().zip(&self.received);
        buffers.map(|(buffer, received)| (&mut buffer[..received.length], received.from))
    }
}

/// A batch of datagrams to go out.
pub(super) struct Unsent {
    headers: MultiHeaders<SockaddrIn>,
    octets: Vec<u8>,
    ends: Vec<usize>,
    to: Vec<Option<SockaddrIn>>,
}

impl Unsent {
    pub(super) fn new(batch: usize) -> Unsent {
        let headers = MultiHeaders::preallocate(batch, None);
        Unsent { headers, octets: Vec::new(), ends: Vec::new(), to: Vec::new() }
    }

    /// Adds one, whose octets `write` appends.
    pub(super) fn push(&mut self, to: Option<SockaddrIn>, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.octets);
        self.ends.push(self.octets.len());
        self.to.push(to);
    }

    /// Sends all in one call and forgets them; returns how many the kernel took.
    pub(super) fn send(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let mut begin = 0;
        let slice = |end: &usize| {
            let slice = IoSlice::new(&self.octets[begin..*end]);
            begin = *end;
            [slice]
        };
        let slices: Vec<[IoSlice; 1]> = self.ends.iter().map(slice).collect();
        let (fd, none) = (socket.as_raw_fd(), [] as [ControlMessage; 0]);
        let flags = MsgFlags::empty();
        let sent = match sendmmsg(fd, &mut self.headers, &slices, &self.to, none, flags) {
            Ok(sent) => sent.count(),
            Err(error) => quiet(error).map(|()| 0)?,
        };
        drop(slices);
        self.octets.clear();
        self.ends.clear();
        self.to.clear();
        Ok(sent)
    }
}

/// Binds a socket to a free port of loopback, or to the one that is given, with large buffers.
pub(super) fn bind(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(BUFFER)?;
    options.set_send_buffer_size(BUFFER)?;
    Ok(socket)
}

/// Passes over what only says that nothing is there, or that nobody listened a moment ago.
fn quiet(error: Errno) -> io::Result<()> {
    let error = io::Error::from(error);
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::ConnectionRefused | ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
