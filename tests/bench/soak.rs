//! A long load while everything changes: `cargo bench --bench soak -- --minutes 20`.
//!
//! Real names in a household's mix, at half of what the daemon can answer; a list is replaced every
//! 30 s, the policy changed every 5 s, the log searched every second. Every answer is verified: what
//! is on the list that stays must be blocked, what is on none must come from the upstream, and a
//! change of the policy must be in force with the first query after it. Prints what was asked, lost
//! and wrong, and the memory over time. It fails on a wrong or lost answer, never on time or memory.

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "load/mod.rs"]
mod load;
#[path = "peers/names.rs"]
mod names;
#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "peers/process.rs"]
mod process;

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use load::{Load, Outcome, Pace, Questions, Transport, Wanted};
use names::{Names, Random};
use process::{Cores, Memory, Process};

/// Names of the list that stays, and of each half of the one that is replaced.
const STAYING: usize = 200_000;
const CHANGING: usize = 50_000;
/// Different queries of the mix, asked again and again.
const MIX: usize = 400_000;
/// Of the mix, in percent: names of the list that stays, of the one that changes, never asked before.
const PARTS: [usize; 3] = [20, 5, 5];
const LIST_EVERY: Duration = Duration::from_secs(30);
const POLICY_EVERY: Duration = Duration::from_secs(5);
const SEARCH_EVERY: Duration = Duration::from_secs(1);
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// What the log may take: little, so that the oldest must soon go all the time.
const LOG_MIB: u64 = 128;
/// Seconds that a command may take.
const COMMAND_LIMIT: &str = "30";
/// The argument by which this program is the upstream.
const STUB: &str = "stub";
/// Seconds for which the upstream's answers may be kept.
const TTL: u32 = 60;

/// The daemon under load, and what is known of it.
struct Soak {
    daemon: Process,
    folder: PathBuf,
    address: SocketAddr,
    changing: [Vec<String>; 2],
    stop: AtomicBool,
    changes: AtomicU64,
    replaced: AtomicU64,
    searches: AtomicU64,
    faults: Mutex<Vec<String>>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, port] = arguments.as_slice()
        && what == STUB
    {
        let port = port.parse().expect("a port");
        load::responder::stub(port, TTL).expect("it serves until it is killed");
    }
    let minutes = value_of(&arguments, "--minutes").unwrap_or(20.0);
    match run(Duration::from_secs_f64(minutes * 60.0), value_of(&arguments, "--rate")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the soak cannot run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn value_of(arguments: &[String], name: &str) -> Option<f64> {
    let place = arguments.iter().position(|argument| argument == name)?;
    arguments.get(place + 1)?.parse().ok()
}

fn run(length: Duration, rate: Option<f64>) -> std::io::Result<bool> {
    let mut names = Names::read(STAYING + 2 * CHANGING);
    println!("{}", names.told);
    let second = names.listed.split_off(STAYING + CHANGING);
    let first = names.listed.split_off(STAYING);
    let cores = Cores::share_out()?;
    println!("{}", cores.told());
    let folder = tempfile::tempdir()?;
    let (stub, upstream) = upstream(&cores)?;
    let soak = Soak::start(folder.path(), &cores, upstream, (&names.listed, [first, second]))?;
    process::bind_to(&[cores.generator])?;
    let mix = mix(&names, &soak.changing);
    soak.wait_until_served()?;
    let rate = match rate {
        Some(rate) => rate,
        None => soak.most(&mix)? / 2.0,
    };
    println!("{:.0} minutes at {rate:.0} queries a second", length.as_secs_f64() / 60.0);
    let (outcome, memory) = soak.bear(&mix, rate, length)?;
    drop(stub);
    soak.report(&outcome, &memory)
}

fn upstream(cores: &Cores) -> std::io::Result<(Process, SocketAddr)> {
    let address = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([STUB, &address.port().to_string()]);
    Ok((Process::start(&command, &[cores.stub], cores.generator)?, address))
}

fn free_port() -> std::io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}

/// Draws the queries: popular names by Zipf's law, listed ones, and some that are new each time.
fn mix(names: &Names, changing: &[Vec<String>; 2]) -> Questions {
    let mut random = Random(7);
    let mut questions = Questions::default();
    let [staying, moving, unheard] = PARTS;
    let unheard_of = names.unheard_of(0, MIX * unheard / 100 + 1);
    let mut unheard_of = unheard_of.iter();
    for _ in 0..MIX {
        let drawn = random.below(100);
        if drawn < staying {
            questions.push(&names.listed[random.below(names.listed.len())], Wanted::Blocked);
        } else if drawn < staying + moving {
            let half = &changing[random.below(2)];
            questions.push_wavering(&half[random.below(half.len())]);
        } else if let Some(name) = unheard_of.next().filter(|_| drawn < staying + moving + unheard)
        {
            questions.push_allowed(name);
        } else {
            questions.push_allowed(&names.popular[zipf(&mut random, names.popular.len())]);
        }
    }
    questions
}

/// Draws a rank: the first is the likeliest (exponent 1).
fn zipf(random: &mut Random, ranks: usize) -> usize {
    let share = random.below(1 << 30) as f64 / f64::from(1 << 30);
    ((ranks as f64).powf(share) as usize).saturating_sub(1).min(ranks - 1)
}

impl Soak {
    fn start(
        folder: &Path,
        cores: &Cores,
        upstream: SocketAddr,
        (staying, changing): (&[String], [Vec<String>; 2]),
    ) -> std::io::Result<Soak> {
        let address = free_port()?;
        let lists = folder.join("data/lists");
        std::fs::create_dir_all(&lists)?;
        write_list(&lists.join("staying"), staying)?;
        write_list(&lists.join("changing"), &changing[0])?;
        std::fs::write(
            folder.join("config.toml"),
            format!(
                "[dns]\nlisten = [\"{address}\"]\nrate_limit = 0\n\
                 [upstream]\nservers = [{{ url = \"udp://{upstream}\" }}]\n\
                 [lists]\nsubscribe_defaults = false\n\
                 [discovery]\nleases = []\nmdns = false\nreverse_names = false\n\
                 [log]\nmax_mib = {LOG_MIB}\n"
            ),
        )?;
        let list = |name: &str| {
            format!("[[list]]\nname = \"{name}\"\nfile = \"{name}\"\nkind = \"other\"\n")
        };
        let policy = format!(
            "[everyone]\nlevel = \"standard\"\nlists = {{ staying = true, changing = true }}\n\
             [level.standard]\nremove = [\"trackers\"]\n{}{}",
            list("staying"),
            list("changing")
        );
        std::fs::write(folder.join("data/policy.toml"), policy)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_deadpixel"));
        command.args(["run", "--config"]).arg(folder.join("config.toml"));
        Ok(Soak {
            daemon: Process::start(&command, &cores.two, cores.generator)?,
            folder: folder.to_path_buf(),
            address,
            changing,
            stop: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            searches: AtomicU64::new(0),
            faults: Mutex::default(),
        })
    }

    fn wait_until_served(&self) -> std::io::Result<()> {
        let begin = Instant::now();
        let probe = Questions::allowed(["a.example.com"]);
        while self.ask(&probe).is_none() {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err(std::io::Error::other("deadpixel does not answer"));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Returns the queries a second that it answers at most.
    fn most(&self, mix: &Questions) -> std::io::Result<f64> {
        let warm = self.load(mix, Pace::Window(16), MIX).run()?;
        let full = self.load(mix, Pace::Window(16), MIX).run()?;
        self.note_wrong("while its most was measured", &warm);
        self.note_wrong("while its most was measured", &full);
        println!("it answers {:.0} queries a second at most here", full.rate());
        Ok(full.rate())
    }

    fn load<'a>(&'a self, questions: &'a Questions, pace: Pace, count: usize) -> Load<'a> {
        Load {
            server: self.address,
            transport: Transport::Udp,
            sockets: 8,
            pace,
            questions,
            first: 0,
            count,
            stop: Some(&self.stop),
        }
    }

    /// Runs the load with everything that happens beside it.
    fn bear(
        &self,
        mix: &Questions,
        rate: f64,
        length: Duration,
    ) -> std::io::Result<(Outcome, Vec<(Duration, Memory)>)> {
        let count = (rate * length.as_secs_f64()) as usize;
        scope(|threads| {
            threads.spawn(|| self.every(LIST_EVERY, |turn| self.replace_list(turn)));
            threads.spawn(|| self.every(POLICY_EVERY, |turn| self.change_policy(turn)));
            threads.spawn(|| self.every(SEARCH_EVERY, |turn| self.search(turn)));
            let sampler = threads.spawn(|| self.sample());
            let outcome = self.load(mix, Pace::Rate(rate), count).run();
            self.stop.store(true, Ordering::Relaxed);
            let memory = sampler.join().expect("it only reads");
            Ok((outcome?, memory))
        })
    }

    fn every(&self, pause: Duration, act: impl Fn(u64)) {
        let begin = Instant::now();
        for turn in 1.. {
            let due = pause * u32::try_from(turn).unwrap_or(u32::MAX);
            while begin.elapsed() < due {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                sleep(Duration::from_millis(20));
            }
            act(turn);
        }
    }

    /// Writes the other half and has it read; its names must then be blocked, and the others not.
    fn replace_list(&self, turn: u64) {
        let now = usize::from(turn % 2 == 1);
        let file = self.folder.join("data/lists/changing");
        if let Err(error) = write_list(&file, &self.changing[now]) {
            return self.fault(format!("the list cannot be written: {error}"));
        }
        self.command(&["reload"]);
        self.replaced.fetch_add(1, Ordering::Relaxed);
        let place = turn as usize % CHANGING;
        self.expect(&self.changing[now][place], true, "a replaced list");
        self.expect(&self.changing[1 - now][place], false, "a replaced list");
    }

    /// Blocks a name or lets go of it; the next query must show that.
    fn change_policy(&self, turn: u64) {
        let name = format!("changed{}.example.net", turn.div_ceil(2));
        let block = turn % 2 == 1;
        let words: &[&str] =
            if block { &["block", &name, "--everyone"] } else { &["allow", &name, "--everyone"] };
        self.command(words);
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.expect(&name, block, "a changed policy");
    }

    fn search(&self, turn: u64) {
        let searches: [&[&str]; 4] =
            [&["log", "--json"], &["who", "--json"], &["status", "--json"], &["devices", "--json"]];
        self.command(searches[turn as usize % searches.len()]);
        self.searches.fetch_add(1, Ordering::Relaxed);
    }

    fn sample(&self) -> Vec<(Duration, Memory)> {
        let begin = Instant::now();
        let taken = Mutex::new(Vec::new());
        self.every(SAMPLE_EVERY, |_| {
            if let Ok(memory) = self.daemon.memory() {
                let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
                taken.push((begin.elapsed(), memory));
            }
        });
        taken.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command of the program; one that fails, or does not end, is a fault.
    fn command(&self, words: &[&str]) -> Vec<u8> {
        let mut command = Command::new("timeout");
        command.args([COMMAND_LIMIT, env!("CARGO_BIN_EXE_deadpixel")]);
        command.args(words).arg("--config").arg(self.folder.join("config.toml"));
        match command.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => output.stdout,
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                self.fault(format!("`{}` ended with {}: {why}", words.join(" "), output.status));
                Vec::new()
            }
            Err(error) => {
                self.fault(format!("`{}` cannot be run: {error}", words.join(" ")));
                Vec::new()
            }
        }
    }

    fn expect(&self, name: &str, blocked: bool, after: &str) {
        let question = match blocked {
            true => Questions::new([(name, Wanted::Blocked)]),
            false => Questions::allowed([name]),
        };
        match self.ask(&question).map(|reply| question.check(0, &reply)) {
            Some(Ok(())) => {}
            Some(Err(why)) => self.fault(format!("after {after}: {why}")),
            None => self.fault(format!("after {after}: {name} has no answer")),
        }
    }

    /// Asks the first of some questions.
    fn ask(&self, questions: &Questions) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        socket.connect(self.address).ok()?;
        socket.send(questions.octets(0)).ok()?;
        let mut reply = [0; 512];
        let length = socket.recv(&mut reply).ok()?;
        Some(reply.get(..length)?.to_vec())
    }

    fn note_wrong(&self, when: &str, outcome: &Outcome) {
        outcome.told.iter().for_each(|told| self.fault(format!("{when}: {told}")));
    }

    fn fault(&self, what: String) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < 100 {
            faults.push(what);
        }
    }

    fn report(&self, outcome: &Outcome, memory: &[(Duration, Memory)]) -> std::io::Result<bool> {
        self.note_wrong("under load", outcome);
        let counted = |count: &AtomicU64| count.load(Ordering::Relaxed);
        println!(
            "{} queries in {:.0} s: {} answered right, {} wrong, {} lost; p50 {:?}, p99 {:?}, longest {:?}",
            outcome.sent,
            outcome.took.as_secs_f64(),
            outcome.answered,
            outcome.wrong,
            outcome.lost,
            outcome.latency.quantile(0.5),
            outcome.latency.quantile(0.99),
            outcome.latency.most(),
        );
        println!(
            "beside that: a list replaced {} times, the policy changed {} times, {} searches",
            counted(&self.replaced),
            counted(&self.changes),
            counted(&self.searches)
        );
        tell_memory(memory);
        let status = self.command(&["status"]);
        std::io::stdout().write_all(&status)?;
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().for_each(|fault| println!("FAULT {fault}"));
        Ok(faults.is_empty() && outcome.lost == 0 && outcome.wrong == 0)
    }
}

fn write_list(file: &Path, names: &[String]) -> std::io::Result<()> {
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, names.join("\n"))?;
    std::fs::rename(fresh, file)
}

/// Prints a sample a minute, and by how much memory grows in the second half.
fn tell_memory(samples: &[(Duration, Memory)]) {
    for (at, memory) in samples.iter().step_by(12) {
        let minutes = at.as_secs_f64() / 60.0;
        println!("memory at {minutes:5.1} min: {:7} KiB resident", memory.resident);
    }
    let half = &samples[samples.len() / 2..];
    let hours = |at: &Duration| at.as_secs_f64() / 3_600.0;
    let count = half.len().max(1) as f64;
    let middle = half.iter().map(|(at, _)| hours(at)).sum::<f64>() / count;
    let mean = half.iter().map(|(_, memory)| memory.resident as f64).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (at, memory) in half {
        above += (hours(at) - middle) * (memory.resident as f64 - mean);
        below += (hours(at) - middle).powi(2);
    }
    println!(
        "in the second half it grows by {:.1} MiB an hour",
        above / below.max(1e-12) / 1_024.0
    );
}
