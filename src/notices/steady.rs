//! Time that passed: it goes on over restarts, and no clock that is set moves it.

use super::DAY;
use crate::model::Moment;

/// Counts the microseconds since the first start.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    base: i64,
    from: u64,
}

impl Steady {
    /// Goes on from (time that had passed, wall clock then), as they were written last.
    ///
    /// What the wall clock says of the time between counts for a day at most: it may have been set.
    pub fn resume(stored: Option<(i64, i64)>, now: Moment) -> Steady {
        let base = stored.map_or(0, |(passed, wall)| {
            passed.max(0).saturating_add(now.wall.saturating_sub(wall).clamp(0, DAY))
        });
        Steady { base, from: now.monotonic }
    }

    /// Returns the time that has passed at `now`.
    pub fn at(&self, now: Moment) -> i64 {
        self.base.saturating_add_unsigned(now.monotonic.saturating_sub(self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_moves_it_by_a_day_at_most() {
        let at = |wall, monotonic| Moment { wall, monotonic };
        let steady = Steady::resume(None, at(1_000 * DAY, 7));
        assert_eq!(steady.at(at(9_000 * DAY, 12)), 5);
        assert_eq!(
            Steady::resume(Some((50, 1_000 * DAY)), at(1_000 * DAY + 9, 0)).at(at(0, 1)),
            60
        );
        let later = Steady::resume(Some((50, 1_000 * DAY)), at(1_400 * DAY, 0));
        assert_eq!(later.at(at(0, 0)), 50 + DAY);
        let before = Steady::resume(Some((50, 1_000 * DAY)), at(3 * DAY, 0));
        assert_eq!(before.at(at(0, 0)), 50);
    }
}
