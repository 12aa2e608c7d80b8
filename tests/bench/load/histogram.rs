//! How long answers took, in buckets 3 % wide.

use std::time::Duration;

/// Bits of a duration below its highest one that tell buckets apart.
const FINE: u32 = 5;
const BUCKETS: usize = 64 << FINE;

/// Counts of durations.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    most: Duration,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], most: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts a duration.
    pub fn add(&mut self, took: Duration) {
        let nanoseconds = took.as_nanos().clamp(1, u128::from(u64::MAX)) as u64;
        if let Some(count) = self.counts.get_mut(bucket(nanoseconds)) {
            *count += 1;
        }
        self.most = self.most.max(took);
    }

    /// Returns the duration that so large a part does not exceed: 0.99 for p99.
    pub fn quantile(&self, part: f64) -> Duration {
        let all: u64 = self.counts.iter().sum();
        let wanted = (all as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (number, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return Duration::from_nanos(upper_bound(number)).min(self.most);
            }
        }
        self.most
    }

    /// Returns the longest.
    pub fn most(&self) -> Duration {
        self.most
    }
}

fn bucket(value: u64) -> usize {
    let high = 63 - value.leading_zeros();
    if high <= FINE {
        return value as usize;
    }
    let shift = high - FINE;
    (((shift + 1) as usize) << FINE) + ((value >> shift) as usize - (1 << FINE))
}

fn upper_bound(bucket: usize) -> u64 {
    let (group, within) = (bucket >> FINE, (bucket & ((1 << FINE) - 1)) as u64);
    match group.checked_sub(1) {
        None => within,
        Some(shift) => ((within + (1 << FINE) + 1) << shift) - 1,
    }
}
