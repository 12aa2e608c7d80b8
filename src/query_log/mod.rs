//! The query log: record, search, totals of what happened.

mod settings;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::model::{BindingId, DeviceId, Legend, Outcome, QueryEvent, RecordType};
use crate::storage::StorageError;

pub use settings::Settings;

/// Told of each batch written: binding, latest time, number of queries.
pub type SeenSink = Box<dyn FnMut(&[(BindingId, i64, u32)]) + Send>;

/// The log; a handle that is cheap to clone.
#[derive(Clone)]
pub struct QueryLog {}

/// One producing thread's end of its ring.
pub struct Recorder {}

/// Which events are wanted. Empty means all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Of these devices.
    pub devices: Vec<DeviceId>,
    /// Of this company, by slug; `unattributed` for none.
    pub company: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Whose name or alias has this text in it.
    pub text: Option<String>,
    /// Only tracking names.
    pub tracking: bool,
    /// Not before, microseconds since 1970.
    pub from: Option<i64>,
    /// Before, microseconds since 1970.
    pub until: Option<i64>,
}

/// A place in the log; later events compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// Microseconds since 1970.
    pub at: i64,
    /// The device.
    pub device: DeviceId,
}

/// One event as it is stored, numbers turned into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub cursor: Cursor,
    /// The binding it was made under.
    pub binding: BindingId,
    /// The address that asked.
    pub client: String,
    /// The name asked for, in presentation form; `None` where only its count is kept.
    pub name: String,
    /// The type asked for.
    pub query_type: RecordType,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether rules would have blocked it, but a pause or the level lifted them.
    pub would_block: bool,
    /// The rule, ban or list that decided, as text: `list trackers`, `ban ban-tiktok`, `rule block x for TV`, `canary`.
    pub reason: Option<String>,
    /// All lists that matched.
    pub lists: Vec<String>,
    /// The alias through which a rule matched.
    pub alias: Option<String>,
    /// The company's slug.
    pub company: Option<String>,
    /// Whether it is a tracking name.
    pub tracking: bool,
    /// Whether it opened an attempt.
    pub attempt: bool,
    /// Who answered: `sinkhole`, `local`, `cache`, `upstream 0`, `nobody`.
    pub answered_by: String,
    /// The response code sent.
    pub response_code: u16,
    /// Microseconds to the answer.
    pub duration: u32,
}

/// A time in which events were lost, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Microseconds since 1970.
    pub from: i64,
    /// Microseconds since 1970.
    pub until: i64,
    /// Events that could not be recorded.
    pub lost: u64,
}

/// Tallies of one device and company over a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// The device.
    pub device: DeviceId,
    /// The company's slug; `None`: tracking names without a known company.
    pub company: Option<String>,
    /// Attempts, by outcome.
    pub attempts: u64,
    /// Attempts that were blocked.
    pub blocked: u64,
    /// Attempts that got through.
    pub allowed: u64,
    /// Attempts without an answer.
    pub failed: u64,
    /// Queries for tracking names.
    pub queries: u64,
    /// The latest, microseconds since 1970.
    pub last: i64,
}

/// Queries of one device over a span, tracking or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryCount {
    /// All queries.
    pub queries: u64,
    /// Those that were blocked.
    pub blocked: u64,
    /// Those that failed.
    pub failed: u64,
}

/// How the log fares, for `status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogFigures {
    /// Events stored.
    pub events: u64,
    /// Octets of the file.
    pub bytes: u64,
    /// Events lost since the start, all of them in gaps.
    pub lost: u64,
    /// What is wrong with writing now, if anything.
    pub error: Option<String>,
}

impl QueryLog {
    /// Opens `log.db` in `folder` and starts the thread that writes it.
    pub fn open(
        folder: &Path,
        settings: &Settings,
        clock: Clock,
        seen: SeenSink,
    ) -> Result<QueryLog, StorageError> {
        let _ = (folder, settings, clock, seen);
        todo!()
    }

    /// Returns a new ring's producing end, for one thread.
    pub fn recorder(&self) -> Recorder {
        todo!()
    }

    /// Tells the words behind an edition's numbers, before any event refers to it.
    pub fn announce(&self, legend: Arc<Legend>) {
        let _ = legend;
        todo!()
    }

    /// Returns at most `limit` events, newest first, older than `before` (or newest of all).
    pub fn search(
        &self,
        filter: &Filter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let _ = (filter, before, limit);
        todo!()
    }

    /// Returns at most `limit` events after `after`, oldest first: what `log -f` follows.
    pub fn follow(
        &self,
        filter: &Filter,
        after: Cursor,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let _ = (filter, after, limit);
        todo!()
    }

    /// Returns attempts by device and company over a span.
    pub fn totals(&self, from: i64, until: i64) -> Result<Vec<Total>, StorageError> {
        let _ = (from, until);
        todo!()
    }

    /// Returns raw queries by device over a span.
    pub fn queries(
        &self,
        from: i64,
        until: i64,
    ) -> Result<Vec<(DeviceId, QueryCount)>, StorageError> {
        let _ = (from, until);
        todo!()
    }

    /// Returns gaps that touch a span.
    pub fn gaps(&self, from: i64, until: i64) -> Result<Vec<Gap>, StorageError> {
        let _ = (from, until);
        todo!()
    }

    /// Erases a device's past: events, roll-ups and daily totals.
    pub fn erase(&self, device: DeviceId) -> Result<(), StorageError> {
        let _ = device;
        todo!()
    }

    /// Waits until everything recorded so far is written; for reads that must see it.
    pub fn flush(&self) {
        todo!()
    }

    /// Writes what is left, syncs and ends the thread.
    pub fn stop(&self) {
        todo!()
    }

    /// Returns how the log fares.
    pub fn figures(&self) -> LogFigures {
        todo!()
    }
}

impl Recorder {
    /// Records an event; what does not fit is counted as a gap. Never waits, never allocates.
    pub fn record(&mut self, event: &QueryEvent<'_>) {
        let _ = event;
        todo!()
    }
}
