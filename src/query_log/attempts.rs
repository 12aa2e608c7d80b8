//! Attempts: the first query of a device for a name opens one, which takes in the next 10 s.

use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::model::{DeviceId, NameRef, QuickHash};

/// How long an attempt takes in further queries, in microseconds.
const WINDOW: i64 = 10_000_000;

/// A query this much older than the latest means that the clock was set back.
const SET_BACK: i64 = 60_000_000;

/// Most attempts that are open at once; past it each query counts as one.
const MAX_OPEN: usize = 262_144;

/// The attempts that are open: device and name to the time of the opening query.
///
/// Names are kept as keyed hashes of 64 bits: what nobody can make collide takes no more room.
#[derive(Default)]
pub(super) struct Attempts {
    opened: HashMap<(DeviceId, u64), i64, QuickHash>,
    hash: QuickHash,
    latest: i64,
    swept: i64,
}

impl Attempts {
    /// Returns whether this query opens an attempt. Queries may come a little out of order.
    pub(super) fn opens(&mut self, device: DeviceId, name: NameRef<'_>, at: i64) -> bool {
        self.note_time(at);
        let key = (device, self.hash.hash_one(name.wire()));
        let full = self.opened.len() >= MAX_OPEN;
        match self.opened.get_mut(&key) {
            Some(opened) if (*opened - WINDOW..*opened + WINDOW).contains(&at) => {
                *opened = at.min(*opened);
                false
            }
            Some(opened) => {
                *opened = at;
                true
            }
            None if full => true,
            None => {
                self.opened.insert(key, at);
                true
            }
        }
    }

    /// Forgets what a device opened.
    pub(super) fn forget(&mut self, device: DeviceId) {
        self.opened.retain(|(owner, _), _| *owner != device);
    }

    fn note_time(&mut self, at: i64) {
        if self.latest - at > SET_BACK {
            (self.latest, self.swept) = (at, 0);
        }
        self.latest = self.latest.max(at);
        let passed = self.latest - self.swept;
        if passed >= WINDOW || (self.opened.len() >= MAX_OPEN && passed >= WINDOW / 10) {
            self.swept = self.latest;
            // Twice the window, for queries that come late.
            let latest = self.latest;
            self.opened.retain(|_, opened| (latest - *opened).abs() < 2 * WINDOW);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::DomainName;

    const TV: DeviceId = DeviceId(1);

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    #[test]
    fn the_window_is_anchored_at_the_opening_query() {
        let (mut attempts, tracker) = (Attempts::default(), name("t.example"));
        let opened: Vec<i64> = [0, 6_000_000, 9_999_999, 10_000_000, 15_000_000, 20_000_000]
            .into_iter()
            .filter(|&at| attempts.opens(TV, tracker.as_ref(), at))
            .collect();
        assert_eq!(opened, [0, 10_000_000, 20_000_000]);
    }

    #[test]
    fn devices_and_names_have_windows_of_their_own() {
        let (mut attempts, one, two) = (Attempts::default(), name("a.example"), name("b.example"));
        assert!(attempts.opens(TV, one.as_ref(), 0));
        assert!(attempts.opens(TV, two.as_ref(), 1));
        assert!(attempts.opens(DeviceId(2), one.as_ref(), 2));
        attempts.forget(TV);
        assert!(attempts.opens(TV, one.as_ref(), 3));
        assert!(!attempts.opens(DeviceId(2), one.as_ref(), 4));
    }

    #[test]
    fn a_late_query_belongs_to_the_attempt_that_it_should_have_opened() {
        let (mut attempts, tracker) = (Attempts::default(), name("t.example"));
        assert!(attempts.opens(TV, tracker.as_ref(), 5_000_000));
        assert!(!attempts.opens(TV, tracker.as_ref(), 4_000_000));
        assert!(attempts.opens(TV, tracker.as_ref(), 14_000_000));
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_counted() {
        let mut attempts = Attempts::default();
        for number in 0..MAX_OPEN + 1_000 {
            assert!(attempts.opens(TV, name(&format!("n{number}.example")).as_ref(), 1));
        }
        assert!(attempts.opened.len() <= MAX_OPEN);
        assert!(attempts.opens(TV, name("later.example").as_ref(), 30_000_000));
        assert_eq!(attempts.opened.len(), 1, "the old ones are swept");
    }

    #[test]
    fn a_clock_that_was_wrong_does_no_lasting_harm() {
        let (mut attempts, tracker) = (Attempts::default(), name("t.example"));
        assert!(attempts.opens(TV, tracker.as_ref(), 4_000_000_000_000_000));
        assert!(attempts.opens(TV, tracker.as_ref(), 1_700_000_000_000_000));
        assert!(!attempts.opens(TV, tracker.as_ref(), 1_700_000_005_000_000));
        assert!(attempts.opens(TV, tracker.as_ref(), 1_700_000_040_000_000));
    }

    proptest! {
        /// The naive twin keeps every query and looks for the opening one.
        #[test]
        fn counts_equal_a_naive_twin(
            mut queries in proptest::collection::vec((0..60_000_000_i64, 0..3_u8), 0..100),
        ) {
            queries.sort_unstable();
            let (mut attempts, mut opened) = (Attempts::default(), Vec::<(i64, u8)>::new());
            for &(at, which) in &queries {
                let covered = opened.iter().any(|&(o, w)| w == which && at - o < WINDOW);
                if !covered {
                    opened.push((at, which));
                }
                let opens = attempts.opens(TV, name(&format!("n{which}.example")).as_ref(), at);
                prop_assert_eq!(opens, !covered);
            }
        }
    }
}
