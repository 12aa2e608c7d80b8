//! One reading of the clocks.

/// A moment on both clocks, read once and handed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Microseconds since 1970, UTC; jumps when the clock is set.
    pub wall: i64,
    /// Microseconds since some fixed moment; never goes back.
    pub monotonic: u64,
}

impl Moment {
    /// Returns whole seconds since 1970.
    pub fn unix_seconds(self) -> i64 {
        self.wall.div_euclid(1_000_000)
    }
}
