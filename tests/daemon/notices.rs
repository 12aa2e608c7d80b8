//! What a person should know: told once, kept, dismissed.

use deadpixel::clock::Clock;
use serde_json::Value;

use crate::support::{FakeUpstream, Setup, TestDaemon};

const PIXEL: &str = "analytics.tiktok.com";
const HOUR: u64 = 3_600_000_000;

fn daemon(clock: &Clock, policy: &str) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    (Setup::forwarding_to(&upstream).clock(clock).policy(policy).start(), upstream)
}

fn manual_clock() -> Clock {
    Clock::manual(1_760_000_000_000_000)
}

/// Returns the notices of one kind.
fn notices(daemon: &TestDaemon, kind: &str, arguments: &[&str]) -> Vec<Value> {
    let all = daemon.json(&[&["notices"], arguments].concat());
    let all = all.as_array().expect("notices").clone();
    all.into_iter().filter(|notice| notice["kind"] == kind).collect()
}

#[test]
fn a_new_device_is_told_once_and_not_again_after_a_restart() {
    let clock = manual_clock();
    let policy = "[[device]]\nname = \"TV\"\naddresses = [\"127.0.0.3\"]\n";
    let (daemon, _upstream) = daemon(&clock, policy);
    for last_octet in [2, 2, 3] {
        daemon.client(last_octet).ask("www.example.org", "A");
    }
    let new = notices(&daemon, "new-device", &[]);
    assert_eq!(new.len(), 1, "the policy names the other one: {new:?}");
    assert_eq!(new[0]["headline"], "new device 127.0.0.2");
    let daemon = daemon.restart(&clock);
    daemon.client(2).ask("www.example.org", "A");
    let again = notices(&daemon, "new-device", &[]);
    assert_eq!(again, new);
}

#[test]
fn a_company_is_told_when_a_device_asks_for_it_first() {
    let clock = manual_clock();
    let policy = "[[device]]\nname = \"Quiet\"\naddresses = [\"127.0.0.3\"]\nlog = \"counts\"\n";
    let (daemon, _upstream) = daemon(&clock, policy);
    for last_octet in [2, 3] {
        daemon.client(last_octet).ask(PIXEL, "A");
    }
    assert_eq!(notices(&daemon, "first-contact", &[]).len(), 0, "the first day");
    clock.advance(25 * HOUR);
    for last_octet in [2, 3] {
        daemon.client(last_octet).ask(PIXEL, "A");
        daemon.client(last_octet).ask("ct.pinterest.com", "A");
    }
    let told = notices(&daemon, "first-contact", &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["headline"], "127.0.0.2 asked for a new company: Pinterest");
    let daemon = daemon.restart(&clock);
    clock.advance(25 * HOUR);
    daemon.client(2).ask("ct.pinterest.com", "A");
    assert_eq!(notices(&daemon, "first-contact", &[]), told, "it is known now");
}

#[test]
fn who_asks_for_encrypted_dns_may_be_bypassing_and_a_person_can_put_that_away() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    for _ in 0..3 {
        daemon.client(2).ask("dns.google", "A");
        daemon.client(2).ask("use-application-dns.net", "A");
    }
    let told = notices(&daemon, "encrypted-dns", &[]);
    assert_eq!((told.len(), &told[0]["items"][0]), (1, &"dns.google".into()));
    assert_eq!(notices(&daemon, "canary", &[]).len(), 1);
    let text = daemon.run(&["notices"]);
    assert!(text.contains("127.0.0.2 may be bypassing"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let status = daemon.json(&["status"]);
    assert!(status["open_notices"].as_u64() >= Some(2), "{status}");
    let id = told[0]["id"].to_string();
    assert!(daemon.run(&["notices", "dismiss", &id, "--always"]).contains("1 notice dismissed"));
    daemon.run(&["notices", "dismiss", "all"]);
    assert_eq!(daemon.json(&["notices"]), Value::Array(Vec::new()));
    assert!(!daemon.command(&["notices", "dismiss", "4711"]).status.success());
    assert!(!daemon.command(&["notices", "dismiss", "x"]).status.success());
    let daemon = daemon.restart(&clock);
    daemon.client(2).ask("dns.google", "A");
    assert_eq!(daemon.json(&["notices"]), Value::Array(Vec::new()), "dismissed");
    let kept = notices(&daemon, "encrypted-dns", &["--all"]);
    assert_eq!((kept.len(), &kept[0]["always"]), (1, &true.into()));
    clock.advance(25 * HOUR);
    daemon.client(2).ask("dns.google", "A");
    daemon.client(2).ask("use-application-dns.net", "A");
    let kinds =
        [notices(&daemon, "encrypted-dns", &[]).len(), notices(&daemon, "canary", &[]).len()];
    assert_eq!(kinds, [0, 1], "one for good, one for a day");
}

#[test]
fn what_was_told_of_a_forgotten_device_goes_with_its_past() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    daemon.client(2).ask("dns.google", "A");
    assert_eq!(notices(&daemon, "encrypted-dns", &[]).len(), 1);
    daemon.run(&["device", "forget", "127.0.0.2", "--history", "--yes"]);
    assert_eq!(notices(&daemon, "encrypted-dns", &["--all"]).len(), 0);
}

#[test]
fn a_clock_set_ahead_by_a_year_tells_nothing_anew() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    daemon.client(2).ask("dns.google", "A");
    daemon.client(2).ask(PIXEL, "A");
    let before = daemon.json(&["notices"]).as_array().map(Vec::len);
    clock.set_by(365 * 24 * HOUR as i64);
    daemon.client(2).ask("dns.google", "A");
    daemon.client(2).ask("ct.pinterest.com", "A");
    assert_eq!(daemon.json(&["notices", "--all"]).as_array().map(Vec::len), before);
}
