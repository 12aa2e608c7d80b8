//! All devices and bindings, in memory: who asked, who is bound to whom.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{
    Asker, Binding, By, Claim, Entry, Evidence, Facts, Hints, MAX_ADMITTED, Named, Owner, Part,
    Stored, Under, Unwritten, Watch, owner_of,
};
use crate::clock::Leaps;
use crate::model::{BindingId, DeviceId, Grade, HardwareAddress, Moment};

/// Most askers at once on the word of forwarders.
const MAX_CLAIMED: usize = 16_384;

/// Most of them with one hardware address: all are looked at again when it is seen elsewhere.
const MAX_CLAIMED_OF_ONE: usize = 1_024;

/// Microseconds between two publications while addresses are admitted.
pub(super) const PUBLISH_EVERY: u64 = 20_000;

/// What a device's number stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A device that the policy names.
    Named(String),
    /// A device that the policy named once; the log refers to it.
    Released(String),
    /// A part.
    Part(Part),
}

/// A device or part as it is stored.
#[derive(Clone, Debug)]
pub(super) struct DeviceRow {
    pub(super) subject: Subject,
    /// What the policy names it by, or named it by last.
    pub(super) entry: Entry,
    /// Whether its whole entry went to another device when its name went.
    pub(super) merged: bool,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    /// The `last_seen` in `state.db`; `None` while the device is not there.
    pub(super) stored: Option<i64>,
}

/// A binding as it is stored.
#[derive(Clone, Debug)]
pub(super) struct BindingRow {
    pub(super) part: DeviceId,
    /// Who asks; `None`: all that there is no room for.
    pub(super) asker: Option<Asker>,
    pub(super) evidence: Evidence,
    pub(super) began: i64,
    pub(super) ended: Option<i64>,
    pub(super) last: i64,
    pub(super) queries: u32,
    pub(super) stored: bool,
}

/// The latest binding of an asker.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    pub(super) id: BindingId,
    pub(super) part: DeviceId,
    pub(super) owner: Owner,
    pub(super) state: State,
}

/// Whether queries may be held to be a binding's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// They are: it is published.
    InForce,
    /// What told the hardware address is gone: the next query decides whether it goes on.
    Asleep,
    /// It ended; kept to know who it was.
    Ended,
}

/// All devices and bindings.
pub(super) struct Register {
    pub(super) devices: HashMap<DeviceId, DeviceRow>,
    pub(super) parts: HashMap<Part, DeviceId>,
    pub(super) bindings: HashMap<BindingId, BindingRow>,
    pub(super) seats: HashMap<Asker, Seat>,
    /// Who asks from each hardware address, as far as it is known.
    pub(super) by_hardware: HashMap<HardwareAddress, HashSet<Asker>>,
    /// The forwarders that made each claim.
    pub(super) claims: HashMap<Claim, Vec<IpAddr>>,
    /// Bindings of those for whom there is no room, by part.
    pub(super) shared: HashMap<DeviceId, BindingId>,
    pub(super) facts: Facts,
    pub(super) named: Named,
    pub(super) hints: Hints,
    pub(super) watch: Watch,
    pub(super) unwritten: Unwritten,
    pub(super) next_number: u32,
    /// Askers whose published binding is out of date.
    dirty: HashSet<Asker>,
    published: Option<u64>,
    pub(super) retired: u64,
    pub(super) leaps: Leaps,
}

impl Register {
    pub(super) fn of(stored: Stored, now: Moment) -> Register {
        let mut register = Register {
            devices: stored.devices,
            parts: HashMap::new(),
            bindings: stored.bindings,
            seats: HashMap::new(),
            by_hardware: HashMap::new(),
            claims: HashMap::new(),
            shared: HashMap::new(),
            facts: Facts::default(),
            named: Named::default(),
            hints: Hints::of(stored.hints),
            watch: Watch::default(),
            unwritten: Unwritten::from(stored.next_number),
            next_number: stored.next_number,
            dirty: HashSet::new(),
            published: None,
            retired: now.monotonic,
            leaps: Leaps::from(now),
        };
        for (&id, row) in &register.devices {
            if let Subject::Part(part) = row.subject {
                register.parts.insert(part, id);
                register.hints.meet(part);
            }
        }
        register.index_named();
        register.seat_stored(now);
        register
    }

    pub(super) fn index_named(&mut self) {
        let mut entries: Vec<(DeviceId, &Entry)> = self
            .devices
            .iter()
            .filter(|(_, row)| matches!(row.subject, Subject::Named(_)))
            .map(|(&id, row)| (id, &row.entry))
            .collect();
        entries.sort_by_key(|(id, _)| *id);
        self.named = Named::of(entries.into_iter());
    }

    /// Seats the bindings of before a restart. Those that rest on a hardware address are asleep
    /// until it is seen there again.
    fn seat_stored(&mut self, now: Moment) {
        let mut stored: Vec<(BindingId, BindingRow)> =
            self.bindings.iter().map(|(&id, row)| (id, row.clone())).collect();
        stored.sort_by_key(|(id, _)| *id);
        for (id, row) in stored {
            let Some(asker) = row.asker else {
                self.shared.insert(row.part, id);
                continue;
            };
            let Some(subject) = self.devices.get(&row.part).map(|device| &device.subject) else {
                continue;
            };
            let (under, device) = match *subject {
                Subject::Part(part) => (Under::Part(part), self.named_device_of(part)),
                _ => (Under::Device(row.part), Some(row.part)),
            };
            let owner = Owner { under, device, evidence: row.evidence };
            // A newer binding of the same asker counts.
            self.vacate(asker, now.wall);
            self.sit(asker, Seat { id, part: row.part, owner, state: State::Asleep });
            self.remember(asker, row.evidence, now.monotonic);
        }
        let askers: Vec<Asker> = self.seats.keys().copied().collect();
        for asker in askers {
            self.review(asker, now.wall);
        }
    }

    fn remember(&mut self, asker: Asker, evidence: Evidence, now: u64) {
        let (Asker::Address(address), Some(hardware)) = (asker, evidence.hardware) else { return };
        match evidence.by {
            By::Lease => self.facts.remember_lease(address, hardware, now),
            _ => self.facts.remember(address, hardware, now),
        }
    }

    pub(super) fn named_device_of(&self, part: Part) -> Option<DeviceId> {
        match part {
            Part::Hardware(hardware) => self.named.of_hardware(hardware),
            Part::Address(_) | Part::Others => None,
        }
    }

    /// Binds whoever asks; what is bound rightly stays.
    pub(super) fn admit(&mut self, asker: Asker, now: Moment) -> Binding {
        let owner = owner_of(asker, &self.facts, &self.named);
        if let Some(binding) = self.go_on(asker, &owner) {
            return binding;
        }
        if !self.seats.contains_key(&asker) && self.is_full(asker, &owner) {
            return self.bind_shared(owner, now.wall);
        }
        let before = self.vacate(asker, now.wall);
        let new = self.find_number(owner.under).is_none();
        let part = self.number_of(owner.under, now.wall);
        let id = self.begin(part, Some(asker), owner.evidence, now.wall);
        let seat = Seat { id, part, owner, state: State::InForce };
        self.sit(asker, seat);
        self.note_beginning(asker, before, new, now.monotonic);
        seat.binding()
    }

    /// Lets the binding of an asker go on, if it may.
    fn go_on(&mut self, asker: Asker, owner: &Owner) -> Option<Binding> {
        let seat = self.seats.get_mut(&asker)?;
        if seat.state == State::Ended || !owner.continues(&seat.owner) {
            return None;
        }
        if seat.state == State::Asleep || seat.owner.device != owner.device {
            self.dirty.insert(asker);
        }
        (seat.owner, seat.state) = (*owner, State::InForce);
        Some(seat.binding())
    }

    fn is_full(&self, asker: Asker, owner: &Owner) -> bool {
        let claimed = || self.claims.values().map(Vec::len).sum::<usize>();
        let too_many = || self.claims.len() >= MAX_CLAIMED / 2 && claimed() >= MAX_CLAIMED;
        let of_one = owner.evidence.hardware.and_then(|one| self.by_hardware.get(&one));
        let of_one = of_one.map_or(0, HashSet::len);
        let by_forwarder = asker.forwarder().is_some();
        self.seats.len() >= MAX_ADMITTED
            || (by_forwarder && (of_one >= MAX_CLAIMED_OF_ONE || too_many()))
    }

    /// Binds one of those for whom there is no room: to its part, if it has asked before or the
    /// policy names it.
    fn bind_shared(&mut self, owner: Owner, now: i64) -> Binding {
        let own = self.find_number(owner.under).is_some() || owner.device.is_some();
        let under = if own { owner.under } else { Under::Part(Part::Others) };
        let part = self.number_of(under, now);
        let id = self.shared.get(&part).copied().unwrap_or_else(|| {
            let evidence = Evidence { by: By::Shared, hardware: None };
            let id = self.begin(part, None, evidence, now);
            self.shared.insert(part, id);
            id
        });
        Binding { id, device: owner.device.unwrap_or(part), part, grade: Grade::Address }
    }

    fn begin(
        &mut self,
        part: DeviceId,
        asker: Option<Asker>,
        evidence: Evidence,
        now: i64,
    ) -> BindingId {
        let id = BindingId(self.take_number());
        let (began, last) = (now, now);
        let row = BindingRow {
            part,
            asker,
            evidence,
            began,
            ended: None,
            last,
            queries: 0,
            stored: false,
        };
        self.bindings.insert(id, row);
        id
    }

    fn sit(&mut self, asker: Asker, seat: Seat) {
        self.seats.insert(asker, seat);
        self.dirty.insert(asker);
        if let Some(hardware) = seat.owner.evidence.hardware {
            self.by_hardware.entry(hardware).or_default().insert(asker);
        }
        if let Asker::Claimed(by, claim) = asker {
            self.claims.entry(claim).or_default().push(by);
        }
    }

    /// Ends the binding of an asker and frees its seat.
    pub(super) fn vacate(&mut self, asker: Asker, now: i64) -> Option<Seat> {
        self.end(asker, now);
        let seat = self.seats.remove(&asker)?;
        if let Some(hardware) = seat.owner.evidence.hardware
            && let Some(askers) = self.by_hardware.get_mut(&hardware)
        {
            askers.remove(&asker);
            if askers.is_empty() {
                self.by_hardware.remove(&hardware);
            }
        }
        if let Asker::Claimed(by, claim) = asker
            && let Some(forwarders) = self.claims.get_mut(&claim)
        {
            forwarders.retain(|forwarder| *forwarder != by);
            if forwarders.is_empty() {
                self.claims.remove(&claim);
            }
        }
        Some(seat)
    }

    fn end(&mut self, asker: Asker, now: i64) {
        let Some(seat) = self.seats.get_mut(&asker) else { return };
        if seat.state == State::Ended {
            return;
        }
        let slept = seat.state == State::Asleep;
        seat.state = State::Ended;
        let id = seat.id;
        self.dirty.insert(asker);
        if let Some(row) = self.bindings.get_mut(&id) {
            // Of one who slept nothing is known since its last query.
            let now = now.max(row.began);
            row.ended = Some(if slept { row.last.clamp(row.began, now) } else { now });
            self.unwritten.bindings.insert(id);
        }
    }

    /// Looks at an asker again after news: its binding goes on, sleeps or ends.
    ///
    /// A binding whose hardware address is no longer seen is not ended, since devices sleep; but
    /// no query is held to be its any more until the kernel or a lease has said so again.
    pub(super) fn review(&mut self, asker: Asker, now: i64) {
        let owner = owner_of(asker, &self.facts, &self.named);
        if self.go_on(asker, &owner).is_some() {
            return;
        }
        let Some(seat) = self.seats.get_mut(&asker) else { return };
        match seat.state {
            State::InForce if owner.is_less_than(&seat.owner) => {
                seat.state = State::Asleep;
                self.dirty.insert(asker);
            }
            State::Asleep if owner.is_less_than(&seat.owner) => {}
            _ => self.end(asker, now),
        }
    }

    /// Looks at an asker again after a change of policy.
    pub(super) fn review_policy(&mut self, asker: Asker, now: i64) {
        self.review(asker, now);
        let Some(seat) = self.seats.get(&asker).copied() else { return };
        let device = match seat.owner.under {
            Under::Part(part) => self.named_device_of(part),
            Under::Device(id) => {
                let owner = asker.address().and_then(|address| self.named.of_address(address));
                owner.map(|(_, owner)| owner).filter(|owner| *owner == id)
            }
        };
        let stays = match seat.state {
            State::InForce => true,
            State::Asleep => device.is_some() || matches!(seat.owner.under, Under::Part(_)),
            State::Ended => false,
        };
        if !stays {
            // Nobody is told that a device fell to the default by what a person wrote.
            self.vacate(asker, now);
        } else if seat.state == State::Asleep
            && let Some(seat) = self.seats.get_mut(&asker)
        {
            seat.owner.device = device;
        }
    }

    pub(super) fn take_number(&mut self) -> u32 {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        number
    }

    pub(super) fn find_number(&self, under: Under) -> Option<DeviceId> {
        match under {
            Under::Device(id) => Some(id),
            Under::Part(part) => self.parts.get(&part).copied(),
        }
    }

    fn number_of(&mut self, under: Under, now: i64) -> DeviceId {
        let part = match under {
            Under::Device(id) => return id,
            Under::Part(part) => part,
        };
        if let Some(&known) = self.parts.get(&part) {
            return known;
        }
        let id = DeviceId(self.take_number());
        let mut row = DeviceRow::of(Subject::Part(part));
        (row.first_seen, row.last_seen) = (now, now);
        self.devices.insert(id, row);
        self.parts.insert(part, id);
        self.hints.meet(part);
        id
    }

    pub(super) fn has_unpublished(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Returns whether an admission is to be published now, and counts it as done.
    pub(super) fn is_publication_due(&mut self, now: u64) -> bool {
        let rested = |last| now.saturating_sub(last) >= PUBLISH_EVERY;
        let due = self.has_unpublished() && self.published.is_none_or(rested);
        if due {
            self.published = Some(now);
        }
        due
    }

    /// Returns what is to be published: bindings that are in force, or none.
    pub(super) fn take_unpublished(&mut self) -> Vec<(Asker, Option<Binding>)> {
        let dirty = std::mem::take(&mut self.dirty);
        let in_force = |asker: &Asker| {
            self.seats.get(asker).filter(|seat| seat.state == State::InForce).map(|s| s.binding())
        };
        dirty.into_iter().map(|asker| (asker, in_force(&asker))).collect()
    }
}

impl Seat {
    pub(super) fn binding(&self) -> Binding {
        Binding {
            id: self.id,
            device: self.owner.device.unwrap_or(self.part),
            part: self.part,
            grade: self.owner.evidence.grade(),
        }
    }
}

impl DeviceRow {
    pub(super) fn of(subject: Subject) -> DeviceRow {
        DeviceRow {
            subject,
            entry: Entry::default(),
            merged: false,
            first_seen: 0,
            last_seen: 0,
            stored: None,
        }
    }
}

impl BindingRow {
    /// Askers that asked only once are not worth a row.
    pub(super) fn is_worth_writing(&self) -> bool {
        self.stored || self.queries >= 2
    }
}
