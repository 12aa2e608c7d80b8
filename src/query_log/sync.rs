//! When a commit must reach the disk: at the latest a second after the event came in.

use std::time::{Duration, Instant};

/// How often rings are drained and a transaction is written.
pub(super) const DRAIN_EVERY: Duration = Duration::from_millis(250);

/// The age of the oldest commit not yet synced at which the next one syncs.
///
/// With the wait before the drain and one drain's grain it makes a second.
const SYNC_AFTER: Duration = Duration::from_millis(500);

/// Since when there is something written that a power cut would take.
#[derive(Default)]
pub(super) struct Sync {
    unsynced_since: Option<Instant>,
}

impl Sync {
    /// Returns whether the next commit must sync, even if there is nothing new to write.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.unsynced_since.is_some_and(|since| now.duration_since(since) >= SYNC_AFTER)
    }

    /// Notes a commit.
    pub(super) fn committed(&mut self, synced: bool, now: Instant) {
        self.unsynced_since = if synced { None } else { self.unsynced_since.or(Some(now)) };
    }

    /// Returns whether all that was written is on the disk.
    pub(super) fn is_settled(&self) -> bool {
        self.unsynced_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Events come at any time; each is drained at the next tick, and committed then.
        #[test]
        fn every_event_is_on_the_disk_within_a_second(
            events in proptest::collection::btree_set(0..10_000_u64, 0..40),
        ) {
            let start = Instant::now();
            let (mut sync, mut waiting, mut syncs) = (Sync::default(), Vec::<u64>::new(), 0);
            for tick in (250..=12_000).step_by(250) {
                let now = start + Duration::from_millis(tick);
                let drained = events.range(tick - 250..tick);
                let any = drained.clone().next().is_some();
                waiting.extend(drained);
                let due = sync.is_due(now);
                if any || due {
                    sync.committed(due, now);
                }
                if due {
                    syncs += 1;
                    for at in waiting.drain(..) {
                        prop_assert!(tick - at <= 1_000, "event at {at} synced at {tick}");
                    }
                }
            }
            prop_assert!(waiting.is_empty() && sync.is_settled());
            prop_assert!(syncs <= 14, "at most one in 750 ms");
        }
    }
}
