//! What has expired is given where nobody has a newer answer in time (RFC 8767), and never else.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use deadpixel::clock::Clock;

use crate::support::{FakeUpstream, Mood, Reply, Setup, TestDaemon, Wanted, address, ask};

const START: i64 = 1_700_000_000_000_000;
const SECOND: u64 = 1_000_000;
const ZONE: &str = "
www.example.org. 300 A 203.0.113.1
short.example.org. 5 A 203.0.113.2
alias.example.org. 300 CNAME edge.example.net.
edge.example.net. 300 A 203.0.113.3
";

fn house(policy: &str) -> (TestDaemon, FakeUpstream, Clock) {
    let (upstream, clock) = (FakeUpstream::with(ZONE), Clock::manual(START));
    let setup = Setup::forwarding_to(&upstream).clock(&clock).policy(policy);
    (setup.start(), upstream, clock)
}

fn with_edns(daemon: &TestDaemon, name: &str) -> Reply {
    daemon.client(1).send(&Wanted::new(name, "A").edns(1232))
}

fn told(reply: &Reply) -> Option<u16> {
    reply.extended_error().map(|(code, _)| code)
}

#[test]
fn a_failure_brings_what_has_expired_at_once_and_only_for_its_time() {
    let (daemon, upstream, clock) = house("");
    for name in ["www.example.org", "short.example.org"] {
        ask(daemon.dns(), name, "A");
    }
    clock.advance(400 * SECOND);
    upstream.set_mood(Mood::Failing);
    for (name, given) in [("www.example.org", "203.0.113.1"), ("short.example.org", "203.0.113.2")]
    {
        let reply = with_edns(&daemon, name);
        assert_eq!((reply.addresses(), told(&reply)), (vec![address(given)], Some(3)), "{name}");
        assert_eq!(reply.message.answers[0].ttl, 30, "{name}");
    }
    let asked = upstream.times_asked("www.example.org", RecordType::A);
    let plain = ask(daemon.dns(), "www.example.org", "A");
    assert_eq!((plain.addresses().len(), plain.message.edns.is_none()), (1, true));
    clock.advance(4 * SECOND);
    assert_eq!(told(&with_edns(&daemon, "www.example.org")), Some(3));
    assert_eq!(upstream.times_asked("www.example.org", RecordType::A), asked, "not asked again");
    upstream.set_mood(Mood::Well);
    upstream.set_records("www.example.org. 300 A 203.0.113.9");
    clock.advance(2 * SECOND);
    let fresh = with_edns(&daemon, "www.example.org");
    assert_eq!((fresh.addresses(), told(&fresh)), (vec![address("203.0.113.9")], None));
    assert_eq!(fresh.message.answers[0].ttl, 300);
    let log = daemon.json(&["log", "--all"]);
    let entries = log["entries"].as_array().expect("entries");
    let stale = entries.iter().filter(|entry| entry["answered_by"] == "stale cache").count();
    assert_eq!(stale, 4, "{log}");
    assert_eq!(daemon.json(&["cache", "stats"])["stale"], 4);
}

#[test]
fn silence_is_waited_for_once_and_what_comes_is_kept_although_nobody_waits_for_it() {
    let (daemon, upstream, clock) = house("");
    ask(daemon.dns(), "www.example.org", "A");
    clock.advance(400 * SECOND);
    upstream.set_mood(Mood::Silent);
    assert_eq!(told(&with_edns(&daemon, "www.example.org")), Some(3), "when 1.8 s passed");
    let mut impatient = daemon.client(3).patience(Duration::from_millis(1_000));
    let wanted = Wanted::new("www.example.org", "A").edns(1232);
    let second = impatient.exchange(&wanted.packet()).expect("nobody else waits as long");
    assert_eq!(told(&second), Some(3));
    upstream.set_records("www.example.org. 300 A 203.0.113.9");
    upstream.set_mood(Mood::Well);
    // The clock stands still: no client of these asks an upstream.
    let came = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let reply = with_edns(&daemon, "www.example.org");
        reply.addresses() == [address("203.0.113.9")] && told(&reply).is_none()
    });
    assert!(came, "the question stayed in flight, and its answer is there");
}

#[test]
fn a_name_that_did_not_exist_is_told_so_by_another_error() {
    let (daemon, upstream, clock) = house("");
    assert_eq!(with_edns(&daemon, "nothing.example.org").code(), ResponseCode::NXDomain);
    clock.advance(400 * SECOND);
    upstream.set_mood(Mood::Failing);
    let reply = with_edns(&daemon, "nothing.example.org");
    assert_eq!((reply.code(), told(&reply)), (ResponseCode::NXDomain, Some(19)));
    assert!(reply.message.authorities.iter().all(|record| record.ttl == 30) && reply.has_soa());
}

#[test]
fn a_name_that_no_longer_exists_is_never_given_again() {
    let (daemon, upstream, clock) = house("");
    ask(daemon.dns(), "www.example.org", "A");
    clock.advance(400 * SECOND);
    upstream.set_records("");
    assert_eq!(ask(daemon.dns(), "www.example.org", "AAAA").code(), ResponseCode::NXDomain);
    upstream.set_mood(Mood::Failing);
    let reply = with_edns(&daemon, "www.example.org");
    assert_eq!(
        (reply.code(), told(&reply).is_some_and(|code| code == 3)),
        (ResponseCode::ServFail, false)
    );
    assert_eq!(ask(daemon.dns(), "www.example.org", "AAAA").code(), ResponseCode::NXDomain);
}

#[test]
fn nothing_is_given_for_more_than_a_day_and_nothing_where_that_is_switched_off() {
    let (daemon, upstream, clock) = house("");
    ask(daemon.dns(), "www.example.org", "A");
    clock.advance(86_701 * SECOND);
    upstream.set_mood(Mood::Failing);
    assert_eq!(with_edns(&daemon, "www.example.org").code(), ResponseCode::ServFail);
    upstream.set_mood(Mood::Well);
    let mut setup = Setup::forwarding_to(&upstream).clock(&clock);
    setup.config = setup.config.replace("[upstream]\n", "[upstream]\nserve_stale = false\n");
    let daemon = setup.start();
    ask(daemon.dns(), "www.example.org", "A");
    clock.advance(301 * SECOND);
    upstream.set_mood(Mood::Failing);
    assert_eq!(with_edns(&daemon, "www.example.org").code(), ResponseCode::ServFail);
}

#[test]
fn failures_are_never_given_stale_and_last_for_seconds_whatever_the_least_ttl() {
    let (upstream, clock) = (FakeUpstream::with(ZONE), Clock::manual(START));
    let mut setup = Setup::forwarding_to(&upstream).clock(&clock);
    setup.config = setup.config.replace("[upstream]\n", "[upstream]\nmin_ttl = 600\n");
    let daemon = setup.start();
    upstream.set_mood(Mood::Failing);
    assert_eq!(with_edns(&daemon, "www.example.org").code(), ResponseCode::ServFail);
    upstream.set_mood(Mood::Well);
    assert_eq!(with_edns(&daemon, "www.example.org").code(), ResponseCode::ServFail);
    clock.advance(11 * SECOND);
    let reply = with_edns(&daemon, "www.example.org");
    assert_eq!((reply.addresses().len(), reply.message.answers[0].ttl), (1, 600));
}

#[test]
fn what_is_blocked_meanwhile_stays_blocked() {
    let policy = "[[device]]\nname = \"Kid\"\naddresses = [\"127.0.0.6\"]\n";
    let (daemon, upstream, clock) = house(policy);
    for name in ["www.example.org", "alias.example.org"] {
        assert_eq!(ask(daemon.dns(), name, "A").addresses().len(), 1);
    }
    clock.advance(400 * SECOND);
    upstream.set_mood(Mood::Failing);
    daemon.run(&["block", "www.example.org", "-d", "Kid"]);
    daemon.run(&["block", "edge.example.net", "-d", "Kid"]);
    for _ in 0..2 {
        for name in ["www.example.org", "alias.example.org"] {
            assert!(daemon.client(6).ask(name, "A").is_null_address(), "{name}");
            assert!(!ask(daemon.dns(), name, "A").is_null_address(), "{name}");
        }
    }
}
