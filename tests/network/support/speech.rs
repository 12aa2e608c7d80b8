//! What hosts say unasked: mDNS announcements, router advertisements, claims, headers.

use std::io::{Error, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Host, query};

/// An announcement of a service by mDNS.
#[derive(Clone, Copy)]
pub struct Announcement<'a> {
    /// The first label of the service's name.
    pub instance: &'a [u8],
    /// The texts beside it.
    pub texts: &'a [&'a [u8]],
    /// The address that is announced.
    pub address: &'a str,
}

impl Announcement<'_> {
    /// Returns the packet: PTR, SRV, TXT and A of a `_googlecast._tcp`.
    fn packet(&self) -> Vec<u8> {
        let service = [&b"_googlecast"[..], b"_tcp", b"local"];
        let instance = name(&[&[self.instance], &service[..]].concat());
        let host = name(&[b"fuchsia-11aa", b"local"]);
        let address: Ipv4Addr = self.address.parse().expect("an address");
        let text = |text: &&[u8]| [&[text.len() as u8][..], text].concat();
        let texts: Vec<u8> = self.texts.iter().flat_map(text).collect();
        let port = [&[0, 0, 0, 0, 0x1f, 0x49][..], &host].concat();
        let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        packet.extend(record(&name(&service), 12, &instance));
        packet.extend(record(&instance, 33, &port));
        packet.extend(record(&instance, 16, &texts));
        packet.extend(record(&host, 1, &address.octets()));
        packet
    }
}

fn name(labels: &[&[u8]]) -> Vec<u8> {
    let label = |label: &&[u8]| [&[label.len() as u8][..], label].concat();
    labels.iter().flat_map(label).chain([0]).collect()
}

fn record(owner: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let head = [0, kind, 0, 1, 0, 0, 0, 120];
    [owner, &head, &(data.len() as u16).to_be_bytes(), data].concat()
}

/// Option 65001: the hardware address of who asks.
pub fn hardware_option(hardware: [u8; 6]) -> Vec<u8> {
    [&[0xfd, 0xe9, 0, 6][..], &hardware].concat()
}

/// Option 8: the whole address of who asks.
pub fn subnet_option(address: Ipv4Addr) -> Vec<u8> {
    [&[0, 8, 0, 8, 0, 1, 32, 0][..], &address.octets()].concat()
}

impl Host {
    /// Announces itself, from one of its addresses, to all on the network.
    pub fn announce(&self, from: &str, announcement: &Announcement<'_>) {
        let from: Ipv4Addr = from.parse().expect("an address");
        self.inside(|| {
            let socket = UdpSocket::bind((from, 5353)).expect("an address of its own");
            let socket = Socket::from(socket);
            socket.set_multicast_if_v4(&from).expect("its card");
            let group = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 251), 5353));
            socket.send_to(&announcement.packet(), &group.into()).expect("sent");
        });
    }

    /// Advertises itself as a router whose network has this DNS server.
    pub fn advertise(&self, server: &str) -> Result<(), Error> {
        let own: Ipv6Addr = self.link_local().parse().expect("an address");
        let server: Ipv6Addr = server.parse().expect("an address");
        self.inside(|| {
            let card = if_nametoindex("eth0").expect("it has a card");
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_multicast_if_v6(card)?;
            socket.bind(&SocketAddrV6::new(own, 0, 0, card).into())?;
            // The kernel fills in the checksum.
            let mut packet = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
            packet.extend([25, 3, 0, 0, 0, 0, 7, 8]);
            packet.extend(server.octets());
            let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            socket.send_to(&packet, &SocketAddrV6::new(all, 0, 0, card).into()).map(|_| ())
        })
    }

    /// Asks over TCP behind a header, and returns whether it is answered.
    pub fn is_served_behind(&self, from: &str, server: SocketAddr, header: &str) -> bool {
        let from: IpAddr = from.parse().expect("an address");
        self.inside(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of its own");
            socket.connect(&server.into()).expect("a connection");
            let mut stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
            let query = query("www.example");
            stream.write_all(header.as_bytes()).expect("sent");
            // Where the header alone ends the connection, this may find it closed.
            let _ = stream.write_all(&[&[0, query.len() as u8][..], &query].concat());
            stream.read(&mut [0; 512]).is_ok_and(|length| length > 0)
        })
    }

    /// Answers every question at one of its addresses with this name, as a router does that knows
    /// its hosts; for as long as the test runs.
    pub fn knows_all_as(&self, at: &str, told: &'static str) {
        let at: IpAddr = at.parse().expect("an address");
        let socket = self.inside(|| UdpSocket::bind((at, 53)).expect("an address of its own"));
        let labels: Vec<&[u8]> = told.split('.').map(str::as_bytes).collect();
        let answer = record(&[0xc0, 12], 12, &name(&labels));
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, client)) = socket.recv_from(&mut packet) {
                let mut reply = packet[..length].to_vec();
                reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
                reply.extend(&answer);
                socket.send_to(&reply, client).expect("sent");
            }
        });
    }

    /// Sends packets on that are for others, as a router does.
    pub fn route(&self) {
        self.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a setting"));
    }
}
