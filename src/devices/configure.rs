//! What a new policy changes in the register: names, numbers, bindings.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use super::register::{BindingRow, DeviceRow, Register, Source};
use super::{NamedDevice, OTHERS};
use crate::model::{BindingId, DeviceId, Grade, Prefix};

/// One way to find the number of a named device, best first.
type Find<'a> = &'a dyn Fn(&NamedDevice) -> Option<DeviceId>;

impl Register {
    /// Takes the devices of a new policy and returns their numbers, in order.
    pub(super) fn configure(&mut self, named: &[NamedDevice], now: i64) -> Vec<DeviceId> {
        let numbers = self.number(named);
        let kept: HashSet<DeviceId> = numbers.iter().copied().collect();
        for (device, &id) in named.iter().zip(&numbers) {
            self.name_device(id, device.name.as_str());
        }
        self.release_names(&kept);
        self.bind_policy(named, &numbers, now);
        self.index();
        self.end_moved(now);
        self.index();
        numbers
    }

    /// Finds the number of each named device; see [`super::Devices::configure`].
    fn number(&mut self, named: &[NamedDevice]) -> Vec<DeviceId> {
        let mut found: Vec<Option<DeviceId>> = vec![None; named.len()];
        let mut taken = HashSet::new();
        let current: HashMap<&str, DeviceId> = self
            .devices
            .iter()
            .filter(|(_, row)| row.named)
            .map(|(&id, row)| (row.name.as_str(), id))
            .collect();
        let vanished = self.policy_addresses();
        let finders: [Find<'_>; 4] = [
            &|device| current.get(device.name.as_str()).copied(),
            &|device| vanished.get(&device.addresses.iter().copied().collect()).copied(),
            &|device| self.nameless.get(device.name.as_str()).copied().filter(|_| !device.is_odd()),
            &|device| self.nameless_at(device),
        ];
        for find in finders {
            for (slot, device) in found.iter_mut().zip(named).filter(|(slot, _)| slot.is_none()) {
                *slot = find(device).filter(|&id| taken.insert(id));
            }
        }
        found.into_iter().map(|id| id.unwrap_or_else(|| DeviceId(self.take_number()))).collect()
    }

    /// Returns the devices that the policy named until now, by their addresses.
    fn policy_addresses(&self) -> HashMap<BTreeSet<Prefix>, DeviceId> {
        let mut by_device: HashMap<DeviceId, BTreeSet<Prefix>> = HashMap::new();
        for row in self.bindings.values().filter(|row| row.ended.is_none()) {
            if let Source::Policy(prefix) = row.source {
                by_device.entry(row.device).or_default().insert(prefix);
            }
        }
        by_device.into_iter().map(|(id, addresses)| (addresses, id)).collect()
    }

    /// Returns the nameless device at the only address of `device`.
    fn nameless_at(&self, device: &NamedDevice) -> Option<DeviceId> {
        let [prefix] = device.addresses.as_slice() else { return None };
        let binding = self.addresses.get(&prefix.as_host()?)?;
        (binding.grade == Grade::Address).then_some(binding.device)
    }

    fn name_device(&mut self, id: DeviceId, name: &str) {
        let fresh = || DeviceRow {
            name: name.into(),
            named: false,
            first_seen: 0,
            last_seen: 0,
            stored: None,
        };
        let row = self.devices.entry(id).or_insert_with(fresh);
        if row.named && row.name == name {
            return;
        }
        row.named = true;
        let before = std::mem::replace(&mut row.name, name.into());
        self.drop_nameless(&before, id);
        self.changed_devices.insert(id);
    }

    /// Devices that the policy no longer names keep their row, since the log refers to them.
    fn release_names(&mut self, kept: &HashSet<DeviceId>) {
        for (&id, row) in self.devices.iter_mut() {
            if row.named && !kept.contains(&id) {
                row.named = false;
                self.nameless.insert(row.name.clone(), id);
                self.changed_devices.insert(id);
            }
        }
    }

    fn bind_policy(&mut self, named: &[NamedDevice], numbers: &[DeviceId], now: i64) {
        let mut wanted: HashMap<Prefix, DeviceId> = HashMap::new();
        for (device, &id) in named.iter().zip(numbers) {
            for &prefix in &device.addresses {
                wanted.entry(prefix).or_insert(id);
            }
        }
        for (&id, row) in self.bindings.iter_mut().filter(|(_, row)| row.ended.is_none()) {
            let Source::Policy(prefix) = row.source else { continue };
            if wanted.get(&prefix) == Some(&row.device) {
                wanted.remove(&prefix);
            } else {
                row.ended = Some(now);
                self.changed_bindings.insert(id);
            }
        }
        for (prefix, device) in wanted {
            self.begin(device, Source::Policy(prefix), now);
        }
    }

    /// Ends bindings of addresses that the policy now gives to someone else.
    fn end_moved(&mut self, now: i64) {
        let bindings = || self.bindings.iter().filter(|(_, row)| row.ended.is_none());
        let hosts: HashSet<IpAddr> =
            bindings().filter_map(|(_, row)| row.source.policy_host()).collect();
        let stays = |row: &BindingRow, address: IpAddr| match self.find_prefix(address) {
            _ if hosts.contains(&address) => false,
            Some(owner) => owner.device == row.device && row.source.grade() == Grade::Named,
            None => row.source.grade() == Grade::Address && !self.is_named(row.device),
        };
        let moved: Vec<BindingId> = bindings()
            .filter(|(_, row)| row.source.admitted().is_some_and(|address| !stays(row, address)))
            .map(|(&id, _)| id)
            .collect();
        for id in moved {
            if let Some(row) = self.bindings.get_mut(&id) {
                row.ended = Some(now);
            }
            self.changed_bindings.insert(id);
        }
    }
}

impl NamedDevice {
    /// Returns whether its name is the one that all further addresses share.
    fn is_odd(&self) -> bool {
        self.name.as_str() == OTHERS
    }
}
