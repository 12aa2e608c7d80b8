//! One query over UDP.
//!
//! By ourselves and not by hickory, whose client takes the first datagram with the right number
//! for the answer or the failure, and sends again by itself without a count that we could bound.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use tokio::net::UdpSocket;

use crate::wire::Question;

use super::tls::explain_io;
use super::{Fault, Heard, Outgoing};

/// Longest datagram taken; more than we ask for, since some send more.
const MAX_DATAGRAM: usize = 4096;

/// Sends the query from a socket of its own and waits for its reply, whatever else comes in.
///
/// The kernel picks the port at random and lets in only what `server` sends to it. The wait has
/// no end of its own: whoever waits bounds it.
pub(super) async fn exchange(
    server: SocketAddr,
    query: &Outgoing,
    question: &Question,
) -> Result<Heard, Fault> {
    let failed = |error: std::io::Error| match error.raw_os_error().map(Errno::from_raw) {
        // That is our own lack, and says nothing about the upstream.
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS) => Fault::Busy,
        _ => Fault::Connect(explain_io(&error, server.port())),
    };
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    socket.connect(server).await.map_err(failed)?;
    socket.send(query.octets()).await.map_err(failed)?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(failed)?;
        let datagram = buffer.get(..length).unwrap_or_default();
        match query.read(datagram, query.id(), question) {
            Heard::Stranger => {}
            heard => return Ok(heard),
        }
    }
}
