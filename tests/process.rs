//! The real binary as a process: start, exit codes, signals, kill, and who may do what.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BINARY: &str = env!("CARGO_BIN_EXE_deadpixel");

/// A daemon as a process of its own; killed when dropped.
struct Process {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Process {
    fn start(folder: &Path) -> Process {
        let mut child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(folder.join("config.toml"))
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut told = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).expect("text") > 0, "it ended:\n{told}");
            told += &line;
            if let Some((_, rest)) = line.split_once("answering DNS on ") {
                break rest.split_whitespace().next().expect("an address").parse().expect("one");
            }
        };
        Process { child, stderr, address }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    fn wait(mut self) -> Option<i32> {
        let code = self.child.wait().expect("it ends").code();
        let mut rest = String::new();
        while self.stderr.read_line(&mut rest).is_ok_and(|octets| octets > 0) {}
        code
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.toml"), config).expect("written");
    folder
}

/// Nobody listens on the upstream's port: nothing leaves this machine.
const CONFIG: &str = "[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nservers = [{ url = \"udp://127.0.0.1:9\" }]\n";

fn ask(address: SocketAddr, name: &str) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    let mut packet = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    socket.send_to(&packet, address).expect("sent");
    let mut reply = vec![0; 1500];
    let length = socket.recv(&mut reply).expect("a reply");
    reply.truncate(length);
    reply
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .arg("--config")
        .arg(folder.join("config.toml"))
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary runs")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn logged(folder: &Path) -> usize {
    let output = run(folder, &["log", "-n", "500", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    page["entries"].as_array().expect("entries").len()
}

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
