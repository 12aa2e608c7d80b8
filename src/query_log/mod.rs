//! The query log: record, search, totals of what happened.
//!
//! Recorders write events into rings of octets and never wait. One thread drains the rings every
//! 250 ms and writes `log.db`; reads go through a connection of their own.
//!
//! - `entry`: what the log is asked, and what it answers
//! - `encoding`, `recorder`: events in rings
//! - `attempts`: which query opens one
//! - `schema`: tables, and an event as a row
//! - `names`, `words`: texts as rows, bounded
//! - `rows`, `store`, `sync`, `writer`: the log thread
//! - `told`: what it tells others
//! - `listings`: which lists matched together, how often
//! - `retention`, `upkeep`, `erase`: what goes, and when
//! - `search`, `totals`: what is asked

mod attempts;
mod encoding;
mod entry;
mod erase;
mod listings;
mod names;
mod recorder;
mod retention;
mod rows;
mod schema;
mod search;
mod settings;
mod store;
mod sync;
mod told;
mod totals;
mod upkeep;
mod words;
mod writer;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::{Transaction, params};

use crate::clock::Clock;
use crate::model::{DeviceId, Legend};
use crate::storage::{Database, StorageError};
use search::Walk;
use writer::{Command, Shared, Writer, lock};

pub use entry::{
    AskedName, COUNTS_ONLY, Cursor, Entry, Filter, Gap, LogFigures, MANY_NAMES, QueryCount,
    TopName, Total, UNATTRIBUTED,
};
pub use listings::ListSet;
pub use recorder::Recorder;
pub use settings::Settings;
pub use told::{Contact, Detour, Seen, SeenSink, Told};

/// The log; a handle that is cheap to clone. The last one to go stops the thread.
#[derive(Clone)]
pub struct QueryLog(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl QueryLog {
    /// Opens `log.db` in `folder` and starts the thread that writes it.
    ///
    /// A file that cannot be opened for now (no room, no permission) is no error: the thread keeps
    /// trying, and the figures say what is wrong. One of a later version of the program is.
    pub fn open(
        folder: &Path,
        settings: &Settings,
        clock: Clock,
        seen: SeenSink,
    ) -> Result<QueryLog, StorageError> {
        let shared = Arc::new(Shared { path: folder.join("log.db"), ..Shared::default() });
        let (commands, orders) = sync_channel(16);
        let mut writer = Writer::new(shared.clone(), orders, settings, clock, seen);
        match writer.open() {
            Err(error @ StorageError::Newer { .. }) => return Err(error),
            Err(error) => lock(&shared.status).error = Some(error.to_string()),
            Ok(()) => {}
        }
        let thread = std::thread::Builder::new().name("query-log".into());
        let path = &shared.path;
        let thread = thread
            .spawn(move || writer.run())
            .map_err(|error| StorageError::File { path: path.clone(), error })?;
        Ok(QueryLog(Arc::new(Handle { shared, commands, thread: Mutex::new(Some(thread)) })))
    }

    /// Returns a new ring's producing end, for one thread.
    pub fn recorder(&self) -> Recorder {
        let (recorder, source) = recorder::ring(recorder::RING);
        lock(&self.0.shared.sources).push(source);
        recorder
    }

    /// Tells the words behind an edition's numbers, before any event refers to it.
    pub fn announce(&self, legend: Arc<Legend>) {
        lock(&self.0.shared.legends).push(legend);
    }

    /// Returns at most `limit` events, newest first, older than `before` (or newest of all).
    pub fn search(
        &self,
        filter: &Filter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(|file| search::search(file, filter, Walk::Back(before), limit))
    }

    /// Returns at most `limit` events after `after`, oldest first: what `log -f` follows.
    pub fn follow(
        &self,
        filter: &Filter,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(|file| search::search(file, filter, Walk::On(after), limit))
    }

    /// Returns attempts by device and company over a span.
    pub fn totals(&self, from: i64, until: i64) -> Result<Vec<Total>, StorageError> {
        self.read(|file| totals::totals(file, from, until))
    }

    /// Returns, by device and company, the tracking name with the most attempts in the hours of a span.
    pub fn top_names(&self, from: i64, until: i64) -> Result<Vec<TopName>, StorageError> {
        self.read(|file| totals::top_names(file, from, until))
    }

    /// Returns names that a device asked for in the hours of a span, at most so many.
    pub fn asked_names(
        &self,
        device: DeviceId,
        span: (i64, i64),
        most: usize,
    ) -> Result<Vec<AskedName>, StorageError> {
        self.read(|file| totals::asked_names(file, device, span, most))
    }

    /// Returns raw queries by device over a span.
    pub fn queries(
        &self,
        from: i64,
        until: i64,
    ) -> Result<Vec<(DeviceId, QueryCount)>, StorageError> {
        self.read(|file| totals::queries(file, from, until))
    }

    /// Returns which sets of lists matched, and how often, from the day of `from` to that of `until`.
    pub fn list_sets(&self, from: i64, until: i64) -> Result<Vec<ListSet>, StorageError> {
        self.read(|file| listings::read(file, from, until))
    }

    /// Returns gaps that touch a span, that of now included, oldest first.
    pub fn gaps(&self, from: i64, until: i64) -> Result<Vec<Gap>, StorageError> {
        let mut gaps = self.read(|file| read_gaps(file, from, until))?;
        let unwritten = lock(&self.0.shared.status).gap;
        gaps.extend(unwritten.filter(|gap| gap.until >= from && gap.from < until));
        Ok(gaps)
    }

    /// Erases a device's past: events, roll-ups and daily totals.
    pub fn erase(&self, device: DeviceId) -> Result<(), StorageError> {
        let (done, result) = sync_channel(1);
        let sent = self.0.commands.send(Command::Erase(device, done)).is_ok();
        match result.recv() {
            Ok(result) if sent => result,
            _ => Err(self.stopped()),
        }
    }

    /// Waits until everything recorded so far is written; for reads that must see it.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.commands.send(Command::Flush(done)).is_ok() {
            // An error here means that the thread ended, and wrote what there was.
            written.recv().ok();
        }
    }

    /// Writes what is left, syncs and ends the thread.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Returns how the log fares.
    pub fn figures(&self) -> LogFigures {
        let shared = &self.0.shared;
        let octets = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let status = lock(&shared.status);
        LogFigures {
            events: shared.events.load(Ordering::Relaxed),
            bytes: octets(&shared.path) + octets(&shared.path.with_extension("db-wal")),
            lost: shared.lost.load(Ordering::Relaxed),
            error: status.error.clone(),
            set_aside: status.set_aside.clone(),
        }
    }

    /// Reads from one consistent state of the file.
    fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let mut reader = lock(&self.0.shared.reader);
        let database = match reader.take() {
            Some(database) => database,
            None => Database::open_reader(&self.0.shared.path)?,
        };
        let result = database.with(|connection| work(&connection.transaction()?));
        // A connection that failed may be one to a file that was moved aside.
        *reader = result.is_ok().then_some(database);
        result
    }

    fn stopped(&self) -> StorageError {
        let error = std::io::Error::other("the query log has stopped");
        StorageError::File { path: self.0.shared.path.clone(), error }
    }
}

fn read_gaps(file: &Transaction<'_>, from: i64, until: i64) -> rusqlite::Result<Vec<Gap>> {
    let mut select = file.prepare_cached(
        "SELECT begins, ends, lost FROM gap WHERE ends>=?1 AND begins<?2 ORDER BY begins",
    )?;
    let rows = select.query_map(params![from, until], |row| {
        let lost: i64 = row.get(2)?;
        Ok(Gap { from: row.get(0)?, until: row.get(1)?, lost: lost.unsigned_abs() })
    })?;
    rows.collect()
}

impl Handle {
    fn stop(&self) {
        let Some(thread) = lock(&self.thread).take() else { return };
        // Either fails only if the thread has already ended.
        self.commands.send(Command::Stop).ok();
        thread.join().ok();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
