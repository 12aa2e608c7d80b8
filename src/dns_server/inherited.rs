//! Sockets that the service manager bound and handed over, by the protocol of `sd_listen_fds`.
//!
//! The variables stay as they are: they name this process, so that no other heeds them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use socket2::{Socket, Type};

use super::sockets::{Door, prepare_udp};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;
/// Most sockets that are taken.
const MOST: usize = 64;

/// Takes the sockets, once in the life of the process; tells what is wrong and the mend.
pub(super) fn take() -> Result<Vec<Door>, String> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let variable = |name| std::env::var(name).ok();
    let told = [variable("LISTEN_PID"), variable("LISTEN_FDS"), variable("LISTEN_FDNAMES")];
    let [process, count, names] = told.each_ref().map(|told| told.as_deref().unwrap_or_default());
    let count = handed_over(process, count, std::process::id())?;
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err("the sockets were taken already; restart the program".into());
    }
    let mut names = names.split(':');
    let descriptors = (FIRST..).take(count);
    let doors = descriptors.map(|descriptor| {
        let name = names.next().unwrap_or_default().escape_debug();
        let socket = adopt(descriptor).map_err(|error| error.to_string());
        socket.and_then(door).map_err(|why| {
            format!(
                "the socket `{name}` (descriptor {descriptor}) {why}; correct `ListenDatagram` and \
                 `ListenStream` of the socket unit"
            )
        })
    });
    doors.collect()
}

/// Returns how many sockets were handed over to this process.
fn handed_over(process: &str, count: &str, ours: u32) -> Result<usize, String> {
    let for_us = process.parse() == Ok(ours);
    match count.parse().ok().filter(|_| for_us) {
        Some(count @ 1..=MOST) => Ok(count),
        Some(count) if count > MOST => {
            Err(format!("{count} sockets were handed over; {MOST} are the most"))
        }
        _ => Err("no sockets were handed over: start the program by its socket unit \
                  (`ListenDatagram=`, `ListenStream=`), or take `systemd` out of `listen` in [dns] of \
                  config.toml"
            .into()),
    }
}

/// Makes a descriptor ours: a copy is sent through a pair of sockets, and the original is closed.
///
/// A number alone is no proof that the descriptor is nobody else's, so that taking it as it is would
/// be unsafe; a copy that the kernel makes belongs to whoever receives it.
fn adopt(descriptor: RawFd) -> io::Result<Socket> {
    let (sender, receiver) = UnixStream::pair()?;
    let message = [IoSlice::new(b"!")];
    let descriptors = [descriptor];
    let control = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(sender.as_raw_fd(), &message, &control, MsgFlags::empty(), None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut octet = [0];
    recvmsg(&receiver, &mut [IoSliceMut::new(&mut octet)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let copy: Option<OwnedFd> = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut copies) => copies.next(),
        _ => None,
    });
    nix::unistd::close(descriptor)?;
    copy.map(Socket::from).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Makes a door of a socket for datagrams or of one that listens.
fn door(socket: Socket) -> Result<Door, String> {
    let cannot = |error: io::Error| format!("cannot be used ({error})");
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    let Some(address) = address.filter(|address: &SocketAddr| address.port() != 0) else {
        return Err("has no IP address and port".into());
    };
    socket.set_nonblocking(true).map_err(cannot)?;
    match socket.r#type().map_err(cannot)? {
        Type::DGRAM => {
            prepare_udp(&socket, address.ip()).map_err(cannot)?;
            Ok(Door { address, udp: Some(UdpSocket::from(socket)), tcp: None })
        }
        Type::STREAM if socket.is_listener().map_err(cannot)? => {
            Ok(Door { address, udp: None, tcp: Some(TcpListener::from(socket)) })
        }
        Type::STREAM => Err("is a connection (the unit has `Accept=yes`)".into()),
        _ => Err("is neither UDP nor TCP".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn sockets_of_others_are_not_taken() {
        assert_eq!(handed_over("812", "2", 812), Ok(2));
        for (process, count) in [("813", "2"), ("", "2"), ("812", ""), ("812", "0"), ("812", "-1")]
        {
            let told = handed_over(process, count, 812).expect_err("nothing for us");
            assert!(told.contains("socket unit") && told.contains("`listen` in [dns]"), "{told}");
        }
        assert!(handed_over("812", "65", 812).expect_err("too many").contains("64"));
    }

    #[test]
    fn a_descriptor_becomes_ours_and_the_original_is_closed() {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = udp.local_addr().expect("bound");
        let adopted = adopt(udp.into_raw_fd()).expect("it is open");
        let door = door(adopted).expect("a socket for datagrams");
        assert_eq!((door.address, door.tcp.is_none()), (address, true));
        drop(door);
        UdpSocket::bind(address).expect("nothing holds the port any more");
        assert!(adopt(1_000_000).is_err(), "no such descriptor");
    }

    #[test]
    fn what_is_no_door_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let to = listener.local_addr().expect("bound");
        let connection = std::net::TcpStream::connect(to).expect("loopback");
        let (pair, _other) = UnixStream::pair().expect("a pair");
        let told = |socket| door(socket).err().expect("no door");
        assert!(told(Socket::from(connection)).contains("Accept=yes"));
        assert!(told(Socket::from(OwnedFd::from(pair))).contains("no IP address"));
        assert!(door(Socket::from(listener)).expect("it listens").udp.is_none());
    }
}
