//! Follows lease files: read again when their folders change, and once a minute as a net.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{Format, MAX_OCTETS, Reading, parse_all};
use crate::clock::Clock;
use crate::devices::{Devices, Hint, HintSource, HintText, Lease};
use crate::discovery::Sense;

/// How long after a change the files are read.
const QUIET: Duration = Duration::from_millis(200);

/// How often all files are looked at though nothing was told.
const NET: Duration = Duration::from_secs(60);

/// How soon a file is looked at again that was being written.
const AGAIN: Duration = Duration::from_secs(1);

/// How often a file is given time to become whole before what is there is taken.
const PATIENCE: u8 = 3;

/// How long ago a file must have been written for its time of writing to tell anything.
const SETTLED: Duration = Duration::from_secs(2);

/// Most files of one folder.
const MAX_FILES: usize = 64;

/// The watch over all lease files; ends when dropped.
pub struct Follower {
    senses: Arc<Mutex<Vec<Sense>>>,
    stop: SyncSender<Signal>,
    thread: Option<JoinHandle<()>>,
}

enum Signal {
    Touched,
    Stop,
}

impl Follower {
    /// Reads the files, and again whenever they change; folders stand for the files in them.
    pub fn start(paths: &[PathBuf], devices: Devices, clock: Clock) -> Follower {
        let senses = Arc::new(Mutex::new(Vec::new()));
        // One signal waiting is enough: all files are looked at anyway.
        let (signals, received) = mpsc::sync_channel(1);
        let touched = signals.clone();
        let mut sources = Sources::of(paths, devices, clock);
        let shown = Arc::clone(&senses);
        let spawned = thread::Builder::new().name("leases".into()).spawn(move || {
            let mut folders = Folders::watched(touched);
            follow(&received, |wait| {
                folders.watch(&sources.paths);
                let soon = sources.look();
                *lock(&shown) = sources.senses(folders.fault.as_deref());
                *wait = if soon { AGAIN } else { NET };
            });
        });
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                let name = "leases".to_owned();
                lock(&senses).push(Sense { name, blind: Some(error.to_string()) });
                None
            }
        };
        Follower { senses, stop: signals, thread }
    }

    /// Returns a line for each file that is there.
    pub fn senses(&self) -> Vec<Sense> {
        lock(&self.senses).clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // A thread that has ended already needs no signal.
        let _ = self.stop.send(Signal::Stop);
        if thread.join().is_err() {
            tracing::error!("the watch over lease files had failed");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `look` at once, then after each change and each wait, until told to stop.
fn follow(received: &Receiver<Signal>, mut look: impl FnMut(&mut Duration)) {
    let mut wait = NET;
    loop {
        look(&mut wait);
        match received.recv_timeout(wait) {
            Ok(Signal::Touched) => {}
            Err(RecvTimeoutError::Timeout) => continue,
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        // Whoever writes a file writes more than once; a busy folder costs one look in this time.
        thread::sleep(QUIET);
        while let Ok(signal) = received.try_recv() {
            if matches!(signal, Signal::Stop) {
                return;
            }
        }
    }
}

/// The folders that are watched.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    fault: Option<String>,
}

impl Folders {
    fn watched(signals: SyncSender<Signal>) -> Folders {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, |event| !event.kind.is_access()) {
                // Full: a look is due already.
                let _ = signals.try_send(Signal::Touched);
            }
        });
        let (watcher, fault) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Folders { watcher, watched: HashSet::new(), fault }
    }

    /// Watches the folders of `paths` that have come to be since the last call.
    fn watch(&mut self, paths: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let parents = paths.iter().filter_map(|path| path.parent()).map(Path::to_path_buf);
        let folders = parents.chain(paths.iter().cloned()).filter(|path| path.is_dir());
        let wanted: HashSet<PathBuf> = folders.collect();
        // A folder that was removed and made again needs a new watch.
        self.watched.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            if self.watched.contains(&folder) {
                continue;
            }
            match watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder);
                }
                Err(error) => self.fault = Some(error.to_string()),
            }
        }
    }
}

/// What tells whether a file changed.
type Stamp = (u64, Option<SystemTime>);

/// One file as it was last read.
#[derive(Default)]
struct Source {
    stamp: Option<Stamp>,
    /// Looks in a row at which it was not whole.
    halves: u8,
    leases: Vec<Lease>,
    seen: bool,
    fault: Option<String>,
}

/// All files.
struct Sources {
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, Source>,
    devices: Devices,
    clock: Clock,
}

impl Sources {
    fn of(paths: &[PathBuf], devices: Devices, clock: Clock) -> Sources {
        Sources { paths: paths.to_vec(), files: BTreeMap::new(), devices, clock }
    }

    /// Reads what changed; returns whether a file is being written.
    fn look(&mut self) -> bool {
        let mut there: Vec<PathBuf> = self.paths.iter().flat_map(|path| listed(path)).collect();
        there.sort_unstable();
        there.dedup();
        // A file that is no longer there is looked at until its leases are taken back.
        self.files.retain(|path, source| !source.leases.is_empty() || there.contains(path));
        for path in there {
            self.files.entry(path).or_default();
        }
        let mut soon = false;
        for (path, source) in &mut self.files {
            soon |= source.look(path, &self.devices, &self.clock);
        }
        soon
    }

    fn senses(&self, watch_fault: Option<&str>) -> Vec<Sense> {
        let read = self.files.iter().filter(|(_, source)| source.seen);
        let slow =
            watch_fault.map(|fault| format!("cannot be watched ({fault}); read once a minute"));
        read.map(|(path, source)| Sense {
            name: format!("leases {}", path.display()),
            blind: source.fault.clone().or_else(|| slow.clone()),
        })
        .collect()
    }
}

/// Returns the file itself, or the files in it if it is a folder.
fn listed(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return vec![path.to_path_buf()] };
    let names = entries.flatten().map(|entry| entry.path());
    let is_hidden = |path: &PathBuf| {
        path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    names.filter(|path| !is_hidden(path)).take(MAX_FILES).collect()
}

impl Source {
    /// Reads the file if it changed; returns whether it must be looked at again soon.
    fn look(&mut self, path: &Path, devices: &Devices, clock: &Clock) -> bool {
        match read(path, self.stamp) {
            Ok(None) => false,
            Ok(Some((stamp, reading))) => {
                self.seen = true;
                self.take(path, stamp, reading, (devices, clock))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.gone(path, (devices, clock))
            }
            // What was read before stays until it ends.
            Err(error) => {
                (self.seen, self.stamp, self.fault) = (true, None, Some(error.to_string()));
                false
            }
        }
    }

    fn take(
        &mut self,
        path: &Path,
        stamp: Stamp,
        reading: Reading,
        told: (&Devices, &Clock),
    ) -> bool {
        let shrank = reading.format.is_none() && !self.leases.is_empty();
        if (reading.cut || shrank) && self.halves < PATIENCE {
            self.halves += 1;
            return true;
        }
        (self.stamp, self.halves) = (Some(stamp), 0);
        self.fault = reading.format.filter(|_| reading.refused > 0).map(|format| {
            format!("read as {format}: {} of its lines make no sense", reading.refused)
        });
        self.replace(path, reading.leases, told);
        false
    }

    /// A file that is being replaced may be missing for a moment.
    fn gone(&mut self, path: &Path, told: (&Devices, &Clock)) -> bool {
        if self.leases.is_empty() || self.halves >= PATIENCE {
            *self = Source { leases: std::mem::take(&mut self.leases), ..Source::default() };
            self.replace(path, Vec::new(), told);
            return false;
        }
        (self.stamp, self.halves) = (None, self.halves + 1);
        true
    }

    fn replace(&mut self, path: &Path, leases: Vec<Lease>, (devices, clock): (&Devices, &Clock)) {
        if leases == self.leases {
            return;
        }
        let now = clock.now();
        devices.take_leases(&path.display().to_string(), &leases, now);
        let seconds = now.wall / 1_000_000;
        let in_force = |lease: &&Lease| lease.until.is_none_or(|until| until > seconds);
        let hints: Vec<Hint> = leases.iter().filter(in_force).filter_map(hint).collect();
        if !hints.is_empty() {
            devices.take_hints(&hints, now);
        }
        self.leases = leases;
    }
}

fn hint(lease: &Lease) -> Option<Hint> {
    let text = HintText { name: Some(lease.host_name.clone()?), ..HintText::default() };
    Some(Hint { address: lease.address, source: HintSource::Lease, text })
}

/// Reads a file; `None`: it did not change since `known`.
fn read(path: &Path, known: Option<Stamp>) -> io::Result<Option<(Stamp, Reading)>> {
    let (octets, stamp) = match octets(path, known)? {
        Some(found) => found,
        None => return Ok(None),
    };
    let other =
        || io::Error::other("in a format that we do not know; the devices' leases are not used");
    let mut reading = parse_all(&[&octets]).ok_or_else(other)?;
    if reading.format == Some(Format::Kea) {
        let older: Vec<Vec<u8>> = older_parts(path);
        let parts: Vec<&[u8]> = older.iter().chain([&octets]).map(Vec::as_slice).collect();
        reading = parse_all(&parts).ok_or_else(other)?;
    }
    Ok(Some((stamp, reading)))
}

fn octets(path: &Path, known: Option<Stamp>) -> io::Result<Option<(Vec<u8>, Stamp)>> {
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("no ordinary file"));
    }
    let modified = about.modified().ok();
    let stamp = (about.len(), modified);
    // Two writes within one tick of the file system's clock look like one.
    let settled = modified.and_then(|at| at.elapsed().ok()).is_some_and(|ago| ago > SETTLED);
    if known == Some(stamp) && settled {
        return Ok(None);
    }
    let limit = u64::try_from(MAX_OCTETS).unwrap_or(u64::MAX);
    let mut octets = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut octets)?;
    if octets.len() > MAX_OCTETS {
        return Err(io::Error::other("larger than 8 MiB; it is not read"));
    }
    Ok(Some((octets, stamp)))
}

/// While Kea cleans its file, older leases stand beside it: `.completed`, or `.2` and then `.1`.
fn older_parts(path: &Path) -> Vec<Vec<u8>> {
    let part = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        octets(Path::new(&name), None).ok().flatten().map(|(octets, _)| octets)
    };
    match part(".completed") {
        Some(completed) => vec![completed],
        None => [".2", ".1"].into_iter().filter_map(part).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Database, STATE_MIGRATIONS};

    const ONE: &str = "1795400000 3c:5a:b4:01:02:03 192.168.1.20 anna *\n";
    const TWO: &str = "1795400000 3c:5a:b4:01:02:04 192.168.1.21 otto *\n";

    fn sources(path: &Path) -> Sources {
        let (devices, clock) = nobody();
        Sources::of(&[path.to_path_buf()], devices, clock)
    }

    fn nobody() -> (Devices, Clock) {
        let clock = Clock::manual(1_795_312_311_000_000);
        let state = Arc::new(Database::memory(STATE_MIGRATIONS).expect("a database"));
        (Devices::open(&Default::default(), state, clock.clone()).expect("devices"), clock)
    }

    fn leases(sources: &Sources) -> Vec<String> {
        let leases = sources.files.values().flat_map(|source| &source.leases);
        leases.map(|lease| lease.address.to_string()).collect()
    }

    #[test]
    fn a_file_that_is_written_in_place_never_loses_all_leases() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dnsmasq.leases");
        let mut sources = sources(&path);
        assert!(!sources.look() && sources.senses(None).is_empty(), "it is not there");
        fs::write(&path, format!("{ONE}{TWO}")).expect("written");
        assert!(!sources.look());
        assert_eq!(leases(&sources), ["192.168.1.20", "192.168.1.21"]);
        let cut = format!("{ONE}1795400000 3c:5a:b4");
        for half in ["", &cut, &cut] {
            fs::write(&path, half).expect("written");
            assert!(sources.look(), "it is looked at again soon");
            assert_eq!(leases(&sources).len(), 2);
        }
        assert!(!sources.look());
        assert_eq!(leases(&sources), ["192.168.1.20"], "then what is there is taken");
    }

    #[test]
    fn a_file_that_vanishes_keeps_its_leases_a_while_and_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dnsmasq.leases");
        let mut sources = sources(folder.path());
        fs::write(&path, ONE).expect("written");
        sources.look();
        fs::remove_file(&path).expect("removed");
        assert!(sources.look());
        assert_eq!(leases(&sources), ["192.168.1.20"]);
        fs::write(&path, TWO).expect("written");
        assert!(!sources.look());
        assert_eq!(leases(&sources), ["192.168.1.21"]);
        fs::remove_file(&path).expect("removed");
        while sources.look() {}
        assert!(leases(&sources).is_empty() && sources.senses(None).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_said_and_keeps_what_was_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dnsmasq.leases");
        let mut sources = sources(&path);
        let blind = |sources: &Sources| {
            let sense = sources.senses(None).into_iter().next().expect("a line");
            assert!(sense.name.starts_with("leases /") && sense.name.ends_with("dnsmasq.leases"));
            sense.blind.unwrap_or_default()
        };
        fs::write(&path, ONE).expect("written");
        sources.look();
        assert_eq!(blind(&sources), "");
        fs::write(&path, "<html>\n").expect("written");
        sources.look();
        assert!(blind(&sources).contains("format"), "{}", blind(&sources));
        fs::write(&path, vec![b'#'; MAX_OCTETS + 1]).expect("written");
        sources.look();
        assert!(blind(&sources).contains("8 MiB"), "{}", blind(&sources));
        assert_eq!(leases(&sources), ["192.168.1.20"]);
        fs::write(&path, format!("{TWO}what is this\n")).expect("written");
        sources.look();
        assert!(blind(&sources).contains("dnsmasq: 1 of"), "{}", blind(&sources));
        assert_eq!(leases(&sources), ["192.168.1.21"]);
    }

    #[test]
    fn leases_that_kea_moved_aside_while_cleaning_still_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kea-leases4.csv");
        let header = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,hostname,state\n";
        let row = "10.0.0.1,3c:5a:b4:01:02:03,,60,1795400000,1,anna,0\n";
        fs::write(folder.path().join("kea-leases4.csv.2"), format!("{header}{row}")).expect("2");
        fs::write(&path, header).expect("written");
        let mut sources = sources(&path);
        sources.look();
        assert_eq!(leases(&sources), ["10.0.0.1"]);
    }

    #[test]
    fn a_new_file_is_noticed_and_the_thread_ends_with_the_handle() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dnsmasq.leases");
        let (devices, clock) = nobody();
        let follower = Follower::start(std::slice::from_ref(&path), devices, clock);
        fs::write(&path, ONE).expect("written");
        let tries = std::iter::repeat_n(Duration::from_millis(50), 2_400);
        let seen = tries.map(thread::sleep).any(|()| !follower.senses().is_empty());
        assert!(seen, "within the net's minute at the latest");
    }
}
