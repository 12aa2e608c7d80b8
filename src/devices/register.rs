//! All devices and bindings, in memory: who is bound to whom, and what is yet to be written.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::{Binding, Device, MAX_ADMITTED, OTHERS, Proposal};
use crate::clock::Leaps;
use crate::model::{BindingId, DeviceId, Grade, Moment, Prefix};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// How far the stored time of a device's latest query may lag behind.
const SEEN_LAG: i64 = 60 * SECOND;

/// Ended bindings and nameless devices without one are kept this long, as the totals are.
const PAST_KEPT: i64 = 400 * DAY;

/// Most nameless devices without a binding that are remembered.
const MAX_NAMELESS: usize = 2 * MAX_ADMITTED;

/// Numbers that are set apart in `state.db` before they are used, so that none is used twice.
const RESERVED: u32 = 65_536;

/// Microseconds between two publications while addresses are admitted.
pub(super) const PUBLISH_EVERY: u64 = 20_000;

/// Microseconds between two rounds of letting go what is old.
const RETIRE_EVERY: u64 = 3_600_000_000;

/// What an address was bound by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The policy names this address or prefix.
    Policy(Prefix),
    /// This address asked, and lies within a prefix that the policy names.
    Within(IpAddr),
    /// This address asked, and nobody knows it.
    Address(IpAddr),
    /// The binding that all addresses past the bound share.
    Others,
}

/// A device as it is stored.
#[derive(Clone, Debug)]
pub(super) struct DeviceRow {
    pub(super) name: String,
    pub(super) named: bool,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    /// The `last_seen` in `state.db`; `None` while the device is not there.
    pub(super) stored: Option<i64>,
}

/// A binding as it is stored.
#[derive(Clone, Debug)]
pub(super) struct BindingRow {
    pub(super) device: DeviceId,
    pub(super) source: Source,
    pub(super) began: i64,
    pub(super) ended: Option<i64>,
    pub(super) last: i64,
    pub(super) queries: u32,
    pub(super) stored: bool,
}

/// What `state.db` holds.
pub(super) struct Stored {
    pub(super) devices: HashMap<DeviceId, DeviceRow>,
    pub(super) bindings: HashMap<BindingId, BindingRow>,
    /// No number from this one on was ever used.
    pub(super) next_number: u32,
}

/// What `state.db` does not hold yet.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) reserve: Option<u32>,
    pub(super) devices: Vec<(DeviceId, DeviceRow)>,
    pub(super) bindings: Vec<(BindingId, BindingRow)>,
    pub(super) gone: Vec<DeviceId>,
    /// Bindings that ended before this time are no longer wanted.
    pub(super) ended_before: Option<i64>,
}

/// All devices and bindings.
pub(super) struct Register {
    pub(super) devices: HashMap<DeviceId, DeviceRow>,
    pub(super) bindings: HashMap<BindingId, BindingRow>,
    /// What each bound address is bound to.
    pub(super) addresses: HashMap<IpAddr, Binding>,
    /// Prefixes that the policy names, longest first.
    pub(super) prefixes: Vec<(Prefix, Binding)>,
    /// Devices that the policy does not name, by name.
    pub(super) nameless: HashMap<String, DeviceId>,
    others: Option<Binding>,
    admitted: usize,
    next_number: u32,
    reserved: u32,
    pub(super) changed_devices: BTreeSet<DeviceId>,
    pub(super) changed_bindings: BTreeSet<BindingId>,
    gone: Vec<DeviceId>,
    ended_before: Option<i64>,
    unpublished: bool,
    published: Option<u64>,
    retired: u64,
    leaps: Leaps,
}

impl Source {
    pub(super) fn grade(self) -> Grade {
        match self {
            Source::Policy(_) | Source::Within(_) => Grade::Named,
            Source::Address(_) | Source::Others => Grade::Address,
        }
    }

    /// Returns the address that asked, for bindings made by asking.
    pub(super) fn admitted(self) -> Option<IpAddr> {
        match self {
            Source::Within(address) | Source::Address(address) => Some(address),
            Source::Policy(_) | Source::Others => None,
        }
    }

    /// Returns the address that the policy names.
    pub(super) fn policy_host(self) -> Option<IpAddr> {
        match self {
            Source::Policy(prefix) => prefix.as_host(),
            _ => None,
        }
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.reserve.is_none()
            && self.devices.is_empty()
            && self.bindings.is_empty()
            && self.gone.is_empty()
            && self.ended_before.is_none()
    }
}

impl Register {
    pub(super) fn of(stored: Stored, now: Moment) -> Register {
        let nameless = stored.devices.iter().filter(|(_, device)| !device.named);
        let mut register = Register {
            nameless: nameless.map(|(&id, device)| (device.name.clone(), id)).collect(),
            devices: stored.devices,
            bindings: stored.bindings,
            addresses: HashMap::new(),
            prefixes: Vec::new(),
            others: None,
            admitted: 0,
            next_number: stored.next_number,
            reserved: stored.next_number,
            changed_devices: BTreeSet::new(),
            changed_bindings: BTreeSet::new(),
            gone: Vec::new(),
            ended_before: None,
            unpublished: true,
            published: None,
            retired: now.monotonic,
            leaps: Leaps::from(now),
        };
        register.index();
        register
    }

    /// Works out who is bound to whom from the bindings in force.
    pub(super) fn index(&mut self) {
        self.addresses.clear();
        self.prefixes.clear();
        (self.others, self.admitted) = (None, 0);
        for (&id, row) in self.bindings.iter().filter(|(_, row)| row.ended.is_none()) {
            let (device, grade) = (row.device, row.source.grade());
            let binding = Binding { id, device, part: device, grade };
            if let Some(address) = row.source.policy_host().or(row.source.admitted()) {
                self.addresses.insert(address, binding);
                self.admitted += usize::from(row.source.admitted().is_some());
            } else if let Source::Policy(prefix) = row.source {
                self.prefixes.push((prefix, binding));
            } else {
                self.others = Some(binding);
            }
        }
        self.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse((prefix.bits(), *prefix)));
        self.unpublished = true;
    }

    pub(super) fn admit(&mut self, client: IpAddr, now: i64) -> Binding {
        if let Some(&known) = self.addresses.get(&client) {
            return known;
        }
        let within = self.find_prefix(client);
        if self.admitted >= MAX_ADMITTED {
            return within.or(self.others).unwrap_or_else(|| self.bind_others(now));
        }
        let (device, source) = match within {
            Some(prefix) => (prefix.device, Source::Within(client)),
            None => (self.nameless_device(&client.to_string(), now), Source::Address(client)),
        };
        let binding = self.begin(device, source, now);
        self.addresses.insert(client, binding);
        self.admitted += 1;
        self.unpublished = true;
        binding
    }

    pub(super) fn begin(&mut self, device: DeviceId, source: Source, now: i64) -> Binding {
        let id = BindingId(self.take_number());
        let row = BindingRow {
            device,
            source,
            began: now,
            ended: None,
            last: now,
            queries: 0,
            stored: false,
        };
        self.bindings.insert(id, row);
        self.changed_bindings.insert(id);
        Binding { id, device, part: device, grade: source.grade() }
    }

    pub(super) fn take_number(&mut self) -> u32 {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        number
    }

    fn bind_others(&mut self, now: i64) -> Binding {
        let device = self.nameless_device(OTHERS, now);
        let binding = self.begin(device, Source::Others, now);
        self.others = Some(binding);
        binding
    }

    /// Returns the device of this name that the policy does not name, made if need be.
    fn nameless_device(&mut self, name: &str, now: i64) -> DeviceId {
        if let Some(&known) = self.nameless.get(name) {
            return known;
        }
        let id = DeviceId(self.take_number());
        let row = DeviceRow {
            name: name.into(),
            named: false,
            first_seen: now,
            last_seen: now,
            stored: None,
        };
        self.devices.insert(id, row);
        self.nameless.insert(name.into(), id);
        id
    }

    pub(super) fn seen(&mut self, id: BindingId, at: i64, queries: u32) {
        let Some(binding) = self.bindings.get_mut(&id) else { return };
        binding.queries = binding.queries.saturating_add(queries);
        binding.last = binding.last.max(at);
        if !binding.stored && binding.is_worth_writing() {
            self.changed_bindings.insert(id);
        }
        let Some(device) = self.devices.get_mut(&binding.device) else { return };
        if device.first_seen == 0 {
            device.first_seen = at;
        }
        device.last_seen = device.last_seen.max(at);
        if device.stored.is_some_and(|stored| device.last_seen - stored >= SEEN_LAG) {
            self.changed_devices.insert(binding.device);
        }
    }

    pub(super) fn list(&self) -> Vec<Device> {
        let mut addresses: HashMap<DeviceId, Vec<IpAddr>> = HashMap::new();
        for (&address, binding) in &self.addresses {
            addresses.entry(binding.device).or_default().push(address);
        }
        let mut devices: Vec<Device> = self
            .devices
            .iter()
            .map(|(&id, row)| {
                let mut addresses = addresses.remove(&id).unwrap_or_default();
                addresses.sort_unstable();
                Device {
                    id,
                    name: row.name.clone(),
                    named: row.named,
                    parts: vec![id],
                    addresses,
                    hardware: Vec::new(),
                    proposal: Proposal::default(),
                    grade: None,
                    first_seen: row.first_seen,
                    last_seen: row.last_seen,
                }
            })
            .collect();
        devices.sort_by_key(|device| device.id);
        devices
    }

    pub(super) fn name(&self, device: DeviceId) -> Option<String> {
        self.devices.get(&device).map(|row| row.name.clone())
    }

    pub(super) fn is_named(&self, device: DeviceId) -> bool {
        self.devices.get(&device).is_some_and(|row| row.named)
    }

    pub(super) fn find_by_address(&self, address: IpAddr) -> Option<DeviceId> {
        let bound = self.addresses.get(&address).copied();
        bound.or_else(|| self.find_prefix(address)).map(|binding| binding.device)
    }

    pub(super) fn find_prefix(&self, address: IpAddr) -> Option<Binding> {
        self.prefixes.iter().find(|(prefix, _)| prefix.contains(address)).map(|(_, found)| *found)
    }

    /// Removes a device's past, and the device itself unless the policy names it.
    pub(super) fn forget(&mut self, device: DeviceId) {
        let keeps = |row: &BindingRow| {
            row.device != device || (row.ended.is_none() && matches!(row.source, Source::Policy(_)))
        };
        self.bindings.retain(|_, row| keeps(row));
        match self.devices.get_mut(&device) {
            Some(row) if row.named => (row.first_seen, row.last_seen) = (0, 0),
            Some(_) => {
                self.devices.remove(&device);
                self.nameless.retain(|_, id| *id != device);
            }
            None => {}
        }
        self.index();
    }

    /// Lets go of addresses that no longer ask when room is short, and of devices long gone.
    ///
    /// Not on the word of a clock that was set ahead less than a round ago.
    pub(super) fn retire(&mut self, now: Moment) {
        if self.leaps.noticed(now) {
            self.retired = now.monotonic;
        }
        if now.monotonic.saturating_sub(self.retired) < RETIRE_EVERY {
            return;
        }
        self.retired = now.monotonic;
        if self.admitted > MAX_ADMITTED / 8 * 7 {
            let idle = |row: &&mut BindingRow| {
                row.ended.is_none() && row.source.admitted().is_some() && row.last < now.wall - DAY
            };
            self.bindings.values_mut().filter(idle).for_each(|row| row.ended = Some(now.wall));
            self.changed_bindings.extend(
                self.bindings.iter().filter(|(_, row)| row.ended.is_some()).map(|(&id, _)| id),
            );
            self.index();
        }
        self.forget_long_gone(now.wall);
        self.ended_before = Some(now.wall - PAST_KEPT);
    }

    fn forget_long_gone(&mut self, now: i64) {
        let bound: BTreeSet<DeviceId> = self.bindings.values().map(|row| row.device).collect();
        let mut unbound: Vec<(i64, DeviceId)> = self
            .devices
            .iter()
            .filter(|(id, row)| !row.named && !bound.contains(id))
            .map(|(&id, row)| (row.last_seen, id))
            .collect();
        unbound.sort_unstable();
        let surplus = unbound.len().saturating_sub(MAX_NAMELESS);
        for (position, &(last, id)) in unbound.iter().enumerate() {
            if position < surplus || last < now - PAST_KEPT {
                self.gone.push(id);
                if let Some(row) = self.devices.remove(&id) {
                    self.drop_nameless(&row.name, id);
                }
            }
        }
    }

    pub(super) fn drop_nameless(&mut self, name: &str, id: DeviceId) {
        if self.nameless.get(name) == Some(&id) {
            self.nameless.remove(name);
        }
    }

    /// Takes what is worth writing; what is not comes again when it is used once more.
    pub(super) fn take_changes(&mut self) -> Changes {
        let mut changes = Changes {
            gone: std::mem::take(&mut self.gone),
            ended_before: self.ended_before.take(),
            ..Changes::default()
        };
        if self.reserved.saturating_sub(self.next_number) < RESERVED / 2 {
            self.reserved = self.next_number.saturating_add(RESERVED);
            changes.reserve = Some(self.reserved);
        }
        for id in std::mem::take(&mut self.changed_bindings) {
            let Some(row) = self.bindings.get(&id) else { continue };
            if row.is_worth_writing() {
                if self.devices.get(&row.device).is_some_and(|device| device.stored.is_none()) {
                    self.changed_devices.insert(row.device);
                }
                changes.bindings.push((id, row.clone()));
            } else if row.ended.is_some() {
                self.bindings.remove(&id);
            }
        }
        let devices = std::mem::take(&mut self.changed_devices);
        let rows = devices.into_iter().filter_map(|id| Some((id, self.devices.get(&id)?.clone())));
        changes.devices = rows.collect();
        changes
    }

    /// Notes that changes were written, or takes them back.
    pub(super) fn settle(&mut self, changes: Changes, written: bool) {
        if !written {
            self.changed_devices.extend(changes.devices.iter().map(|(id, _)| *id));
            self.changed_bindings.extend(changes.bindings.iter().map(|(id, _)| *id));
            self.gone.extend(changes.gone);
            if changes.reserve.is_some() {
                self.reserved = self.next_number;
            }
            return;
        }
        for (id, row) in changes.devices {
            if let Some(device) = self.devices.get_mut(&id) {
                device.stored = Some(row.last_seen);
            }
        }
        for (id, row) in changes.bindings {
            if row.ended.is_some() {
                self.bindings.remove(&id);
            } else if let Some(binding) = self.bindings.get_mut(&id) {
                binding.stored = true;
            }
        }
    }

    pub(super) fn has_unpublished(&self) -> bool {
        self.unpublished
    }

    /// Returns whether an admission is to be published now, and counts it as done.
    pub(super) fn is_publication_due(&mut self, now: u64) -> bool {
        let rested = |last| now.saturating_sub(last) >= PUBLISH_EVERY;
        let due = self.unpublished && self.published.is_none_or(rested);
        if due {
            self.published = Some(now);
        }
        due
    }

    pub(super) fn publish(&mut self) -> HashMap<IpAddr, Binding> {
        self.unpublished = false;
        self.addresses.clone()
    }
}

impl BindingRow {
    /// Addresses that asked only once are not worth a row.
    fn is_worth_writing(&self) -> bool {
        self.stored || self.queries >= 2 || matches!(self.source, Source::Policy(_))
    }
}
