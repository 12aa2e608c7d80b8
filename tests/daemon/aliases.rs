//! Answers are inspected: a tracker behind a site's own alias is blocked.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::{FakeUpstream, Setup, TestDaemon, Wanted, address, ask};

const ZONE: &str = "
metrics.shop.example. 300 CNAME shop.sc.omtrdc.net.
shop.sc.omtrdc.net. 300 A 203.0.113.9
cdn.shop.example. 300 CNAME edge.cdn.example.
edge.cdn.example. 300 A 203.0.113.10
svc.shop.example. 300 HTTPS 1 shop.sc.omtrdc.net. alpn=h2
gone.shop.example. 300 CNAME nothing.sc.omtrdc.net.
private.shop.example. 300 A 192.168.1.1
mapped.shop.example. 300 AAAA ::ffff:10.0.0.1
zero.shop.example. 300 A 0.0.0.0
hint.shop.example. 300 HTTPS 1 . ipv4hint=192.168.1.1
loop.shop.example. 300 CNAME back.shop.example.
back.shop.example. 300 CNAME loop.shop.example.
";

fn daemon(policy: &str) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::with(ZONE);
    (Setup::forwarding_to(&upstream).policy(policy).start(), upstream)
}

#[test]
fn alias_of_a_tracker_is_blocked_cached_or_not() {
    let (daemon, upstream) = daemon("");
    for _ in 0..3 {
        assert!(ask(daemon.dns(), "metrics.shop.example", "A").is_null_address());
    }
    assert_eq!(upstream.names_asked().len(), 1);
    let reply = ask(daemon.dns(), "cdn.shop.example", "A");
    assert_eq!(reply.addresses(), [address("203.0.113.10")]);
}

#[test]
fn alias_without_data_and_service_target_are_blocked_too() {
    let (daemon, _upstream) = daemon("");
    assert!(ask(daemon.dns(), "gone.shop.example", "A").is_null_address());
    let service = ask(daemon.dns(), "svc.shop.example", "HTTPS");
    assert!(service.message.answers.is_empty() && service.has_soa());
}

#[test]
fn one_devices_cached_answer_never_gets_past_anothers_policy() {
    let policy = "[[device]]\nname = \"free\"\naddresses = [\"127.0.0.5\"]\nlevel = \"off\"\n";
    let (daemon, _upstream) = daemon(policy);
    let real = address("203.0.113.9");
    assert_eq!(daemon.client(5).ask("metrics.shop.example", "A").addresses(), [real]);
    assert!(daemon.client(6).ask("metrics.shop.example", "A").is_null_address());
    assert_eq!(daemon.client(5).ask("metrics.shop.example", "A").addresses(), [real]);
}

#[test]
fn own_allow_on_name_or_target_ends_the_checks() {
    for name in ["metrics.shop.example", "sc.omtrdc.net"] {
        let policy = format!("[[rule]]\naction = \"allow\"\nname = \"{name}\"\n");
        let (daemon, _upstream) = daemon(&policy);
        let reply = ask(daemon.dns(), "metrics.shop.example", "A");
        assert_eq!(reply.addresses(), [address("203.0.113.9")], "{name}");
    }
}

#[test]
fn own_block_on_a_target_blocks_its_aliases() {
    let (daemon, _upstream) = daemon("[[rule]]\naction = \"block\"\nname = \"cdn.example\"\n");
    assert!(ask(daemon.dns(), "cdn.shop.example", "A").is_null_address());
}

#[test]
fn public_names_with_private_addresses_are_withheld() {
    let (daemon, _upstream) = daemon("");
    for (name, query_type) in [("private.shop.example", "A"), ("mapped.shop.example", "AAAA")] {
        for _ in 0..2 {
            assert!(ask(daemon.dns(), name, query_type).addresses().is_empty(), "{name}");
        }
    }
    assert!(ask(daemon.dns(), "zero.shop.example", "A").is_null_address(), "passed on");
}

#[test]
fn a_private_address_among_hints_is_withheld_and_says_so() {
    let (daemon, _upstream) = daemon("");
    let reply = daemon.client(1).send(&Wanted::new("hint.shop.example", "HTTPS").edns(1232));
    assert!(reply.message.answers.is_empty() && reply.has_soa());
    let (code, text) = reply.extended_error().expect("an extended error");
    assert!(code == 17 && text.contains("allow rule"), "{code} {text}");
}

#[test]
fn a_tracker_behind_a_dname_is_blocked() {
    let (daemon, upstream) = daemon("");
    // sc.omtrdc.net as the target of a DNAME (type 39) above the name.
    upstream.add_unknown("x.shop.example.", 39, b"\x02sc\x06omtrdc\x03net\x00");
    let reply = ask(daemon.dns(), "x.shop.example", "TYPE39");
    assert!(reply.message.answers.is_empty() && reply.has_soa());
}

#[test]
fn a_signed_answer_is_blocked_behind_its_alias_like_any_other() {
    let (daemon, _upstream) = daemon("");
    let mut wanted = Wanted::new("metrics.shop.example", "A");
    wanted.edns = Some((1232, 0, true));
    let reply = daemon.client(1).send(&wanted);
    assert!(reply.is_null_address() && !reply.message.metadata.authentic_data);
    assert!(reply.extended_error().is_some_and(|(code, _)| code == 15));
}

#[test]
fn a_loop_goes_out_as_it_came_and_too_long_a_chain_is_a_failure_kept_for_a_moment() {
    let (daemon, upstream) = daemon("");
    let looped = ask(daemon.dns(), "loop.shop.example", "A");
    assert_eq!((looped.code(), looped.addresses().len()), (ResponseCode::NoError, 0));
    let link = |n: usize| format!("n{n}.shop.example. 300 CNAME n{}.shop.example.\n", n + 1);
    upstream.set_records(&(0..17).map(link).collect::<String>());
    for _ in 0..3 {
        let wanted = Wanted::new("n0.shop.example", "A").edns(1232);
        let reply = daemon.client(1).send(&wanted);
        assert_eq!((reply.code(), reply.message.answers.len()), (ResponseCode::ServFail, 0));
        assert!(reply.extended_error().is_some_and(|(_, text)| text.contains("too many names")));
    }
    assert_eq!(upstream.times_asked("n0.shop.example", RecordType::A), 1);
    assert_eq!(ask(daemon.dns(), "n1.shop.example", "A").code(), ResponseCode::NoError);
}
