//! CPU time a query, beside what else is installed: `cargo bench --bench peers`.
//!
//! The release binary, dnsmasq if it is there, and a bare echo of datagrams (the floor that the
//! kernel sets) answer the same queries in turn, round by round, over loopback. Prints each round
//! and the medians; asserts nothing about time.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const QUERIES: usize = 50_000;
/// Queries in flight: the socket buffers of every server hold them.
const WINDOW: usize = 32;
/// The argument by which this program is the echo, or the upstream that answers any name.
const RESPOND: &str = "respond";

const BLOCKED: &[u8] = b"\x09analytics\x06tiktok\x03com\0\0\x01\0\x01";
const CACHED: &[u8] = b"\x03www\x07example\x03org\0\0\x01\0\x01";

/// A server being measured; ends when dropped.
struct Server {
    name: &'static str,
    process: Child,
    address: SocketAddr,
}

/// CPU time of a process in nanoseconds: in all, and of the thread that used the most.
#[derive(Clone, Copy)]
struct Used {
    all: u64,
    busiest: u64,
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(RESPOND) {
        let address = std::env::args().nth(2).expect("an address");
        respond(&UdpSocket::bind(address).expect("a free port"));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = responder("upstream");
    let mut servers = vec![responder("echo"), deadpixel(folder.path(), upstream.address)];
    match dnsmasq(upstream.address) {
        Ok(server) => servers.push(server),
        Err(error) => println!("dnsmasq cannot be compared with: {error}"),
    }
    for (what, question) in [("blocked", BLOCKED), ("cached", CACHED)] {
        let mut figures: Vec<Vec<(u64, u64)>> = vec![Vec::new(); servers.len()];
        servers.iter().for_each(|server| server.warm_up(question));
        for round in 1..=ROUNDS {
            for (server, figures) in servers.iter().zip(&mut figures) {
                let (used, took) = server.measure(question);
                let (all, busiest) = (used.all / QUERIES as u64, used.busiest / QUERIES as u64);
                let rate = (QUERIES as f64 / took.as_secs_f64()) as u64;
                println!(
                    "{what} round {round}: {:9} {all:6} ns a query, {busiest:6} ns of its busiest \
                     thread, {rate} queries a second",
                    server.name
                );
                figures.push((all, busiest));
            }
        }
        report(what, &servers, &figures);
    }
}

fn report(what: &str, servers: &[Server], figures: &[Vec<(u64, u64)>]) {
    let echo = median(figures[0].iter().map(|figure| figure.0));
    for (server, figures) in servers.iter().zip(figures) {
        let all = median(figures.iter().map(|figure| figure.0));
        let busiest = median(figures.iter().map(|figure| figure.1));
        println!(
            "{what}, median of {ROUNDS} rounds of {QUERIES}: {:9} {all:6} ns a query ({:.2} of the \
             echo), {busiest:6} ns of its busiest thread ({:.2})",
            server.name,
            all as f64 / echo as f64,
            busiest as f64 / echo as f64
        );
    }
}

fn median(figures: impl Iterator<Item = u64>) -> u64 {
    let mut figures: Vec<u64> = figures.collect();
    figures.sort_unstable();
    figures[figures.len() / 2]
}

fn responder(name: &'static str) -> Server {
    let address = free_port();
    let program = std::env::current_exe().expect("this program");
    start(name, address, Command::new(program).arg(RESPOND).arg(address.to_string()))
        .expect("this program runs")
}

fn deadpixel(folder: &Path, upstream: SocketAddr) -> Server {
    let address = free_port();
    let config = format!(
        "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"{address}\"]\nworkers = 1\n\
         [upstream]\nservers = [{{ url = \"udp://{upstream}\" }}]\n\
         [lists]\nsubscribe_defaults = false\n"
    );
    let file = folder.join("config.toml");
    std::fs::write(&file, config).expect("written");
    let program = env!("CARGO_BIN_EXE_deadpixel");
    start("deadpixel", address, Command::new(program).args(["run", "--config"]).arg(file))
        .expect("the binary runs")
}

fn dnsmasq(upstream: SocketAddr) -> io::Result<Server> {
    let address = free_port();
    let mut command = Command::new("dnsmasq");
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
    command.args(["--pid-file=", "--user=", "--bind-interfaces", "--cache-size=10000"]);
    command.arg(format!("--listen-address={}", address.ip()));
    command.arg(format!("--port={}", address.port()));
    command.arg(format!("--server={}#{}", upstream.ip(), upstream.port()));
    command.arg("--address=/analytics.tiktok.com/0.0.0.0");
    start("dnsmasq", address, &mut command)
}

fn start(name: &'static str, address: SocketAddr, command: &mut Command) -> io::Result<Server> {
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(Server { name, process, address })
}

fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address")
}

/// Sends every query back as its own reply, with an address where there is room for one.
fn respond(socket: &UdpSocket) -> ! {
    let mut packet = [0; 512];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut packet) else { continue };
        let address = b"\xc0\x0c\0\x01\0\x01\0\x01\x51\x80\0\x04\xcb\0\x71\x07";
        packet[2] |= 0x80;
        // Counts: one question, one answer, and no OPT record, which stands behind the question.
        packet[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
        let question =
            12 + packet[12..length].iter().position(|&octet| octet == 0).unwrap_or(0) + 5;
        packet[question..question + address.len()].copy_from_slice(address);
        let _ = socket.send_to(&packet[..question + address.len()], client);
    }
}

impl Server {
    /// Asks until it answers.
    fn warm_up(&self, question: &[u8]) {
        let socket = self.client();
        let begin = Instant::now();
        let mut reply = [0; 512];
        let asked = |id: u16| packet(id, question);
        while socket.send(&asked(1)).is_err() || socket.recv(&mut reply).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{} does not answer", self.name);
        }
        self.ask(question, QUERIES / 10);
    }

    fn measure(&self, question: &[u8]) -> (Used, Duration) {
        let (before, begin) = (self.used(), Instant::now());
        self.ask(question, QUERIES);
        let took = begin.elapsed();
        // What it does behind its answers counts too: the log is written four times a second.
        std::thread::sleep(Duration::from_millis(600));
        let after = self.used();
        let used = Used {
            all: after.iter().map(|thread| thread.1).sum::<u64>()
                - before.iter().map(|thread| thread.1).sum::<u64>(),
            busiest: after
                .iter()
                .map(|thread| {
                    let earlier = before.iter().find(|earlier| earlier.0 == thread.0);
                    thread.1 - earlier.map_or(0, |earlier| earlier.1)
                })
                .max()
                .unwrap_or(0),
        };
        (used, took)
    }

    fn ask(&self, question: &[u8], count: usize) {
        let socket = self.client();
        let mut reply = [0; 512];
        let mut sent = 0;
        for received in 0..count {
            while sent < count.min(received + WINDOW) {
                socket.send(&packet(sent as u16, question)).expect("loopback");
                sent += 1;
            }
            let length = socket.recv(&mut reply).expect("every query is answered");
            assert!(length > 12 && reply[3] & 0x0f == 0 && reply[7] == 1, "{}", self.name);
        }
    }

    fn client(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        socket.connect(self.address).expect("loopback");
        socket
    }

    /// Returns the threads with the CPU time of each.
    fn used(&self) -> Vec<(String, u64)> {
        let tasks = format!("/proc/{}/task", self.process.id());
        let entries = std::fs::read_dir(tasks).expect("it runs");
        let thread = |entry: std::fs::DirEntry| {
            let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
            let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), nanoseconds))
        };
        entries.flatten().filter_map(thread).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn packet(id: u16, question: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], b"\x01\0\0\x01\0\0\0\0\0\0", question].concat()
}
