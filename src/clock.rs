//! The clocks, read in one place; tests turn them by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::Moment;

/// Where moments come from: the system, or a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System {
        start: Instant,
    },
    /// `ahead` is by how much the wall clock leads the time that passed.
    Manual {
        ahead: Arc<AtomicI64>,
        elapsed: Arc<AtomicU64>,
    },
}

impl Clock {
    /// Returns the system's clocks.
    pub fn system() -> Clock {
        Clock(Source::System { start: Instant::now() })
    }

    /// Returns a clock that stands at `wall` microseconds until it is advanced.
    pub fn manual(wall: i64) -> Clock {
        Clock(Source::Manual { ahead: Arc::new(AtomicI64::new(wall)), elapsed: Arc::default() })
    }

    /// Moves a manual clock on by `micros`; every clone sees it. Does nothing to the system's.
    pub fn advance(&self, micros: u64) {
        if let Source::Manual { elapsed, .. } = &self.0 {
            elapsed.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Sets the wall clock of a manual clock by `micros` ahead or back, as an operator or a time
    /// server would; no time passes. Does nothing to the system's.
    pub fn set_by(&self, micros: i64) {
        if let Source::Manual { ahead, .. } = &self.0 {
            ahead.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Reads both clocks.
    pub fn now(&self) -> Moment {
        match &self.0 {
            Source::System { start } => Moment {
                wall: system_micros(),
                monotonic: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            },
            Source::Manual { ahead, elapsed } => {
                let passed = elapsed.load(Ordering::SeqCst);
                let wall = ahead.load(Ordering::SeqCst).saturating_add_unsigned(passed);
                Moment { wall, monotonic: passed }
            }
        }
    }
}

/// Notices when the wall clock is set ahead, be it by a time server or by an error.
#[derive(Clone, Copy, Debug)]
pub struct Leaps(Moment);

impl Leaps {
    /// A clock set ahead by less, in microseconds, counts as right: an hour.
    const SLACK: i64 = 3_600_000_000;

    /// Begins to watch at `now`.
    pub fn from(now: Moment) -> Leaps {
        Leaps(now)
    }

    /// Returns whether the wall clock was set ahead since the last call. A machine that slept looks
    /// the same.
    pub fn noticed(&mut self, now: Moment) -> bool {
        let before = std::mem::replace(&mut self.0, now);
        let passed = now.monotonic.saturating_sub(before.monotonic);
        now.wall.saturating_sub(before.wall.saturating_add_unsigned(passed)) > Leaps::SLACK
    }
}

fn system_micros() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn only_a_clock_set_far_ahead_is_noticed() {
        let clock = Clock::manual(1_700_000_000_000_000);
        let mut leaps = Leaps::from(clock.now());
        clock.advance(400 * HOUR.unsigned_abs());
        assert!(!leaps.noticed(clock.now()), "time that passed");
        clock.set_by(HOUR);
        assert!(!leaps.noticed(clock.now()), "summer time by hand");
        clock.set_by(HOUR + 1);
        assert!(leaps.noticed(clock.now()) && !leaps.noticed(clock.now()), "told once");
        clock.set_by(-400 * HOUR);
        assert!(!leaps.noticed(clock.now()), "back");
    }

    #[test]
    fn setting_the_wall_clock_lets_no_time_pass() {
        let clock = Clock::manual(1_000);
        clock.advance(5);
        clock.clone().set_by(-900);
        assert_eq!(clock.now(), Moment { wall: 105, monotonic: 5 });
    }
}
