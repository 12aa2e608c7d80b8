//! A real daemon on port 0 with a folder of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use deadpixel::clock::Clock;
use deadpixel::config::Config;
use deadpixel::daemon::Daemon;

use super::{Client, FakeUpstream};

/// What a test gives its daemon.
pub struct Setup {
    pub config: String,
    pub policy: String,
    pub clock: Clock,
    pub files: Vec<(String, Vec<u8>)>,
}

/// A running daemon; stops when dropped.
pub struct TestDaemon {
    daemon: Option<Daemon>,
    folder: tempfile::TempDir,
}

impl Setup {
    /// A daemon that forwards to `upstream`, with the policy as first written.
    pub fn forwarding_to(upstream: &FakeUpstream) -> Setup {
        Setup::with_config(&format!(
            "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 2\n[upstream]\nservers = [{{ url = \"{}\" }}]\n",
            upstream.url()
        ))
    }

    pub fn with_config(config: &str) -> Setup {
        let policy = String::new();
        assert!(config.contains("[dns]\n"), "a test says where its daemon listens");
        let config = config.replacen("[dns]\n", &format!("[dns]\nbatched = {}\n", batched()), 1);
        // No test fetches from the internet.
        let defaults = "[lists]\nsubscribe_defaults = false\n";
        let lists = if config.contains("[lists]") { "" } else { defaults };
        Setup {
            config: format!("{config}\n{lists}"),
            policy,
            clock: Clock::system(),
            files: Vec::new(),
        }
    }

    pub fn policy(mut self, text: &str) -> Setup {
        self.policy = text.into();
        self
    }

    pub fn clock(mut self, clock: &Clock) -> Setup {
        self.clock = clock.clone();
        self
    }

    /// Puts a file into the data folder.
    pub fn file(mut self, path: &str, octets: &[u8]) -> Setup {
        self.files.push((path.into(), octets.into()));
        self
    }

    pub fn start(self) -> TestDaemon {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a folder");
        std::fs::write(folder.path().join("config.toml"), &self.config).expect("config.toml");
        if !self.policy.is_empty() {
            std::fs::write(data.join("policy.toml"), &self.policy).expect("policy.toml");
        }
        for (path, octets) in &self.files {
            let path = data.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, octets).expect("a file");
        }
        TestDaemon::start_in(folder, self.clock)
    }
}

/// Returns whether this program is the one that tests the loop with batches.
fn batched() -> bool {
    env!("CARGO_CRATE_NAME") != "daemon_portable"
}

impl TestDaemon {
    fn start_in(folder: tempfile::TempDir, clock: Clock) -> TestDaemon {
        let config = Config::load(Some(&folder.path().join("config.toml")))
            .unwrap_or_else(|problems| panic!("{problems}"));
        let daemon =
            Daemon::start(&config, clock).unwrap_or_else(|error| panic!("does not start: {error}"));
        TestDaemon { daemon: Some(daemon), folder }
    }

    /// Stops the daemon and starts another one in the same folder.
    pub fn restart(mut self, clock: &Clock) -> TestDaemon {
        self.daemon.take().expect("it runs").stop();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        TestDaemon::start_in(folder, clock.clone())
    }

    pub fn dns(&self) -> SocketAddr {
        self.dns_addresses()[0]
    }

    pub fn dns_addresses(&self) -> Vec<SocketAddr> {
        self.daemon.as_ref().expect("it runs").dns_addresses().to_vec()
    }

    /// Returns a client on 127.0.0.`last_octet`.
    pub fn client(&self, last_octet: u8) -> Client {
        Client::new(last_octet, self.dns())
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs the real command line against this daemon.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let socket = self.daemon.as_ref().expect("it runs").socket();
        Command::new(env!("CARGO_BIN_EXE_deadpixel"))
            .arg("--socket")
            .arg(socket)
            .args(arguments)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "80")
            .output()
            .expect("the command line runs")
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {}\n{text}{errors}", output.status);
        text
    }

    /// Runs a reading command with `--json`.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let text = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{text}"))
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }
}
