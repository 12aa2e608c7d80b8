//! What news of addresses changes in the register: whose binding goes on, sleeps or ends.

use std::net::IpAddr;

use super::{Asker, Claim, Hint, Lease, Neighbour, Part, Register, Touched};
use crate::model::Moment;

impl Register {
    /// Takes news of the kernel's neighbour tables, `all` of them or some.
    pub(super) fn take_neighbours(&mut self, news: &[Neighbour], all: bool, now: Moment) {
        let mut touched = Touched::default();
        if all {
            self.facts.see_all(news, now.monotonic, &mut touched);
        } else {
            for one in news {
                self.facts.see(one, now.monotonic, &mut touched);
            }
        }
        self.take_touched(touched, now);
    }

    pub(super) fn take_leases(&mut self, source: &str, leases: &[Lease], now: Moment) {
        let mut touched = Touched::default();
        self.facts.take_leases(source, leases, now, &mut touched);
        self.take_touched(touched, now);
    }

    /// Does what the passing of time asks for.
    pub(super) fn pass_time(&mut self, now: Moment) {
        self.end_leases(now);
        self.retire(now);
        self.look_around(now);
    }

    /// Takes hints on who is at an address now: on its hardware, where that is known.
    pub(super) fn take_hints(&mut self, hints: &[Hint]) {
        for hint in hints {
            let address = hint.address.to_canonical();
            let known = self.facts.hardware_of(address);
            let part = known.map_or(Part::Address(address), |known| Part::Hardware(known.hardware));
            let asked = |part| self.parts.contains_key(&part);
            self.hints.take(part, hint.source, &hint.text, asked);
        }
    }

    /// Forgets who was where long ago, and whoever was bound by that.
    pub(super) fn forget_lost(&mut self, now: Moment) {
        let mut touched = Touched::default();
        self.facts.forget_lost(now.monotonic, &mut touched);
        self.take_touched(touched, now);
    }

    fn end_leases(&mut self, now: Moment) {
        let mut touched = Touched::default();
        self.facts.end_leases(now.monotonic, &mut touched);
        self.take_touched(touched, now);
    }

    fn take_touched(&mut self, touched: Touched, now: Moment) {
        for address in touched.gone {
            self.vacate(Asker::Address(address), now.wall);
        }
        for (address, hands) in touched.flips {
            self.watch.flipped(address, hands, now.monotonic);
        }
        // What asks from the same hardware may be bound by one another's address.
        let telling =
            |address: &IpAddr| address.is_ipv4() || self.named.of_address(*address).is_some();
        if touched.addresses.iter().any(telling) {
            let same =
                touched.hardware.iter().filter_map(|hardware| self.by_hardware.get(hardware));
            let same: Vec<Asker> = same.flatten().copied().collect();
            for asker in same {
                self.review(asker, now.wall);
            }
        }
        for address in touched.addresses {
            self.review(Asker::Address(address), now.wall);
            let claim = Claim::Address(address);
            for forwarder in self.claims.get(&claim).cloned().unwrap_or_default() {
                self.review(Asker::Claimed(forwarder, claim), now.wall);
            }
        }
    }
}
