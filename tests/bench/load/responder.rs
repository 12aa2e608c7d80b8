//! Two servers: an echo, the least that a server can do, and an upstream that knows every name.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use nix::sys::socket::MsgFlags;

use super::packets::bind;
use super::questions::Hash;
use super::{Packets, Unsent};

/// Datagrams of one call.
const BATCH: usize = 32;
const HEADER: usize = 12;
const A: [u8; 4] = [0, 1, 0, 1];
const AAAA: [u8; 4] = [0, 28, 0, 1];
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// Sends every datagram back, marked as a response; ends with its process.
pub fn echo(port: u16) -> io::Result<()> {
    serve(bind(port)?, |query, reply| {
        let begin = reply.len();
        reply.extend_from_slice(query);
        if let Some(flags) = reply.get_mut(begin + 2) {
            *flags |= 0x80;
        }
    })
}

/// Answers every name with an address that follows from it, to be kept for so many seconds.
pub fn stub(port: u16, ttl: u32) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve_stream(stream, ttl));
        }
    });
    serve(bind(port)?, |query, reply| {
        let _ = answer(query, reply, ttl);
    })
}

/// Answers on a connection until it is closed.
fn serve_stream(mut stream: TcpStream, ttl: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let mut reply = vec![0, 0];
        let _ = answer(&query, &mut reply, ttl);
        let length = (reply.len() - 2) as u16;
        reply[..2].copy_from_slice(&length.to_be_bytes());
        stream.write_all(&reply)?;
    }
}

fn serve(socket: UdpSocket, write: impl Fn(&[u8], &mut Vec<u8>)) -> io::Result<()> {
    let (mut packets, mut unsent) = (Packets::new(BATCH), Unsent::new(BATCH));
    loop {
        packets.receive(&socket, MsgFlags::MSG_WAITFORONE)?;
        for (query, from) in packets.iter_mut() {
            unsent.push(from, |reply| write(query, reply));
        }
        unsent.send(&socket)?;
    }
}

fn answer(query: &[u8], reply: &mut Vec<u8>, ttl: u32) -> Option<()> {
    let mut hash = Hash::default();
    let mut at = HEADER;
    loop {
        let length = *query.get(at)?;
        if length == 0 {
            break;
        }
        let next = at + 1 + usize::from(length);
        query.get(at..next)?.iter().for_each(|octet| hash.add(*octet));
        at = next;
    }
    let question_end = at + 5;
    let asked = query.get(at + 1..question_end)?;
    let address: &[u8] = match asked {
        _ if asked == A => &hash.address(),
        _ if asked == AAAA => {
            &[&[0x2a, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &hash.address()].concat()
        }
        _ => &[],
    };
    let with_options = *query.get(11)? > 0;
    reply.extend_from_slice(query.get(..2)?);
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(!address.is_empty()), 0, 0, 0]);
    reply.push(u8::from(with_options));
    reply.extend_from_slice(query.get(HEADER..question_end)?);
    if !address.is_empty() {
        reply.extend([0xc0, 12]);
        reply.extend_from_slice(asked);
        reply.extend(ttl.to_be_bytes());
        reply.extend([0, address.len() as u8]);
        reply.extend_from_slice(address);
    }
    if with_options {
        reply.extend_from_slice(OPT);
    }
    Some(())
}
