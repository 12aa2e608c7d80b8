//! The real binary in a namespace, with an upstream on its loopback interface.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Host, Net};
use crate::question::one_address;
use crate::stub_upstream::upstream;

const BINARY: &str = env!("CARGO_BIN_EXE_deadpixel");

/// The addresses at which it is asked.
const V4: &str = "192.168.7.2";
const V6: &str = "fd00:7::2";
const PORT: u16 = 53;

/// The host on which the daemon runs; it is killed when dropped.
pub struct House {
    pub host: Host,
    daemon: Child,
    folder: tempfile::TempDir,
}

/// A device as `devices --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    pub queries: u64,
}

impl House {
    /// Starts the daemon with this policy.
    pub fn start(net: &Net, policy: &str) -> House {
        House::with(net, "", policy)
    }

    /// Starts the daemon with this policy and more in config.toml.
    pub fn with(net: &Net, more: &str, policy: &str) -> House {
        let dns = format!("listen = [\"0.0.0.0:{PORT}\", \"[::]:{PORT}\"]\nworkers = 1\n");
        House::on(House::host(net), &dns, more, policy)
    }

    /// Starts the daemon with these settings of doors, on a host that is there already.
    pub fn on(host: Host, dns: &str, more: &str, policy: &str) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "[dns]\n{dns}[upstream]\nservers = [{{ url = \"{}\" }}]\n[lists]\nsubscribe_defaults = false\n{more}",
            host.inside(|| upstream(one_address))
        );
        std::fs::write(folder.path().join("config.toml"), config).expect("written");
        std::fs::create_dir(folder.path().join("data")).expect("a folder");
        std::fs::write(folder.path().join("data/policy.toml"), policy).expect("written");
        let daemon = host.inside(|| run(&folder));
        House { host, daemon, folder }
    }

    /// Returns the host on which the daemon will run.
    pub fn host(net: &Net) -> Host {
        let host = net.host("house", "52:54:00:00:00:02");
        host.with(&[&format!("{V4}/24"), &format!("{V6}/64")])
    }

    /// Returns what `status` tells that a person should know now.
    pub fn told(&self) -> Vec<String> {
        let status = self.json(&["status"]);
        let notices = status["notices"].as_array().expect("a list").iter();
        notices.map(|notice| notice.as_str().expect("text").into()).collect()
    }

    /// Stops the daemon and starts it again.
    pub fn restart(&mut self) {
        let id = i32::try_from(self.daemon.id()).expect("an id");
        kill(Pid::from_raw(id), Signal::SIGTERM).expect("it runs");
        assert!(self.daemon.wait().expect("it ends").success());
        self.daemon = self.host.inside(|| run(&self.folder));
    }

    /// The address for those who ask over IPv4.
    pub fn v4(&self) -> SocketAddr {
        SocketAddr::new(V4.parse().expect("an address"), PORT)
    }

    /// The address for those who ask over IPv6.
    pub fn v6(&self) -> SocketAddr {
        SocketAddr::new(V6.parse().expect("an address"), PORT)
    }

    /// Returns the devices that asked, by name.
    pub fn devices(&self) -> Vec<Device> {
        let list = self.json(&["devices"]);
        let device = |value: &Value| Device {
            name: value["name"].as_str().expect("a name").into(),
            queries: value["queries"]["queries"].as_u64().expect("a number"),
        };
        let all = list.as_array().expect("a list").iter().map(device);
        let mut asked: Vec<Device> = all.filter(|device| device.queries > 0).collect();
        asked.sort_by(|a, b| a.name.cmp(&b.name));
        asked
    }

    /// Replaces policy.toml, and returns once the new one is in force.
    pub fn rewrite_policy(&self, policy: &str) {
        std::fs::write(self.folder.path().join("data/policy.toml"), policy).expect("written");
        self.command(&["reload"]);
    }

    /// Returns policy.toml.
    pub fn policy(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("data/policy.toml")).expect("readable")
    }

    /// Returns the device at an address, as `device show --json` has it.
    pub fn device_at(&self, address: &str) -> Value {
        self.find_device_at(address).expect("a device")
    }

    /// Returns the device at an address, if one is known.
    pub fn find_device_at(&self, address: &str) -> Option<Value> {
        let output = self.output(&["device", "show", address, "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Waits until the device at an address is called so.
    pub fn until_called(&self, address: &str, name: &str) -> Value {
        until(&format!("{address} called {name}"), || {
            let shown = self.device_at(address);
            (shown["device"]["name"] == name).then_some(shown)
        })
    }

    /// Waits for a notice of this kind.
    pub fn notice(&self, kind: &str) -> Value {
        until(kind, || {
            let told = self.json(&["notices"]);
            told.as_array().expect("a list").iter().find(|notice| notice["kind"] == kind).cloned()
        })
    }

    /// Returns the names that a device asked for, the latest first, as `log -d` shows them.
    pub fn asked_by(&self, device: &str) -> Vec<String> {
        let page = self.json(&["log", "-d", device]);
        let entries = page["entries"].as_array().expect("a list");
        entries.iter().map(|entry| entry["name"].as_str().expect("a name").into()).collect()
    }

    /// Returns what a command of the program tells as JSON.
    pub fn json(&self, words: &[&str]) -> Value {
        let told = self.command(&[words, &["--json"]].concat());
        serde_json::from_slice(&told).expect("JSON")
    }

    /// Runs a command of the program and returns what it prints.
    pub fn command(&self, words: &[&str]) -> Vec<u8> {
        let output = self.output(words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn output(&self, words: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(words).arg("--config").arg(self.folder.path().join("config.toml"));
        command.output().expect("the binary runs")
    }

    /// Waits until the kernel has `address` at `hardware`, and whoever follows it had time to hear.
    pub fn until_it_sees(&self, address: &str, hardware: &str) {
        for _ in 0..200 {
            let told = self.host.told(&format!("neighbour show {address}"));
            if told.contains(hardware) {
                std::thread::sleep(Duration::from_millis(200));
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{address} is not at {hardware}: {}", self.host.told("neighbour show"));
    }
}

/// Looks again and again until there is what is waited for.
pub fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    // The slowest of all looks around every twenty seconds.
    for _ in 0..300 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(150));
    }
    panic!("waited in vain for {what}");
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn run(folder: &tempfile::TempDir) -> Child {
    let mut daemon = Command::new(BINARY)
        .args(["run", "--config"])
        .arg(folder.path().join("config.toml"))
        .env("NO_COLOR", "1")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(daemon.stderr.take().expect("piped"));
    let mut told = String::new();
    while !told.contains("answering DNS on ") {
        assert!(lines.read_line(&mut told).expect("text") > 0, "it ended:\n{told}");
    }
    // What it says later must find a reader; the thread ends with it.
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    daemon
}
