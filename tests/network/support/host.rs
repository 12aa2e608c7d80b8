//! A host: addresses that come and go, and queries from each of them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use super::{ip, query};

/// A name that level `standard` blocks.
const TRACKER: &str = "analytics.tiktok.com";

/// What is in a namespace of its own.
#[derive(Clone)]
pub struct Host {
    namespace: String,
}

/// How a query was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Blocked,
    Allowed,
    Nothing,
}

impl Host {
    pub fn new(namespace: String) -> Host {
        Host { namespace }
    }

    /// Adds addresses, written with the lengths of their prefixes.
    pub fn with(self, addresses: &[&str]) -> Host {
        addresses.iter().for_each(|address| self.add(address));
        self
    }

    pub fn add(&self, address: &str) {
        // Nobody else has it: IPv6 need not find that out first.
        let quick = if address.contains(':') { " nodad" } else { "" };
        self.ip(&format!("address add {address} dev eth0{quick}"));
        if let Some(Ok(v6)) = address.split('/').next().map(str::parse::<Ipv6Addr>) {
            self.until_it_listens(v6);
        }
    }

    /// Waits until it would hear who looks for this address of its own: a real host has heard for a
    /// second that nobody else has it, before it uses one.
    fn until_it_listens(&self, address: Ipv6Addr) {
        let low = address.to_bits() as u32 & 0xff_ffff;
        let (high, low) = ((low >> 16) as u16, low as u16);
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high, low).to_string();
        for _ in 0..400 {
            let joined = self.told("-6 maddress show dev eth0");
            if joined.split_whitespace().any(|word| word == group) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{address} is not listened for");
    }

    pub fn remove(&self, address: &str) {
        self.ip(&format!("address delete {address} dev eth0"));
    }

    /// Gives its card another hardware address; IPv4 addresses stay.
    pub fn change_hardware(&self, hardware: &str) {
        self.ip("link set eth0 down");
        self.ip(&format!("link set eth0 address {hardware}"));
        self.ip("link set eth0 up");
    }

    /// Runs `ip` in it.
    pub fn ip(&self, words: &str) {
        ip(&format!("-n {} {words}", self.namespace));
    }

    /// Returns what `ip` prints in it.
    pub fn told(&self, words: &str) -> String {
        let words = format!("-n {} {words}", self.namespace);
        let output = Command::new("ip").args(words.split(' ')).output().expect("iproute2");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns its own link-local address, once it has one.
    pub fn link_local(&self) -> String {
        for _ in 0..200 {
            let told = self.told("-6 address show dev eth0 scope link -tentative");
            let words: Vec<&str> = told.split_whitespace().collect();
            let own =
                words.iter().position(|word| *word == "inet6").and_then(|at| words.get(at + 1));
            if let Some((address, _)) = own.and_then(|own| own.split_once('/')) {
                return address.into();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no link-local address");
    }

    /// Does something in its network, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.namespace)).expect("a namespace");
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).expect("it may be entered");
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Makes itself known at one of its addresses, as a host does that is new: it asks for the
    /// server's hardware address.
    pub fn greet(&self, from: &str, server: SocketAddr) {
        self.ip("neighbour flush dev eth0");
        let from: IpAddr = from.parse().expect("an address");
        self.inside(|| {
            let socket = UdpSocket::bind((from, 0)).expect("an address of its own");
            socket.send_to(&[], (server.ip(), 9)).expect("sent");
        });
    }

    /// Sends on what it is asked at `inner`, from `outer`, as a router does that translates
    /// addresses; for as long as the test runs.
    pub fn translate(&self, inner: &str, outer: &str, server: SocketAddr) {
        let inner: IpAddr = inner.parse().expect("an address");
        let outer: IpAddr = outer.parse().expect("an address");
        self.inside(|| {
            let inside = UdpSocket::bind((inner, server.port())).expect("an address of its own");
            // Sockets stay in the network in which they were made: one for each side.
            let outside = UdpSocket::bind((outer, 0)).expect("an address of its own");
            std::thread::spawn(move || {
                let mut packet = [0; 1500];
                while let Ok((length, client)) = inside.recv_from(&mut packet) {
                    outside.send_to(&packet[..length], server).expect("sent");
                    let length = outside.recv(&mut packet).expect("a reply");
                    inside.send_to(&packet[..length], client).expect("sent");
                }
            });
        });
    }

    /// Asks from one of its addresses for a name that level `standard` blocks.
    pub fn ask(&self, from: &str, server: SocketAddr) -> Answer {
        self.try_ask(from, server, Duration::from_secs(4))
    }

    /// Asks, with an EDNS option.
    pub fn ask_with(&self, from: &str, server: SocketAddr, option: &[u8]) -> Answer {
        self.exchange(from, server, Duration::from_secs(4), with_option(option))
    }

    /// Asks for another name.
    pub fn ask_for(&self, from: &str, server: SocketAddr, name: &str) -> Answer {
        self.exchange(from, server, Duration::from_secs(4), query(name))
    }

    /// Asks, and waits no longer than that for the answer.
    pub fn try_ask(&self, from: &str, server: SocketAddr, patience: Duration) -> Answer {
        self.exchange(from, server, patience, query(TRACKER))
    }

    /// Asks once, and returns which address the answer came from.
    pub fn answered_by(&self, from: &str, server: &str) -> Option<IpAddr> {
        let server = SocketAddr::new(server.parse().expect("an address"), 53);
        let (_, source) = self.reply(from, server, Duration::from_millis(400), query(TRACKER))?;
        Some(source.ip())
    }

    /// Returns whether a connection to port 53 of an address is answered.
    pub fn is_served_over_tcp(&self, server: &str) -> bool {
        let server = SocketAddr::new(server.parse().expect("an address"), 53);
        self.inside(|| {
            let patience = Duration::from_millis(800);
            let Ok(mut stream) = TcpStream::connect_timeout(&server, patience) else {
                return false;
            };
            stream.set_read_timeout(Some(patience)).expect("a timeout");
            let query = query(TRACKER);
            let framed = [&[0, query.len() as u8][..], &query].concat();
            let mut reply = [0; 512];
            stream.write_all(&framed).is_ok() && stream.read(&mut reply).is_ok_and(|read| read > 0)
        })
    }

    /// Returns whether a socket for datagrams is bound to port 53 of an address of its own.
    pub fn has_door_at(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().expect("an address");
        let words = |octets: &[u8]| -> String {
            let words = octets.chunks(4).map(|word| <[u8; 4]>::try_from(word).expect("four"));
            words.map(|word| format!("{:08X}", u32::from_ne_bytes(word))).collect()
        };
        let (table, octets) = match address {
            IpAddr::V4(v4) => ("udp", words(&v4.octets())),
            IpAddr::V6(v6) => ("udp6", words(&v6.octets())),
        };
        let path = format!("/proc/thread-self/net/{table}");
        let table = self.inside(|| std::fs::read_to_string(path).expect("a table"));
        table.contains(&format!("{octets}:0035"))
    }

    fn exchange(
        &self,
        from: &str,
        server: SocketAddr,
        patience: Duration,
        query: Vec<u8>,
    ) -> Answer {
        match self.reply(from, server, patience, query) {
            Some((reply, _)) if is_null(&reply) => Answer::Blocked,
            Some(_) => Answer::Allowed,
            None => Answer::Nothing,
        }
    }

    fn reply(
        &self,
        from: &str,
        server: SocketAddr,
        patience: Duration,
        query: Vec<u8>,
    ) -> Option<(Vec<u8>, SocketAddr)> {
        let from: IpAddr = from.parse().expect("an address");
        self.inside(|| {
            let own = match from {
                IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                    let index = nix::net::if_::if_nametoindex("eth0").expect("an interface");
                    SocketAddrV6::new(v6, 0, 0, index).into()
                }
                other => SocketAddr::new(other, 0),
            };
            let socket = UdpSocket::bind(own).expect("an address of its own");
            socket.set_read_timeout(Some(patience)).expect("a timeout");
            // Where nobody has the address, the kernel may say so at once.
            socket.send_to(&query, server).ok()?;
            let mut reply = vec![0; 1500];
            let (length, source) = socket.recv_from(&mut reply).ok()?;
            reply.truncate(length);
            Some((reply, source))
        })
    }
}

/// Returns whether there is 0.0.0.0 in a reply: an address of four octets, none of them set.
fn is_null(reply: &[u8]) -> bool {
    reply.windows(6).any(|octets| octets == [0, 4, 0, 0, 0, 0])
}

/// Returns a query with an option of EDNS in it.
fn with_option(option: &[u8]) -> Vec<u8> {
    let mut packet = query(TRACKER);
    packet[11] = 1;
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, option.len() as u8]);
    packet.extend(option);
    packet
}
