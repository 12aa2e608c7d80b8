//! TCP: framing, many queries in flight on one connection, truncation, limits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{FakeUpstream, Mood, Reply, Setup, Wanted, ask_tcp};

fn framed(packet: &[u8]) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes()[..], packet].concat()
}

fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).ok()?;
    Some(Reply::read(&packet))
}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    stream
}

#[test]
fn what_does_not_fit_is_truncated_over_udp_and_whole_over_tcp() {
    let records: Vec<String> =
        (0..60).map(|n| format!("big.example. 300 TXT \"{n:0>40}\"")).collect();
    let upstream = FakeUpstream::with(&records.join("\n"));
    let daemon = Setup::forwarding_to(&upstream).start();
    for payload in [512, 1232, 4096] {
        let reply = daemon.client(1).send(&Wanted::new("big.example", "TXT").edns(payload));
        assert!(reply.is_truncated() && reply.message.answers.is_empty());
        assert!(reply.octets.len() <= 1232);
    }
    let whole = ask_tcp(daemon.dns(), &Wanted::new("big.example", "TXT"));
    assert_eq!((whole.is_truncated(), whole.message.answers.len()), (false, 60));
}

#[test]
fn a_slow_name_does_not_hold_up_others_on_its_connection() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    let mut stream = connect(daemon.dns());
    upstream.set_mood(Mood::Silent);
    let mut slow = Wanted::new("slow.example.org", "A");
    slow.id = 1;
    let mut blocked = Wanted::new("analytics.tiktok.com", "A");
    blocked.id = 2;
    let both = [framed(&slow.packet()), framed(&blocked.packet())].concat();
    stream.write_all(&both).expect("sent");
    let first = read_reply(&mut stream).expect("a reply");
    assert_eq!(first.message.metadata.id, 2);
    let second = read_reply(&mut stream).expect("a reply");
    assert_eq!(second.message.metadata.id, 1);
}

#[test]
fn a_query_sent_octet_by_octet_is_answered() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    let mut stream = connect(daemon.dns());
    stream.set_nodelay(true).expect("no delay");
    for octet in framed(&Wanted::new("www.example.org", "A").packet()) {
        stream.write_all(&[octet]).expect("sent");
    }
    assert_eq!(read_reply(&mut stream).expect("a reply").addresses().len(), 1);
}

#[test]
fn idle_and_half_sent_connections_are_closed() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config = setup.config.replace("workers = 2", "workers = 2\ntcp_idle_seconds = 1");
    let daemon = setup.start();
    let mut idle = connect(daemon.dns());
    idle.write_all(&framed(&Wanted::new("www.example.org", "A").packet())).expect("sent");
    assert!(read_reply(&mut idle).is_some());
    let mut half = connect(daemon.dns());
    half.write_all(&[0, 40, 1]).expect("sent");
    for stream in [&mut idle, &mut half] {
        assert_eq!(stream.read(&mut [0; 1]).expect("closed, not timed out"), 0);
    }
}

#[test]
fn one_client_has_a_bounded_number_of_connections() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config =
        setup.config.replace("workers = 2", "workers = 1\ntcp_connections_per_client = 3");
    let daemon = setup.start();
    let packet = framed(&Wanted::new("analytics.tiktok.com", "A").packet());
    let mut streams: Vec<TcpStream> = (0..6).map(|_| connect(daemon.dns())).collect();
    let answered = streams
        .iter_mut()
        .filter_map(|stream| {
            stream.write_all(&packet).ok()?;
            read_reply(stream)
        })
        .count();
    assert_eq!(answered, 3);
    assert!(daemon.client(1).ask("analytics.tiktok.com", "A").is_null_address(), "UDP goes on");
}
