//! Upstreams that die, lie, fail and come back.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::support::{FakeUpstream, Mood, Setup, TestDaemon, ask, ask_at_once};

fn with_two(first: &FakeUpstream, second: &FakeUpstream) -> TestDaemon {
    Setup::with_config(&format!(
        "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nservers = [{{ url = \"{}\" }}, {{ url = \"{}\" }}]\n",
        first.url(),
        second.url()
    ))
    .start()
}

#[test]
fn one_bad_upstream_of_two_costs_nobody_an_answer() {
    for mood in [Mood::Silent, Mood::Failing] {
        let (bad, good) = (FakeUpstream::for_any_name(), FakeUpstream::for_any_name());
        bad.set_mood(mood);
        let daemon = with_two(&bad, &good);
        for n in 0..15 {
            let name = format!("n{n}.example.org");
            let reply = ask(daemon.dns(), &name, "A");
            assert_eq!(reply.addresses(), [FakeUpstream::address_of(&name)], "{mood:?}");
        }
        assert!(bad.names_asked().len() < 12, "{mood:?}: it rests after failures");
    }
}

#[test]
fn all_dead_gives_an_error_and_blocked_names_go_on() {
    let upstream = FakeUpstream::for_any_name();
    upstream.set_mood(Mood::Silent);
    let daemon = Setup::forwarding_to(&upstream).start();
    let wanted = crate::support::Wanted::new("www.example.org", "A").edns(1232);
    let reply = daemon.client(1).send(&wanted);
    assert_eq!(reply.code(), ResponseCode::ServFail);
    let (code, _) = reply.extended_error().expect("an extended error");
    assert!(code == 22 || code == 23, "{code}");
    assert!(ask(daemon.dns(), "analytics.tiktok.com", "A").is_null_address());
    upstream.set_mood(Mood::Well);
    let back = (0..40).any(|n| {
        std::thread::sleep(Duration::from_millis(250));
        !ask(daemon.dns(), &format!("back{n}.example.org"), "A").addresses().is_empty()
    });
    assert!(back, "it recovers by itself");
}

#[test]
fn a_lie_neither_answers_nor_denies() {
    let upstream = FakeUpstream::for_any_name();
    upstream.set_mood(Mood::LiesFirst);
    let daemon = Setup::forwarding_to(&upstream).start();
    for n in 0..5 {
        let name = format!("n{n}.example.org");
        assert_eq!(ask(daemon.dns(), &name, "A").addresses(), [FakeUpstream::address_of(&name)]);
    }
}

#[test]
fn a_truncated_reply_is_asked_for_again_over_tcp() {
    let upstream = FakeUpstream::for_any_name();
    upstream.set_mood(Mood::Truncates);
    let daemon = Setup::forwarding_to(&upstream).start();
    assert_eq!(ask(daemon.dns(), "www.example.org", "A").addresses().len(), 1);
}

#[test]
fn identical_questions_in_flight_are_asked_once() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    upstream.set_mood(Mood::Silent);
    let clients = ask_at_once(daemon.dns(), 8, "same.example.org");
    std::thread::sleep(Duration::from_millis(300));
    let asked = upstream.times_asked("same.example.org", RecordType::A);
    assert_eq!(asked, 1, "eight clients, one question");
    upstream.set_mood(Mood::Well);
    for client in clients {
        assert_eq!(client.join().expect("no panic").code(), ResponseCode::NoError);
    }
}

#[test]
fn fifty_clients_of_two_workers_cause_one_question() {
    let upstream = FakeUpstream::for_any_name();
    upstream.set_mood(Mood::Slow);
    // Two workers; the kernel deals fifty ports out to both.
    let daemon = Setup::forwarding_to(&upstream).start();
    for client in ask_at_once(daemon.dns(), 50, "same.example.org") {
        let reply = client.join().expect("no panic");
        assert_eq!(reply.addresses(), [FakeUpstream::address_of("same.example.org")]);
    }
    assert_eq!(upstream.times_asked("same.example.org", RecordType::A), 1);
}

#[test]
fn as_listed_the_first_is_asked_and_the_second_only_while_it_fails() {
    let (first, second) = (FakeUpstream::for_any_name(), FakeUpstream::for_any_name());
    let daemon = Setup::with_config(&format!(
        "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\norder = \"as-listed\"\nservers = [{{ url = \"{}\" }}, {{ url = \"{}\" }}]\n",
        first.url(),
        second.url()
    ))
    .start();
    for n in 0..70 {
        ask(daemon.dns(), &format!("n{n}.example.org"), "A");
    }
    assert_eq!((first.names_asked().len(), second.names_asked().len()), (70, 0));
    first.set_mood(Mood::Failing);
    let reply = ask(daemon.dns(), "other.example.org", "A");
    assert_eq!(reply.addresses(), [FakeUpstream::address_of("other.example.org")]);
    assert_eq!(second.names_asked(), ["other.example.org"]);
    let status = daemon.json(&["status"]);
    let figures = |place: usize, key: &str| status["upstreams"][place][key].clone();
    assert_eq!((figures(0, "asked"), figures(0, "answered")), (71.into(), 70.into()));
    assert_eq!((figures(1, "asked"), figures(1, "answered")), (1.into(), 1.into()));
    assert_eq!((figures(0, "failed"), figures(0, "transport")), (1.into(), "udp".into()));
    assert!(figures(0, "p95_micros").is_u64());
}

#[test]
fn the_clients_options_stay_with_us() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    let mut packet = crate::support::Wanted::new("www.example.org", "A").edns(1232).packet();
    let length_at = packet.len() - 1;
    packet[length_at] = 12;
    // Client subnet 192.0.2.1/32 (RFC 7871).
    packet.extend([0, 8, 0, 8, 0, 1, 32, 0, 192, 0, 2, 1]);
    assert_eq!(daemon.client(1).exchange(&packet).expect("a reply").addresses().len(), 1);
    assert_eq!(upstream.times_asked("www.example.org", RecordType::A), 1);
    assert!(!upstream.saw_octets(&[0, 8, 0, 8]), "no client subnet goes upstream");
}
