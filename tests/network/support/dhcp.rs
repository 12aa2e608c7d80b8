//! A DHCP client whose hardware address is made up, at a link or behind a relay.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const RELEASE: u8 = 7;

pub struct Client {
    pub hardware: [u8; 6],
    socket: UdpSocket,
    server: Ipv4Addr,
    to: SocketAddr,
    relay: Ipv4Addr,
    name: &'static [u8],
}

impl Client {
    /// A client at the link of this card, which calls itself `name`.
    pub fn new(card: &str, server: Ipv4Addr, hardware: [u8; 6], name: &'static [u8]) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).expect("a socket");
        socket.set_broadcast(true).expect("broadcast");
        socket.set_reuse_address(true).expect("reuse");
        socket.bind_device(Some(card.as_bytes())).expect("the link is there");
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 68));
        socket.bind(&any.into()).expect("port 68 is free here");
        let to = SocketAddr::from((Ipv4Addr::BROADCAST, 67));
        let relay = Ipv4Addr::UNSPECIFIED;
        Client { hardware, socket: patient(socket.into()), server, to, relay, name }
    }

    /// A client for which the router at `relay` asks the server.
    // The tests of one link have no router.
    #[allow(dead_code)]
    pub fn behind(
        relay: Ipv4Addr,
        server: Ipv4Addr,
        hardware: [u8; 6],
        name: &'static [u8],
    ) -> Client {
        let socket = UdpSocket::bind((relay, 67)).expect("an address of the router's");
        let to = SocketAddr::from((server, 67));
        Client { hardware, socket: patient(socket), server, to, relay, name }
    }

    /// Takes an address as a device does: discover, offer, request, acknowledgement.
    pub fn lease(&self) -> Ipv4Addr {
        let offered = self.ask(DISCOVER, None, OFFER);
        self.ask(REQUEST, Some(offered), ACK)
    }

    /// Gives its address back.
    #[allow(dead_code)]
    pub fn release(&self, address: Ipv4Addr) {
        self.send(&self.packet(RELEASE, Some(address)));
    }

    fn ask(&self, kind: u8, address: Option<Ipv4Addr>, answer: u8) -> Ipv4Addr {
        let packet = self.packet(kind, address);
        for _ in 0..40 {
            self.send(&packet);
            if let Some(address) = self.receive(answer) {
                return address;
            }
        }
        panic!("dnsmasq does not answer");
    }

    fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.to).expect("sent");
    }

    fn receive(&self, answer: u8) -> Option<Ipv4Addr> {
        let mut packet = [0; 1500];
        while let Ok(length) = self.socket.recv(&mut packet) {
            let packet = &packet[..length];
            let mine = length > 243 && packet[28..34] == self.hardware;
            // dnsmasq writes the kind of message first.
            if mine && packet[240..243] == [53, 1, answer] {
                return Some(Ipv4Addr::from(<[u8; 4]>::try_from(&packet[16..20]).expect("4")));
            }
        }
        None
    }

    fn packet(&self, kind: u8, address: Option<Ipv4Addr>) -> Vec<u8> {
        let mut packet = vec![0; 236];
        packet[..3].copy_from_slice(&[1, 1, 6]);
        packet[4..8].copy_from_slice(&self.hardware[2..]);
        // The answer is to be broadcast.
        packet[10] = 0x80;
        packet[24..28].copy_from_slice(&self.relay.octets());
        packet[28..34].copy_from_slice(&self.hardware);
        packet.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
        match (kind, address) {
            (RELEASE, Some(address)) => packet[12..16].copy_from_slice(&address.octets()),
            (_, Some(address)) => {
                packet.extend([50, 4]);
                packet.extend(address.octets());
            }
            (_, None) => {}
        }
        if kind != DISCOVER {
            packet.extend([54, 4]);
            packet.extend(self.server.octets());
        }
        if !self.name.is_empty() {
            packet.extend([12, u8::try_from(self.name.len()).expect("short")]);
            packet.extend(self.name);
        }
        packet.push(255);
        packet.resize(packet.len().max(300), 0);
        packet
    }
}

fn patient(socket: UdpSocket) -> UdpSocket {
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    socket
}
