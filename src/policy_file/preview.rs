//! A text judged as if it were the policy, beside the one in force; nothing of it is put in force.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Draft, People, PolicyFile, assemble, at_header, named_devices, read, zones};
use crate::devices::{BindingRecord, Device, NamedDevice};
use crate::diagnostic::Problems;
use crate::lists::Loaded;
use crate::model::{DeviceId, HardwareAddress, ListName};
use crate::policy::{DevicePart, Hours, InForce, Standing, Timed};

/// The policy in force and the one that would be, both without pauses.
pub struct Preview {
    /// What is in force.
    pub now: InForce,
    /// What would be.
    pub then: InForce,
    /// What cannot be told.
    pub untold: Vec<String>,
    devices: Vec<(DeviceId, NamedDevice)>,
    same_devices: bool,
}

impl PolicyFile {
    /// Reads a text as policy.toml and puts it together beside the policy in force.
    pub fn preview(&self, file: &str, text: &str) -> Result<Preview, Problems> {
        let current = self.0.current();
        let devices = self.0.parts().devices.list();
        let (draft, mut untold) = self.foreseen(&current.draft, file, text)?;
        if let Err(problems) = self.0.hold_to_asserts(&draft) {
            untold.push(format!("an assert fails, so it would not be put in force: {problems}"));
        }
        let before = Timed { pauses: Vec::new(), ..self.timed() };
        let seconds = self.0.parts().clock.now().unix_seconds();
        let hours = Hours::at(&draft.standing.schedules, &self.0.parts().zone.zone, seconds);
        let after = Timed { hours, ..before.clone() };
        let ids = numbers(&current.draft.standing, &current.ids, &draft.standing);
        let people = |ids| People { ids, seen: &devices };
        let now = assemble(&current.draft, &before, people(&current.ids), (0, 0), None);
        let then = assemble(&draft, &after, people(&ids), (0, 0), None);
        let (old, new) = (named_devices(&current.draft.standing), named_devices(&draft.standing));
        let same_devices = old == new;
        let devices = ids.into_iter().zip(new).collect();
        Ok(Preview { now, then, untold, devices, same_devices })
    }

    fn foreseen(
        &self,
        old: &Draft,
        file: &str,
        text: &str,
    ) -> Result<(Draft, Vec<String>), Problems> {
        let standing = read(file, text, &old.known)?;
        let parts = self.0.parts();
        let whole = |error| at_header(file, text, "[[list]]", error);
        let mut untold: Vec<String> = Vec::new();
        let mut draft = Draft { text: text.into(), ..old.clone() };
        if standing.lists != old.standing.lists {
            let found = parts.lists.foresee(&old.loaded.catalogue, &standing.lists);
            let (ruleset, missing) = found.map_err(whole)?;
            let wanted =
                missing.iter().filter(|name| standing.fetched().any(|it| it.name == **name));
            untold.extend(wanted.map(not_here));
            let catalogue = Arc::clone(&old.loaded.catalogue);
            let ruleset = Arc::new(ruleset);
            let (reports, notices) = (Vec::new(), Vec::new());
            draft.loaded = Arc::new(Loaded { ruleset, catalogue, reports, notices });
        }
        let same = standing.lists == old.standing.lists;
        for list in standing.fetched().filter(|_| same) {
            let empty = parts.lists.store().history(&list.name).in_force().is_none();
            untold.extend(empty.then(|| not_here(&list.name)));
        }
        if standing.local != old.standing.local {
            let placed = |error| at_header(file, text, "[[zone]]", error);
            draft.zones = Arc::new(zones(&parts.folder, &standing.local).map_err(placed)?);
        }
        draft.standing = Arc::new(standing);
        Ok((draft, untold))
    }
}

impl Preview {
    /// Returns whether the file names the same devices by the same addresses.
    pub fn has_same_devices(&self) -> bool {
        self.same_devices
    }

    /// Returns by which number a part of a device would be judged.
    ///
    /// `bindings` are the device's.
    pub fn then(&self, device: &Device, part: DeviceId, bindings: &[BindingRecord]) -> DeviceId {
        if self.same_devices {
            return device.id;
        }
        let of_part = || bindings.iter().filter(move |binding| binding.part == part);
        let hardware = of_part().find_map(hardware_of);
        let by_hardware = hardware.and_then(|address| {
            let mut named = self.devices.iter();
            named.find(|(_, named)| named.hardware.contains(&address))
        });
        let lasting = of_part().filter(|binding| binding.ended.is_none());
        let bound = lasting.filter_map(|binding| binding.address.parse().ok());
        let alone = device.parts.len() <= 1;
        let own = device.addresses.iter().copied().filter(|_| alone);
        let name = device.key.parse().ok().filter(|_| !device.named);
        let mut addresses = bound.chain(own).chain(name);
        let by_address = || addresses.find_map(|address| self.by_address(address));
        let by_number = || self.devices.iter().find(|(id, _)| *id == device.id && *id == part);
        let found = by_hardware.or_else(by_number).or_else(by_address);
        // A number that no device has stands for all that the policy does not name.
        found.map_or(if device.named { DeviceId(u32::MAX) } else { device.id }, |(id, _)| *id)
    }

    fn by_address(&self, address: IpAddr) -> Option<&(DeviceId, NamedDevice)> {
        let all = self.devices.iter();
        let prefixes = all.flat_map(|it| it.1.addresses.iter().map(move |prefix| (prefix, it)));
        let fitting = prefixes.filter(|(prefix, _)| prefix.contains(address));
        fitting.max_by_key(|(prefix, _)| prefix.bits()).map(|(_, found)| found)
    }
}

fn not_here(list: &ListName) -> String {
    format!("list {list} is not here yet: what it would block cannot be told")
}

/// Returns the hardware address that a binding rests on, which its evidence begins with.
pub fn hardware_of(binding: &BindingRecord) -> Option<HardwareAddress> {
    binding.evidence.split([' ', ',']).find_map(|word| word.parse().ok())
}

/// Returns the numbers of the devices of a new policy: those they have, or ones nobody has.
fn numbers(old: &Standing, ids: &[DeviceId], new: &Standing) -> Vec<DeviceId> {
    let old = || old.devices.iter().zip(ids);
    let by_name: HashMap<_, _> = old().map(|(device, id)| (&device.name, *id)).collect();
    let by_part: HashMap<_, _> =
        old().map(|(device, id)| ((&device.addresses, &device.hardware), *id)).collect();
    let fresh = (0..u32::MAX - 1).rev().map(DeviceId);
    let number = |(device, fresh): (&DevicePart, DeviceId)| {
        let alike = || by_part.get(&(&device.addresses, &device.hardware));
        by_name.get(&device.name).or_else(alike).copied().unwrap_or(fresh)
    };
    new.devices.iter().zip(fresh).map(number).collect()
}
