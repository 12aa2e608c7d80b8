//! One socket or connection of a load.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::MsgFlags;

use super::packets::bind;
use super::{Flights, Load, Outcome, PATIENCE, Packets, Questions, Transport, Unsent};

/// Datagrams of one call.
pub(super) const BATCH: usize = 32;
/// How often a server may close our connections before we give it up.
const CLOSED_AT_MOST: u64 = 10_000;
/// What is read from a connection at once.
const CHUNK: usize = 16 << 10;

/// A socket with its queries under way.
pub(super) struct Lane {
    wire: Wire,
    /// The queries without an answer.
    pub(super) flights: Flights,
}

enum Wire {
    Udp { socket: UdpSocket, packets: Packets, unsent: Unsent },
    Tcp(Stream),
}

struct Stream {
    server: SocketAddr,
    stream: TcpStream,
    came: Vec<u8>,
    going: Vec<u8>,
}

impl Lane {
    pub(super) fn open(load: &Load) -> io::Result<Lane> {
        let wire = match load.transport {
            Transport::Udp => {
                let socket = bind(0)?;
                socket.connect(load.server)?;
                socket.set_nonblocking(true)?;
                Wire::Udp { socket, packets: Packets::new(BATCH), unsent: Unsent::new(BATCH) }
            }
            Transport::Tcp => Wire::Tcp(Stream::open(load.server)?),
        };
        Ok(Lane { wire, flights: Flights::default() })
    }

    /// Sends questions; returns how many went out.
    pub(super) fn send(
        &mut self,
        load: &Load,
        questions: Range<usize>,
        now: Instant,
        outcome: &mut Outcome,
    ) -> io::Result<usize> {
        let all = questions.clone();
        let sent = match &mut self.wire {
            Wire::Udp { socket, unsent, .. } => {
                for (ahead, number) in questions.clone().enumerate() {
                    let id = self.flights.next_id(ahead);
                    unsent.push(None, |octets| write(octets, load.questions, number, id));
                }
                unsent.send(socket)?
            }
            Wire::Tcp(stream) => {
                for (ahead, number) in questions.clone().enumerate() {
                    stream.push(load.questions, number, self.flights.next_id(ahead));
                }
                stream.flush()?;
                all.len()
            }
        };
        for number in all.take(sent) {
            outcome.lost += u64::from(!self.flights.begin(number, now));
        }
        Ok(sent)
    }

    /// Takes answers and holds them to what is wanted; returns how many came.
    pub(super) fn receive(
        &mut self,
        questions: &Questions,
        now: Instant,
        outcome: &mut Outcome,
    ) -> io::Result<usize> {
        let flights = &mut self.flights;
        match &mut self.wire {
            Wire::Udp { socket, packets, .. } => {
                let came = packets.receive(socket, MsgFlags::MSG_DONTWAIT)?;
                for (reply, _) in packets.iter_mut() {
                    take(flights, questions, reply, now, outcome);
                }
                Ok(came)
            }
            Wire::Tcp(stream) => {
                if !stream.read()? {
                    outcome.closed += 1;
                    stream.again(questions, flights, now, outcome)?;
                }
                let mut came = 0;
                while let Some(reply) = stream.next_message() {
                    take(flights, questions, &reply, now, outcome);
                    came += 1;
                }
                stream.flush()?;
                Ok(came)
            }
        }
    }

    /// Returns what to wait on.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.wire {
            Wire::Udp { socket, .. } => socket.as_fd(),
            Wire::Tcp(stream) => stream.stream.as_fd(),
        }
    }
}

fn take(
    flights: &mut Flights,
    questions: &Questions,
    reply: &[u8],
    now: Instant,
    outcome: &mut Outcome,
) {
    let id = reply.first_chunk().map(|id| u16::from_be_bytes(*id));
    let Some(flight) = id.and_then(|id| flights.end(id)) else {
        outcome.stray += 1;
        return;
    };
    let waited = now.saturating_duration_since(flight.sent);
    match questions.check(flight.question, reply) {
        Ok(()) if waited <= PATIENCE => {
            outcome.answered += 1;
            outcome.latency.add(waited);
        }
        Ok(()) => outcome.lost += 1,
        Err(why) => outcome.refuse(|| why),
    }
}

fn write(octets: &mut Vec<u8>, questions: &Questions, number: usize, id: u16) {
    octets.extend(id.to_be_bytes());
    octets.extend(questions.octets(number).get(2..).unwrap_or_default());
}

impl Stream {
    fn open(server: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Stream { server, stream, came: Vec::new(), going: Vec::new() })
    }

    fn push(&mut self, questions: &Questions, number: usize, id: u16) {
        let length = questions.octets(number).len() as u16;
        self.going.extend(length.to_be_bytes());
        write(&mut self.going, questions, number, id);
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.going.is_empty() {
            return Ok(());
        }
        match self.stream.write(&self.going) {
            Ok(written) => drop(self.going.drain(..written)),
            // A closed connection shows itself when it is read.
            Err(error) if is_over(&error) || error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads what is there; false where the server closed the connection.
    fn read(&mut self) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(length) => {
                self.came.extend(&chunk[..length]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) if is_over(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn next_message(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(u16::from_be_bytes(*self.came.first_chunk()?));
        let message = self.came.get(2..2 + length)?.to_vec();
        self.came.drain(..2 + length);
        Some(message)
    }

    /// Connects again and asks again what was not answered.
    fn again(
        &mut self,
        questions: &Questions,
        flights: &mut Flights,
        now: Instant,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        if outcome.closed > CLOSED_AT_MOST {
            return Err(io::Error::other("the server closes every connection"));
        }
        let came = std::mem::take(&mut self.came);
        *self = Stream { came, ..Stream::open(self.server)? };
        while let Some(reply) = self.next_message() {
            take(flights, questions, &reply, now, outcome);
        }
        self.came.clear();
        for flight in flights.drain() {
            self.push(questions, flight.question, flights.next_id(0));
            flights.begin(flight.question, flight.sent);
        }
        Ok(())
    }
}

fn is_over(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
