//! The policy's past and plans, and devices put together, with a real daemon and real clients.

use serde_json::Value;

use crate::support::{FakeUpstream, Setup, TestDaemon};

const PIXEL: &str = "analytics.tiktok.com";

const HOUSE: &str = "\
# the house
[[group]]
name = \"Kids\"
companies = { tiktok = \"ban\" }

[[device]]
name = \"Tablet\"
addresses = [\"127.0.0.3\"] # in the kitchen

[[device]]
name = \"TV\"
addresses = [\"127.0.0.4\"]
level = \"off\"

[[rule]]
action = \"block\"
name = \"game.example\"
device = \"TV\"
";

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::with(
        "*.example. 300 A 203.0.113.1\n*.com. 300 A 203.0.113.2\n\
         metrics.shop.example. 300 CNAME shop.sc.omtrdc.net.\nshop.sc.omtrdc.net. 300 A 203.0.113.9",
    );
    (Setup::forwarding_to(&upstream).policy(HOUSE).start(), upstream)
}

fn policy(daemon: &TestDaemon) -> String {
    std::fs::read_to_string(daemon.data().join("policy.toml")).expect("policy.toml")
}

fn queries(daemon: &TestDaemon, device: &str) -> u64 {
    daemon.json(&["device", "show", device])["device"]["queries"]["queries"]
        .as_u64()
        .expect("a number")
}

fn refused(daemon: &TestDaemon, arguments: &[&str]) -> (i32, String) {
    let output = daemon.command(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("an exit code"), text)
}

#[test]
fn a_merge_brings_the_past_along_and_an_undo_takes_it_back_exactly() {
    let (daemon, _upstream) = daemon();
    daemon.client(3).ask("a.example", "A");
    daemon.client(9).ask("b.example", "A");
    daemon.client(9).ask("c.example", "A");
    assert_eq!((queries(&daemon, "Tablet"), queries(&daemon, "127.0.0.9")), (1, 2));
    let told = daemon.run(&["device", "merge", "Tablet", "127.0.0.9"]);
    assert!(told.contains("one device now, Tablet"), "{told}");
    assert!(
        policy(&daemon).contains("addresses = [\"127.0.0.3\", \"127.0.0.9\"] # in the kitchen")
    );
    assert_eq!(queries(&daemon, "Tablet"), 3, "history follows");
    assert_eq!(queries(&daemon, "127.0.0.9"), 3, "the address is the tablet's");
    let log = daemon.json(&["log", "-d", "Tablet"]);
    assert!(log.to_string().contains("c.example"), "{log}");
    daemon.run(&["policy", "undo"]);
    assert_eq!(policy(&daemon), HOUSE);
    assert_eq!((queries(&daemon, "Tablet"), queries(&daemon, "127.0.0.9")), (1, 2));
    daemon.run(&["policy", "undo"]);
    assert_eq!(queries(&daemon, "Tablet"), 3, "an undo of the undo");
    let history = daemon.json(&["policy", "history"]);
    let told: Vec<&str> = history
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["what"].as_str().expect("text"))
        .collect();
    assert_eq!(
        told,
        [
            "redo of Tablet merged with 127.0.0.9",
            "undo of Tablet merged with 127.0.0.9",
            "Tablet merged with 127.0.0.9",
            "start",
        ]
    );
}

#[test]
fn of_two_named_devices_one_entry_stays_and_what_the_other_set_is_told() {
    let (daemon, _upstream) = daemon();
    daemon.run(&["pause", "1h", "-d", "TV"]);
    let told = daemon.run(&["device", "merge", "Tablet", "TV"]);
    assert!(told.contains("level off") && told.contains("1 rule"), "{told}");
    assert!(daemon.client(4).ask(PIXEL, "A").is_null_address());
    let why = daemon.json(&["why", PIXEL, "-d", "127.0.0.4"]);
    assert_eq!((&why["outcome"], &why["device"]["name"]), (&"blocked".into(), &"Tablet".into()));
    daemon.run(&["policy", "undo"]);
    assert_eq!(policy(&daemon), HOUSE);
    let tv = daemon.json(&["device", "show", "TV"]);
    assert!(tv["device"]["paused_until"].is_string(), "its pause comes back with it: {tv}");
    let (code, text) = refused(&daemon, &["device", "merge", "TV", "tv"]);
    assert_eq!(code, 6, "{text}");
}

#[test]
fn a_device_that_nobody_named_is_shown_with_all_that_binds_it() {
    let upstream = FakeUpstream::for_any_name();
    let text = format!("{HOUSE}device = \"TV\"\n[unknown]\ngroups = [\"Kids\"]\n").replacen(
        "device = \"TV\"\ndevice = \"TV\"\n",
        "group = \"Kids\"\n",
        1,
    );
    let daemon = Setup::forwarding_to(&upstream).policy(&text).start();
    daemon.client(9).ask("a.example", "A");
    daemon.run(&["allow", "b.example", "-d", "127.0.0.9", "--for", "1h"]);
    let shown = daemon.json(&["device", "show", "127.0.0.9"]);
    assert_eq!(shown["device"]["groups"], serde_json::json!(["Kids"]));
    let names = shown["rules"].as_array().expect("rules").iter();
    let names: Vec<&Value> = names.map(|rule| &rule["name"]).collect();
    assert_eq!(names, ["b.example", "game.example"], "its own, then its group's: {shown}");
    assert_eq!(shown["bans"][0]["from"], "group Kids");
    let why = daemon.json(&["why", "b.example", "-d", "127.0.0.9"]);
    assert_eq!(why["own"][0]["why"], "decides", "{why}");
}

#[test]
fn a_device_named_like_the_number_of_another_is_not_forgotten_in_its_place() {
    let (daemon, _upstream) = daemon();
    daemon.client(9).ask("a.example", "A");
    let shown = daemon.json(&["device", "show", "127.0.0.9"]);
    let number = shown["device"]["id"].to_string();
    daemon.run(&["device", "rename", "TV", &number]);
    daemon.run(&["device", "forget", "127.0.0.9", "--yes"]);
    assert!(policy(&daemon).contains(&format!("name = \"{number}\"")), "{}", policy(&daemon));
}

#[test]
fn what_was_put_together_wrongly_is_split_and_has_its_own_past_again() {
    let (daemon, _upstream) = daemon();
    daemon.client(9).ask("b.example", "A");
    let (code, text) = refused(&daemon, &["device", "split", "Tablet", "127.0.0.3"]);
    assert_eq!(code, 6, "{text}");
    daemon.run(&["device", "merge", "Tablet", "127.0.0.9"]);
    let (code, text) = refused(&daemon, &["device", "split", "Tablet", "127.0.0.77"]);
    assert!(code == 3 && text.contains("127.0.0.9"), "{text}");
    daemon.run(&["device", "split", "Tablet", "127.0.0.9", "--name", "Phone"]);
    assert_eq!((queries(&daemon, "Tablet"), queries(&daemon, "Phone")), (0, 1));
    daemon.run(&["device", "group", "Phone", "Kids"]);
    daemon.run(&["device", "kind", "Phone", "phone"]);
    daemon.run(&["device", "log", "Phone", "counts"]);
    let phone = &daemon.json(&["device", "show", "Phone"])["device"];
    assert_eq!(
        (&phone["groups"][0], &phone["kind"], &phone["log"]),
        (&"Kids".into(), &"phone".into(), &"counts".into())
    );
    daemon.run(&["device", "group", "Phone", "Kids", "--remove"]);
    assert_eq!(daemon.json(&["device", "show", "Phone"])["device"]["groups"], Value::Array(vec![]));
    let (code, text) = refused(&daemon, &["device", "kind", "Phone", "toaster"]);
    assert!(code == 6 && text.contains("appliance"), "{text}");
}

#[test]
fn two_that_nobody_named_are_merged_under_a_name() {
    let (daemon, _upstream) = daemon();
    daemon.client(9).ask("a.example", "A");
    daemon.client(10).ask("b.example", "A");
    let (code, text) = refused(&daemon, &["device", "merge", "127.0.0.9", "127.0.0.10"]);
    assert!(code == 6 && text.contains("--name"), "{text}");
    daemon.run(&["device", "merge", "127.0.0.9", "127.0.0.10", "--name", "Phone"]);
    assert_eq!(queries(&daemon, "Phone"), 2);
}

#[test]
fn history_tells_pauses_too_and_differences_are_shown() {
    let (daemon, _upstream) = daemon();
    daemon.run(&["pause", "1h", "-d", "Tablet"]);
    daemon.run(&["level", "Tablet", "strict"]);
    let history = daemon.run(&["policy", "history"]);
    assert!(history.contains("pause for Tablet until"), "{history}");
    let rows = daemon.json(&["policy", "history"]);
    assert_eq!(
        (&rows[0]["in_force"], &rows[0]["what"]),
        (&true.into(), &"level strict for Tablet".into())
    );
    let start = rows[2]["revision"].as_str().expect("a revision");
    for arguments in [&["policy", "diff"][..], &["policy", "diff", &start[..6]]] {
        let diff = daemon.run(arguments);
        assert!(diff.contains("\n+level = \"strict\"\n"), "{diff}");
    }
    let file = daemon.data().join("other.toml");
    std::fs::write(&file, "").expect("written");
    let diff = daemon.json(&["policy", "diff", file.to_str().expect("a path")]);
    assert_eq!((&diff["added"], diff["removed"].as_u64() > Some(10)), (&0.into(), true));
    daemon.run(&["policy", "undo", &start[..8]]);
    assert_eq!(policy(&daemon), HOUSE);
    let (code, text) = refused(&daemon, &["policy", "undo", &start[..8]]);
    assert!(code == 6 && text.contains("in force"), "{text}");
    assert_eq!(refused(&daemon, &["policy", "diff", "ffffffff"]).0, 3);
}

/// Every pair of client and name, each asked once before.
const ASKED: [(u8, &str); 12] = [
    (3, "www.google-analytics.com"),
    (3, "metrics.shop.example"),
    (4, "metrics.shop.example"),
    (9, "game.example"),
    (3, PIXEL),
    (3, "game.example"),
    (3, "www.tiktok.com"),
    (4, PIXEL),
    (4, "game.example"),
    (9, PIXEL),
    (9, "www.tiktok.com"),
    (9, "plain.example"),
];

/// Returns whether each is blocked now, by asking.
fn verdicts(daemon: &TestDaemon) -> Vec<bool> {
    let blocked =
        |(client, name): &(u8, &str)| daemon.client(*client).ask(name, "A").is_null_address();
    ASKED.iter().map(blocked).collect()
}

#[test]
fn a_plan_claims_what_comes_true_and_puts_nothing_in_force() {
    let next = HOUSE
        .replace("level = \"off\"\n", "")
        .replace("name = \"Tablet\"\n", "name = \"Tablet\"\ngroups = [\"Kids\"]\nlevel = \"off\"\n")
        .replace("[\"127.0.0.4\"]", "[\"127.0.0.4\", \"127.0.0.9\"]")
        + "\n[[rule]]\naction = \"allow\"\nname = \"game.example\"\ndevice = \"Tablet\"\n";
    let (daemon, _upstream) = daemon();
    let before = verdicts(&daemon);
    let file = daemon.data().join("next.toml");
    std::fs::write(&file, &next).expect("written");
    let file = file.to_str().expect("a path");
    let plan = daemon.json(&["policy", "plan", file]);
    assert_eq!(policy(&daemon), HOUSE);
    assert_eq!(verdicts(&daemon), before, "nothing is in force");
    std::fs::write(daemon.data().join("policy.toml"), &next).expect("written");
    daemon.run(&["reload"]);
    let after = verdicts(&daemon);
    let changes = plan["changes"].as_array().expect("changes");
    let names = [(3, "Tablet"), (4, "TV"), (9, "127.0.0.9")];
    let mut happened = 0;
    for ((asked, before), after) in ASKED.iter().zip(&before).zip(&after) {
        let device = names.iter().find(|(client, _)| *client == asked.0).expect("a name").1;
        let told = changes.iter().find(|it| it["device"] == device && it["name"] == asked.1);
        let word = |blocked: &bool| if *blocked { "blocked" } else { "allowed" };
        match before == after {
            true => assert!(told.is_none(), "{asked:?}: {told:?}"),
            false => {
                let told = told.unwrap_or_else(|| panic!("{asked:?} is not foreseen: {plan}"));
                assert_eq!(
                    (&told["now"], &told["then"]),
                    (&word(before).into(), &word(after).into())
                );
                happened += 1;
            }
        }
    }
    assert_eq!((happened, changes.len()), (changes.len(), happened), "{plan}");
    assert!(happened >= 4, "the test is worth something: {plan}");
    let text = daemon.run(&["policy", "plan", file]);
    assert!(text.contains("none would be judged otherwise"), "{text}");
}

#[test]
fn a_rule_behind_a_name_that_level_off_lifts_is_told_as_it_works() {
    let upstream = FakeUpstream::with(
        "analytics.tiktok.com. 300 CNAME behind.example.\nbehind.example. 300 A 203.0.113.9",
    );
    let text = "[everyone]\nlevel = \"off\"\n\n[[rule]]\naction = \"block\"\nname = \
                \"behind.example\"\n";
    let daemon = Setup::forwarding_to(&upstream).policy(text).start();
    assert!(daemon.client(9).ask(PIXEL, "A").is_null_address());
    let why = daemon.json(&["why", PIXEL, "-d", "127.0.0.9"]);
    assert_eq!((&why["outcome"], &why["decided_by"]["kind"]), (&"blocked".into(), &"rule".into()));
    let file = daemon.data().join("next.toml");
    std::fs::write(&file, "[everyone]\nlevel = \"off\"\n").expect("written");
    let plan = daemon.json(&["policy", "plan", file.to_str().expect("a path")]);
    let change = &plan["changes"][0];
    assert_eq!((&change["now"], &change["then"]), (&"blocked".into(), &"allowed".into()), "{plan}");
}

#[test]
fn a_plan_of_a_file_that_does_not_check_says_where() {
    let (daemon, _upstream) = daemon();
    let file = daemon.data().join("bad.toml");
    std::fs::write(&file, "[[device]]\nname = \"x\"\naddresses = [\"nowhere\"]\n")
        .expect("written");
    let (code, text) = refused(&daemon, &["policy", "plan", file.to_str().expect("a path")]);
    assert!(code == 6 && text.contains(":3:"), "{text}");
}
