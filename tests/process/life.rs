//! Start, exit codes, signals, kill, and who may do what.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{BINARY, CONFIG, Process, ask, folder, logged, run, text};

#[test]
fn it_blocks_with_no_network_and_sigterm_loses_nothing() {
    let folder = folder(CONFIG);
    let process = Process::start(folder.path());
    for _ in 0..40 {
        assert!(ask(process.address, "analytics.tiktok.com").ends_with(&[0, 4, 0, 0, 0, 0]));
    }
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), Some(0));
    let _again = Process::start(folder.path());
    assert_eq!(logged(folder.path()), 40);
}

#[test]
fn without_a_command_the_daemon_runs() {
    let folder = folder(CONFIG);
    let process = Process::start_without_words(folder.path());
    assert!(ask(process.address, "analytics.tiktok.com").ends_with(&[0, 4, 0, 0, 0, 0]));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn kill_loses_no_more_than_a_second() {
    let folder = folder(CONFIG);
    let process = Process::start(folder.path());
    for _ in 0..40 {
        ask(process.address, "analytics.tiktok.com");
    }
    std::thread::sleep(Duration::from_millis(1_500));
    process.signal(Signal::SIGKILL);
    process.wait();
    let again = Process::start(folder.path());
    assert_eq!(logged(folder.path()), 40);
    assert!(ask(again.address, "analytics.tiktok.com").ends_with(&[0, 4, 0, 0, 0, 0]));
}

#[test]
fn a_bad_configuration_starts_nothing_and_names_every_problem() {
    let folder = folder("[dns]\nlistn = []\n[upstream]\ncache_bytes = \"many\"\n");
    for arguments in [&["run"][..], &["config", "check"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(6), "{arguments:?}");
        let errors = text(&output.stderr);
        for part in ["config.toml:2:1", "did you mean `listen`?", "config.toml:4:15"] {
            assert!(errors.contains(part), "{part} is not in\n{errors}");
        }
    }
    assert!(!folder.path().join("data").exists(), "nothing half started");
}

#[test]
fn a_bad_policy_at_start_is_told_the_same_way() {
    let folder = folder(CONFIG);
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    std::fs::write(folder.path().join("data/policy.toml"), "[everyone]\nlevle = 1\n")
        .expect("written");
    let output = run(folder.path(), &["run"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(text(&output.stderr).contains("policy.toml:2:1"), "{}", text(&output.stderr));
}

#[test]
fn a_port_in_use_is_named_with_who_holds_it() {
    let holder = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = holder.local_addr().expect("an address").to_string();
    let folder = folder(&CONFIG.replace("127.0.0.1:0", &address));
    let output = run(folder.path(), &["run"]);
    assert_eq!(output.status.code(), Some(6));
    let errors = text(&output.stderr);
    assert!(errors.contains(&address), "{errors}");
    assert!(errors.contains(&std::process::id().to_string()), "the holder's pid: {errors}");
}

#[test]
fn without_a_daemon_commands_say_how_to_start_it() {
    let folder = folder(CONFIG);
    let output = run(folder.path(), &["status"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("deadpixel run"), "{}", text(&output.stderr));
}

#[test]
fn no_command_opens_a_database_file() {
    let as_nobody = |program: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "0", "--clear-groups", program]);
        command
    };
    if !as_nobody("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: changing the user needs root and setpriv");
        return;
    }
    let folder = folder(CONFIG);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("others may pass");
    let process = Process::start(folder.path());
    ask(process.address, "analytics.tiktok.com");
    let data = folder.path().join("data");
    let readable = as_nobody("cat").arg(data.join("log.db")).output().expect("cat runs");
    assert!(!readable.status.success(), "the log is for its owner only");
    // The binary may lie where this user cannot go: a copy beside the socket can be run.
    let copy = folder.path().join("deadpixel");
    std::fs::copy(BINARY, &copy).expect("copied");
    for arguments in [&["who"][..], &["log"], &["status"], &["devices"], &["why", "example.org"]] {
        let output = as_nobody(&copy.display().to_string())
            .args(arguments)
            .arg("--socket")
            .arg(data.join("deadpixel.sock"))
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_reload_by_signal_keeps_the_daemon_alive() {
    let folder = folder(CONFIG);
    let process = Process::start(folder.path());
    let policy = folder.path().join("data/policy.toml");
    std::fs::write(&policy, "[[rule]]\naction = \"block\"\nname = \"news.example\"\n")
        .expect("written");
    process.signal(Signal::SIGHUP);
    let blocked = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        ask(process.address, "news.example").ends_with(&[0, 4, 0, 0, 0, 0])
    });
    assert!(blocked);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), Some(0));
}
