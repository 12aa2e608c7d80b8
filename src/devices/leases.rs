//! Leases of all sources: who has an address, and until when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::Lease;
use crate::model::{HardwareAddress, Moment};

/// Most sources, and most leases of one.
const MAX_SOURCES: usize = 16;
const MAX_LEASES: usize = 65_536;

/// The longest that a lease is believed without being told anew: 30 days in microseconds.
const LONGEST: i64 = 30 * 86_400_000_000;

/// Microseconds after a start for which the leases of before are believed.
const REMEMBERED_FOR: u64 = 60_000_000;

/// Leases by source.
#[derive(Default)]
pub(super) struct Leases {
    sources: BTreeMap<String, HashMap<IpAddr, Held>>,
    /// From before a restart: they count until their source has spoken.
    remembered: HashMap<IpAddr, Held>,
    /// When the next one ends.
    next: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    hardware: HardwareAddress,
    /// The end by the wall clock, as it was told.
    until: Option<i64>,
    /// The end by the monotonic clock: a wall clock that is set ends no lease.
    ends: Option<u64>,
}

impl Leases {
    /// Takes all leases of one source; returns the addresses that changed hands.
    pub(super) fn take(&mut self, source: &str, leases: &[Lease], now: Moment) -> BTreeSet<IpAddr> {
        if !self.sources.contains_key(source) && self.sources.len() >= MAX_SOURCES {
            return BTreeSet::new();
        }
        let before = self.sources.remove(source).unwrap_or_default();
        let mut held = HashMap::new();
        for lease in leases.iter().take(MAX_LEASES) {
            let address = lease.address.to_canonical();
            let hardware = lease.hardware.filter(|hardware| hardware.is_one_device());
            let Some(hardware) = hardware else { continue };
            let same = |known: &&Held| known.hardware == hardware && known.until == lease.until;
            let known = before.get(&address).filter(same).copied();
            if let Some(lease) = known.or_else(|| Held::of(hardware, lease.until, now)) {
                held.insert(address, lease);
            }
        }
        let hands = |map: &HashMap<IpAddr, Held>, address| map.get(address).map(|h| h.hardware);
        let all = before.keys().chain(held.keys());
        let changed = all.filter(|address| hands(&before, address) != hands(&held, address));
        let changed = changed.copied().collect();
        self.sources.insert(source.into(), held);
        self.find_next();
        changed
    }

    /// Remembers a lease of before a restart.
    pub(super) fn remember(&mut self, address: IpAddr, hardware: HardwareAddress, now: u64) {
        let ends = Some(now.saturating_add(REMEMBERED_FOR));
        self.remembered.insert(address, Held { hardware, until: None, ends });
        self.find_next();
    }

    /// Ends what ran out; returns the addresses.
    pub(super) fn end(&mut self, now: u64) -> Vec<IpAddr> {
        let mut ended = Vec::new();
        if self.next.is_none_or(|next| next > now) {
            return ended;
        }
        for held in self.sources.values_mut().chain([&mut self.remembered]) {
            held.retain(|&address, lease| {
                let stays = lease.ends.is_none_or(|ends| ends > now);
                if !stays {
                    ended.push(address);
                }
                stays
            });
        }
        self.find_next();
        ended
    }

    fn find_next(&mut self) {
        let all = self.sources.values().chain([&self.remembered]).flat_map(HashMap::values);
        self.next = all.filter_map(|lease| lease.ends).min();
    }

    /// Returns who leased an address; nobody if sources contradict each other.
    pub(super) fn hardware_of(&self, address: IpAddr) -> Option<HardwareAddress> {
        let mut told = self.sources.values().filter_map(|held| held.get(&address));
        let Some(first) = told.next() else {
            return self.remembered.get(&address).map(|lease| lease.hardware);
        };
        told.all(|other| other.hardware == first.hardware).then_some(first.hardware)
    }
}

impl Held {
    /// Returns the lease with its end by the monotonic clock; `None` if it ended.
    fn of(hardware: HardwareAddress, until: Option<i64>, now: Moment) -> Option<Held> {
        let left = until.map(|until| until.saturating_mul(1_000_000).saturating_sub(now.wall));
        if left.is_some_and(|left| left <= 0) {
            return None;
        }
        let ends = left.map(|left| now.monotonic.saturating_add_signed(left.min(LONGEST)));
        Some(Held { hardware, until, ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: i64 = 1_700_000_000_000_000;

    fn at(seconds: u64, ahead: i64) -> Moment {
        let monotonic = seconds * 1_000_000;
        Moment { wall: WALL + ahead * 1_000_000 + monotonic as i64, monotonic }
    }

    fn lease(low: u8, hardware: u8, until: Option<i64>) -> Lease {
        Lease {
            address: [10, 0, 0, low].into(),
            hardware: Some(HardwareAddress([2, 0, 0, 0, 0, hardware])),
            host_name: None,
            until: until.map(|until| WALL / 1_000_000 + until),
        }
    }

    fn holder(leases: &Leases, low: u8) -> Option<u8> {
        leases.hardware_of([10, 0, 0, low].into()).map(|hardware| hardware.0[5])
    }

    #[test]
    fn a_lease_ends_in_its_time_and_a_clock_set_by_a_year_ends_none() {
        let mut leases = Leases::default();
        let told = [lease(1, 1, Some(3_600)), lease(2, 2, None), lease(3, 3, Some(-1))];
        leases.take("file", &told, at(0, 0));
        assert_eq!((holder(&leases, 1), holder(&leases, 3)), (Some(1), None));
        let year = 366 * 86_400;
        assert!(leases.take("file", &told, at(10, year)).is_empty());
        assert!(leases.end(at(10, year).monotonic).is_empty());
        assert_eq!(holder(&leases, 1), Some(1));
        assert_eq!(leases.end(3_600_000_000), [IpAddr::from([10, 0, 0, 1])]);
        assert_eq!((holder(&leases, 1), holder(&leases, 2)), (None, Some(2)));
    }

    #[test]
    fn sources_that_contradict_each_other_tell_nothing() {
        let mut leases = Leases::default();
        leases.take("one", &[lease(1, 1, None)], at(0, 0));
        assert_eq!(leases.take("two", &[lease(1, 2, None)], at(0, 0)).len(), 1);
        assert_eq!(holder(&leases, 1), None);
        leases.take("one", &[], at(0, 0));
        assert_eq!(holder(&leases, 1), Some(2));
    }

    #[test]
    fn what_was_leased_before_a_restart_counts_until_the_source_has_spoken() {
        let mut leases = Leases::default();
        leases.remember([10, 0, 0, 1].into(), HardwareAddress([2, 0, 0, 0, 0, 1]), 0);
        assert_eq!(holder(&leases, 1), Some(1));
        leases.take("file", &[lease(1, 2, None)], at(0, 0));
        assert_eq!(holder(&leases, 1), Some(2));
        leases.take("file", &[], at(0, 0));
        leases.end(REMEMBERED_FOR);
        assert_eq!(holder(&leases, 1), None);
    }
}
