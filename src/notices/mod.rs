//! What a person should know, told once per subject and day, kept in `state.db`.
//!
//! - `notice`: what one says
//! - `board`: those there are, in memory; `store`: their rows; `steady`: time without leaps
//! - `contacts`, `quiet`, `one_address`: what is watched over hours
//! - `arrivals`, `detours`, `surroundings`: what is told as it happens
//! - `watch`: facts in, notices out

mod arrivals;
mod board;
mod contacts;
mod detours;
mod notice;
mod one_address;
mod quiet;
mod steady;
mod store;
mod surroundings;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::model::DeviceId;
use crate::storage::{Database, StorageError};

pub use board::Raised;
pub use notice::{Draft, Notice, NoticeKind};
pub use surroundings::{Surroundings, container_hints, routes};
pub use watch::{News, Watch};

use board::Board;
use contacts::Contacts;
use one_address::OneAddress;
use quiet::Quiet;
use steady::Steady;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Notices; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Notices(Arc<Inner>);

struct Inner {
    /// Held for work in memory only, never while the database is waited for.
    board: Mutex<Board>,
    /// Held by whoever writes, so that writes reach the database in the order they were made.
    state: Mutex<Arc<Database>>,
    steady: Steady,
    clock: Clock,
    failures: AtomicU64,
}

impl Notices {
    /// Reads what was told before.
    pub fn open(state: Arc<Database>, clock: Clock) -> Result<Notices, StorageError> {
        let (rows, time) = state.with(|connection| store::load(connection))?;
        let steady = Steady::resume(time, clock.now());
        Ok(Notices(Arc::new(Inner {
            board: Mutex::new(Board::of(rows)),
            state: Mutex::new(state),
            steady,
            clock,
            failures: AtomicU64::new(0),
        })))
    }

    /// Tells something; once per kind, subject and day. Never waits for the database.
    pub fn raise(&self, draft: Draft) -> Raised {
        let (wall, passed) = (self.0.clock.now().wall, self.passed());
        self.board().raise(draft, wall, passed)
    }

    /// Returns open notices, or all, those seen last first.
    pub fn list(&self, all: bool) -> Vec<Notice> {
        self.board().list(all)
    }

    /// Dismisses one; it comes back not before the next day, or never with `always`.
    ///
    /// Returns whether there is one of this number.
    pub fn dismiss(&self, id: u64, always: bool) -> bool {
        let (wall, passed) = (self.0.clock.now().wall, self.passed());
        self.board().dismiss(id, always, (wall, passed))
    }

    /// Dismisses all that are open; returns how many.
    pub fn dismiss_all(&self, always: bool) -> u64 {
        let (wall, passed) = (self.0.clock.now().wall, self.passed());
        let mut board = self.board();
        let open: Vec<u64> = board.list(false).iter().map(|notice| notice.id).collect();
        open.iter().filter(|&&id| board.dismiss(id, always, (wall, passed))).count() as u64
    }

    /// Removes what was told of a device.
    pub fn forget(&self, device: DeviceId) {
        self.board().forget(device);
    }

    /// Writes what is not yet written; called once a second and on stop.
    pub fn flush(&self) -> Result<(), StorageError> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, passed) = (self.0.clock.now(), self.passed());
        let changes = self.board().take_changes((now.wall, passed));
        if changes.is_empty() {
            return Ok(());
        }
        let written = state.with(|connection| store::write(connection, &changes));
        if written.is_err() {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
            self.board().take_back(changes);
        }
        written
    }

    /// Returns how often notices could not be written since the start.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Returns the microseconds that passed since the first start: no clock that is set moves it.
    fn passed(&self) -> i64 {
        self.0.steady.at(self.0.clock.now())
    }

    /// Works on `state.db` for a watcher that keeps something there.
    fn with_state<T>(
        &self,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = state.with(work);
        if done.is_err() {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
