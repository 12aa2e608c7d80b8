//! One query over UDP.
//!
//! By ourselves and not by hickory, whose client takes the first datagram with the right number
//! for the answer or the failure, and sends again by itself without a count that we could bound.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;

use nix::errno::Errno;

use crate::wire::Question;

use super::sockets::Socket;
use super::tls::explain_io;
use super::{Fault, Heard, Outgoing};

/// Longest datagram taken; more than we ask for, since some send more.
const MAX_DATAGRAM: usize = 4096;

thread_local! {
    /// What came in last: nobody holds it beyond one look.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_DATAGRAM].into());
}

/// Sends the query and waits for its reply, whatever else comes in.
///
/// No other question is asked over its socket meanwhile, and the kernel lets in only what `server`
/// sends to it. The wait has no end of its own: whoever waits bounds it.
pub(super) async fn exchange(
    server: SocketAddr,
    query: &Outgoing,
    question: &Question,
    now: u64,
) -> Result<Heard, Fault> {
    let failed = |error: io::Error| match error.raw_os_error().map(Errno::from_raw) {
        // That is our own lack, and says nothing about the upstream.
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS) => Fault::Busy,
        _ => Fault::Connect(explain_io(&error, server.port())),
    };
    let mut socket = Socket::send(server, query, now).map_err(failed)?;
    loop {
        let look = || BUFFER.with_borrow_mut(|buffer| hear(&socket, buffer, query, question));
        match socket.when_ready(look).await.map_err(failed)? {
            Heard::Stranger => socket.mistrust(),
            heard => {
                socket.keep();
                return Ok(heard);
            }
        }
    }
}

fn hear(
    socket: &Socket,
    buffer: &mut [u8],
    query: &Outgoing,
    question: &Question,
) -> io::Result<Heard> {
    let length = socket.receive(buffer)?;
    Ok(query.read(buffer.get(..length).unwrap_or_default(), query.id(), question))
}
