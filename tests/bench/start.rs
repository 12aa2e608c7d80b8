//! Start and memory with the shipped lists: `cargo bench --bench start`.
//!
//! Starts the release binary in an empty folder, asks for a tracker until it is blocked, and reads
//! resident memory from /proc. Prints each round and the medians; asserts nothing about time.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROUNDS: usize = 9;
const SETTLE: Duration = Duration::from_millis(500);

fn main() {
    let mut first = Vec::new();
    let mut again = Vec::new();
    let mut memory = Vec::new();
    for round in 1..=ROUNDS {
        let folder = tempfile::tempdir().expect("a folder");
        let (empty, _) = measure(folder.path());
        let (filled, resident) = measure(folder.path());
        println!("round {round}: first start {empty:?}, second start {filled:?}, {resident} KiB");
        first.push(empty);
        again.push(filled);
        memory.push(resident);
    }
    println!(
        "median of {ROUNDS}, start to first blocked answer, empty data folder: {:?}",
        median(first)
    );
    println!(
        "median of {ROUNDS}, start to first blocked answer, second start: {:?}",
        median(again)
    );
    println!("median of {ROUNDS}, resident memory with the shipped lists: {} KiB", median(memory));
}

/// Returns the time to the first blocked answer, and resident KiB half a second later.
fn measure(folder: &Path) -> (Duration, u64) {
    let address = free_port();
    let config = format!(
        "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"{address}\"]\n[upstream]\nservers = [{{ url = \"udp://127.0.0.1:9\" }}]\n\
         [lists]\nsubscribe_defaults = false\n"
    );
    std::fs::write(folder.join("config.toml"), config).expect("written");
    let begin = Instant::now();
    let mut daemon = start(folder);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    while !is_blocked(&socket, address) {
        assert!(begin.elapsed() < Duration::from_secs(30), "it does not answer");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = begin.elapsed();
    std::thread::sleep(SETTLE);
    let resident = resident_kib(&daemon);
    let pid = i32::try_from(daemon.id()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
    assert!(daemon.wait().expect("it ends").success());
    (took, resident)
}

fn start(folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_deadpixel"))
        .args(["run", "--config"])
        .arg(folder.join("config.toml"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs")
}

fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

fn is_blocked(socket: &UdpSocket, server: SocketAddr) -> bool {
    let query = b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x09analytics\x06tiktok\x03com\0\0\x01\0\x01";
    let mut reply = [0; 512];
    socket.send_to(query, server).is_ok()
        && socket
            .recv(&mut reply)
            .is_ok_and(|length| reply[..length].ends_with(&[0, 4, 0, 0, 0, 0]))
}

fn resident_kib(daemon: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}
