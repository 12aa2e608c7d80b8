//! What goes wrong around a daemon: databases, clocks, files, floods.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde_json::Value;

use deadpixel::clock::Clock;

use crate::support::{Client, FakeUpstream, Mood, Reply, Setup, TestDaemon, Wanted, ask};

const PIXEL: &str = "analytics.tiktok.com";
const START: i64 = 1_760_000_000_000_000;
const SECOND: u64 = 1_000_000;
const DAY: i64 = 86_400_000_000;

fn notices(daemon: &TestDaemon) -> String {
    daemon.json(&["status"])["notices"].to_string()
}

/// Looks until it is so, for a bounded number of times.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let so = (0..60).any(|_| {
        let so = is_so();
        if !so {
            std::thread::sleep(Duration::from_millis(100));
        }
        so
    });
    assert!(so, "it does not come");
}

/// Holds a database so that nobody else can write it.
fn lock(path: &Path) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(path).expect("a database");
    holder.busy_timeout(Duration::from_secs(10)).expect("a timeout");
    holder.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    holder
}

/// Asks for `count` long blocked names, fifty at a time; returns how many were blocked.
fn flood(server: SocketAddr, count: usize) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    let label = "x".repeat(63);
    let packet = Wanted::new(&format!("{label}.{label}.{label}.{PIXEL}"), "A").packet();
    let mut reply = [0; 1500];
    let mut blocked = 0;
    for _ in 0..count / 50 {
        for _ in 0..50 {
            socket.send_to(&packet, server).expect("sent");
        }
        for _ in 0..50 {
            let length = socket.recv(&mut reply).expect("a reply");
            blocked += usize::from(Reply::read(&reply[..length]).is_null_address());
        }
    }
    blocked
}

#[test]
fn while_databases_are_locked_answers_go_on_and_what_was_lost_is_told() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config = setup.config.replace("workers = 2", "workers = 1");
    let daemon = setup.start();
    let holders = ["log.db", "state.db"].map(|file| lock(&daemon.data().join(file)));
    let count = 10_000;
    assert_eq!(flood(daemon.dns(), count), count);
    let mut stranger = daemon.client(77);
    assert!(stranger.ask(PIXEL, "A").is_null_address(), "a device never seen before");
    assert_eq!(stranger.ask("www.example.org", "A").addresses().len(), 1);
    let status = daemon.json(&["status"]);
    assert!(status["log"]["error"].as_str().is_some_and(|text| text.contains("locked")));
    assert!(status["notices"].to_string().contains("queries are not recorded"), "{status}");
    for holder in holders {
        holder.execute_batch("COMMIT").expect("unlocked");
    }
    let mut log = Value::Null;
    wait_until(|| {
        log = daemon.json(&["status"])["log"].clone();
        log["error"].is_null()
    });
    let lost = log["lost"].as_u64().expect("a count");
    assert!(lost > 0, "more came than fits: {log}");
    assert_eq!(log["events"].as_u64().expect("a count") + lost, count as u64 + 2);
    let gaps = daemon.json(&["log", "-n", "500"])["gaps"].clone();
    assert!(gaps.as_array().is_some_and(|gaps| !gaps.is_empty()), "{gaps}");
}

#[test]
fn a_clock_set_by_a_day_changes_no_ttl_and_costs_no_event() {
    for (step, more) in [(DAY, "a day ahead"), (-DAY, "a day back")] {
        let upstream = FakeUpstream::with("www.example.org. 300 A 203.0.113.1");
        let clock = Clock::manual(START);
        let daemon = Setup::forwarding_to(&upstream).clock(&clock).start();
        ask(daemon.dns(), PIXEL, "A");
        assert_eq!(ask(daemon.dns(), "www.example.org", "A").message.answers[0].ttl, 300);
        let attempts = |daemon: &TestDaemon| daemon.json(&["status"])["attempts"].clone();
        let before = attempts(&daemon)["attempts"].as_u64().expect("a count");
        clock.set_by(step);
        clock.advance(SECOND);
        for _ in 0..5 {
            ask(daemon.dns(), PIXEL, "A");
        }
        clock.advance(99 * SECOND);
        assert_eq!(ask(daemon.dns(), "www.example.org", "A").message.answers[0].ttl, 200, "{more}");
        assert_eq!(upstream.times_asked("www.example.org", RecordType::A), 1, "{more}");
        clock.advance(201 * SECOND);
        assert_eq!(ask(daemon.dns(), "www.example.org", "A").message.answers[0].ttl, 300, "{more}");
        let entries = |daemon: &TestDaemon| daemon.json(&["log", PIXEL])["entries"].clone();
        let shown = entries(&daemon);
        assert_eq!(shown.as_array().map(Vec::len), Some(6), "{more}");
        let opened = shown.as_array().expect("entries").iter().filter(|e| e["attempt"] == true);
        assert_eq!((before, opened.count()), (1, 2), "{more}: one more, for the name in use");
    }
}

#[test]
fn a_start_by_a_clock_that_is_months_ahead_leaves_the_log_alone() {
    let upstream = FakeUpstream::for_any_name();
    let clock = Clock::manual(START);
    let daemon = Setup::forwarding_to(&upstream).clock(&clock).start();
    ask(daemon.dns(), PIXEL, "A");
    clock.set_by(90 * DAY);
    let daemon = daemon.restart(&clock);
    ask(daemon.dns(), "ct.pinterest.com", "A");
    daemon.run(&["log"]);
    clock.set_by(-90 * DAY);
    clock.advance(SECOND);
    let daemon = daemon.restart(&clock);
    ask(daemon.dns(), "ct.pinterest.com", "A");
    let page = daemon.json(&["log"]);
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(3), "{page}");
}

#[test]
fn damaged_databases_are_set_aside_and_named() {
    let upstream = FakeUpstream::for_any_name();
    let rubbish = b"this is no database ".repeat(500);
    let daemon =
        Setup::forwarding_to(&upstream).file("state.db", &rubbish).file("log.db", &rubbish).start();
    assert!(ask(daemon.dns(), PIXEL, "A").is_null_address());
    assert_eq!(ask(daemon.dns(), "www.example.org", "A").addresses().len(), 1);
    let told = notices(&daemon);
    for file in ["state.db", "log.db"] {
        assert!(told.contains(&format!("{file} was damaged")), "{told}");
        let aside = std::fs::read_dir(daemon.data()).expect("a folder").flatten().find(|entry| {
            entry.file_name().to_string_lossy().starts_with(&format!("{file}.damaged-"))
        });
        let aside = aside.expect("set aside").path();
        assert!(told.contains(&aside.display().to_string()), "{told}");
        assert_eq!(std::fs::read(aside).expect("kept"), rubbish);
    }
    assert_eq!(daemon.json(&["log"])["entries"].as_array().map(Vec::len), Some(2));
}

/// Copies the shipped lists into a folder of their own, each changed.
fn blocklists(change: impl Fn(&str, String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("blocklists");
    for entry in std::fs::read_dir(shipped).expect("the shipped lists").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".tsv") {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            std::fs::write(folder.path().join(&name), change(&name, text)).expect("written");
        }
    }
    folder
}

fn overridden(lists: &tempfile::TempDir) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    // The section `[lists]` comes last in the tests' configuration.
    setup.config += &format!("blocklists = \"{}\"\n", lists.path().display());
    (setup.start(), upstream)
}

#[test]
fn a_folder_of_older_lists_is_in_force_and_told() {
    let lists = blocklists(|name, text| {
        let (_, rest) = text.split_once('\n').expect("an edition");
        let own = if name == "names.tsv" {
            "pixel.example\ttiktok\tpixel\tpixel\tdefault\tno\n"
        } else {
            ""
        };
        format!("# edition: 2024-02-29\n{rest}{own}")
    });
    let (daemon, _upstream) = overridden(&lists);
    assert!(ask(daemon.dns(), "a.pixel.example", "A").is_null_address());
    let told = notices(&daemon);
    assert!(told.contains("2024-02-29") && told.contains("the shipped lists are of"), "{told}");
}

#[test]
fn a_broken_folder_of_lists_leaves_the_shipped_ones_in_force() {
    let lists = blocklists(|name, text| match name {
        "names.tsv" => text + "pixel.example\tnobody-knows\tpixel\tpixel\tdefault\tno\n",
        _ => text,
    });
    let (daemon, _upstream) = overridden(&lists);
    assert!(ask(daemon.dns(), PIXEL, "A").is_null_address());
    assert!(!ask(daemon.dns(), "a.pixel.example", "A").is_null_address());
    let told = notices(&daemon);
    assert!(told.contains("is not in force") && told.contains("nobody-knows"), "{told}");
}

#[test]
fn a_bad_configuration_at_reload_changes_nothing_and_is_told() {
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    let config = daemon.data().parent().expect("a folder").join("config.toml");
    let good = std::fs::read_to_string(&config).expect("text");
    std::fs::write(&config, format!("{good}\n[log]\ndayz = 3\n")).expect("written");
    let output = daemon.command(&["reload"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `days`?"));
    assert!(notices(&daemon).contains("config.toml does not check"));
    assert!(ask(daemon.dns(), PIXEL, "A").is_null_address());
    std::fs::write(&config, good).expect("written");
    daemon.run(&["reload"]);
    assert!(!notices(&daemon).contains("config.toml"));
}

#[test]
fn the_version_is_told_only_where_that_is_switched_on() {
    let version = Wanted { class: 3, ..Wanted::new("version.bind", "TXT") };
    let upstream = FakeUpstream::for_any_name();
    let daemon = Setup::forwarding_to(&upstream).start();
    assert_eq!(daemon.client(1).send(&version).code(), ResponseCode::Refused);
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config += "[resolver]\nversion_bind = true\n";
    let daemon = setup.start();
    let reply = daemon.client(1).send(&version);
    assert_eq!(reply.code(), ResponseCode::NoError);
    assert!(String::from_utf8_lossy(&reply.octets).contains(env!("CARGO_PKG_VERSION")));
    let other = Wanted { class: 3, ..Wanted::new("id.server", "TXT") };
    assert_eq!(daemon.client(1).send(&other).code(), ResponseCode::Refused);
    assert!(upstream.names_asked().is_empty());
}

#[test]
fn queries_past_the_bound_of_a_client_are_shed_at_once_and_nobody_elses() {
    let upstream = FakeUpstream::for_any_name();
    upstream.set_mood(Mood::Silent);
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config = setup.config.replace("workers = 2", "workers = 2\nin_flight_per_client = 5");
    let daemon = setup.start();
    let socket = UdpSocket::bind("127.0.0.8:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    for n in 0..20 {
        let mut wanted = Wanted::new(&format!("n{n}.example.org"), "A").edns(1232);
        wanted.id = n;
        socket.send_to(&wanted.packet(), daemon.dns()).expect("sent");
    }
    let mut octets = [0; 1500];
    let mut shed = 0;
    for _ in 0..20 {
        let length = socket.recv(&mut octets).expect("a reply to each");
        let reply = Reply::read(&octets[..length]);
        assert_eq!(reply.code(), ResponseCode::ServFail);
        let (_, why) = reply.extended_error().expect("why");
        shed += usize::from(why.contains("too many queries"));
    }
    assert_eq!(shed, 15);
    assert_eq!(daemon.json(&["status"])["counts"]["shed"], 15);
    upstream.set_mood(Mood::Well);
    wait_until(|| !ask(daemon.dns(), "www.example.net", "A").addresses().is_empty());
}

#[test]
fn a_full_table_of_connections_hinders_no_datagram() {
    let upstream = FakeUpstream::for_any_name();
    let mut setup = Setup::forwarding_to(&upstream);
    setup.config = setup.config.replace("workers = 2", "workers = 1\ntcp_connections = 8");
    let daemon = setup.start();
    let streams: Vec<TcpStream> = (0..30)
        .map(|_| TcpStream::connect(daemon.dns()).expect("accepted by the kernel"))
        .collect();
    wait_until(|| daemon.json(&["status"])["counts"]["connections_refused"] == 22);
    let mut client: Client = daemon.client(2);
    for n in 0..50 {
        assert!(client.ask(PIXEL, "A").is_null_address());
        assert_eq!(client.ask(&format!("n{n}.example.org"), "A").addresses().len(), 1);
    }
    drop(streams);
}
