//! Processes: started on cores of their own, watched through /proc, ended for sure.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long an end may take that was asked for.
const END: Duration = Duration::from_secs(20);

/// Which core has which work.
pub struct Cores {
    /// The generator's.
    pub generator: usize,
    /// The upstream's.
    pub stub: usize,
    /// That of servers with one worker.
    pub one: Vec<usize>,
    /// Those of servers with two.
    pub two: Vec<usize>,
}

impl Cores {
    /// Shares out the cores that this program may use.
    pub fn share_out() -> io::Result<Cores> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let all: Vec<usize> =
            (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
        let at = |number: usize| all.get(number).or(all.last()).copied().unwrap_or(0);
        let (one, two) =
            if all.len() > 2 { (at(1), [at(1), at(2)]) } else { (at(1), [at(0), at(1)]) };
        let stub = if all.len() > 3 { at(3) } else { at(0) };
        Ok(Cores { generator: at(0), stub, one: vec![one], two: two.to_vec() })
    }

    /// Says it in words.
    pub fn told(&self) -> String {
        format!(
            "generator on core {}, upstream on {}, servers with one worker on {:?}, with two on {:?}",
            self.generator, self.stub, self.one, self.two
        )
    }
}

/// Binds this thread, and what it starts from now on, to cores.
pub fn bind_to(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// A process of ours; killed when dropped, or when this program ends.
pub struct Process(Child);

/// The CPU time of a thread, in nanoseconds.
#[derive(Clone)]
pub struct Thread {
    id: String,
    /// Its name.
    pub name: String,
    /// What it has used.
    pub used: u64,
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// Resident.
    pub resident: u64,
    /// The most that ever was resident, or since it was last set back.
    pub peak: u64,
}

impl Process {
    /// Starts a command on these cores.
    pub fn start(command: &Command, cores: &[usize], back_to: usize) -> io::Result<Process> {
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
        guarded.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        guarded.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        bind_to(cores)?;
        let child = guarded.spawn();
        bind_to(&[back_to])?;
        Ok(Process(child?))
    }

    /// Returns whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.0.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }

    /// Asks it to end, and waits for that.
    pub fn end(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)?;
        let begin = Instant::now();
        while self.is_alive() {
            if begin.elapsed() > END {
                return Err(io::Error::other("it does not end"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns the CPU time of each thread.
    pub fn threads(&self) -> io::Result<Vec<Thread>> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id()))?;
        Ok(tasks.flatten().filter_map(|entry| thread(&entry.path())).collect())
    }

    /// Returns its memory.
    pub fn memory(&self) -> io::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        Ok(Memory { resident: line(&status, "VmRSS:"), peak: line(&status, "VmHWM:") })
    }

    /// Lets the peak of its memory begin anew.
    pub fn forget_peak(&self) -> io::Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.0.id()), "5")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns what the threads whose names begin so have used between two looks.
pub fn used_between(before: &[Thread], after: &[Thread], prefix: &str) -> u64 {
    let chosen = after.iter().filter(|thread| thread.name.starts_with(prefix));
    let used = chosen.map(|thread| {
        let earlier = before.iter().find(|earlier| earlier.id == thread.id);
        thread.used.saturating_sub(earlier.map_or(0, |earlier| earlier.used))
    });
    used.sum()
}

fn thread(path: &Path) -> Option<Thread> {
    let statistics = std::fs::read_to_string(path.join("schedstat")).ok()?;
    let used = statistics.split_whitespace().next()?.parse().ok()?;
    let name = std::fs::read_to_string(path.join("comm")).ok()?.trim().to_owned();
    Some(Thread { id: path.file_name()?.to_string_lossy().into_owned(), name, used })
}

fn line(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
