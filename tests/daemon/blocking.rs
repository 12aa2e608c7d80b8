//! Trackers are answered by the sinkhole, in every mode and for every type.

use hickory_proto::op::ResponseCode;

use crate::support::{FakeUpstream, Setup, TestDaemon, Wanted, address, ask};

const PIXEL: &str = "analytics.tiktok.com";

fn daemon(policy: &str) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    (Setup::forwarding_to(&upstream).policy(policy).start(), upstream)
}

#[test]
fn a_fresh_daemon_blocks_the_pixel_and_forwards_the_rest() {
    let (daemon, upstream) = daemon("");
    assert!(ask(daemon.dns(), PIXEL, "A").is_null_address());
    assert_eq!(ask(daemon.dns(), PIXEL, "AAAA").addresses(), [address("::")]);
    let reply = ask(daemon.dns(), "www.example.org", "A");
    assert_eq!(reply.addresses(), [FakeUpstream::address_of("www.example.org")]);
    assert_eq!(upstream.names_asked(), ["www.example.org"]);
}

#[test]
fn a_blocked_name_has_no_data_of_any_other_type() {
    let (daemon, upstream) = daemon("");
    for query_type in ["HTTPS", "SVCB", "TXT", "MX", "CNAME", "DS", "TYPE65280"] {
        let reply = ask(daemon.dns(), PIXEL, query_type);
        assert_eq!(reply.code(), ResponseCode::NoError, "{query_type}");
        assert!(reply.message.answers.is_empty() && reply.has_soa(), "{query_type}");
    }
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn a_blocked_reply_echoes_letters_says_why_and_ends_soon() {
    let (daemon, _upstream) = daemon("");
    let mut client = daemon.client(1);
    let wanted = Wanted::new("aNalytics.TikTok.cOm", "A").edns(1232);
    let reply = client.send(&wanted);
    assert_eq!(reply.question(), &wanted.packet()[12..12 + reply.question().len()]);
    assert_eq!(reply.message.answers[0].ttl, 10);
    let (code, text) = reply.extended_error().expect("an extended error");
    assert_eq!(code, 15);
    assert!(text.contains("TikTok") && text.contains("trackers"), "{text}");
    assert!(!reply.message.metadata.authentic_data);
    let plain = client.ask(PIXEL, "A");
    assert!(plain.message.edns.is_none(), "OPT only where the query had one");
}

#[test]
fn each_blocking_mode_answers_its_way() {
    let modes = [
        ("nxdomain", ResponseCode::NXDomain),
        ("nodata", ResponseCode::NoError),
        ("refused", ResponseCode::Refused),
    ];
    for (mode, code) in modes {
        let (daemon, _upstream) = daemon(&format!("[blocking]\nmode = \"{mode}\"\n"));
        let reply = ask(daemon.dns(), PIXEL, "A");
        assert_eq!((reply.code(), reply.message.answers.len()), (code, 0), "{mode}");
        assert_eq!(reply.has_soa(), mode != "refused", "{mode}");
        let signer = ask(daemon.dns(), PIXEL, "DS");
        assert_eq!((signer.code(), signer.has_soa()), (ResponseCode::NoError, true), "{mode}");
    }
    let policy = "[blocking]\nmode = \"addresses\"\naddresses = [\"192.0.2.7\"]\nttl = 33\n";
    let (daemon, _upstream) = daemon(policy);
    let reply = ask(daemon.dns(), PIXEL, "A");
    assert_eq!(reply.addresses(), [address("192.0.2.7")]);
    assert_eq!(reply.message.answers[0].ttl, 33);
    assert!(ask(daemon.dns(), PIXEL, "AAAA").is_null_address(), "a family without one");
}

#[test]
fn canaries_turn_encrypted_dns_of_browsers_off_at_every_level() {
    let (daemon, upstream) = daemon("[everyone]\nlevel = \"off\"\n");
    for name in ["use-application-dns.net", "mask.icloud.com", "mask-h2.icloud.com"] {
        assert_eq!(ask(daemon.dns(), name, "A").code(), ResponseCode::NXDomain, "{name}");
    }
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn any_is_answered_in_the_least_words() {
    let (daemon, upstream) = daemon("");
    let reply = ask(daemon.dns(), "www.example.org", "ANY");
    assert_eq!(reply.message.answers.len(), 1);
    assert_eq!(reply.message.answers[0].record_type().to_string(), "HINFO");
    assert!(upstream.names_asked().is_empty());
}
