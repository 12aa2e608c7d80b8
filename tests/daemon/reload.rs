//! A changed policy is picked up; a bad one changes nothing and says where.

use std::time::Duration;

use crate::support::{FakeUpstream, Setup, TestDaemon};

fn daemon() -> (TestDaemon, FakeUpstream) {
    let upstream = FakeUpstream::for_any_name();
    (Setup::forwarding_to(&upstream).policy("[everyone]\nlevel = \"standard\"\n").start(), upstream)
}

fn blocked(daemon: &TestDaemon, name: &str) -> bool {
    daemon.client(9).ask(name, "A").is_null_address()
}

fn write(daemon: &TestDaemon, text: &str) {
    // As editors do it: a new file, renamed over the old one.
    let path = daemon.data().join("policy.toml");
    let new = daemon.data().join("policy.toml~");
    std::fs::write(&new, text).expect("written");
    std::fs::rename(&new, &path).expect("renamed");
}

#[test]
fn an_edit_takes_effect_by_reload_and_by_itself() {
    let (daemon, _upstream) = daemon();
    write(&daemon, "[[rule]]\naction = \"block\"\nname = \"news.example\"\n");
    daemon.run(&["reload"]);
    assert!(blocked(&daemon, "news.example"));
    write(&daemon, "[[rule]]\naction = \"block\"\nname = \"sport.example\"\n");
    let picked_up = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        blocked(&daemon, "sport.example")
    });
    assert!(picked_up, "the folder is watched");
    assert!(!blocked(&daemon, "news.example"));
}

#[test]
fn a_bad_policy_changes_nothing_and_names_every_problem() {
    let (daemon, _upstream) = daemon();
    daemon.run(&["block", "news.example", "--everyone"]);
    write(
        &daemon,
        "[everyone]\nlevle = \"off\"\n[[device]]\nname = \"TV\"\naddresses = [\"999.1.1.1\"]\ngroups = [\"Kids\"]\n",
    );
    let output = daemon.command(&["reload"]);
    assert_eq!(output.status.code(), Some(6));
    let errors = String::from_utf8_lossy(&output.stderr);
    for part in ["policy.toml:2:1", "did you mean `level`?", "999.1.1.1", "Kids"] {
        assert!(errors.contains(part), "{part} is not in\n{errors}");
    }
    assert!(blocked(&daemon, "news.example"), "the old policy stays in force");
    assert!(blocked(&daemon, "analytics.tiktok.com"));
    assert!(daemon.run(&["status"]).contains("policy.toml"), "status says so");
    let output = daemon.command(&["block", "sport.example", "--everyone"]);
    assert!(!output.status.success(), "no edit on top of a broken file");
}

#[test]
fn comments_and_order_survive_an_edit_by_command() {
    let (daemon, _upstream) = daemon();
    let text = "# Our house\n[everyone]\nlevel = \"standard\" # not more\n\n# the end\n";
    write(&daemon, text);
    daemon.run(&["reload"]);
    daemon.run(&["level", "everyone", "strict"]);
    let edited = std::fs::read_to_string(daemon.data().join("policy.toml")).expect("policy.toml");
    assert!(edited.contains("# Our house\n[everyone]\nlevel = \"strict\" # not more"), "{edited}");
    assert!(edited.contains("# the end"), "{edited}");
}

#[test]
fn no_query_is_lost_while_the_policy_is_replaced() {
    let (daemon, _upstream) = daemon();
    let address = daemon.dns();
    let asking = std::thread::spawn(move || {
        let mut client = crate::support::Client::new(30, address);
        (0..2_000).filter(|_| client.ask("analytics.tiktok.com", "A").is_null_address()).count()
    });
    for n in 0..10 {
        daemon.run(&["block", &format!("n{n}.example"), "--everyone"]);
        daemon.run(&["reload"]);
    }
    assert_eq!(asking.join().expect("no panic"), 2_000);
}
