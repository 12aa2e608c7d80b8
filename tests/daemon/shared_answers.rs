//! One cache for all devices: an answer kept for one is judged anew for each other.

use hickory_proto::rr::RecordType;

use crate::support::{FakeUpstream, Reply, Setup, TestDaemon, address};

const ZONE: &str = "
metrics.shop.example. 300 CNAME shop.sc.omtrdc.net.
shop.sc.omtrdc.net. 300 A 203.0.113.9
cdn.shop.example. 300 CNAME edge.cdn.example.
edge.cdn.example. 300 A 203.0.113.10
host.shop.example. 300 A 203.0.113.66
mine.shop.example. 300 CNAME mine.listed.example.
mine.listed.example. 300 A 203.0.113.11
plain.shop.example. 300 A 203.0.113.12
";

/// What binds 127.0.0.5 and what 127.0.0.6, and what each of them gets for each name.
const POLICY: &str = r#"
[[list]]
name = "mine"
file = "mine.txt"
[[group]]
name = "School"
only_listed = true
[[device]]
name = "Five"
addresses = ["127.0.0.5"]
level = "off"
lists = { mine = false }
[[device]]
name = "Six"
addresses = ["127.0.0.6"]
lists = { mine = true }
[[device]]
name = "Seven"
addresses = ["127.0.0.7"]
groups = ["School"]
lists = { mine = false }
[[rule]]
action = "block"
name = "cdn.example"
device = "Five"
[[rule]]
adguard = "203.0.113.66"
device = "Six"
[[rule]]
action = "allow"
name = "host.shop.example"
device = "Seven"
[[rule]]
action = "allow"
name = "metrics.shop.example"
device = "Seven"
"#;

const NAMES: [&str; 5] = [
    "metrics.shop.example",
    "cdn.shop.example",
    "host.shop.example",
    "mine.shop.example",
    "plain.shop.example",
];
/// Whether the names above reach the devices 5, 6 and 7.
const REACHED: [(u8, [bool; 5]); 3] = [
    (5, [true, false, true, true, true]),
    (6, [false, true, false, false, true]),
    (7, [true, false, true, false, false]),
];

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::with(ZONE);
    let setup = Setup::forwarding_to(&upstream).policy(POLICY);
    (setup.file("lists/mine.txt", b"mine.listed.example\n").start(), upstream)
}

fn reaches(reply: &Reply) -> bool {
    reply.addresses().iter().any(|address| !address.is_unspecified())
}

#[test]
fn no_order_of_devices_gets_an_answer_past_anybodys_policy() {
    let orders: [[usize; 3]; 6] =
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let (daemon, upstream) = daemon();
        for round in 0..3 {
            for (last_octet, expected) in order.map(|place| REACHED[place]) {
                let mut client = daemon.client(last_octet);
                let got = NAMES.map(|name| reaches(&client.ask(name, "A")));
                assert_eq!(got, expected, "{last_octet} in {order:?}, round {round}");
            }
        }
        for name in NAMES {
            assert_eq!(upstream.times_asked(name, RecordType::A), 1, "{name}: one cache");
        }
    }
}

#[test]
fn new_lists_judge_what_is_kept_without_asking_upstream() {
    let (daemon, upstream) = daemon();
    let get = |name: &str| reaches(&daemon.client(6).ask(name, "A"));
    for _ in 0..2 {
        assert!(get("cdn.shop.example") && !get("mine.shop.example"));
    }
    let list = daemon.data().join("lists/mine.txt");
    std::fs::write(list, "edge.cdn.example\n").expect("written");
    daemon.run(&["reload"]);
    for _ in 0..3 {
        assert!(!get("cdn.shop.example") && get("mine.shop.example"));
        let free = daemon.client(5).ask("mine.shop.example", "A");
        assert_eq!(free.addresses(), [address("203.0.113.11")]);
    }
    for name in ["cdn.shop.example", "mine.shop.example"] {
        assert_eq!(upstream.times_asked(name, RecordType::A), 1, "{name}");
    }
}
