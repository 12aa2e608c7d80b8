//! What is known of addresses now: the kernel's neighbours, leases, routers; all of it bounded.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::{By, Lease, Leases, Neighbour};
use crate::model::{HardwareAddress, Moment};

/// Most neighbours that are kept.
const MAX_NEIGHBOURS: usize = 65_536;

/// Where there is no room, lost neighbours are let go at once, but not more often than this.
const MAKE_ROOM_EVERY: u64 = 10_000_000;

/// Most addresses of one hardware address; the oldest go.
const MAX_PLACES: usize = 256;

/// Microseconds for which it is remembered who was at an address that the kernel lost.
const LOST_KEPT: u64 = 86_400_000_000;

/// Most routers that are kept.
const MAX_ROUTERS: usize = 64;

/// All that is known.
#[derive(Default)]
pub(super) struct Facts {
    neighbours: HashMap<IpAddr, Sighting>,
    /// The addresses of each hardware address, the latest last; lost ones too.
    places: HashMap<HardwareAddress, Vec<IpAddr>>,
    leases: Leases,
    routers: Vec<IpAddr>,
    /// When lost neighbours last made room, by the monotonic clock.
    made_room: Option<u64>,
}

/// Who was seen at an address.
#[derive(Clone, Copy)]
struct Sighting {
    hardware: HardwareAddress,
    interface: u32,
    /// When the kernel lost it, by the monotonic clock.
    lost: Option<u64>,
    /// Whether the kernel holds it for reachable.
    reachable: bool,
    /// When it was last told to be, or to be no more, by the monotonic clock.
    heard: Option<u64>,
    /// Who else has the same link-local address, on another link: an address does not tell which.
    rival: Option<(HardwareAddress, u32)>,
}

/// Whose an address is, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub hardware: HardwareAddress,
    pub by: By,
}

/// What news touched.
#[derive(Default)]
pub(super) struct Touched {
    /// Addresses that may have changed hands.
    pub addresses: BTreeSet<IpAddr>,
    /// Hardware whose addresses changed.
    pub hardware: BTreeSet<HardwareAddress>,
    /// Addresses that made room for newer ones of the same hardware.
    pub gone: Vec<IpAddr>,
    /// Addresses that went from one hardware address to another.
    pub flips: Vec<(IpAddr, [HardwareAddress; 2])>,
}

impl Facts {
    /// Takes one row of the kernel's tables.
    pub(super) fn see(&mut self, news: &Neighbour, now: u64, touched: &mut Touched) {
        let address = news.address.to_canonical();
        match news.hardware {
            Some(hardware) if hardware.is_one_device() => {
                if !self.has_room_for(address, now, touched) {
                    return;
                }
                self.find(address, hardware, news.interface, touched);
                self.hear(address, news.reachable, now);
            }
            Some(_) => {}
            None => self.lose(address, Some(news.interface), now, touched),
        }
    }

    /// Takes the tables whole: what is not in them is lost.
    pub(super) fn see_all(&mut self, all: &[Neighbour], now: u64, touched: &mut Touched) {
        let there: BTreeSet<IpAddr> = all
            .iter()
            .filter(|news| news.hardware.is_some())
            .map(|news| news.address.to_canonical())
            .collect();
        let absent = |address: &&IpAddr| !there.contains(address);
        let missing: Vec<IpAddr> = self.neighbours.keys().filter(absent).copied().collect();
        for address in missing {
            self.lose(address, None, now, touched);
        }
        self.forget_rivals(all, now, touched);
        for news in all {
            self.see(news, now, touched);
        }
    }

    /// Forgets who shared an address with another on another link: the tables tell it anew.
    fn forget_rivals(&mut self, all: &[Neighbour], now: u64, touched: &mut Touched) {
        let shared = self.neighbours.iter().filter(|(_, seen)| seen.rival.is_some());
        let shared: Vec<(IpAddr, u32)> =
            shared.map(|(&address, seen)| (address, seen.interface)).collect();
        for (address, interface) in shared {
            self.take_rival(address, None, touched);
            if !all.iter().any(|news| (news.address, news.interface) == (address, interface)) {
                self.lose(address, None, now, touched);
            }
        }
    }

    fn find(
        &mut self,
        address: IpAddr,
        hardware: HardwareAddress,
        interface: u32,
        touched: &mut Touched,
    ) {
        let before = self.neighbours.get(&address).copied();
        if let Some(before) = before
            && before.is_elsewhere(address, hardware, interface)
        {
            return self.take_rival(address, Some((hardware, interface)), touched);
        }
        let same = before.filter(|before| before.hardware == hardware);
        let heard = same.and_then(|before| before.heard);
        let reachable = same.is_some_and(|before| before.reachable);
        let rival = before.and_then(|before| before.rival);
        let rival = rival.filter(|rival| rival.0 != hardware && rival.1 != interface);
        let sighting = Sighting { hardware, interface, lost: None, reachable, heard, rival };
        self.neighbours.insert(address, sighting);
        if before.and_then(|before| before.rival) != rival {
            touched.addresses.insert(address);
            touched.hardware.insert(hardware);
        }
        if before.is_some_and(|before| before.hardware == hardware && before.lost.is_none()) {
            return;
        }
        touched.addresses.insert(address);
        touched.hardware.insert(hardware);
        if let Some(before) = before.filter(|before| before.hardware != hardware) {
            self.leave(before.hardware, address);
            touched.hardware.insert(before.hardware);
            touched.flips.push((address, [before.hardware, hardware]));
        }
        self.enter(hardware, address, touched);
    }

    /// Returns whether an address may be kept; those that the kernel lost make room.
    fn has_room_for(&mut self, address: IpAddr, now: u64, touched: &mut Touched) -> bool {
        let is_full = |facts: &Facts| facts.neighbours.len() >= MAX_NEIGHBOURS;
        if self.neighbours.contains_key(&address) || !is_full(self) {
            return true;
        }
        if self.made_room.is_none_or(|last| now.saturating_sub(last) >= MAKE_ROOM_EVERY) {
            self.made_room = Some(now);
            self.forget_lost_before(u64::MAX, touched);
        }
        !is_full(self)
    }

    /// Notes whether the kernel holds an address for reachable.
    fn hear(&mut self, address: IpAddr, reachable: bool, now: u64) {
        let Some(seen) = self.neighbours.get_mut(&address) else { return };
        if std::mem::replace(&mut seen.reachable, reachable) || reachable {
            seen.heard = Some(now);
        }
    }

    /// Returns whether the kernel held an address for reachable after `since`.
    pub(super) fn was_reachable(&self, address: IpAddr, since: u64) -> bool {
        let seen = self.neighbours.get(&address).filter(|seen| seen.lost.is_none());
        seen.is_some_and(|seen| seen.reachable || seen.heard.is_some_and(|heard| heard >= since))
    }

    fn enter(&mut self, hardware: HardwareAddress, address: IpAddr, touched: &mut Touched) {
        let neighbours = &self.neighbours;
        let places = self.places.entry(hardware).or_default();
        places.retain(|place| *place != address);
        places.push(address);
        if places.len() > MAX_PLACES {
            let is_lost =
                |place: &IpAddr| neighbours.get(place).is_none_or(|seen| seen.lost.is_some());
            let oldest = places.remove(places.iter().position(is_lost).unwrap_or(0));
            self.neighbours.remove(&oldest);
            touched.gone.push(oldest);
            touched.addresses.insert(oldest);
        }
    }

    fn leave(&mut self, hardware: HardwareAddress, address: IpAddr) {
        if let Some(places) = self.places.get_mut(&hardware) {
            places.retain(|place| *place != address);
            if places.is_empty() {
                self.places.remove(&hardware);
            }
        }
    }

    /// Notes who else has an address on another link, or that nobody has any more.
    fn take_rival(
        &mut self,
        address: IpAddr,
        rival: Option<(HardwareAddress, u32)>,
        touched: &mut Touched,
    ) {
        let Some(seen) = self.neighbours.get_mut(&address) else { return };
        if std::mem::replace(&mut seen.rival, rival) != rival {
            touched.addresses.insert(address);
            touched.hardware.insert(seen.hardware);
        }
    }

    /// Notes that the kernel lost an address, on the interface where it was seen.
    fn lose(&mut self, address: IpAddr, on: Option<u32>, now: u64, touched: &mut Touched) {
        let Some(seen) = self.neighbours.get(&address).copied() else { return };
        match seen.rival.filter(|_| seen.lost.is_none()) {
            Some((_, interface)) if on == Some(interface) => {
                return self.take_rival(address, None, touched);
            }
            Some((hardware, interface)) if on == Some(seen.interface) => {
                self.lose(address, None, now, touched);
                return self.find(address, hardware, interface, touched);
            }
            _ => {}
        }
        let Some(seen) = self.neighbours.get_mut(&address) else { return };
        if seen.lost.is_none() && on.is_none_or(|on| on == seen.interface) {
            (seen.lost, seen.reachable, seen.rival) = (Some(now), false, None);
            touched.addresses.insert(address);
            touched.hardware.insert(seen.hardware);
        }
    }

    /// Remembers who was last seen at an address, from before a restart.
    pub(super) fn remember(&mut self, address: IpAddr, hardware: HardwareAddress, now: u64) {
        if self.neighbours.contains_key(&address) || self.neighbours.len() >= MAX_NEIGHBOURS {
            return;
        }
        let (lost, reachable, heard, rival) = (Some(now), false, None, None);
        self.neighbours
            .insert(address, Sighting { hardware, interface: 0, lost, reachable, heard, rival });
        self.enter(hardware, address, &mut Touched::default());
    }

    /// Remembers who leased an address, from before a restart.
    pub(super) fn remember_lease(&mut self, address: IpAddr, hardware: HardwareAddress, now: u64) {
        self.leases.remember(address, hardware, now);
    }

    /// Takes all leases of one source.
    pub(super) fn take_leases(
        &mut self,
        source: &str,
        leases: &[Lease],
        now: Moment,
        touched: &mut Touched,
    ) {
        touched.addresses.extend(self.leases.take(source, leases, now));
    }

    /// Ends leases that ran out.
    pub(super) fn end_leases(&mut self, now: u64, touched: &mut Touched) {
        touched.addresses.extend(self.leases.end(now));
    }

    /// Forgets who was where long ago.
    pub(super) fn forget_lost(&mut self, now: u64, touched: &mut Touched) {
        self.forget_lost_before(now.saturating_sub(LOST_KEPT), touched);
    }

    fn forget_lost_before(&mut self, then: u64, touched: &mut Touched) {
        let lost = |seen: &Sighting| seen.lost.is_some_and(|lost| lost < then);
        let old = self.neighbours.iter().filter(|(_, seen)| lost(seen));
        let old: Vec<(IpAddr, HardwareAddress)> =
            old.map(|(&address, seen)| (address, seen.hardware)).collect();
        for (address, hardware) in old {
            self.neighbours.remove(&address);
            self.leave(hardware, address);
            touched.addresses.insert(address);
            touched.hardware.insert(hardware);
        }
    }

    /// Returns the hardware at an address: by the kernel, then by a lease.
    pub(super) fn hardware_of(&self, address: IpAddr) -> Option<Known> {
        let seen = self.neighbours.get(&address).filter(|seen| seen.is_live());
        let seen = seen.map(|s| Known { hardware: s.hardware, by: By::Kernel(s.interface) });
        let leased = || self.leases.hardware_of(address);
        seen.or_else(|| leased().map(|hardware| Known { hardware, by: By::Lease }))
    }

    /// Returns where some hardware was last seen, lost addresses too, the latest last.
    pub(super) fn places_of(&self, hardware: HardwareAddress) -> &[IpAddr] {
        self.places.get(&hardware).map_or(&[], Vec::as_slice)
    }

    /// Returns the addresses that some hardware is at and that say who it is.
    ///
    /// None of hardware at several IPv4 addresses. A lost IPv4 address counts while there is no
    /// other: a device asleep is still at home.
    pub(super) fn homes_of(&self, hardware: HardwareAddress) -> Vec<IpAddr> {
        let places = self.places_of(hardware);
        let mut live4 = places.iter().filter(|place| place.is_ipv4() && self.is_live(**place));
        let home4 = match (live4.next(), live4.next()) {
            (Some(_), Some(_)) => return Vec::new(),
            (Some(only), None) => Some(only),
            (None, _) => places.iter().rev().find(|place| place.is_ipv4()),
        };
        let homes6 = places.iter().filter(|place| place.is_ipv6() && self.is_live(**place));
        homes6.chain(home4).copied().collect()
    }

    /// Returns whether some hardware is at several IPv4 addresses at once.
    pub(super) fn is_shared(&self, hardware: HardwareAddress) -> bool {
        let places = self.places_of(hardware).iter();
        places.filter(|place| place.is_ipv4() && self.is_live(**place)).count() > 1
    }

    fn is_live(&self, address: IpAddr) -> bool {
        self.neighbours.get(&address).is_some_and(Sighting::is_live)
    }

    /// Returns all hardware with the addresses where it was seen.
    pub(super) fn all_places(&self) -> impl Iterator<Item = (HardwareAddress, &[IpAddr])> {
        self.places.iter().map(|(hardware, places)| (*hardware, places.as_slice()))
    }

    /// Takes the addresses of our routers.
    pub(super) fn take_routers(&mut self, routers: &[IpAddr]) {
        self.routers = routers.iter().take(MAX_ROUTERS).map(IpAddr::to_canonical).collect();
    }

    /// Returns the addresses of our routers.
    pub(super) fn routers(&self) -> &[IpAddr] {
        &self.routers
    }

    /// Returns whether some hardware is that of a router.
    pub(super) fn is_router(&self, hardware: HardwareAddress) -> bool {
        let at = |router| self.neighbours.get(router).map(|seen| seen.hardware);
        self.routers.iter().any(|router| at(router) == Some(hardware))
    }

    /// Returns how many addresses are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.neighbours.len()
    }
}

impl Sighting {
    /// Returns whether it tells who is at the address now.
    fn is_live(&self) -> bool {
        self.lost.is_none() && self.rival.is_none()
    }

    /// Returns whether a row is about another host on another link, where the same link-local
    /// address may be somebody else's.
    fn is_elsewhere(&self, address: IpAddr, hardware: HardwareAddress, interface: u32) -> bool {
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let other = self.hardware != hardware && self.interface != interface;
        link_local && other && self.lost.is_none()
    }
}
