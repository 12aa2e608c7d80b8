//! Networks as a start may meet them, each in a network namespace of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use crate::support::{CONFIG, Process, ask, ask_from, folder, is_blocked, query, run, text};

/// Runs `test` on a thread that has a network of its own, with nothing in it but a loopback
/// interface that is down. Programs it starts are in that network too.
fn in_a_network_of_its_own(test: fn()) {
    let inside = move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(error) => println!("skipped: a network namespace needs root ({error})"),
    };
    std::thread::spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Runs `ip` with these words.
fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().expect("iproute2 is there");
    assert!(done.success(), "ip {words}");
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn listening_on(address: &str) -> String {
    CONFIG.replace("127.0.0.1:0", address)
}

fn status(folder: &Path) -> String {
    let output = run(folder, &["status", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn without_any_network_it_starts_and_blocks_once_there_is_loopback() {
    in_a_network_of_its_own(|| {
        let config = listening_on("127.0.0.1:5335");
        let folder = folder(&config);
        let process = Process::start(folder.path());
        ip("link set lo up");
        assert!(is_blocked(&ask(process.address, "analytics.tiktok.com")));
        assert_eq!(ask(process.address, "www.example.org")[3] & 0x0f, 2, "SERVFAIL, no silence");
    });
}

#[test]
fn an_address_that_comes_later_is_served_when_it_is_there() {
    in_a_network_of_its_own(|| {
        ip("link set lo up");
        let folder = folder(&listening_on("192.168.7.53:5353"));
        let process = Process::start(folder.path());
        assert!(status(folder.path()).contains("no interface has the address 192.168.7.53"));
        ip("address add 192.168.7.53/24 dev lo");
        let client = address("192.168.7.53");
        let reply = ask_from(client, process.address, &query("analytics.tiktok.com"));
        assert!(is_blocked(&reply));
        assert!(TcpStream::connect(process.address).is_ok());
    });
}

/// Asks once over TCP, from `client`.
fn ask_tcp(client: IpAddr, server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.bind(&SocketAddr::new(client, 0).into()).expect("bound");
    socket.connect(&server.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    let framed = [&(packet.len() as u16).to_be_bytes()[..], packet].concat();
    stream.write_all(&framed).expect("sent");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a reply");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).expect("a reply");
    reply
}

#[test]
fn who_is_not_served_is_refused_on_every_transport() {
    in_a_network_of_its_own(|| {
        ip("link set lo up");
        ip("address add 192.168.7.53/24 dev lo");
        // Addresses from which one can ask, though no interface has them: they are on no link.
        ip("route add local 203.0.113.0/24 dev lo");
        ip("route add local 192.168.9.0/24 dev lo");
        let folder = folder(&listening_on("192.168.7.53:5353"));
        let process = Process::start(folder.path());
        let pixel = query("analytics.tiktok.com");
        let stranger = address("203.0.113.9");
        for reply in [
            ask_from(stranger, process.address, &pixel),
            ask_tcp(stranger, process.address, &pixel),
        ] {
            assert_eq!((reply[3] & 0x0f, &reply[6..8]), (5, &[0, 0][..]), "REFUSED, no answer");
            assert!(reply.len() <= pixel.len() + 11);
        }
        let neighbour = address("192.168.9.9");
        assert!(is_blocked(&ask_from(neighbour, process.address, &pixel)));
        assert!(is_blocked(&ask_tcp(neighbour, process.address, &pixel)));
        let status = status(folder.path());
        assert!(
            status.contains("\"refused_clients\":2") || status.contains("\"refused_clients\": 2")
        );
        let logged = text(&run(folder.path(), &["log", "--json"]).stdout);
        assert!(!logged.contains("203.0.113.9"), "strangers leave nothing in the log");
    });
}
