//! Versions of a list by command: held, accepted, rolled back; lists added and removed.

use crate::support::{FakeUpstream, Setup, TestDaemon};

fn names(count: usize) -> String {
    (0..count).map(|n| format!("n{n}.listed.example\n")).collect()
}

/// A daemon with the list `mine` of eight names, switched on for everyone.
fn daemon(upstream: &FakeUpstream) -> TestDaemon {
    Setup::forwarding_to(upstream)
        .file("lists/mine.txt", names(8).as_bytes())
        .policy(
            "[everyone]\nlists = { mine = true }\n[[list]]\nname = \"mine\"\nfile = \"mine.txt\"\n",
        )
        .start()
}

fn blocked(daemon: &TestDaemon, name: &str) -> bool {
    daemon.client(9).ask(name, "A").is_null_address()
}

fn mine(daemon: &TestDaemon) -> serde_json::Value {
    let lists = daemon.json(&["lists"]);
    let lists = lists.as_array().expect("lists").clone();
    lists.into_iter().find(|list| list["name"] == "mine").expect("it is there")
}

fn states(daemon: &TestDaemon) -> Vec<String> {
    let versions = mine(daemon)["versions"].as_array().expect("versions").clone();
    versions.iter().map(|version| version["state"].as_str().expect("a word").into()).collect()
}

#[test]
fn a_version_that_is_held_is_let_in_by_accept_and_taken_back_by_rollback() {
    let upstream = FakeUpstream::with("");
    let daemon = daemon(&upstream);
    assert!(blocked(&daemon, "n7.listed.example"));
    std::fs::write(daemon.data().join("lists/mine.txt"), names(1)).expect("written");
    daemon.run(&["reload"]);
    assert!(blocked(&daemon, "n7.listed.example"), "the good version stays");
    assert!(mine(&daemon)["held"].to_string().contains("deadpixel lists accept mine"));
    assert_eq!(states(&daemon), ["in force", "held"]);

    let told = daemon.run(&["lists", "accept", "mine"]);
    assert!(told.contains("lists rollback mine"), "{told}");
    assert!(!blocked(&daemon, "n7.listed.example") && blocked(&daemon, "n0.listed.example"));
    let versions = mine(&daemon)["versions"].clone();
    assert_eq!((&versions[1]["removed"], &versions[1]["added"]), (&7.into(), &0.into()));
    let shown = daemon.run(&["lists", "info", "mine"]);
    assert!(shown.contains("went: n1.listed.example"), "{shown}");

    daemon.run(&["lists", "rollback", "mine"]);
    assert!(blocked(&daemon, "n7.listed.example"));
    daemon.run(&["reload"]);
    assert!(blocked(&daemon, "n7.listed.example"), "the file's content was rolled back");
    assert_eq!(states(&daemon), ["in force", "rolled back"]);
}

#[test]
fn what_cannot_be_accepted_or_rolled_back_is_said_and_changes_nothing() {
    let upstream = FakeUpstream::with("");
    let daemon = daemon(&upstream);
    for words in [["lists", "accept", "mine"], ["lists", "rollback", "mine"]] {
        assert_eq!(daemon.command(&words).status.code(), Some(6), "{words:?}");
    }
    assert!(blocked(&daemon, "n7.listed.example"));
}

#[test]
fn a_list_is_added_by_name_or_address_and_removed_with_its_switches() {
    let upstream = FakeUpstream::with("");
    let daemon = daemon(&upstream);
    daemon.run(&["lists", "add", "oisd-small"]);
    daemon.run(&["lists", "add", "https://lists.example/Ads_1.txt", "--kind", "other"]);
    let policy = || std::fs::read_to_string(daemon.data().join("policy.toml")).expect("a policy");
    for line in ["address = \"https://small.oisd.nl/\"", "name = \"ads-1\"", "kind = \"other\""] {
        assert!(policy().contains(line), "{line}\n{}", policy());
    }
    let status = daemon.run(&["status"]);
    assert!(status.contains("lists.example"), "the hosts that are contacted: {status}");
    assert_eq!(daemon.command(&["lists", "add", "oisd-small"]).status.code(), Some(6));
    for list in ["oisd-small", "ads-1", "mine"] {
        daemon.run(&["lists", "remove", list]);
    }
    assert!(!policy().contains("[[list]]") && !policy().contains("oisd-small"), "{}", policy());
    assert!(!blocked(&daemon, "n7.listed.example"));
    assert_eq!(daemon.command(&["lists", "remove", "mine"]).status.code(), Some(3));
    assert_eq!(daemon.command(&["lists", "remove", "trackers"]).status.code(), Some(3));
}
