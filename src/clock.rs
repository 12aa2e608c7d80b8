//! The clocks, read in one place; tests turn them by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::Moment;

/// Where moments come from: the system, or a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Manual { wall_start: i64, elapsed: Arc<AtomicU64> },
}

impl Clock {
    /// Returns the system's clocks.
    pub fn system() -> Clock {
        Clock(Source::System { start: Instant::now() })
    }

    /// Returns a clock that stands at `wall` microseconds until it is advanced.
    pub fn manual(wall: i64) -> Clock {
        Clock(Source::Manual { wall_start: wall, elapsed: Arc::new(AtomicU64::new(0)) })
    }

    /// Moves a manual clock on by `micros`; every clone sees it. Does nothing to the system's.
    pub fn advance(&self, micros: u64) {
        if let Source::Manual { elapsed, .. } = &self.0 {
            elapsed.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System { start } => Moment {
                wall: system_micros(),
                monotonic: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            },
            Source::Manual { wall_start, elapsed } => {
                let passed = elapsed.load(Ordering::SeqCst);
                let wall = wall_start.saturating_add_unsigned(passed);
                Moment { wall, monotonic: passed }
            }
        }
    }
}

fn system_micros() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}
