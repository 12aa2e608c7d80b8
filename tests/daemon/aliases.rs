//! Answers are inspected: a tracker behind a site's own alias is blocked.

use crate::support::{FakeUpstream, Setup, TestDaemon, address, ask};

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
