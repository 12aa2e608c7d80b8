//! Only listed names are answered; schedules switch it, and a clock that jumps is followed.

use std::time::Duration;

use deadpixel::clock::Clock;

use crate::support::{FakeUpstream, Setup, TestDaemon, Wanted, address};

const ZONE: &str = "
www.school.example. 300 CNAME edge.cdn.example.
edge.cdn.example. 300 A 203.0.113.10
pixel.school.example. 300 CNAME shop.sc.omtrdc.net.
shop.sc.omtrdc.net. 300 A 203.0.113.9
captive.apple.com. 300 A 203.0.113.11
shop.example. 300 A 203.0.113.12
listed.example. 300 A 203.0.113.13
";

const POLICY: &str = r#"
[[list]]
name = "school"
file = "school.txt"
allowlist = true
[[group]]
name = "Guests"
only_listed = true
lists = { school = true }
[unknown]
groups = ["Guests"]
[[device]]
name = "Office"
addresses = ["127.0.0.5"]
[[rule]]
action = "allow"
name = "www.school.example"
[[local]]
name = "nas.house"
addresses = ["192.168.1.9"]
"#;

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::with(ZONE);
    let setup = Setup::forwarding_to(&upstream).policy(POLICY);
    (setup.file("lists/school.txt", b"listed.example\n").start(), upstream)
}

#[test]
fn unknown_devices_reach_what_is_listed_and_where_it_leads() {
    let (daemon, _upstream) = daemon();
    let mut guest = daemon.client(9);
    let open = [
        ("www.school.example", "203.0.113.10"),
        ("listed.example", "203.0.113.13"),
        ("captive.apple.com", "203.0.113.11"),
        ("nas.house", "192.168.1.9"),
    ];
    for (name, leads_to) in open {
        assert_eq!(guest.ask(name, "A").addresses(), [address(leads_to)], "{name}");
    }
    assert!(guest.ask("edge.cdn.example", "A").is_null_address(), "not asked for by itself");
    let wanted = Wanted::new("shop.example", "A").edns(1_232);
    let (code, text) = guest.send(&wanted).extended_error().expect("an extended error");
    assert_eq!((code, text.as_str()), (15, "Blocked: not listed"));
    let office = daemon.client(5).ask("shop.example", "A");
    assert_eq!(office.addresses(), [address("203.0.113.12")], "the policy names it");
}

#[test]
fn the_log_and_why_say_that_a_name_is_not_listed() {
    let (daemon, _upstream) = daemon();
    assert!(daemon.client(9).ask("shop.example", "A").is_null_address());
    let why = daemon.json(&["why", "shop.example", "-d", "127.0.0.9"]);
    assert_eq!(
        (&why["outcome"], &why["decided_by"]["kind"]),
        (&"blocked".into(), &"not-listed".into())
    );
    let log = daemon.run(&["log", "--json"]);
    assert!(log.contains("not listed"), "{log}");
    daemon.run(&["pause", "1h"]);
    let reply = daemon.client(9).ask("shop.example", "A");
    assert_eq!(reply.addresses(), [address("203.0.113.12")], "a pause lifts it");
}

#[test]
fn a_schedule_begins_by_itself_and_status_shows_the_zone() {
    // 2026-11-22 12:00 in Berlin.
    let clock = Clock::manual(1_795_345_200_000_000);
    let upstream = FakeUpstream::with(ZONE);
    let policy = "[[schedule]]\nname = \"night\"\ntimes = [\"21:00-07:00\"]\nonly_listed = true\n";
    let daemon = Setup::forwarding_to(&upstream).policy(policy).clock(&clock).start();
    let shut = || daemon.client(9).ask("shop.example", "A").is_null_address();
    assert!(!shut());
    let revisions = daemon.json(&["status"])["revision"].clone();
    clock.set_by(365 * 86_400_000_000 + 10 * 3_600_000_000);
    let followed = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        shut()
    });
    assert!(followed, "a year and ten hours on");
    let status = daemon.json(&["status"]);
    assert_eq!(status["revision"], revisions);
    assert!(status["time_zone"].is_string() && status["time_zone_from"].is_string());
    assert!(daemon.run(&["status"]).contains("time zone"));
}
