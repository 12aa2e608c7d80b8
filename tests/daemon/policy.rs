//! Lists, levels, rules and pauses, each for whom it is meant.

use crate::support::{FakeUpstream, Setup, TestDaemon, ask};

const PIXEL: &str = "analytics.tiktok.com";
const APP: &str = "www.tiktok.com";

const POLICY: &str = "
[everyone]
level = \"standard\"

[[group]]
name = \"Kids\"
level = \"strict\"
companies = { tiktok = \"ban\" }

[[device]]
name = \"TV\"
addresses = [\"127.0.0.2\"]
level = \"off\"

[[device]]
name = \"Tablet\"
addresses = [\"127.0.0.3\"]
groups = [\"Kids\"]

[[rule]]
action = \"block\"
name = \"games.example\"
group = \"Kids\"

[[rule]]
action = \"allow\"
name = \"chess.games.example\"
device = \"Tablet\"
";

fn daemon(policy: &str) -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    (Setup::forwarding_to(&upstream).policy(policy).start(), upstream)
}

fn blocked(daemon: &TestDaemon, last_octet: u8, name: &str) -> bool {
    daemon.client(last_octet).ask(name, "A").is_null_address()
}

#[test]
fn each_device_has_its_own_lists() {
    let (daemon, _upstream) = daemon(POLICY);
    assert!(!blocked(&daemon, 2, PIXEL), "TV: level off");
    assert!(blocked(&daemon, 3, PIXEL), "tablet: strict");
    assert!(blocked(&daemon, 4, PIXEL), "everyone else: standard");
    assert!(blocked(&daemon, 3, APP), "ban of the group");
    assert!(!blocked(&daemon, 4, APP), "block the pixel, keep the app");
}

#[test]
fn narrow_rules_beat_wide_ones() {
    let (daemon, _upstream) = daemon(POLICY);
    assert!(blocked(&daemon, 3, "games.example"));
    assert!(blocked(&daemon, 3, "a.games.example"));
    assert!(!blocked(&daemon, 3, "chess.games.example"));
    assert!(!blocked(&daemon, 4, "games.example"), "others are not in the group");
}

#[test]
fn a_change_by_command_binds_the_next_query() {
    let (daemon, _upstream) = daemon("");
    daemon.run(&["block", "news.example", "--everyone"]);
    assert!(blocked(&daemon, 9, "www.news.example"));
    daemon.run(&["allow", "news.example", "--everyone"]);
    assert!(!blocked(&daemon, 9, "www.news.example"));
    daemon.run(&["company", "block", "tiktok", "--everyone"]);
    assert!(blocked(&daemon, 9, APP));
    daemon.run(&["company", "allow", "tiktok", "--everyone"]);
    assert!(!blocked(&daemon, 9, APP));
    daemon.run(&["level", "everyone", "off"]);
    assert!(!blocked(&daemon, 9, PIXEL));
    daemon.run(&["level", "everyone", "standard"]);
    daemon.run(&["lists", "disable", "trackers", "--everyone"]);
    assert!(!blocked(&daemon, 9, PIXEL));
    daemon.run(&["lists", "enable", "trackers", "--everyone"]);
    assert!(blocked(&daemon, 9, PIXEL));
}

#[test]
fn a_device_that_was_only_seen_can_be_named_and_given_rules() {
    let (daemon, _upstream) = daemon("");
    assert!(blocked(&daemon, 7, PIXEL));
    daemon.run(&["device", "rename", "127.0.0.7", "Laptop"]);
    daemon.run(&["allow", PIXEL, "-d", "laptop"]);
    assert!(!blocked(&daemon, 7, PIXEL));
    assert!(blocked(&daemon, 8, PIXEL));
    let text = std::fs::read_to_string(daemon.data().join("policy.toml")).expect("policy.toml");
    assert!(text.contains("Laptop") && text.contains("127.0.0.7"), "{text}");
}

#[test]
fn a_pause_lifts_blocking_for_whom_it_is_meant() {
    let (daemon, _upstream) = daemon(POLICY);
    daemon.run(&["pause", "10m", "-d", "Tablet"]);
    assert!(!blocked(&daemon, 3, PIXEL));
    assert!(blocked(&daemon, 4, PIXEL));
    daemon.run(&["resume", "-d", "Tablet"]);
    assert!(blocked(&daemon, 3, PIXEL));
    daemon.run(&["pause"]);
    assert!(!blocked(&daemon, 4, PIXEL));
    daemon.run(&["resume"]);
    assert!(blocked(&daemon, 4, PIXEL));
}

#[test]
fn pauses_and_timed_rules_end_by_themselves_and_outlive_a_restart() {
    let upstream = FakeUpstream::for_any_name();
    let clock = deadpixel::clock::Clock::manual(now_micros());
    let daemon = Setup::forwarding_to(&upstream).clock(&clock).start();
    daemon.run(&["pause", "10m"]);
    daemon.run(&["block", "news.example", "--everyone", "--for", "1h"]);
    let daemon = daemon.restart(&clock);
    assert!(!blocked(&daemon, 9, PIXEL), "still paused");
    clock.advance(11 * 60 * 1_000_000);
    assert!(blocked(&daemon, 9, PIXEL), "the pause is over");
    assert!(blocked(&daemon, 9, "news.example"));
    clock.advance(50 * 60 * 1_000_000);
    assert!(!blocked(&daemon, 9, "news.example"), "the rule is over");
}

#[test]
fn a_read_only_policy_still_takes_pauses() {
    let (daemon, _upstream) = daemon(POLICY);
    let path = daemon.data().join("policy.toml");
    let mut permissions = std::fs::metadata(&path).expect("it is there").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("read-only");
    let output = daemon.command(&["block", "news.example", "--everyone"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("managed elsewhere"));
    daemon.run(&["pause", "10m"]);
    assert!(!blocked(&daemon, 4, PIXEL));
    daemon.run(&["block", "news.example", "--everyone", "--for", "1h"]);
    daemon.run(&["resume"]);
    assert!(blocked(&daemon, 4, "news.example"));
}

#[test]
fn a_hosts_file_of_the_owners_is_a_list_like_any_other() {
    let upstream = FakeUpstream::for_any_name();
    let policy = "
[[list]]
name = \"mine\"
file = \"mine.hosts\"
kind = \"other\"
[[device]]
name = \"TV\"
addresses = [\"127.0.0.2\"]
lists = { mine = true }
";
    let list = b"# mine\n0.0.0.0 ads.example\n0.0.0.0 bad name here..\n127.0.0.1 localhost\n";
    let daemon =
        Setup::forwarding_to(&upstream).policy(policy).file("lists/mine.hosts", list).start();
    assert!(blocked(&daemon, 2, "ads.example"));
    assert!(!blocked(&daemon, 2, "www.ads.example"), "a hosts line is exact");
    assert!(!blocked(&daemon, 3, "ads.example"));
    assert!(!ask(daemon.dns(), "localhost", "A").is_null_address());
}

fn now_micros() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_micros() as i64
}

#[test]
fn asserts_are_held_against_the_running_policy() {
    let (daemon, _upstream) = daemon(POLICY);
    let file = daemon.data().join("tests.toml");
    let test = |text: &str| {
        std::fs::write(&file, text).expect("written");
        let output = daemon.command(&["policy", "test", file.to_str().expect("UTF-8")]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let good = "
[[assert]]
device = \"Tablet\"
name = \"games.example\"
expect = \"block\"

[[assert]]
device = \"127.0.0.3\"
name = \"chess.games.example\"
type = \"HTTPS\"
expect = \"allow\"

[[assert]]
name = \"games.example\"
expect = \"none\"
";
    let (code, said) = test(good);
    assert!(code == Some(0) && said.ends_with(": 3 asserts hold.\n"), "{code:?} {said}");
    let (code, said) = test(&good.replace("none", "block"));
    assert!(code == Some(1) && said.contains("tests.toml:13: games.example A"), "{code:?} {said}");
    assert_eq!(test("[[assert]]\nname = \"x\"\n").0, Some(6), "no verdict");
}

#[test]
fn why_tells_every_rule_of_every_list_with_its_line_and_what_stands_above_it() {
    let upstream = FakeUpstream::for_any_name();
    let policy = "
[everyone]
lists = { one = true, two = true }

[[list]]
name = \"one\"
file = \"one.txt\"
kind = \"other\"

[[list]]
name = \"two\"
file = \"two.txt\"
kind = \"other\"

[[list]]
name = \"off\"
file = \"two.txt\"
kind = \"other\"

[[rule]]
action = \"block\"
name = \"own.example\"
";
    let one = b"! Title: one\n||ads.example^\n||x.ads.example^$dnstype=A\n||own.example^\n";
    let two = b"@@||good.ads.example^\n||ads.example^\n";
    let setup = Setup::forwarding_to(&upstream).policy(policy);
    let daemon = setup.file("lists/one.txt", one).file("lists/two.txt", two).start();
    let told = |why: &serde_json::Value| {
        let rules = why["lists"].as_array().expect("rules").iter();
        let told = rules.map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_string();
            format!("{} {} {}: {}", text("list"), it["line"], text("rule"), text("why"))
        });
        told.collect::<Vec<String>>()
    };
    let why = daemon.json(&["why", "x.ads.example"]);
    let decided = serde_json::json!({
        "kind": "list", "list": "one", "version": 1, "rule": "||x.ads.example^$dnstype=A", "line": 3
    });
    assert_eq!((&why["outcome"], &why["decided_by"]), (&"blocked".into(), &decided));
    let expected = [
        "one 2 ||ads.example^: a rule with more modifiers is told first",
        "one 3 ||x.ads.example^$dnstype=A: decides",
        "two 2 ||ads.example^: a rule with more modifiers is told first",
        "off 2 ||ads.example^: its list is not in force here",
    ];
    assert_eq!(told(&why), expected);
    assert_eq!(why["revision"].as_str().map(str::is_empty), Some(false));
    let why = daemon.json(&["why", "good.ads.example"]);
    assert_eq!(
        (&why["outcome"], &why["decided_by"]["rule"]),
        (&"allowed".into(), &"@@||good.ads.example^".into())
    );
    let why = daemon.json(&["why", "own.example"]);
    assert_eq!(told(&why), ["one 4 ||own.example^: a rule of your own stands above it"]);
    assert_eq!(why["own"][0]["why"], "decides");
    let shown = daemon.run(&["why", "x.ads.example"]);
    assert!(shown.contains("one v1, line 3: ||x.ads.example^$dnstype=A"), "{shown}");
    assert!(shown.contains("not in force here: off"), "{shown}");
}
