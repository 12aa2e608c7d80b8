//! How long answers took of late, in buckets that grow with the time.

/// Buckets for each doubling of the time: a bucket is at most a quarter wide.
const PARTS: u64 = 4;
/// Doublings told apart, from four microseconds to 17 s.
const DOUBLINGS: u64 = 22;
const BUCKETS: usize = (DOUBLINGS * PARTS) as usize;
/// After so many answers each counts half: what is shown is of late.
const HALVED_AFTER: u32 = 2_048;

/// Times of answers.
pub(super) struct Latencies {
    buckets: [u32; BUCKETS],
    total: u32,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies { buckets: [0; BUCKETS], total: 0 }
    }
}

impl Latencies {
    /// Notes an answer that took so many microseconds.
    pub(super) fn note(&mut self, took: u64) {
        if self.total >= HALVED_AFTER {
            self.buckets.iter_mut().for_each(|count| *count /= 2);
            self.total = self.buckets.iter().sum();
        }
        if let Some(count) = self.buckets.get_mut(bucket(took)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Returns the times within which half of the answers came, and 95 of 100.
    pub(super) fn percentiles(&self) -> Option<(u64, u64)> {
        (self.total > 0).then(|| (self.within(50), self.within(95)))
    }

    /// Returns the time, to the upper end of its bucket, within which `percent` came.
    fn within(&self, percent: u32) -> u64 {
        let wanted = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        let reached = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        upper_end(reached.unwrap_or(BUCKETS - 1))
    }
}

/// Returns the bucket of a time: its highest bit, and the two bits behind that.
fn bucket(micros: u64) -> usize {
    let micros = micros.max(PARTS);
    let doubling = u64::from(micros.ilog2());
    let part = (micros >> (doubling - 2)) & (PARTS - 1);
    let bucket = (doubling - 2) * PARTS + part;
    bucket.min(BUCKETS as u64 - 1) as usize
}

/// Returns the longest time of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let (doubling, part) = (bucket as u64 / PARTS, bucket as u64 % PARTS);
    ((PARTS + part + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_its_bucket_which_is_a_quarter_wide_at_most() {
        for micros in [4, 5, 7, 8, 99, 1_000, 24_137, 999_999, 5_000_000] {
            let end = upper_end(bucket(micros));
            assert!(end >= micros && end - micros <= micros / 4, "{micros}: {end}");
        }
        assert_eq!(upper_end(bucket(0)), 4, "too short to tell");
        assert_eq!(bucket(u64::MAX), BUCKETS - 1, "too long to tell");
    }

    #[test]
    fn percentiles_follow_the_answers_of_late() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), None);
        for number in 0..100 {
            latencies.note(if number < 90 { 10_000 } else { 80_000 });
        }
        let (half, most) = latencies.percentiles().expect("answers");
        assert!((10_000..12_500).contains(&half) && (80_000..100_000).contains(&most));
        for _ in 0..20 * HALVED_AFTER {
            latencies.note(1_000);
        }
        let (_, most) = latencies.percentiles().expect("answers");
        assert!(most < 1_250, "{most}");
        assert!(latencies.total <= HALVED_AFTER);
    }
}
