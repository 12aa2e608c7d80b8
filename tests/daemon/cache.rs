//! Cached answers: asked once, aged, negative ones and failures too.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use deadpixel::clock::Clock;

use crate::support::{FakeUpstream, Mood, Setup, ask};

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
