//! What happened that a person may want to know; bounded, and not told over and over.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::{Asker, By, DeviceRow, Happening, Part, Register, Seat, Subject, Under};
use crate::model::{DeviceId, DeviceName, HardwareAddress, Moment};

/// Most happenings that wait to be fetched; the oldest go.
const MAX_WAITING: usize = 256;

/// Most addresses and subjects that are remembered.
const MAX_REMEMBERED: usize = 4_096;

/// Within this time an address that goes forth and back is contested.
const BACK_WITHIN: u64 = 60_000_000;

/// For this long a contested address vouches for nobody.
const UNSURE_FOR: u64 = 600_000_000;

/// The same is told once in a day.
const TOLD_AGAIN: u64 = 86_400_000_000;

/// From so many IPv4 addresses on that asked lately, one hardware address stands for several hosts.
const SHARED_FROM: usize = 3;

/// What asked within this time asked lately, and what did not is silent.
const LATELY: i64 = 600_000_000;

/// A new device is compared with silent ones while it is not older than this.
const YOUNG: i64 = 86_400_000_000;

/// Microseconds between two rounds.
const ROUND: u64 = 60_000_000;

/// What happened, and what is kept to see it.
#[derive(Default)]
pub(super) struct Watch {
    waiting: VecDeque<Happening>,
    flips: HashMap<IpAddr, Flip>,
    told: HashMap<Told, u64>,
    round: u64,
}

#[derive(Clone, Copy)]
struct Flip {
    hands: [HardwareAddress; 2],
    at: u64,
    contested: bool,
}

/// What is told once in a day.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Told {
    Fell(DeviceId),
    Shared(HardwareAddress),
    Contested(IpAddr),
}

impl Watch {
    /// Returns what happened since the last call.
    pub(super) fn take(&mut self) -> Vec<Happening> {
        self.waiting.drain(..).collect()
    }

    fn tell(&mut self, happening: Happening) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(happening);
    }

    fn tell_once(&mut self, subject: Told, happening: Happening, now: u64) {
        let fresh = |told: &u64| now.saturating_sub(*told) < TOLD_AGAIN;
        if self.told.get(&subject).is_some_and(fresh) {
            return;
        }
        if self.told.len() >= MAX_REMEMBERED {
            self.told.retain(|_, told| fresh(told));
        }
        if self.told.len() < MAX_REMEMBERED {
            self.told.insert(subject, now);
            self.tell(happening);
        }
    }

    /// Notes that an address went from one hardware address to another.
    pub(super) fn flipped(&mut self, address: IpAddr, hands: [HardwareAddress; 2], now: u64) {
        let [from, to] = hands;
        let before = self.flips.get(&address).copied();
        let back = before.is_some_and(|before| {
            before.hands == [to, from] && now.saturating_sub(before.at) <= BACK_WITHIN
        });
        if before.is_none() && self.flips.len() >= MAX_REMEMBERED {
            self.flips.retain(|_, flip| now.saturating_sub(flip.at) < UNSURE_FOR);
        }
        if before.is_some() || self.flips.len() < MAX_REMEMBERED {
            self.flips.insert(address, Flip { hands, at: now, contested: back });
        }
        if back {
            let hardware = [from.min(to), from.max(to)];
            let happening = Happening::Contested { address, hardware };
            self.tell_once(Told::Contested(address), happening, now);
        }
    }

    /// Returns whether several claimed an address lately.
    pub(super) fn is_contested(&self, address: IpAddr, now: u64) -> bool {
        let lately = |flip: &&Flip| flip.contested && now.saturating_sub(flip.at) < UNSURE_FOR;
        self.flips.get(&address).filter(lately).is_some()
    }
}

impl Register {
    /// Tells of a beginning: a new device, or one that falls to the default policy.
    pub(super) fn note_beginning(
        &mut self,
        asker: Asker,
        before: Option<Seat>,
        new: bool,
        now: u64,
    ) {
        let Some(seat) = self.seats.get(&asker).copied() else { return };
        if seat.owner.device.is_some() {
            return;
        }
        let was = before.and_then(|before| was_under(&before, &seat));
        let was = was.or_else(|| self.was_elsewhere(asker, &seat));
        if let Some((was, address)) = was.and_then(|was| self.name_of(was)).zip(address_of(asker)) {
            let device = seat.part;
            let fell = Happening::FellToDefault { device, was, address };
            return self.watch.tell_once(Told::Fell(device), fell, now);
        }
        let alone = |before: Seat| before.owner.evidence.by == By::Alone;
        if new && !before.is_some_and(alone) {
            self.watch.tell(Happening::New(seat.part));
        }
    }

    /// Returns the device that the same hardware was under at another address, by that address.
    fn was_elsewhere(&self, asker: Asker, seat: &Seat) -> Option<DeviceId> {
        let hardware = seat.owner.evidence.hardware?;
        let places = self.facts.places_of(hardware).iter();
        let others = places.map(|place| Asker::Address(*place)).filter(|place| *place != asker);
        others.filter_map(|place| self.seats.get(&place)).find_map(|other| {
            let same = other.owner.evidence.hardware == Some(hardware);
            match other.owner.under {
                Under::Device(device) if same => Some(device),
                _ => None,
            }
        })
    }

    /// Returns a device's name while the policy names it.
    fn name_of(&self, device: DeviceId) -> Option<DeviceName> {
        match &self.devices.get(&device)?.subject {
            Subject::Named(name) => DeviceName::parse(name).ok(),
            _ => None,
        }
    }

    /// Looks once a minute for what only shows over time.
    pub(super) fn look_around(&mut self, now: Moment) {
        if now.monotonic.saturating_sub(self.watch.round) < ROUND {
            return;
        }
        self.watch.round = now.monotonic;
        for (hardware, addresses) in self.shared_hardware(now.wall) {
            let happening = Happening::SharedHardware { hardware, addresses };
            self.watch.tell_once(Told::Shared(hardware), happening, now.monotonic);
        }
        for (device, was, address) in self.new_hardware(now.wall) {
            let fell = Happening::FellToDefault { device, was, address };
            self.watch.tell_once(Told::Fell(device), fell, now.monotonic);
        }
    }

    /// Returns hardware from which several IPv4 addresses asked lately, with how many.
    fn shared_hardware(&self, now: i64) -> Vec<(HardwareAddress, usize)> {
        let asked = |place: &&IpAddr| {
            let seat = self.seats.get(&Asker::Address(**place));
            let row = seat.and_then(|seat| self.bindings.get(&seat.id));
            row.is_some_and(|row| now.saturating_sub(row.last) < LATELY)
        };
        let all = self.facts.all_places().filter(|(_, places)| places.len() >= SHARED_FROM);
        let counted = all.map(|(hardware, places)| {
            (hardware, places.iter().filter(|place| place.is_ipv4()).filter(asked).count())
        });
        counted
            .filter(|(hardware, count)| *count >= SHARED_FROM && !self.facts.is_router(*hardware))
            .collect()
    }

    /// Returns young devices that nobody named and that call themselves as a named one that has
    /// been silent since they came: a phone with a new private address.
    fn new_hardware(&self, now: i64) -> Vec<(DeviceId, DeviceName, IpAddr)> {
        let mut silent: HashMap<String, (DeviceId, i64)> = HashMap::new();
        for (&part, &id) in &self.parts {
            let device = self.named_device_of(part);
            let (Some(device), Some(row)) = (device, self.devices.get(&id)) else { continue };
            for name in self.hints.names_of(part) {
                let known = silent.entry(name).or_insert((device, row.last_seen));
                known.1 = known.1.max(row.last_seen);
            }
        }
        let fell = |(part, id): (&Part, &DeviceId)| {
            let row: &DeviceRow = self.devices.get(id)?;
            let young = now.saturating_sub(row.first_seen) < YOUNG;
            let since = row.last_seen.saturating_sub(row.first_seen) >= LATELY / 2;
            let Part::Hardware(hardware) = *part else { return None };
            if !young || !since || self.named_device_of(*part).is_some() {
                return None;
            }
            let names = self.hints.names_of(*part);
            let (was, last) = names.iter().find_map(|name| silent.get(name))?;
            let address = *self.facts.places_of(hardware).last()?;
            (*last < row.first_seen).then_some((*id, self.name_of(*was)?, address))
        };
        self.parts.iter().filter_map(fell).collect()
    }
}

/// Returns the device that an asker was under before, if it may be the same thing.
fn was_under(before: &Seat, now: &Seat) -> Option<DeviceId> {
    let (one, two) = (before.owner.evidence.hardware, now.owner.evidence.hardware);
    before.owner.device.filter(|_| two.is_none() || one == two)
}

fn address_of(asker: Asker) -> Option<IpAddr> {
    asker.address().or(asker.forwarder())
}
