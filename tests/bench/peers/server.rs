//! A server under measurement: started, waited for, asked, its CPU time read.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::kinds::{Kind, Setup};
use crate::load::{Load, Outcome, Pace, Questions, Transport};
use crate::process::{Cores, Process, used_between};

/// How long a server may take to be ready; some read a million names for a while.
const READY: Duration = Duration::from_secs(180);
/// How long to wait before CPU time is read: the log is written four times a second.
const SETTLE: Duration = Duration::from_millis(600);
const SETTLE_WITHOUT_LOG: Duration = Duration::from_millis(20);
/// The threads of ours that answer, and that write the log.
const ANSWERING: &str = "dns-";
const LOGGING: &str = "query-log";

/// A server that runs.
pub struct Server {
    /// Which it is.
    pub kind: Kind,
    /// How many domains it blocks.
    pub domains: usize,
    /// How many workers it has.
    pub workers: usize,
    /// Where it answers.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
    /// Its folder.
    pub folder: PathBuf,
    /// From its start to the first right answer.
    pub started: Duration,
}

/// What a load cost a server: nanoseconds of CPU time a query.
#[derive(Clone, Default)]
pub struct Cost {
    /// All of its threads.
    pub process: f64,
    /// The threads that answer: of ours those of the doors, of others all.
    pub path: f64,
    /// The thread that writes the log.
    pub log: f64,
    /// The part of the time in which the threads that answer were busy.
    pub busy: f64,
}

/// What every server of a run stands on.
pub struct Ground<'a> {
    /// Which core has which work.
    pub cores: &'a Cores,
    /// The folder in which each has its own.
    pub folder: &'a std::path::Path,
    /// The upstream's port.
    pub upstream: u16,
}

impl Ground<'_> {
    /// Starts a server and waits until it answers both of these right.
    pub fn start(
        &self,
        kind: &Kind,
        listed: &[String],
        workers: usize,
        first: &Questions,
    ) -> io::Result<Server> {
        let name = format!("{}-{}-{workers}", kind.name().replace([' ', ','], "_"), listed.len());
        let folder = self.folder.join(name);
        let port = free_port()?;
        let setup = Setup { folder: &folder, port, upstream: self.upstream, listed, workers };
        let command = kind.prepare(&setup)?;
        let begin = Instant::now();
        let process = self.launch(kind, workers, &command)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (kind, domains) = (kind.clone(), listed.len());
        let mut server =
            Server { kind, domains, workers, address, process, folder, started: Duration::ZERO };
        server.wait_for(first, begin)?;
        Ok(server)
    }

    /// Ends a server and starts it again in the same folder.
    pub fn restart(&self, server: &mut Server, first: &Questions) -> io::Result<()> {
        server.process.end()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_deadpixel"));
        command.args(["run", "--config"]).arg(server.folder.join("config.toml"));
        let begin = Instant::now();
        server.process = self.launch(&server.kind, server.workers, &command)?;
        server.wait_for(first, begin)
    }

    fn launch(&self, kind: &Kind, workers: usize, command: &Command) -> io::Result<Process> {
        let stub = [self.cores.stub];
        let cores = match (kind, workers) {
            (Kind::Stub, _) => &stub[..],
            (_, 1) => &self.cores.one,
            _ => &self.cores.two,
        };
        Process::start(command, cores, self.cores.generator)
    }
}

impl Server {
    /// Waits until it answers each question right, and notes how long that took.
    fn wait_for(&mut self, first: &Questions, begin: Instant) -> io::Result<()> {
        let mut right = 0;
        while right < first.len() {
            if !self.process.is_alive() {
                return Err(io::Error::other("it ended by itself"));
            }
            if begin.elapsed() > READY {
                return Err(io::Error::other("it does not answer right"));
            }
            if answers(self.address, first, right)? {
                right += 1;
                self.started = begin.elapsed();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Asks, and returns what came back and what it cost.
    pub fn measure(&self, load: &Load) -> io::Result<(Outcome, Cost)> {
        let before = self.process.threads()?;
        let outcome = Load { server: self.address, ..*load }.run()?;
        let ours = matches!(self.kind, Kind::Deadpixel { .. });
        std::thread::sleep(if ours { SETTLE } else { SETTLE_WITHOUT_LOG });
        let after = self.process.threads()?;
        let queries = outcome.sent.max(1) as f64;
        let of = |prefix: &str| used_between(&before, &after, prefix) as f64 / queries;
        let process = of("");
        let (path, log) = if ours { (of(ANSWERING), of(LOGGING)) } else { (process, 0.0) };
        let busy = path * queries / outcome.took.as_nanos().max(1) as f64;
        Ok((outcome, Cost { process, path, log, busy }))
    }
}

/// Returns whether a question is answered right within some milliseconds.
pub fn answers(server: SocketAddr, questions: &Questions, number: usize) -> io::Result<bool> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut reply = [0; 1_400];
    if socket.send(questions.octets(number)).is_err() {
        return Ok(false);
    }
    let came = socket.recv(&mut reply);
    Ok(came.is_ok_and(|length| questions.check(number, &reply[..length]).is_ok()))
}

/// Returns a load of one socket's worth for warming up: everything asked once.
pub fn all_of(questions: &Questions, window: usize) -> Load<'_> {
    Load {
        server: SocketAddr::from(([127, 0, 0, 1], 0)),
        transport: Transport::Udp,
        sockets: 4,
        pace: Pace::Window(window),
        questions,
        first: 0,
        count: questions.len(),
        stop: None,
    }
}

fn free_port() -> io::Result<u16> {
    loop {
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
}
