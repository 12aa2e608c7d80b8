//! Every query becomes one event: attempts, who, log, retention, forgetting.

use std::time::Duration;

use deadpixel::clock::Clock;
use serde_json::Value;

use crate::support::{FakeUpstream, Mood, Setup, TestDaemon, ask};

const PIXEL: &str = "analytics.tiktok.com";
const SECOND: u64 = 1_000_000;

fn manual_clock() -> Clock {
    Clock::manual(1_760_000_000_000_000)
}

fn daemon(clock: &Clock, policy: &str) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    (Setup::forwarding_to(&upstream).clock(clock).policy(policy).start(), upstream)
}

fn attempts(daemon: &TestDaemon, device: &str, company: Option<&str>) -> u64 {
    let who = daemon.json(&["who"]);
    let rows = who["rows"].as_array().expect("rows");
    let wanted =
        |row: &&Value| row["device"] == device && row["company"]["slug"].as_str() == company;
    rows.iter().filter(wanted).map(|row| row["attempts"].as_u64().expect("a count")).sum()
}

fn entries(daemon: &TestDaemon, arguments: &[&str]) -> Vec<Value> {
    let page = daemon.json(&[&["log"], arguments].concat());
    page["entries"].as_array().expect("entries").clone()
}

#[test]
fn an_attempt_takes_in_all_queries_of_ten_seconds() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    let mut client = daemon.client(2);
    for query_type in ["A", "AAAA", "HTTPS"] {
        client.ask(PIXEL, query_type);
    }
    clock.advance(9 * SECOND);
    client.ask(PIXEL, "A");
    assert_eq!(attempts(&daemon, "127.0.0.2", Some("tiktok")), 1);
    clock.advance(SECOND);
    client.ask(PIXEL, "A");
    assert_eq!(attempts(&daemon, "127.0.0.2", Some("tiktok")), 2, "ten seconds after the first");
    daemon.client(3).ask(PIXEL, "A");
    assert_eq!(attempts(&daemon, "127.0.0.3", Some("tiktok")), 1, "another device");
}

#[test]
fn an_event_tells_lists_reason_alias_and_company() {
    let upstream = FakeUpstream::with(
        "m.shop.example. 300 CNAME shop.sc.omtrdc.net.\nshop.sc.omtrdc.net. 300 A 203.0.113.9",
    );
    let daemon = Setup::forwarding_to(&upstream).start();
    daemon.client(2).ask("m.shop.example", "A");
    daemon.client(2).ask(PIXEL, "A");
    let entries = entries(&daemon, &[]);
    assert_eq!(entries.len(), 2);
    let (pixel, alias) = (&entries[0], &entries[1]);
    assert_eq!(alias["alias"], "shop.sc.omtrdc.net");
    assert_eq!(alias["company"]["slug"], "adobe");
    assert_eq!((&alias["outcome"], &alias["name"]), (&"blocked".into(), &"m.shop.example".into()));
    assert_eq!(pixel["company"]["slug"], "tiktok");
    let lists: Vec<&str> =
        pixel["lists"].as_array().expect("lists").iter().filter_map(Value::as_str).collect();
    assert_eq!(lists, ["trackers", "ban-bytedance", "ban-tiktok"], "all that match, on or off");
    assert_eq!(pixel["reason"], "list trackers");
    assert_eq!(pixel["tracking"], true);
}

#[test]
fn every_outcome_has_its_event_with_who_answered_and_how() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    let mut client = daemon.client(2);
    let url = upstream.url();
    client.ask("www.example.com", "A"); // The first query of an address binds it, which takes time.
    let mut event = |name: &str, query_type: &str| {
        client.ask(name, query_type);
        let entry = entries(&daemon, &["-n", "1"]).swap_remove(0);
        assert_eq!((&entry["name"], &entry["client"]), (&name.into(), &"127.0.0.2".into()));
        let text = |field: &str| entry[field].as_str().unwrap_or("-").to_string();
        let told = ["outcome", "answered_by", "response_code", "reason"].map(text);
        (told, entry["attempt"] == true, entry["duration_micros"].as_u64() > Some(0))
    };
    let told = |words: [&str; 4]| words.map(String::from);
    let sunk = told(["blocked", "sinkhole", "NOERROR", "list trackers"]);
    assert_eq!(event(PIXEL, "A"), (sunk.clone(), true, false), "an attempt opens");
    assert_eq!(event(PIXEL, "HTTPS"), (sunk, false, false), "and takes in what follows");
    let forwarded = told(["allowed", &url, "NOERROR", "-"]);
    assert_eq!(event("www.example.org", "A"), (forwarded, false, true));
    let cached = told(["allowed", "cache", "NOERROR", "-"]);
    assert_eq!(event("www.example.org", "A"), (cached, false, false));
    let local = told(["allowed", "local", "NXDOMAIN", "-"]);
    assert_eq!(event("x.invalid", "A"), (local, false, true));
    let canary = told(["blocked", "sinkhole", "NXDOMAIN", "canary"]);
    assert_eq!(event("use-application-dns.net", "A"), (canary, false, false));
    upstream.set_mood(Mood::Failing);
    let failing = told(["failed", &url, "SERVFAIL", "-"]);
    assert_eq!(event("bad.example.org", "A"), (failing, false, true));
    upstream.set_mood(Mood::Silent);
    let dead = told(["failed", "nobody", "SERVFAIL", "-"]);
    assert_eq!(event("dead.example.org", "A"), (dead, false, true));
}

#[test]
fn queries_in_flight_at_the_end_are_answered_and_recorded() {
    let upstream = FakeUpstream::for_any_name();
    upstream.set_mood(Mood::Silent);
    let clock = Clock::system();
    let daemon = Setup::forwarding_to(&upstream).start();
    let address = daemon.dns();
    let asking: Vec<_> = (0..8)
        .map(|n| std::thread::spawn(move || ask(address, &format!("n{n}.example.org"), "A")))
        .collect();
    while upstream.names_asked().len() < asking.len() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let stopping = std::thread::spawn(move || daemon.restart(&clock));
    std::thread::sleep(Duration::from_millis(100));
    upstream.set_mood(Mood::Well);
    for (n, client) in asking.into_iter().enumerate() {
        let reply = client.join().expect("no panic");
        assert_eq!(reply.addresses(), [FakeUpstream::address_of(&format!("n{n}.example.org"))]);
    }
    let daemon = stopping.join().expect("no panic");
    assert_eq!(entries(&daemon, &[]).len(), 8);
}

#[test]
fn paused_and_off_are_recorded_as_would_have_been_blocked() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "[everyone]\nlevel = \"off\"\n");
    daemon.client(2).ask(PIXEL, "A");
    daemon.run(&["level", "everyone", "standard"]);
    daemon.run(&["pause", "10m"]);
    daemon.client(2).ask(PIXEL, "A");
    for entry in entries(&daemon, &[]) {
        assert_eq!((&entry["outcome"], &entry["would_block"]), (&"allowed".into(), &true.into()));
    }
    let who = daemon.json(&["who"]);
    assert_eq!(who["rows"][0]["allowed"], 1, "it got through: {who}");
}

#[test]
fn what_was_recorded_is_there_after_a_restart() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    for n in 0..50 {
        daemon.client(2).ask(&format!("n{n}.example.org"), "A");
    }
    daemon.client(2).ask(PIXEL, "A");
    let before = daemon.json(&["who"]);
    let daemon = daemon.restart(&clock);
    assert_eq!(daemon.json(&["who"])["rows"], before["rows"]);
    assert_eq!(entries(&daemon, &["-n", "100"]).len(), 51);
}

#[test]
fn the_log_is_searched_by_device_company_outcome_and_text() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    daemon.client(2).ask(PIXEL, "A");
    daemon.client(3).ask("www.example.org", "A");
    daemon.client(3).ask("ct.pinterest.com", "A");
    assert_eq!(entries(&daemon, &["-d", "127.0.0.3"]).len(), 2);
    assert_eq!(entries(&daemon, &["-c", "tiktok"]).len(), 1);
    assert_eq!(entries(&daemon, &["--blocked"]).len(), 2);
    assert_eq!(entries(&daemon, &["--allowed"]).len(), 1);
    assert_eq!(entries(&daemon, &["EXAMPLE"]).len(), 1);
    assert_eq!(entries(&daemon, &["--blocked", "-d", "127.0.0.3"]).len(), 1);
}

#[test]
fn a_device_keeps_as_little_as_it_was_told() {
    let clock = manual_clock();
    let mut policy = String::new();
    for (n, detail) in ["full", "tracking", "counts", "nothing"].iter().enumerate() {
        policy += &format!(
            "[[device]]\nname = \"{detail}\"\naddresses = [\"127.0.0.{}\"]\nlog = \"{detail}\"\n",
            n + 2
        );
    }
    let (daemon, _upstream) = daemon(&clock, &policy);
    for last_octet in 2..6 {
        daemon.client(last_octet).ask(PIXEL, "A");
        daemon.client(last_octet).ask("www.example.org", "A");
    }
    let count = |device: &str| entries(&daemon, &["-d", device]).len();
    assert_eq!([count("full"), count("tracking"), count("counts"), count("nothing")], [2, 1, 0, 0]);
    let devices = daemon.json(&["devices"]);
    let queries = |name: &str| {
        let list = devices.as_array().or(devices["devices"].as_array()).expect("devices").clone();
        let device = list.into_iter().find(|device| device["name"] == name).expect("the device");
        device["queries"]["queries"].as_u64().expect("a count")
    };
    assert_eq!([queries("full"), queries("counts"), queries("nothing")], [2, 2, 0]);
    let stored = std::fs::read(daemon.data().join("log.db")).expect("log.db");
    assert!(!stored.is_empty());
}

#[test]
fn a_device_can_be_forgotten_with_its_past() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    daemon.client(2).ask(PIXEL, "A");
    daemon.client(3).ask(PIXEL, "A");
    daemon.run(&["device", "forget", "127.0.0.2", "--history", "--yes"]);
    assert!(entries(&daemon, &[]).iter().all(|entry| entry["client"] == "127.0.0.3"));
    assert_eq!(attempts(&daemon, "127.0.0.2", Some("tiktok")), 0);
    assert_eq!(attempts(&daemon, "127.0.0.3", Some("tiktok")), 1);
}

#[test]
fn hostile_names_are_shown_as_plain_text() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    let name = "a\u{1b}[31m\"<b>.example.org";
    daemon.client(2).ask(name, "A");
    let shown = daemon.run(&["log"]);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert!(shown.contains("\\027[31m"), "{shown}");
}

#[test]
fn a_flood_of_random_names_is_bounded() {
    let clock = manual_clock();
    let (daemon, _upstream) = daemon(&clock, "");
    let mut client = daemon.client(2);
    for n in 0..700 {
        client.ask(&format!("r{n:x}.random.example.org"), "A");
    }
    let page = entries(&daemon, &["-n", "500", "example.org"]);
    let names: std::collections::BTreeSet<&str> =
        page.iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert_eq!(page.len(), 500);
    assert!(
        names.len() < 400,
        "past 500 new names a minute the registrable name stands: {}",
        names.len()
    );
}
