//! Real clients: a socket of their own on an address of their own.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::Reply;

/// How long a client waits: longer than anything the daemon may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a query holds.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    pub query_type: u16,
    pub class: u16,
    pub flags: u16,
    pub id: u16,
    pub edns: Option<(u16, u8, bool)>,
}

impl Wanted {
    pub fn new(name: &str, query_type: &str) -> Wanted {
        let query_type = query_type.parse::<deadpixel::model::RecordType>().expect("a type").0;
        Wanted { name: name.into(), query_type, class: 1, flags: 0x0100, id: 0x5a5a, edns: None }
    }

    pub fn edns(mut self, payload: u16) -> Wanted {
        self.edns = Some((payload, 0, false));
        self
    }

    pub fn packet(&self) -> Vec<u8> {
        let mut packet = Vec::new();
        for word in [self.id, self.flags, 1, 0, 0, u16::from(self.edns.is_some())] {
            packet.extend(word.to_be_bytes());
        }
        for label in self.name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
            packet.push(label.len() as u8);
            packet.extend(label.bytes());
        }
        packet.push(0);
        packet.extend(self.query_type.to_be_bytes());
        packet.extend(self.class.to_be_bytes());
        if let Some((payload, version, dnssec_ok)) = self.edns {
            packet.extend([0, 0, 41]);
            packet.extend(payload.to_be_bytes());
            packet.extend([0, version, u8::from(dnssec_ok) << 7, 0, 0, 0]);
        }
        packet
    }
}

/// A client with an address of its own among 127.0.0.0/8.
pub struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    next_id: u16,
}

impl Client {
    pub fn new(last_octet: u8, server: SocketAddr) -> Client {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last_octet));
        let socket = UdpSocket::bind((address, 0)).expect("a loopback address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client { socket, server, next_id: 1 }
    }

    pub fn ask(&mut self, name: &str, query_type: &str) -> Reply {
        self.next_id = self.next_id.wrapping_add(1);
        let mut wanted = Wanted::new(name, query_type);
        wanted.id = self.next_id;
        self.send(&wanted)
    }

    pub fn send(&mut self, wanted: &Wanted) -> Reply {
        self.exchange(&wanted.packet())
            .unwrap_or_else(|| panic!("no reply for {} within {PATIENCE:?}", wanted.name))
    }

    /// Sends any octets; `None` where nothing comes back in time.
    pub fn exchange(&mut self, packet: &[u8]) -> Option<Reply> {
        self.socket.send_to(packet, self.server).expect("sent");
        let mut buffer = [0; 4096];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).ok()?;
            assert_eq!(from, self.server, "a reply leaves from the address that was asked");
            if buffer[..2] == packet[..2] {
                return Some(Reply::read(&buffer[..length]));
            }
        }
    }

    /// Waits only this long for replies.
    pub fn patience(self, patience: Duration) -> Client {
        self.socket.set_read_timeout(Some(patience)).expect("a timeout");
        self
    }
}

/// Asks once over UDP from whatever address the system gives, in the server's family.
pub fn ask_from_anywhere(server: SocketAddr, wanted: &Wanted) -> Reply {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.connect(server).expect("loopback");
    socket.send(&wanted.packet()).expect("sent");
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a reply");
    Reply::read(&buffer[..length])
}

/// Asks once over UDP from 127.0.0.1.
pub fn ask(server: SocketAddr, name: &str, query_type: &str) -> Reply {
    Client::new(1, server).ask(name, query_type)
}

/// Asks for one name's address by so many clients at once, each on a thread of its own.
pub fn ask_at_once(server: SocketAddr, clients: u8, name: &str) -> Vec<JoinHandle<Reply>> {
    let ask = |number| {
        let name = name.to_owned();
        std::thread::spawn(move || Client::new(20 + number, server).ask(&name, "A"))
    };
    (0..clients).map(ask).collect()
}

/// Asks once over TCP.
pub fn ask_tcp(server: SocketAddr, wanted: &Wanted) -> Reply {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write_framed(&mut stream, &wanted.packet());
    Reply::read(&read_framed(&mut stream).expect("a reply"))
}

/// Asks once over TCP, from an address of its own.
pub fn ask_tcp_from(client: IpAddr, server: SocketAddr, wanted: &Wanted) -> Reply {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(client, 0).into()).expect("a loopback address");
    socket.connect(&server.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write_framed(&mut stream, &wanted.packet());
    Reply::read(&read_framed(&mut stream).expect("a reply"))
}

pub fn write_framed(stream: &mut TcpStream, packet: &[u8]) {
    let framed = [&(packet.len() as u16).to_be_bytes()[..], packet].concat();
    stream.write_all(&framed).expect("sent");
}

pub fn read_framed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).ok()?;
    Some(packet)
}
