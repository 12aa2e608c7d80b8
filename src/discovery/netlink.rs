//! Sockets to the kernel's routing tables; none of this needs a capability.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;

use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};

use super::{Dump, News, Row, Table, messages, request, row_of};

/// Links, neighbours, addresses, routes of both families, and options of router advertisements.
const GROUPS: [u32; 7] = [1, 3, 5, 7, 9, 11, 20];

/// The kernel makes no datagram longer than half of this.
const LONGEST_DATAGRAM: usize = 1 << 16;

/// The kernel's word for news that found no room.
const NO_ROOM: i32 = 105;

/// What the kernel says of all its tables.
pub(super) struct Subscription {
    socket: TokioSocket,
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Subscription {
    /// Subscribes, with room for so many octets of news that were not yet read.
    pub(super) fn open(room: usize) -> io::Result<Subscription> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let port = socket.socket_mut().bind_auto()?.port_number();
        // The kernel reads a C `int`.
        let room = i32::try_from(room).unwrap_or(i32::MAX);
        socket.socket_ref().set_rx_buf_sz(room)?;
        for group in GROUPS {
            socket.socket_mut().add_membership(group)?;
        }
        Ok(Subscription { socket, port, sequence: 0, buffer: Vec::with_capacity(LONGEST_DATAGRAM) })
    }

    /// Asks for a table; its rows come among the news.
    pub(super) fn ask(&mut self, table: Table) -> io::Result<Dump> {
        self.sequence = self.sequence.wrapping_add(1);
        let (kind, length) = table.request();
        let octets = request(kind, self.sequence, &vec![0; length], true);
        self.socket.socket_ref().send_to(&octets, &SocketAddr::new(0, 0), 0)?;
        Ok(Dump { table, port: self.port, sequence: self.sequence })
    }

    /// Returns the next datagram; nothing is lost if this is not waited for to its end.
    ///
    /// `None`: news were lost for want of room.
    pub(super) async fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.buffer.clear();
            let (socket, buffer) = (&self.socket, &mut self.buffer);
            match poll_fn(|context| socket.poll_recv_from(context, buffer)).await {
                // Other programs may write to this socket too.
                Ok(sender) if sender.port_number() != 0 => {}
                Ok(_) if self.buffer.len() >= LONGEST_DATAGRAM => return Ok(None),
                Ok(_) => return Ok(Some(&self.buffer)),
                Err(error) if error.raw_os_error() == Some(NO_ROOM) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A socket for questions about single rows.
pub(super) struct Inquiry(Socket);

impl Inquiry {
    pub(super) fn open() -> io::Result<Inquiry> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        socket.bind_auto()?;
        Ok(Inquiry(socket))
    }

    /// Returns the row of an address, if somebody is known to be there.
    ///
    /// The kernel answers within the call that asks, so nothing is waited for.
    pub(super) fn row(&self, address: IpAddr, interface: u32) -> io::Result<Option<Row>> {
        const GET_NEIGHBOUR: u16 = 30;
        let octets = request(GET_NEIGHBOUR, 1, &row_of(address, interface), false);
        let kernel = SocketAddr::new(0, 0);
        self.0.send_to(&octets, &kernel, 0)?;
        let mut buffer = Vec::with_capacity(4_096);
        let (_, sender) = self.0.recv_from(&mut buffer, 0)?;
        if sender != kernel {
            return Ok(None);
        }
        let row = messages(&buffer).find_map(|message| match message.news {
            News::Neighbour(row) if row.hardware.is_some() => Some(row),
            _ => None,
        });
        Ok(row.filter(|row| (row.address, row.interface) == (address, interface)))
    }
}
