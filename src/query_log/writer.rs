//! The log thread: drains the rings, judges attempts, writes, and keeps trying when it cannot.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::attempts::Attempts;
use super::encoding::{decode, moment};
use super::erase::Erasure;
use super::recorder::Source;
use super::retention::{Retention, newest_event, used};
use super::schema::MIGRATIONS;
use super::store::{Batch, Place, Store};
use super::sync::{DRAIN_EVERY, Sync};
use super::told::Teller;
use super::upkeep::Upkeep;
use super::{Gap, SeenSink, Settings};
use crate::background::stand_back;
use crate::clock::Clock;
use crate::model::{DeviceId, Legend};
use crate::storage::{Database, StorageError};

/// The rest between two steps of a job, for the rings' sake.
const JOB_REST: Duration = Duration::from_millis(2);

/// What others ask of the log thread.
pub(super) enum Command {
    /// Write all that was recorded, sync, and tell.
    Flush(SyncSender<()>),
    /// Erase a device's past, and tell.
    Erase(DeviceId, SyncSender<Result<(), StorageError>>),
    /// Write all that was recorded and end.
    Stop,
}

/// What the log thread shares with the handles.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    /// Rings made since the last drain.
    pub(super) sources: Mutex<Vec<Source>>,
    /// Editions announced since the last drain.
    pub(super) legends: Mutex<Vec<Arc<Legend>>>,
    pub(super) status: Mutex<Status>,
    pub(super) reader: Mutex<Option<Database>>,
    pub(super) events: AtomicU64,
    pub(super) lost: AtomicU64,
}

/// How writing fares.
#[derive(Default)]
pub(super) struct Status {
    pub(super) error: Option<String>,
    pub(super) set_aside: Option<PathBuf>,
    /// What was lost and cannot be written yet.
    pub(super) gap: Option<Gap>,
}

/// The log thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    clock: Clock,
    seen: SeenSink,
    max_octets: u64,
    database: Option<Database>,
    /// Whether `store` knows the file as it is.
    loaded: bool,
    store: Store,
    sources: Vec<Source>,
    attempts: Attempts,
    teller: Teller,
    batch: Batch,
    sync: Sync,
    jobs: VecDeque<Job>,
    upkeep: Upkeep,
}

/// Work in steps, between which writing goes on.
enum Job {
    Retention(Retention),
    Erasure(Erasure, SyncSender<Result<(), StorageError>>),
}

/// Locks a mutex whose holders leave it sound even if they panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        settings: &Settings,
        clock: Clock,
        seen: SeenSink,
    ) -> Writer {
        Writer {
            upkeep: Upkeep::new(settings, clock.now()),
            store: Store::new(settings.max_octets()),
            shared,
            commands,
            clock,
            seen,
            max_octets: settings.max_octets(),
            database: None,
            loaded: false,
            sources: Vec::new(),
            attempts: Attempts::default(),
            teller: Teller::default(),
            batch: Batch::default(),
            sync: Sync::default(),
            jobs: VecDeque::new(),
        }
    }

    /// Opens the file; what damage was found is told in the figures.
    pub(super) fn open(&mut self) -> Result<(), StorageError> {
        if self.database.is_some() && !self.shared.path.exists() {
            self.close();
        }
        if self.database.is_none() {
            let database = Database::open(&self.shared.path, MIGRATIONS)?;
            self.take_over(database);
            self.examine()?;
        }
        let Some(database) = &self.database else { return Ok(()) };
        if !self.loaded {
            database.with(|connection| self.store.load(connection))?;
            self.shared.events.store(self.store.events, Ordering::Relaxed);
            self.loaded = true;
        }
        Ok(())
    }

    /// Tells the upkeep how old the newest event of the file is.
    fn examine(&mut self) -> Result<(), StorageError> {
        let Some(database) = &self.database else { return Ok(()) };
        let newest = database.with(|connection| newest_event(connection))?;
        self.upkeep.opened(newest, self.clock.now());
        Ok(())
    }

    /// Runs until told to stop, or until nobody is left who could.
    pub(super) fn run(mut self) {
        let _tell = TellPanic(self.shared.clone());
        stand_back();
        self.keep_up();
        loop {
            let wait = if self.jobs.is_empty() { DRAIN_EVERY } else { JOB_REST };
            match self.commands.recv_timeout(wait) {
                Ok(Command::Flush(done)) => {
                    self.write_all();
                    let _ = done.send(());
                }
                Ok(Command::Erase(device, done)) => self.erase(device, done),
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return self.finish(),
                Err(RecvTimeoutError::Timeout) => {
                    self.round(false);
                    self.keep_up();
                    self.step_job();
                }
            }
        }
    }

    /// Drains and writes once; `synced` makes the commit reach the disk.
    fn round(&mut self, synced: bool) {
        self.collect();
        match self.write(synced) {
            Ok(()) => {
                lock(&self.shared.status).error = None;
                self.store.words.drop_idle();
            }
            Err(error) => self.suffer(error),
        }
    }

    /// Writes everything that was recorded until now, as far as it can be written.
    fn write_all(&mut self) {
        if !self.batch.is_empty() {
            self.round(false);
        }
        self.round(true);
    }

    /// Takes what the rings hold, unless the last batch still waits: then they are the room.
    fn collect(&mut self) {
        self.sources.append(&mut lock(&self.shared.sources));
        let losses = self.sources.iter().filter_map(Source::take_loss);
        if let Some(lost) = losses.reduce(Gap::join) {
            self.shared.lost.fetch_add(lost.lost, Ordering::Relaxed);
            self.batch.gap = Some(self.batch.gap.map_or(lost, |gap| gap.join(lost)));
            lock(&self.shared.status).gap = self.batch.gap;
        }
        let drains = self.batch.events.is_empty();
        if drains {
            self.sources.iter_mut().for_each(|source| source.drain(&mut self.batch.octets));
            self.sources.retain(|source| !source.is_spent());
        }
        // After the rings, so that the edition of whatever was drained is known.
        for legend in lock(&self.shared.legends).drain(..) {
            self.store.words.announce(legend);
        }
        if drains {
            self.judge();
        }
    }

    /// Sorts the batch by time, tells attempts, and tells who was seen.
    fn judge(&mut self) {
        let mut rest = self.batch.octets.as_slice();
        let whole = rest.len();
        while let Some((at, after)) = moment(rest) {
            let start = whole - rest.len();
            self.batch.events.push(Place { at, start, attempt: false });
            rest = after;
        }
        self.batch.events.sort_unstable();
        for place in &mut self.batch.events {
            let octets = self.batch.octets.get(place.start..).unwrap_or_default();
            let Some((event, _)) = decode(octets) else { continue };
            self.teller.take(&event, self.store.words.legend(event.edition));
            if event.tracking {
                place.attempt = self.attempts.opens(event.device, event.name, event.at);
            }
        }
        if let Some(told) = self.teller.tell() {
            (self.seen)(&told);
        }
    }

    fn write(&mut self, synced: bool) -> Result<(), StorageError> {
        let unsettled = !self.sync.is_settled();
        let due = self.sync.is_due(Instant::now());
        if self.batch.is_empty() && !(due || (synced && unsettled)) {
            return self.open();
        }
        self.open()?;
        let Some(database) = &self.database else { return Ok(()) };
        let synced = synced || due;
        let now = self.clock.now().wall;
        // Until this has worked, what the store knows of the file may be wrong.
        self.loaded = false;
        database.with(|connection| {
            set_synchronous(connection, synced)?;
            let written = self.store.write(connection, &self.batch, now);
            written.and(set_synchronous(connection, false))
        })?;
        self.loaded = true;
        self.batch.clear();
        self.sync.committed(synced, Instant::now());
        self.shared.events.store(self.store.events, Ordering::Relaxed);
        lock(&self.shared.status).gap = None;
        Ok(())
    }

    /// Says what is wrong; a damaged file is moved aside and a new one begun.
    fn suffer(&mut self, error: StorageError) {
        let text = error.to_string();
        let before = lock(&self.shared.status).error.replace(text.clone());
        if before.as_ref() != Some(&text) {
            tracing::warn!(%error, "the query log cannot be written; will keep trying");
        }
        self.loaded = false;
        if error.is_damage() {
            self.close();
            if let Ok(database) = Database::begin_anew(&self.shared.path, MIGRATIONS) {
                self.take_over(database);
            }
        }
    }

    fn take_over(&mut self, database: Database) {
        if let Some(aside) = database.damaged() {
            tracing::warn!(aside = %aside.display(), "the query log was damaged; a new one is begun");
            lock(&self.shared.status).set_aside = Some(aside.into());
        }
        self.database = Some(database);
        self.loaded = false;
        *lock(&self.shared.reader) = None;
    }

    fn close(&mut self) {
        self.database = None;
        self.loaded = false;
        self.sync = Sync::default();
        *lock(&self.shared.reader) = None;
    }

    /// Begins a round of retention if one is due.
    fn keep_up(&mut self) {
        let now = self.clock.now();
        self.upkeep.look(now);
        let running = self.jobs.iter().any(|job| matches!(job, Job::Retention(_)));
        let Some(database) = self.database.as_ref().filter(|_| !running) else { return };
        let round = self.upkeep.due(now, || is_over_size(database, self.max_octets));
        self.jobs.extend(round.map(Job::Retention));
    }

    fn erase(&mut self, device: DeviceId, done: SyncSender<Result<(), StorageError>>) {
        self.write_all();
        self.attempts.forget(device);
        self.jobs.push_back(Job::Erasure(Erasure::begin(device), done));
    }

    /// Does one bounded step of the first job.
    fn step_job(&mut self) {
        let Some(mut job) = self.jobs.pop_front() else { return };
        match self.try_step(&mut job) {
            Ok(false) => self.jobs.push_front(job),
            Ok(true) => job.end(Ok(())),
            Err(error) => job.end(Err(error)),
        }
    }

    fn try_step(&mut self, job: &mut Job) -> Result<bool, StorageError> {
        self.open()?;
        let Some(database) = &self.database else { return Ok(true) };
        self.loaded = false;
        let ended = database.with(|connection| match job {
            Job::Retention(retention) => retention.step(connection, &mut self.store),
            Job::Erasure(erasure, _) => erasure.step(connection, &mut self.store),
        })?;
        self.loaded = true;
        self.shared.events.store(self.store.events, Ordering::Relaxed);
        self.sync.committed(false, Instant::now());
        Ok(ended)
    }

    fn finish(mut self) {
        self.write_all();
        self.jobs.retain(|job| matches!(job, Job::Erasure(..)));
        while !self.jobs.is_empty() {
            self.step_job();
        }
        *lock(&self.shared.reader) = None;
        let Some(database) = &self.database else { return };
        let checkpoint = |connection: &mut Connection| {
            set_synchronous(connection, true)?;
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        };
        if let Err(error) = database.with(checkpoint) {
            tracing::warn!(%error, "the query log's journal stays for the next start");
        }
    }
}

impl Job {
    fn end(self, result: Result<(), StorageError>) {
        match (self, result) {
            // Whoever asked may have stopped waiting.
            (Job::Erasure(_, done), result) => drop(done.send(result)),
            (Job::Retention(_), Ok(())) => {}
            (Job::Retention(_), Err(error)) => {
                tracing::warn!(%error, "old events stay in the query log for another hour");
            }
        }
    }
}

/// Under `FULL` a commit syncs the journal, and with it all commits before.
fn set_synchronous(connection: &Connection, full: bool) -> rusqlite::Result<()> {
    connection.execute_batch(if full {
        "PRAGMA synchronous=FULL"
    } else {
        "PRAGMA synchronous=NORMAL"
    })
}

fn is_over_size(database: &Database, max_octets: u64) -> bool {
    let used = database.with(|connection| used(connection));
    used.is_ok_and(|used| used > max_octets)
}

/// Says so should the log thread panic: nothing else would.
struct TellPanic(Arc<Shared>);

impl Drop for TellPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = "the log thread ended by an error in the program; please report it";
            lock(&self.0.status).error = Some(text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synced_commit_runs_under_full() {
        let log = Database::memory(MIGRATIONS).expect("a database");
        let mode = |full| {
            log.with(|connection| {
                set_synchronous(connection, full)?;
                connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
            })
        };
        assert_eq!((mode(true).ok(), mode(false).ok()), (Some(2), Some(1)));
    }
}
