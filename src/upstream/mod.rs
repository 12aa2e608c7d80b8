//! The answer an allowed query gets: upstreams, their health, and the cache of what they said.

mod cache;
mod settings;

pub use cache::{Cache, CacheFigures, CacheKey, Cached};
pub use settings::{ForwardSettings, Settings, UpstreamSettings};

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::model::{NameRef, UpstreamId};
use crate::wire::{Question, StoredAnswer};

/// An upstream's answer and who gave it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The answer, checked and cleaned.
    pub stored: Arc<StoredAnswer>,
    /// Who gave it.
    pub upstream: UpstreamId,
    /// How long that took.
    pub took: Duration,
    /// Whether it came from a server of `[forward]`, so that private addresses are right.
    pub forwarded_zone: bool,
}

/// Why no upstream answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// All were asked; none answered in time (EDE 22).
    #[error("no upstream answered in time")]
    NoReachableAuthority,
    /// No connection could be made (EDE 23).
    #[error("no upstream could be reached")]
    NetworkError,
    /// Too many questions are in flight.
    #[error("too many questions are in flight")]
    Overloaded,
}

/// Figures of one upstream, for `status`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct UpstreamStatus {
    /// Its address as configured.
    pub name: String,
    /// Whether it is used now; `false` while it rests after failures.
    pub up: bool,
    /// Questions sent.
    pub asked: u64,
    /// Questions without a usable answer.
    pub failed: u64,
    /// Smoothed time of an answer in microseconds.
    pub latency_micros: Option<u64>,
    /// The last error, if it fails now.
    pub last_error: Option<String>,
    /// The zone it serves; `None` for those that are asked for everything.
    pub zone: Option<String>,
}

/// All upstreams; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Upstreams {}

impl Upstreams {
    /// Makes the pool; connects to nobody yet. Call it inside the main runtime: its tasks live there.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Upstreams, String> {
        let _ = (settings, clock);
        todo!()
    }

    /// Asks; identical questions in flight are asked once. Answers or fails within 5 s.
    pub async fn ask(&self, question: Question) -> Result<Answer, Failure> {
        let _ = question;
        todo!()
    }

    /// Returns whether `[forward]` maps a zone that holds this name.
    pub fn is_forwarded(&self, name: NameRef<'_>) -> bool {
        let _ = name;
        todo!()
    }

    /// Returns figures of every upstream; an `UpstreamId` is a place in here.
    pub fn status(&self) -> Vec<UpstreamStatus> {
        todo!()
    }
}
