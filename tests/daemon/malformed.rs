//! Garbage on the wire: the right error or silence, and the daemon goes on.

use std::time::Duration;

use hickory_proto::op::ResponseCode;

use crate::support::{FakeUpstream, Setup, TestDaemon, Wanted};

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    (Setup::forwarding_to(&upstream).start(), upstream)
}

#[test]
fn what_is_not_served_gets_its_error() {
    let (daemon, _upstream) = daemon();
    let mut client = daemon.client(1);
    let mut code = |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = Wanted::new("www.example.org", "A");
        change(&mut wanted);
        client.send(&wanted).code()
    };
    let bad_version = ResponseCode::from(1, 0);
    assert_eq!(code(&|w| w.flags = 0x2000), ResponseCode::NotImp, "opcode STATUS");
    assert_eq!(code(&|w| w.flags = 0x2800), ResponseCode::NotImp, "opcode UPDATE");
    assert_eq!(code(&|w| w.class = 3), ResponseCode::Refused, "class CH");
    assert_eq!(code(&|w| w.query_type = 252), ResponseCode::Refused, "AXFR");
    assert_eq!(code(&|w| w.query_type = 251), ResponseCode::Refused, "IXFR");
    assert_eq!(code(&|w| w.edns = Some((1232, 1, false))), bad_version);
    assert_eq!(code(&|w| w.flags = 0x0100), ResponseCode::NoError);
}

#[test]
fn two_questions_and_two_opts_are_malformed() {
    let (daemon, _upstream) = daemon();
    let mut client = daemon.client(1);
    let mut two_questions = Wanted::new("www.example.org", "A").packet();
    two_questions[5] = 2;
    let mut two_opts = Wanted::new("www.example.org", "A").edns(1232).packet();
    two_opts[11] = 2;
    two_opts.extend_from_within(two_opts.len() - 11..);
    for packet in [two_questions, two_opts] {
        let reply = client.exchange(&packet).expect("an error");
        assert_eq!(reply.code(), ResponseCode::FormErr);
        assert!(reply.octets.len() <= packet.len() + 11);
    }
}

#[test]
fn responses_and_stumps_get_silence() {
    let (daemon, _upstream) = daemon();
    let mut client = daemon.client(1).patience(Duration::from_millis(300));
    let mut response = Wanted::new("www.example.org", "A").packet();
    response[2] |= 0x80;
    assert!(client.exchange(&response).is_none());
    assert!(client.exchange(&response[..11]).is_none());
    assert!(client.exchange(b"xx").is_none());
    assert_eq!(client.ask("www.example.org", "A").code(), ResponseCode::NoError);
}

#[test]
fn thousands_of_cut_and_bent_packets_change_nothing() {
    let (daemon, _upstream) = daemon();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let good = Wanted::new("analytics.tiktok.com", "A").edns(1232).packet();
    for round in 0..3_000_usize {
        let mut bent = good.clone();
        let at = round * 7 % bent.len();
        bent[at] = (round * 31) as u8;
        bent.truncate(1 + round * 13 % bent.len());
        socket.send_to(&bent, daemon.dns()).expect("sent");
    }
    assert!(daemon.client(2).ask("analytics.tiktok.com", "A").is_null_address());
}

#[test]
fn unknown_types_and_options_are_answered() {
    let upstream = FakeUpstream::with("");
    upstream.add_unknown("odd.example.", 65280, &[0x0a, 0x0b, 0x0c]);
    let daemon = Setup::forwarding_to(&upstream).start();
    let mut client = daemon.client(1);
    let mut packet = Wanted::new("odd.example", "TYPE65280").edns(1232).packet();
    let length_at = packet.len() - 1;
    packet[length_at] = 8;
    packet.extend([0xfd, 0xe9, 0, 4, 1, 2, 3, 4]);
    let reply = client.exchange(&packet).expect("a reply");
    assert_eq!(reply.code(), ResponseCode::NoError);
    assert!(reply.octets.windows(3).any(|data| data == [0x0a, 0x0b, 0x0c]));
}
