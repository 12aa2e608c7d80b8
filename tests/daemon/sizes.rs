//! How long replies are: no door gives out much more than it was sent.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::{Client, FakeUpstream, Mood, Reply, Setup, TestDaemon, Wanted, ask_tcp_from};

/// The most octets that a datagram of ours may have.
const MOST: usize = 1_232;
/// The most by which an error may be longer than its query.
const MORE: usize = 11;

/// Names with far more data than fits, from wherever answers come.
const LARGE: [(&str, &str); 5] = [
    ("upstream.example", "A"),
    ("text.example", "TXT"),
    ("chosen.example", "A"),
    ("rewritten.example", "A"),
    ("many.zone.example", "A"),
];

fn numbered(count: u32, line: impl Fn(u32) -> String) -> String {
    (1..=count).map(line).collect()
}

fn daemon() -> (TestDaemon, FakeUpstream) {
    let records = numbered(200, |n| format!("upstream.example. 300 A 203.0.113.{n}\n"))
        + &numbered(40, |n| format!("text.example. 300 TXT \"{n}{}\"\n", "x".repeat(200)));
    let zone = "$ORIGIN zone.example.\n$TTL 600\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n\
                ns A 192.168.1.2\n"
        .to_string()
        + &numbered(200, |n| format!("many A 192.168.2.{n}\n"))
        + &numbered(20, |n| format!("many TXT \"{n}{}\"\n", "x".repeat(200)));
    let policy = "[blocking]\nmode = \"addresses\"\naddresses = [".to_string()
        + &numbered(120, |n| format!("\"192.168.3.{n}\","))
        + "]\n[[rule]]\naction = \"block\"\nname = \"chosen.example\"\n\
           [[zone]]\nname = \"zone.example\"\nfile = \"zones/zone\"\n"
        + &numbered(120, |n| {
            format!("[[rule]]\nadguard = '||rewritten.example^$dnsrewrite=203.0.113.{n}'\n")
        });
    let upstream = FakeUpstream::with(&records);
    let setup = Setup::forwarding_to(&upstream).policy(&policy);
    (setup.file("zones/zone", zone.as_bytes()).start(), upstream)
}

/// Returns the answer to a question, asked over UDP by who takes `payload` octets.
fn ask(client: &mut Client, (name, query_type): (&str, &str), payload: Option<u16>) -> Reply {
    let wanted = Wanted::new(name, query_type);
    client.send(&match payload {
        Some(payload) => wanted.edns(payload),
        None => wanted,
    })
}

#[test]
fn no_datagram_is_longer_than_its_client_takes_nor_than_our_most() {
    let (daemon, _upstream) = daemon();
    let mut client = daemon.client(7);
    // Asked twice: from wherever the answer comes, then from memory.
    for question in LARGE.iter().chain(&LARGE) {
        for (payload, limit) in
            [(None, 512), (Some(0), 512), (Some(512), 512), (Some(700), 700), (Some(65_535), MOST)]
        {
            let reply = ask(&mut client, *question, payload);
            let length = reply.octets.len();
            assert!(length <= limit, "{question:?}, {payload:?}: {length} octets");
            assert!(reply.is_truncated(), "{question:?}, {payload:?}: it does not fit");
            assert_eq!(reply.message.answers.len(), 0, "{question:?}, {payload:?}");
        }
        let (name, query_type) = *question;
        let whole = ask_tcp_from(
            IpAddr::from([127, 0, 0, 7]),
            daemon.dns(),
            &Wanted::new(name, query_type),
        );
        assert!(whole.octets.len() > MOST && !whole.is_truncated(), "{question:?} over TCP");
    }
}

#[test]
fn whoever_asks_for_everything_gets_the_least_there_is() {
    let (daemon, upstream) = daemon();
    let mut client = daemon.client(7);
    for (name, _) in LARGE {
        let wanted = Wanted::new(name, "ANY").edns(4096);
        let reply = client.send(&wanted);
        assert_eq!(reply.code(), ResponseCode::NoError, "{name}");
        assert!(reply.message.answers.len() <= 1, "{name}: {:?}", reply.message.answers);
        assert!(reply.octets.len() <= 256, "{name}: {} octets", reply.octets.len());
    }
    assert_eq!(upstream.times_asked("upstream.example", RecordType::ANY), 0);
    assert_eq!(ask(&mut client, ("none.zone.example", "ANY"), None).code(), ResponseCode::NXDomain);
}

#[test]
fn no_error_is_much_longer_than_its_query() {
    let (daemon, _upstream) = daemon();
    let mut client = daemon.client(7);
    let wanted = || Wanted::new("www.example.org", "A");
    let mut two_opts = wanted().edns(1232).packet();
    two_opts[11] = 2;
    two_opts.extend_from_within(two_opts.len() - 11..);
    let cut = wanted().packet()[..20].to_vec();
    // Nobody serves cookies here: one that cannot be read is malformed, any other is passed over.
    let mut cookie = wanted().edns(1232).packet();
    let end = cookie.len();
    cookie[end - 1] = 5;
    cookie.extend([0, 10, 0, 9, 1]);
    let errors = [
        (Wanted { class: 3, ..wanted() }.packet(), ResponseCode::Refused),
        (Wanted { class: 3, ..wanted().edns(4096) }.packet(), ResponseCode::Refused),
        (Wanted { query_type: 252, ..wanted().edns(4096) }.packet(), ResponseCode::Refused),
        (Wanted { edns: Some((4096, 1, true)), ..wanted() }.packet(), ResponseCode::from(1, 0)),
        (Wanted { flags: 0x2000, ..wanted() }.packet(), ResponseCode::NotImp),
        (two_opts, ResponseCode::FormErr),
        (cookie, ResponseCode::FormErr),
        (cut, ResponseCode::FormErr),
    ];
    for (packet, code) in errors {
        let reply = client.exchange(&packet).expect("an error");
        assert_eq!(reply.code(), code);
        let (sent, got) = (packet.len(), reply.octets.len());
        assert!(got <= sent + MORE, "{code}: {got} octets for {sent}");
    }
}

#[test]
fn a_failure_with_its_reason_stays_small() {
    let (daemon, upstream) = daemon();
    upstream.set_mood(Mood::Failing);
    let mut client = daemon.client(7);
    for (name, payload) in [("fails.example", None), ("fails.example.org", Some(4096))] {
        let reply = ask(&mut client, (name, "A"), payload);
        assert_eq!(reply.code(), ResponseCode::ServFail);
        let sent = name.len() + 18 + payload.map_or(0, |_| 11);
        let more = if payload.is_some() { 3 * sent } else { sent };
        assert!(reply.octets.len() <= more, "{} octets for {sent}", reply.octets.len());
    }
}
