//! Commands as a person types them: what they show, and what they say to mistakes.

use crate::support::{FakeUpstream, Setup, TestDaemon};

const PIXEL: &str = "analytics.tiktok.com";

const HOUSE: &str = r#"
[everyone]
lists = { mine = true }

[[list]]
name = "mine"
file = "mine.hosts"

[[group]]
name = "Kids"
level = "strict"
companies = { tiktok = "ban" }

[[device]]
name = "Tablet"
addresses = ["127.0.0.3"]
groups = ["Kids"]
lists = { encrypted-dns = false }

[[device]]
name = "Tablet of Ada"
addresses = ["127.0.0.4"]
"#;

const HOSTS: &str = "0.0.0.0 ads.example\n300.1.1.1 x.example\n0.0.0.0 bad_..name\n0.0.0.0 co.uk\n";

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::with(
        "metrics.shop.example. 300 CNAME shop.sc.omtrdc.net.\nshop.sc.omtrdc.net. 300 A 203.0.113.9\n\
         *.example. 300 A 203.0.113.1",
    );
    let setup = Setup::forwarding_to(&upstream).policy(HOUSE);
    (setup.file("lists/mine.hosts", HOSTS.as_bytes()).start(), upstream)
}

/// Runs a command that must fail; returns its exit code and what it says.
fn refused(daemon: &TestDaemon, arguments: &[&str]) -> (i32, String) {
    let output = daemon.command(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}: data only on success");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("an exit code"), text)
}

#[test]
fn who_tells_what_the_names_asked_for_are_for() {
    let (daemon, _upstream) = daemon();
    daemon.client(9).ask(PIXEL, "A");
    daemon.client(9).ask("metrics.shop.example", "A");
    let who = daemon.json(&["who"]);
    let purpose = |slug: &str| {
        let rows = who["rows"].as_array().expect("rows").iter();
        let mut found = rows.filter(|row| row["company"]["slug"] == slug);
        found.next().expect("a row")["purpose"].clone()
    };
    assert_eq!(purpose("tiktok"), "pixel", "of this name, not of most names of TikTok");
    assert_eq!(purpose("adobe"), "analytics", "by the alias through which it was found");
    let companies = daemon.run(&["companies"]);
    let tiktok = companies.lines().find(|line| line.contains("TikTok")).expect("a row");
    assert!(tiktok.contains("pixel"), "{companies}");
}

#[test]
fn why_knows_canaries_and_names_of_one_label_as_the_resolver_does() {
    let (daemon, _upstream) = daemon();
    daemon.run(&["pause", "1h"]);
    for name in ["use-application-dns.net", "mask.icloud.com"] {
        let code = u16::from(daemon.client(9).ask(name, "A").code());
        let why = daemon.json(&["why", name]);
        assert_eq!((code, &why["outcome"]), (3, &"blocked".into()), "{name}, paused or not");
        assert_eq!(why["decided_by"]["kind"], "canary");
    }
    daemon.run(&["allow", "mask.icloud.com", "--everyone"]);
    assert_eq!(daemon.json(&["why", "mask.icloud.com"])["outcome"], "allowed");
    assert_eq!(daemon.json(&["why", "printer"])["answer"]["from"], "local");
}

#[test]
fn bad_lines_of_a_list_are_numbered_and_shown_and_the_good_ones_count() {
    let (daemon, _upstream) = daemon();
    assert!(daemon.client(9).ask("ads.example", "A").is_null_address());
    assert!(daemon.run(&["lists"]).contains("see deadpixel lists info mine"));
    let list = daemon.json(&["lists", "info", "mine"]);
    let lines: Vec<u64> = list["samples"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|sample| sample["line"].as_u64())
        .collect();
    assert_eq!((lines, &list["rules"]), (vec![2, 3], &1.into()));
    assert_eq!(list["skipped"][0]["text"], "co.uk");
    let shown = daemon.run(&["lists", "info", "mine"]);
    assert!(shown.contains("2 lines could not be read") && shown.contains("public suffix"));
    let (code, said) = refused(&daemon, &["lists", "info", "trakers"]);
    assert!(code == 3 && said.contains("did you mean `trackers`?"), "{said}");
}

#[test]
fn a_device_shows_where_each_part_of_its_policy_comes_from() {
    let (daemon, _upstream) = daemon();
    let device = daemon.json(&["device", "show", "Tablet"]);
    assert_eq!(device["level_from"], "group Kids");
    let from = |name: &str| {
        let mut lists = device["lists"].as_array().expect("lists").iter();
        let list = lists.find(|list| list["name"] == name).expect("a list");
        (list["on"].as_bool(), list["from"].as_str().map(String::from))
    };
    assert_eq!(from("trackers-strict"), (Some(true), Some("level strict".into())));
    assert_eq!(from("mine"), (Some(true), Some("everyone".into())));
    assert_eq!(from("encrypted-dns"), (Some(false), Some("Tablet".into())));
    assert_eq!(device["bans"][0]["from"], "group Kids");
    let shown = daemon.run(&["device", "show", "127.0.0.3"]);
    assert!(shown.contains("taken out   encrypted-dns (its own)"), "{shown}");
}

#[test]
fn levels_show_the_programs_definitions_and_what_the_policy_changes() {
    let (daemon, _upstream) = daemon();
    let levels = daemon.json(&["levels"]);
    assert_eq!(levels[1]["lists"], serde_json::json!([{ "name": "trackers", "part": true }]));
    assert_eq!(levels[3]["groups"], serde_json::json!(["Kids"]));
    daemon.run(&["level", "everyone", "basic"]);
    assert_eq!(daemon.json(&["levels"])[1]["everyone"], true);
}

#[test]
fn mistakes_are_told_with_what_may_be_meant() {
    let (daemon, _upstream) = daemon();
    daemon.run(&["pause", "-d", "Tablet of Ada"]);
    let cases: [(&[&str], i32, &str); 12] = [
        (&["block", "https://www.tiktok.com/x", "--everyone"], 6, "did you mean `www.tiktok.com`?"),
        (&["why", "192.168.1.40"], 6, "`192.168.1.40` is an address"),
        (&["block", "x.example"], 2, "deadpixel block x.example -g GROUP"),
        (&["block", "x.example", "--everyone", "--for", "soon"], 2, "write 10m, 2h, 1d"),
        (&["pause", "400d"], 2, "366 days are the most"),
        (&["who", "127.0.0.77"], 3, "is known by the address `127.0.0.77`"),
        (&["who", "tab"], 3, "Tablet of Ada (127.0.0.4)"),
        (&["level", "kid", "strict"], 3, "no device is called `kid`"),
        (&["block", "x.example", "-g", "adults"], 3, "Kids"),
        (&["company", "block", "tiktk"], 3, "did you mean `tiktok`?"),
        (&["company", "block", "micro"], 3, "microsoft (Microsoft)"),
        (&["resume"], 3, "paused now: Tablet of Ada"),
    ];
    for (arguments, code, words) in cases {
        let (exit, said) = refused(&daemon, arguments);
        assert!(exit == code && said.contains(words), "{arguments:?}: {exit}\n{said}");
    }
}

#[test]
fn a_request_for_all_that_is_kept_of_a_device_is_answered_whole() {
    let (daemon, _upstream) = daemon();
    let mut client = daemon.client(3);
    for number in 0..60 {
        client.ask(&format!("n{number}.example"), "A");
    }
    daemon.client(9).ask("other.example", "A");
    let log = daemon.json(&["log", "-d", "Tablet", "--all"]);
    assert_eq!(log["entries"].as_array().map(Vec::len), Some(60));
    assert_eq!(daemon.json(&["log"])["entries"].as_array().map(Vec::len), Some(50));
}
