//! Doors of the real process: sockets handed over, and what the kernel drops.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{CONFIG, Process, ask, folder, is_blocked, query, run, text};

const TRACKER: &str = "analytics.tiktok.com";

fn with_listen(entry: &str) -> String {
    CONFIG.replace("\"127.0.0.1:0\"", &format!("\"{entry}\""))
}

/// Asks once over UDP; only what comes from the address that was asked is a reply.
fn try_ask(address: SocketAddr, patience: Duration) -> Option<Vec<u8>> {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.set_read_timeout(Some(patience)).expect("a timeout");
    client.connect(address).expect("loopback");
    client.send(&query(TRACKER)).expect("sent");
    let mut reply = vec![0; 1500];
    let length = client.recv(&mut reply).ok()?;
    reply.truncate(length);
    Some(reply)
}

fn ask_tcp(address: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    let query = query(TRACKER);
    stream.write_all(&[&[0, query.len() as u8][..], &query].concat()).expect("sent");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a reply");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).expect("a whole one");
    reply
}

/// Two sockets with one port, as a socket unit has them.
fn sockets(ip: Ipv4Addr) -> (UdpSocket, TcpListener) {
    for _ in 0..16 {
        let udp = UdpSocket::bind((ip, 0)).expect("a free port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both");
}

#[test]
fn sockets_that_were_handed_over_are_served() {
    let folder = folder(&with_listen("systemd"));
    let (udp, tcp) = sockets(Ipv4Addr::LOCALHOST);
    let address = udp.local_addr().expect("bound");
    // Whoever asks before the program runs is answered once it does.
    let early = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    early.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    early.send_to(&query(TRACKER), address).expect("sent");
    let process = Process::start_with_sockets(udp, tcp, folder.path());
    assert_eq!(process.address, address);
    let mut reply = [0; 1500];
    let length = early.recv(&mut reply).expect("a reply");
    assert!(is_blocked(&reply[..length]));
    assert!(is_blocked(&ask(address, TRACKER)) && is_blocked(&ask_tcp(address)));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn a_socket_of_all_addresses_that_was_handed_over_serves_each() {
    let folder = folder(&with_listen("systemd"));
    let (udp, tcp) = sockets(Ipv4Addr::UNSPECIFIED);
    let port = udp.local_addr().expect("bound").port();
    let _process = Process::start_with_sockets(udp, tcp, folder.path());
    for last in [1, 2] {
        let address = SocketAddr::from(([127, 0, 0, last], port));
        let reply = try_ask(address, Duration::from_secs(8)).expect("a reply from there");
        assert!(is_blocked(&reply) && is_blocked(&ask_tcp(address)), "{address}");
    }
}

#[test]
fn without_a_socket_unit_the_mend_is_told() {
    let folder = folder(&with_listen("systemd"));
    let output = run(folder.path(), &["run"]);
    assert!(!output.status.success());
    let told = text(&output.stderr);
    for part in ["systemd: no sockets were handed over", "ListenDatagram=", "`listen` in [dns]"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn what_the_kernel_drops_is_counted_and_shown() {
    let folder = folder(CONFIG);
    let process = Process::start(folder.path());
    process.signal(Signal::SIGSTOP);
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for _ in 0..40_000 {
        client.send_to(&[0; 4], process.address).expect("sent");
    }
    process.signal(Signal::SIGCONT);
    let told = run(folder.path(), &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let dropped = status["counts"]["kernel_drops"].as_u64().expect("a number");
    assert!(dropped > 0, "{}", status["counts"]);
    let shown = text(&run(folder.path(), &["status"]).stdout);
    assert!(shown.contains("dropped by the kernel"), "{shown}");
    // Until what waited is read, a query may be dropped like the rest.
    let again = || try_ask(process.address, Duration::from_millis(250));
    let reply = (0..60).find_map(|_| again()).expect("it goes on");
    assert!(is_blocked(&reply));
}
