//! Devices as people see them: parts gathered under whoever has them now.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::{
    Asker, Device, DeviceRow, HintSource, HintText, OTHERS, Part, Proposal, Register, Seat, State,
    Subject, owner_of,
};
use crate::model::{DeviceId, Grade};

impl Register {
    /// Returns all devices that asked or that the policy names, by number.
    pub(super) fn list(&self) -> Vec<Device> {
        let mut devices = self.gather(|_| true);
        name_apart(&mut devices);
        devices
    }

    /// Gathers the devices that are wanted; their names may still be those of others, too.
    fn gather(&self, wanted: impl Fn(DeviceId) -> bool) -> Vec<Device> {
        let mut devices: HashMap<DeviceId, Device> = HashMap::new();
        for (&id, row) in &self.devices {
            let owner = self.device_of(id);
            if !wanted(owner) {
                continue;
            }
            // What the policy no longer names and what never asked is nobody's device.
            if owner == id && matches!(row.subject, Subject::Released(_)) && row.last_seen == 0 {
                continue;
            }
            let device = devices.entry(owner).or_default();
            device.id = owner;
            device.parts.push(id);
            device.see(row);
        }
        for (asker, seat) in self.seats.iter().filter(|(_, seat)| seat.state != State::Ended) {
            if let Some(device) = devices.get_mut(&seat.owner.device.unwrap_or(seat.part)) {
                device.take_seat(*asker, seat);
            }
        }
        let mut devices: Vec<Device> = devices.into_values().collect();
        devices.sort_by_key(|device| device.id);
        for device in &mut devices {
            self.describe(device);
        }
        devices
    }

    /// Returns the device that a part belongs to now; itself, if nobody named it.
    pub(super) fn device_of(&self, id: DeviceId) -> DeviceId {
        let Some(row) = self.devices.get(&id) else { return id };
        let owner = match row.subject {
            Subject::Part(Part::Hardware(hardware)) => self.named.of_hardware(hardware),
            Subject::Part(Part::Address(address)) => self.named.of_host(address),
            Subject::Released(_) if row.merged => self.named.holder_of(&row.entry),
            _ => None,
        };
        owner.unwrap_or(id)
    }

    /// Fills in what rows and seats do not tell: names, hardware, addresses, what hints suggest.
    fn describe(&self, device: &mut Device) {
        device.parts.sort_unstable_by_key(|part| (*part != device.id, *part));
        let Some(row) = self.devices.get(&device.id) else { return };
        device.hardware.extend(&row.entry.hardware);
        for host in row.entry.hosts().filter(|_| matches!(row.subject, Subject::Named(_))) {
            let seated = self.seats.get(&Asker::Address(host));
            if seated.is_none_or(|seat| seat.owner.device == Some(device.id)) {
                device.addresses.push(host);
            }
        }
        if let Subject::Part(Part::Hardware(hardware)) = row.subject {
            device.hardware.push(hardware);
        }
        sort_out(&mut device.addresses);
        sort_out(&mut device.hardware);
        let hinted = self.hinted_parts(device);
        let mut proposals = hinted.iter().filter_map(|part| self.hints.proposal_of(*part));
        device.proposal = proposals.next().cloned().unwrap_or_default();
        for other in proposals {
            device.proposal.fill(other);
        }
        (device.key, device.named) = match &row.subject {
            Subject::Named(name) => (name.clone(), true),
            Subject::Released(name) => (name.clone(), false),
            Subject::Part(part) => (part_text(*part), false),
        };
        let proposed = device.proposal.name.as_ref().map(|(name, _)| name);
        let proposed = proposed.filter(|_| matches!(row.subject, Subject::Part(_)));
        device.name = proposed.unwrap_or(&device.key).clone();
    }

    /// Returns the parts whose hints are about a device.
    fn hinted_parts(&self, device: &Device) -> Vec<Part> {
        let own = device.parts.iter().filter_map(|id| match self.devices.get(id)?.subject {
            Subject::Part(part) => Some(part),
            _ => None,
        });
        let hardware = device.hardware.iter().map(|hardware| Part::Hardware(*hardware));
        let addresses = device.addresses.iter().map(|address| Part::Address(*address));
        let addresses = addresses.filter(|_| device.named);
        let mut seen = HashSet::new();
        own.chain(hardware).chain(addresses).filter(|part| seen.insert(*part)).collect()
    }

    /// Returns what hints told of a device, part by part.
    pub(super) fn hints_of(&self, id: DeviceId) -> Vec<(HintSource, HintText)> {
        let owner = self.device_of(id);
        let found = self.gather(|device| device == owner).pop();
        let parts = found.map(|device| self.hinted_parts(&device)).unwrap_or_default();
        parts.into_iter().flat_map(|part| self.hints.texts_of(part).to_vec()).collect()
    }

    /// Returns the name of the device that a part belongs to.
    pub(super) fn name(&self, id: DeviceId) -> Option<String> {
        let owner = self.device_of(id);
        match &self.devices.get(&owner)?.subject {
            Subject::Named(name) | Subject::Released(name) => Some(name.clone()),
            Subject::Part(_) => {
                self.list().into_iter().find(|device| device.id == owner).map(|device| device.name)
            }
        }
    }

    /// Returns the numbers of a device and its parts.
    pub(super) fn parts_of(&self, id: DeviceId) -> Vec<DeviceId> {
        let owner = self.device_of(id);
        let all = self.devices.keys().copied();
        all.filter(|part| self.device_of(*part) == owner).collect()
    }

    /// Returns the numbers of a device and its parts, and which of them the policy names.
    pub(super) fn parts_with_names(&self, id: DeviceId) -> Vec<(DeviceId, bool)> {
        let is_named = |id: &DeviceId| {
            self.devices.get(id).is_some_and(|row| matches!(row.subject, Subject::Named(_)))
        };
        self.parts_of(id).into_iter().map(|part| (part, is_named(&part))).collect()
    }

    /// Returns the device that an address is held to be now.
    pub(super) fn find_by_address(&self, address: IpAddr) -> Option<DeviceId> {
        let asker = Asker::Address(address);
        let owner = owner_of(asker, &self.facts, &self.named);
        owner.device.or_else(|| self.find_number(owner.under))
    }
}

impl Device {
    fn see(&mut self, row: &DeviceRow) {
        if row.first_seen > 0 && (self.first_seen == 0 || row.first_seen < self.first_seen) {
            self.first_seen = row.first_seen;
        }
        self.last_seen = self.last_seen.max(row.last_seen);
    }

    fn take_seat(&mut self, asker: Asker, seat: &Seat) {
        if let Asker::Address(address) = asker {
            self.addresses.push(address);
        }
        self.hardware.extend(seat.owner.evidence.hardware);
        let grade = seat.owner.evidence.grade();
        self.grade = Some(self.grade.map_or(grade, |best: Grade| best.min(grade)));
    }
}

impl Proposal {
    /// Takes from another what is missing.
    fn fill(&mut self, other: &Proposal) {
        self.name = self.name.take().or_else(|| other.name.clone());
        self.kind = self.kind.take().or(other.kind);
    }
}

/// Returns a part as people call it.
pub(super) fn part_text(part: Part) -> String {
    match part {
        Part::Hardware(hardware) => hardware.to_string(),
        Part::Address(address) => address.to_string(),
        Part::Others => OTHERS.into(),
    }
}

/// Makes the names of devices that nobody named unlike all others: the first to come keeps a name.
fn name_apart(devices: &mut [Device]) {
    let mut taken: BTreeSet<String> = devices
        .iter()
        .filter(|device| device.name == device.key)
        .map(|device| device.name.to_lowercase())
        .collect();
    for device in devices.iter_mut().filter(|device| device.name != device.key) {
        if taken.insert(device.name.to_lowercase()) {
            continue;
        }
        let short: String = match device.hardware.first() {
            Some(hardware) => hardware.to_string().chars().skip(12).collect(),
            None => device.key.clone(),
        };
        let apart = format!("{} ({short})", device.name);
        device.name = if taken.insert(apart.to_lowercase()) { apart } else { device.key.clone() };
    }
}

fn sort_out<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}
