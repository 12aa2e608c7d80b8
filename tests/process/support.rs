//! The vocabulary of these tests: the binary as a process, commands, a client, an upstream.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::question::one_address;
pub use crate::question::query;
use crate::stub_upstream::upstream;

pub const BINARY: &str = env!("CARGO_BIN_EXE_deadpixel");

/// A daemon as a process of its own; killed when dropped.
pub struct Process {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub address: SocketAddr,
}

impl Process {
    pub fn start(folder: &Path) -> Process {
        Process::run(Command::new(BINARY), folder)
    }

    /// Starts it by way of a shell, after `first` was done.
    pub fn start_after(first: &str, folder: &Path) -> Process {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{first} && exec \"$0\" \"$@\""), BINARY]);
        Process::run(shell, folder)
    }

    /// Starts it in a mount space of its own, in which `mount` was done.
    pub fn start_in_a_mount_space(mount: &str, folder: &Path) -> Process {
        let mut command = Command::new("unshare");
        let line = format!("{mount} && exec \"$0\" \"$@\"");
        command.args(["--mount", "sh", "-c", &line, BINARY]);
        Process::run(command, folder)
    }

    /// Returns its root folder, as it sees it.
    pub fn root(&self) -> std::path::PathBuf {
        format!("/proc/{}/root", self.child.id()).into()
    }

    /// Starts it by its name alone, in the folder of its configuration.
    pub fn start_without_words(folder: &Path) -> Process {
        let mut command = Command::new(BINARY);
        command.current_dir(folder);
        Process::spawn(command)
    }

    fn run(mut command: Command, folder: &Path) -> Process {
        command.args(["run", "--config"]).arg(folder.join("config.toml"));
        Process::spawn(command)
    }

    fn spawn(mut command: Command) -> Process {
        command.stdout(Stdio::null());
        Process::follow(command)
    }

    /// Starts it as a service manager does that has bound its sockets: they are descriptors 3 and 4.
    pub fn start_with_sockets(udp: UdpSocket, tcp: TcpListener, folder: &Path) -> Process {
        let mut shell = Command::new("sh");
        let line = "exec 3<&0 4>&1 </dev/null >/dev/null && export LISTEN_FDS=2 LISTEN_PID=$$ \
                    LISTEN_FDNAMES=datagrams:streams && exec \"$0\" \"$@\"";
        shell.args(["-c", line, BINARY, "run", "--config"]).arg(folder.join("config.toml"));
        shell.stdin(OwnedFd::from(udp)).stdout(OwnedFd::from(tcp));
        Process::follow(shell)
    }

    fn follow(mut command: Command) -> Process {
        let mut child =
            command.env("NO_COLOR", "1").stderr(Stdio::piped()).spawn().expect("the binary runs");
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

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    pub fn wait(mut self) -> Option<i32> {
        let code = self.child.wait().expect("it ends").code();
        let mut rest = String::new();
        while self.stderr.read_line(&mut rest).is_ok_and(|octets| octets > 0) {}
        code
    }
}

impl Process {
    /// Returns a line of /proc/PID/status, in KiB where it is a size.
    pub fn figure(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    }

    /// Returns how many files it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// Returns the clock ticks of CPU time that it has used.
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split(' ').collect();
        fields[12].parse::<u64>().expect("ticks") + fields[13].parse::<u64>().expect("ticks")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.toml"), config).expect("written");
    folder
}

/// Nobody listens on the upstream's port: nothing leaves this machine.
pub const CONFIG: &str = "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nservers = [{ url = \"udp://127.0.0.1:9\" }]\n[lists]\nsubscribe_defaults = false\n";

pub fn ask(address: SocketAddr, name: &str) -> Vec<u8> {
    ask_from(IpAddr::from([127, 0, 0, 1]), address, &query(name))
}

pub fn ask_from(client: IpAddr, address: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((client, 0)).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    socket.send_to(packet, address).expect("sent");
    let mut reply = vec![0; 1500];
    let length = socket.recv(&mut reply).expect("a reply");
    reply.truncate(length);
    reply
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .arg("--config")
        .arg(folder.join("config.toml"))
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary runs")
}

pub fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

pub fn logged(folder: &Path) -> usize {
    let output = run(folder, &["log", "-n", "500", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    page["entries"].as_array().expect("entries").len()
}

/// Returns [`CONFIG`] with an upstream that answers.
pub fn forwarding() -> String {
    CONFIG.replace("udp://127.0.0.1:9", &upstream(one_address))
}

/// Whether a reply is the sinkhole's null address.
pub fn is_blocked(reply: &[u8]) -> bool {
    reply.ends_with(&[0, 4, 0, 0, 0, 0])
}
