//! Cached answers: asked once, aged, negative ones and failures too.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use deadpixel::clock::Clock;

use crate::support::{FakeUpstream, Mood, Setup, ask, ask_at_once};

const START: i64 = 1_700_000_000_000_000;

#[test]
fn an_answer_is_asked_for_once_and_grows_older() {
    let upstream = FakeUpstream::with("www.example.org. 300 A 203.0.113.1");
    let clock = Clock::manual(START);
    let daemon = Setup::forwarding_to(&upstream).clock(&clock).start();
    assert_eq!(ask(daemon.dns(), "www.example.org", "A").message.answers[0].ttl, 300);
    clock.advance(100_000_000);
    assert_eq!(ask(daemon.dns(), "WWW.example.org", "A").message.answers[0].ttl, 200);
    assert_eq!(upstream.times_asked("www.example.org", RecordType::A), 1);
    clock.advance(201_000_000);
    assert_eq!(ask(daemon.dns(), "www.example.org", "A").message.answers[0].ttl, 300);
    assert_eq!(upstream.times_asked("www.example.org", RecordType::A), 2);
}

#[test]
fn negative_answers_and_failures_are_kept_for_their_time() {
    let upstream = FakeUpstream::with("");
    let clock = Clock::manual(START);
    let daemon = Setup::forwarding_to(&upstream).clock(&clock).start();
    for _ in 0..2 {
        let reply = ask(daemon.dns(), "nothing.example", "A");
        assert_eq!(reply.code(), ResponseCode::NXDomain);
        assert!(reply.has_soa());
    }
    assert_eq!(upstream.times_asked("nothing.example", RecordType::A), 1);
    upstream.set_mood(Mood::Failing);
    assert_eq!(ask(daemon.dns(), "bad.example", "A").code(), ResponseCode::ServFail);
    let asked = upstream.times_asked("bad.example", RecordType::A);
    assert_eq!(ask(daemon.dns(), "bad.example", "A").code(), ResponseCode::ServFail);
    assert_eq!(upstream.times_asked("bad.example", RecordType::A), asked);
    upstream.set_mood(Mood::Well);
    upstream.set_records("bad.example. 300 A 203.0.113.1");
    clock.advance(11_000_000);
    assert_eq!(ask(daemon.dns(), "bad.example", "A").addresses().len(), 1);
}

#[test]
fn answers_with_and_without_signatures_are_kept_apart() {
    let upstream = FakeUpstream::with("www.example.org. 300 A 203.0.113.1");
    let daemon = Setup::forwarding_to(&upstream).start();
    let mut client = daemon.client(1);
    let mut wanted = crate::support::Wanted::new("www.example.org", "A").edns(1232);
    client.send(&wanted);
    wanted.edns = Some((1232, 0, true));
    client.send(&wanted);
    assert_eq!(upstream.times_asked("www.example.org", RecordType::A), 2);
}

#[test]
fn ttls_are_kept_and_sent_within_the_bounds_of_the_configuration() {
    let upstream = FakeUpstream::with(
        "short.example. 5 A 203.0.113.1\nlong.example. 90000 A 203.0.113.2\nmid.example. 100 A 203.0.113.3",
    );
    let clock = Clock::manual(START);
    let mut setup = Setup::forwarding_to(&upstream).clock(&clock);
    setup.config =
        setup.config.replace("[upstream]\n", "[upstream]\nmin_ttl = 60\nmax_ttl = 120\n");
    let daemon = setup.start();
    let ttl = |name: &str| ask(daemon.dns(), name, "A").message.answers[0].ttl;
    let names = ["short.example", "mid.example", "long.example"];
    assert_eq!(names.map(ttl), [60, 100, 120]);
    clock.advance(50_000_000);
    assert_eq!(names.map(ttl), [10, 50, 70]);
    let asked = || names.map(|name| upstream.times_asked(name, RecordType::A));
    assert_eq!(asked(), [1, 1, 1]);
    clock.advance(71_000_000);
    assert_eq!(names.map(ttl), [60, 100, 120]);
    assert_eq!(asked(), [2, 2, 2]);
}

#[test]
fn what_is_flushed_is_asked_for_again_failures_too_and_nothing_else() {
    let upstream = FakeUpstream::with(
        "www.shop.example. 300 A 203.0.113.1\nshop.example. 300 A 203.0.113.2\nother.example. 300 A 203.0.113.3",
    );
    let daemon = Setup::forwarding_to(&upstream).clock(&Clock::manual(START)).start();
    let names = ["www.shop.example", "shop.example", "other.example"];
    let ask_all = || {
        names.map(|name| {
            assert_eq!(ask(daemon.dns(), name, "A").addresses().len(), 1);
            upstream.times_asked(name, RecordType::A)
        })
    };
    assert_eq!((ask_all(), ask_all()), ([1, 1, 1], [1, 1, 1]));
    let stats = daemon.json(&["cache", "stats"]);
    assert_eq!((&stats["entries"], &stats["hits"]), (&3.into(), &3.into()), "{stats}");
    assert_eq!((&stats["misses"], &stats["stale"]), (&3.into(), &0.into()), "{stats}");
    let said = daemon.run(&["cache", "flush", "Shop.example."]);
    assert_eq!(said, "2 answers removed: shop.example and all below it.\n");
    assert_eq!(ask_all(), [2, 2, 1]);
    assert_eq!(daemon.json(&["cache", "flush"])["removed"], 3);
    assert_eq!(
        daemon.run(&["cache", "flush", "gone.example"]).lines().next(),
        Some("0 answers removed: gone.example and all below it.")
    );
    assert_eq!(ask_all(), [3, 3, 2]);
    let refused = daemon.command(&["cache", "flush", "https://shop.example/"]);
    assert_eq!(refused.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did you mean `shop.example`?"));
}

#[test]
fn a_failure_that_is_remembered_goes_with_a_flush() {
    let upstream = FakeUpstream::with("bad.example. 300 A 203.0.113.1");
    let daemon = Setup::forwarding_to(&upstream).clock(&Clock::manual(START)).start();
    // Both what an upstream said and that none said anything.
    for mood in [Mood::Failing, Mood::Silent] {
        upstream.set_mood(mood);
        assert_eq!(ask(daemon.dns(), "bad.example", "A").code(), ResponseCode::ServFail);
        upstream.set_mood(Mood::Well);
        assert_eq!(ask(daemon.dns(), "bad.example", "A").code(), ResponseCode::ServFail);
        daemon.run(&["cache", "flush", "bad.example"]);
        assert_eq!(ask(daemon.dns(), "bad.example", "A").addresses().len(), 1, "{mood:?}");
        daemon.run(&["cache", "flush"]);
    }
}

#[test]
fn eight_clients_that_wait_for_one_answer_are_eight_lookups_and_one_entry() {
    let upstream = FakeUpstream::with("same.example. 300 A 203.0.113.1");
    let daemon = Setup::forwarding_to(&upstream).start();
    upstream.set_mood(Mood::Silent);
    let clients = ask_at_once(daemon.dns(), 8, "same.example");
    std::thread::sleep(std::time::Duration::from_millis(300));
    upstream.set_mood(Mood::Well);
    for client in clients {
        assert_eq!(client.join().expect("no panic").addresses().len(), 1);
    }
    let stats = daemon.json(&["cache", "stats"]);
    assert_eq!((&stats["entries"], &stats["misses"]), (&1.into(), &8.into()), "{stats}");
}
