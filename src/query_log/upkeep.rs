//! When retention begins, and whether the clock can be believed.

use std::time::{Duration, Instant};

use super::Settings;
use super::retention::Retention;
use super::schema::{DAY, HOUR};
use crate::clock::Leaps;
use crate::model::Moment;

/// The least time between two rounds because of the file's size.
const SIZE_ROUND_EVERY: Duration = Duration::from_secs(60);

/// Rounds by age run once an hour on the monotonic clock, the first at the start.
///
/// A clock that is wrong for a while must not cost the log: when it was set ahead, or when by its
/// word all events at the start are too old, nothing goes by age for another hour. By then a time
/// server has mended it, or it is right.
pub(super) struct Upkeep {
    settings: Settings,
    leaps: Leaps,
    /// When the next round by age is due, on the monotonic clock.
    by_age: u64,
    /// When the file was last too large.
    by_size: Instant,
}

impl Upkeep {
    pub(super) fn new(settings: &Settings, now: Moment) -> Upkeep {
        Upkeep {
            settings: settings.clone(),
            leaps: Leaps::from(now),
            by_age: now.monotonic,
            by_size: Instant::now(),
        }
    }

    /// Takes note of the newest event of a file that was just opened.
    pub(super) fn opened(&mut self, newest: Option<i64>, now: Moment) {
        let days = i64::from(self.settings.days).saturating_mul(DAY);
        if newest.is_some_and(|newest| newest < now.wall.saturating_sub(days)) {
            self.put_off(now);
        }
    }

    /// Takes note of the clock; to be called often.
    pub(super) fn look(&mut self, now: Moment) {
        if self.leaps.noticed(now) {
            tracing::warn!("the clock was set ahead: old events stay in the log for another hour");
            self.put_off(now);
        }
    }

    /// Returns the round that is due.
    pub(super) fn due(
        &mut self,
        now: Moment,
        is_over_size: impl FnOnce() -> bool,
    ) -> Option<Retention> {
        let by_age = now.monotonic >= self.by_age;
        let rested = self.by_size.elapsed() >= SIZE_ROUND_EVERY;
        if !(by_age || (rested && is_over_size())) {
            return None;
        }
        self.by_size = Instant::now();
        if by_age {
            self.put_off(now);
        }
        Some(Retention::begin(&self.settings, now.wall, by_age))
    }

    fn put_off(&mut self, now: Moment) {
        self.by_age = now.monotonic.saturating_add(HOUR.unsigned_abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const START: i64 = 20_000 * DAY;

    fn is_due(upkeep: &mut Upkeep, clock: &Clock) -> bool {
        upkeep.look(clock.now());
        upkeep.due(clock.now(), || false).is_some()
    }

    fn started(newest: Option<i64>) -> (Upkeep, Clock) {
        let clock = Clock::manual(START);
        let mut upkeep = Upkeep::new(&Settings::default(), clock.now());
        upkeep.opened(newest, clock.now());
        (upkeep, clock)
    }

    #[test]
    fn a_round_by_age_comes_at_the_start_and_once_an_hour() {
        for newest in [None, Some(START - 29 * DAY), Some(START + DAY)] {
            let (mut upkeep, clock) = started(newest);
            assert!(is_due(&mut upkeep, &clock) && !is_due(&mut upkeep, &clock));
            clock.advance(HOUR.unsigned_abs() - 1);
            assert!(!is_due(&mut upkeep, &clock));
            clock.advance(1);
            assert!(is_due(&mut upkeep, &clock));
        }
    }

    #[test]
    fn a_log_that_would_go_whole_stays_for_an_hour() {
        let (mut upkeep, clock) = started(Some(START - 31 * DAY));
        assert!(!is_due(&mut upkeep, &clock));
        clock.advance(HOUR.unsigned_abs());
        assert!(is_due(&mut upkeep, &clock));
    }

    #[test]
    fn each_leap_of_the_clock_puts_off_what_goes_by_age() {
        let (mut upkeep, clock) = started(None);
        assert!(is_due(&mut upkeep, &clock));
        for days in [1, 400] {
            clock.advance(HOUR.unsigned_abs());
            clock.set_by(days * DAY);
            assert!(!is_due(&mut upkeep, &clock), "{days} days");
        }
        clock.set_by(-401 * DAY);
        clock.advance(HOUR.unsigned_abs());
        assert!(is_due(&mut upkeep, &clock), "back, which costs nothing");
    }
}
