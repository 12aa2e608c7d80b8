//! What a new policy changes in the register: names, numbers, who has which part.

use std::collections::{HashMap, HashSet};

use super::{Asker, DeviceRow, Entry, NamedDevice, Register, Subject};
use crate::model::DeviceId;

/// One way to find the number of a named device, best first.
type Find<'a> = &'a dyn Fn(&NamedDevice) -> Option<DeviceId>;

impl Register {
    /// Takes the devices of a new policy and returns their numbers, in order.
    ///
    /// Parts are never renumbered: what a name has is found out whenever it is asked for.
    pub(super) fn configure(&mut self, named: &[NamedDevice], now: i64) -> Vec<DeviceId> {
        let numbers = self.number(named);
        let kept: HashSet<DeviceId> = numbers.iter().copied().collect();
        let vanished = self.release_names(&kept);
        for (device, &id) in named.iter().zip(&numbers) {
            self.name_device(id, device);
        }
        self.index_named();
        self.note_merges(&vanished);
        let askers: Vec<Asker> = self.seats.keys().copied().collect();
        for asker in askers {
            self.review_policy(asker, now);
        }
        numbers
    }

    /// Finds the number of each named device; see [`super::Devices::configure`].
    fn number(&mut self, named: &[NamedDevice]) -> Vec<DeviceId> {
        let mut found: Vec<Option<DeviceId>> = vec![None; named.len()];
        let mut taken = HashSet::new();
        let (mut current, mut released) = (HashMap::new(), HashMap::new());
        let mut by_entry: HashMap<&Entry, DeviceId> = HashMap::new();
        let mut rows: Vec<(&DeviceId, &DeviceRow)> = self.devices.iter().collect();
        rows.sort_by_key(|(id, _)| **id);
        for (&id, row) in rows {
            match &row.subject {
                Subject::Named(name) => {
                    current.insert(name.as_str(), id);
                    if !row.entry.is_empty() {
                        by_entry.insert(&row.entry, id);
                    }
                }
                Subject::Released(name) => _ = released.insert(name.as_str(), id),
                Subject::Part(_) => {}
            }
        }
        let finders: [Find<'_>; 3] = [
            &|device| current.get(device.name.as_str()).copied(),
            &|device| by_entry.get(&Entry::of(device)).copied(),
            &|device| released.get(device.name.as_str()).copied(),
        ];
        for find in finders {
            for (slot, device) in found.iter_mut().zip(named).filter(|(slot, _)| slot.is_none()) {
                *slot = find(device).filter(|&id| taken.insert(id));
            }
        }
        found.into_iter().map(|id| id.unwrap_or_else(|| DeviceId(self.take_number()))).collect()
    }

    fn name_device(&mut self, id: DeviceId, device: &NamedDevice) {
        let subject = Subject::Named(device.name.to_string());
        let entry = Entry::of(device);
        let row = self.devices.entry(id).or_insert_with(|| DeviceRow::of(subject.clone()));
        if row.stored.is_none() || row.subject != subject || row.entry != entry {
            (row.subject, row.entry, row.merged) = (subject, entry, false);
            self.unwritten.devices.insert(id);
        }
    }

    /// Devices that the policy no longer names keep their row, since the log refers to them.
    fn release_names(&mut self, kept: &HashSet<DeviceId>) -> Vec<DeviceId> {
        let mut released = Vec::new();
        for (&id, row) in self.devices.iter_mut().filter(|(id, _)| !kept.contains(id)) {
            if let Subject::Named(name) = &row.subject {
                row.subject = Subject::Released(name.clone());
                released.push(id);
            }
        }
        self.unwritten.devices.extend(&released);
        released
    }

    /// Notes which devices vanished because another took all that they were named by: their past
    /// goes with that, for as long as one device has it all.
    fn note_merges(&mut self, vanished: &[DeviceId]) {
        for id in vanished {
            if let Some(row) = self.devices.get_mut(id) {
                row.merged = self.named.holder_of(&row.entry).is_some();
            }
        }
    }
}
