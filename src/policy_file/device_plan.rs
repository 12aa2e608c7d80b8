//! Devices named, put together, taken apart and sorted: edits of their entries.

use super::{ChangeError, Planner, TimedStep};
use crate::devices::Device;
use crate::model::{DeviceId, DeviceName, GroupName, HardwareAddress, Prefix, Scope};
use crate::policy::DevicePart;

/// One thing by which the policy names a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A hardware address.
    Hardware(HardwareAddress),
    /// An address or a prefix.
    Address(Prefix),
}

/// All things by which the policy names a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Hardware addresses.
    pub hardware: Vec<HardwareAddress>,
    /// Addresses and prefixes.
    pub addresses: Vec<Prefix>,
}

impl Places {
    /// Returns by what a device that nobody named is to be named: its hardware, else its addresses.
    pub fn of(device: &Device) -> Result<Places, ChangeError> {
        if !device.hardware.is_empty() {
            let hardware = device.hardware.clone();
            return Ok(Places { hardware, addresses: Vec::new() });
        }
        let bound: Vec<Prefix> = device.addresses.iter().copied().map(Prefix::host).collect();
        if !bound.is_empty() {
            return Ok(Places { hardware: Vec::new(), addresses: bound });
        }
        // An unbound one may have its name for address.
        let address = device.name.parse().map_err(|_| {
            let name = &device.name;
            ChangeError::Invalid(format!(
                "`{name}` has no address now by which policy.toml could name it"
            ))
        })?;
        Ok(Places { hardware: Vec::new(), addresses: vec![address] })
    }

    fn of_entry(entry: &DevicePart) -> Places {
        Places { hardware: entry.hardware.clone(), addresses: entry.addresses.clone() }
    }

    /// Returns the keys of an entry with what stands under them; those without any are left out.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, Vec<String>)> {
        let hardware = self.hardware.iter().map(ToString::to_string).collect::<Vec<String>>();
        let addresses = self.addresses.iter().map(ToString::to_string).collect::<Vec<String>>();
        let keys = [("hardware", hardware), ("addresses", addresses)];
        keys.into_iter().filter(|(_, texts)| !texts.is_empty())
    }

    fn without(mut self, others: &Places) -> Places {
        self.hardware.retain(|it| !others.hardware.contains(it));
        self.addresses.retain(|it| !others.addresses.contains(it));
        self
    }

    fn count(&self) -> usize {
        self.hardware.len() + self.addresses.len()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Hardware(address) => address.fmt(out),
            Place::Address(prefix) => prefix.fmt(out),
        }
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let text = text.trim();
        let address = || text.parse().map(Place::Address);
        text.parse().map(Place::Hardware).or_else(|_| address()).map_err(|_| {
            let text: String = text.chars().take(64).collect();
            format!("`{text}` is no address of a device; write 3c:5a:b4:01:02:03 or 192.168.1.40")
        })
    }
}

impl<'g> Planner<'g> {
    /// Names a device; one that nobody named gets an entry.
    pub(super) fn rename(&mut self, device: DeviceId, to: &DeviceName) -> Result<(), ChangeError> {
        let entry = self.entry_of(device);
        self.is_free(to, entry)?;
        if let Some(from) = entry.filter(|from| *from != to) {
            self.text.rename_device(from, to)?;
            self.steps.push(TimedStep::Rename(from.clone(), to.clone()));
        }
        if entry.is_none() {
            let seen = self.seen(device)?;
            self.text.add_device(to, &Places::of(seen)?)?;
            let from = DeviceName::parse(&seen.key).ok().filter(|from| from != to);
            self.steps.extend(from.map(|from| TimedStep::Rename(from, to.clone())));
        }
        Ok(())
    }

    /// Removes a device's entry with its rules and pauses.
    pub(super) fn forget(&mut self, device: DeviceId) -> Result<(), ChangeError> {
        if let Some(name) = self.entry_of(device) {
            self.text.remove_device(name)?;
            self.steps.push(TimedStep::Forget(name.clone()));
            return Ok(());
        }
        let seen = self.ground.devices.iter().find(|seen| seen.id == device);
        let name = seen.and_then(|seen| DeviceName::parse(&seen.key).ok());
        self.steps.extend(name.map(TimedStep::Forget));
        Ok(())
    }

    /// Puts two devices together: the entry of the first stays, or one is made for both.
    pub(super) fn merge(
        &mut self,
        into: DeviceId,
        from: DeviceId,
        name: Option<&DeviceName>,
    ) -> Result<(), ChangeError> {
        if into == from {
            return Err(ChangeError::Invalid("these are one device already".into()));
        }
        let (first, second) = (self.part_of(into), self.part_of(from));
        let (base, base_id, other, other_id) = match (first, second) {
            (None, Some(_)) => (second, from, first, into),
            _ => (first, into, second, from),
        };
        let gained = match other {
            Some(entry) => Places::of_entry(entry),
            None => Places::of(self.seen(other_id)?)?,
        };
        if let Some(entry) = other {
            self.text.remove_device(&entry.name)?;
        }
        let Some(base) = base else { return self.merge_unnamed(base_id, other_id, gained, name) };
        let scope = Scope::Device(base.name.clone());
        for (key, texts) in gained.without(&Places::of_entry(base)).texts() {
            self.text.extend(&scope, key, &texts)?;
        }
        match name {
            Some(name) => self.rename(base_id, name),
            None => Ok(()),
        }
    }

    fn merge_unnamed(
        &mut self,
        first: DeviceId,
        second: DeviceId,
        gained: Places,
        name: Option<&DeviceName>,
    ) -> Result<(), ChangeError> {
        let base = self.seen(first)?;
        let proposed = [base, self.seen(second)?].into_iter().find_map(|device| {
            let (name, _) = device.proposal.name.as_ref()?;
            DeviceName::parse(name).ok()
        });
        let name = name.cloned().or(proposed).ok_or_else(|| {
            ChangeError::Invalid("neither has a name yet: add --name NAME".into())
        })?;
        self.is_free(&name, None)?;
        let mut places = Places::of(base)?;
        let gained = gained.without(&places);
        places.hardware.extend(gained.hardware);
        places.addresses.extend(gained.addresses);
        self.text.add_device(&name, &places)?;
        let from = DeviceName::parse(&base.key).ok().filter(|from| *from != name);
        self.steps.extend(from.map(|from| TimedStep::Rename(from, name)));
        Ok(())
    }

    /// Takes one of the things by which a device is named away from it; `name` is that of its own.
    pub(super) fn split(
        &mut self,
        device: DeviceId,
        place: Place,
        name: Option<&DeviceName>,
    ) -> Result<(), ChangeError> {
        let Some(entry) = self.part_of(device) else {
            let name = &self.seen(device)?.name;
            return Err(ChangeError::Invalid(format!(
                "`{name}` has no name in policy.toml: nothing was put together that could be split"
            )));
        };
        let places = Places::of_entry(entry);
        let scope = Scope::Device(entry.name.clone());
        let within = |address: &Prefix| places.addresses.iter().any(|it| covers(*it, *address));
        match place {
            Place::Hardware(it) if places.hardware.contains(&it) => {
                self.is_not_all(entry, &places)?;
                self.text.retain(&scope, "hardware", |text| text.parse() != Ok(it))?;
            }
            Place::Address(it) if places.addresses.contains(&it) => {
                self.is_not_all(entry, &places)?;
                self.text.retain(&scope, "addresses", |text| text.parse() != Ok(it))?;
            }
            Place::Address(it) if within(&it) && name.is_some() => {}
            Place::Address(it) if within(&it) => {
                return Err(ChangeError::Invalid(format!(
                    "`{it}` is one of many addresses of `{}`: give it a name of its own with \
                     --name NAME",
                    entry.name
                )));
            }
            _ => return Err(not_of_it(entry, place, &places)),
        }
        let Some(name) = name else { return Ok(()) };
        self.is_free(name, None)?;
        let own = match place {
            Place::Hardware(it) => Places { hardware: vec![it], ..Places::default() },
            Place::Address(it) => Places { addresses: vec![it], ..Places::default() },
        };
        Ok(self.text.add_device(name, &own)?)
    }

    /// Sets the groups of a device, the strongest first.
    pub(super) fn set_groups(
        &mut self,
        device: DeviceId,
        groups: &[GroupName],
    ) -> Result<(), ChangeError> {
        for group in groups {
            self.scope_exists(&Scope::Group(group.clone()))?;
        }
        let scope = self.scope_of(device)?;
        let names = groups.iter().map(GroupName::as_str).collect::<toml_edit::Array>();
        let value = (!groups.is_empty()).then(|| names.into());
        self.set(&scope, None, "groups", value)
    }

    /// Returns the scope of a device, named or not.
    pub(super) fn scope_of(&self, device: DeviceId) -> Result<Scope, ChangeError> {
        if let Some(name) = self.entry_of(device) {
            return Ok(Scope::Device(name.clone()));
        }
        let name = DeviceName::parse(&self.seen(device)?.key).map_err(ChangeError::Invalid)?;
        Ok(Scope::Device(name))
    }

    fn part_of(&self, device: DeviceId) -> Option<&'g DevicePart> {
        let ground = self.ground;
        let place = ground.ids.iter().position(|id| *id == device)?;
        ground.standing.devices.get(place)
    }

    fn seen(&self, device: DeviceId) -> Result<&'g Device, ChangeError> {
        let found = self.ground.devices.iter().find(|seen| seen.id == device);
        found.ok_or_else(|| ChangeError::NotFound("there is no such device".into()))
    }

    /// Checks that no other device has this name.
    fn is_free(&self, name: &DeviceName, own: Option<&DeviceName>) -> Result<(), ChangeError> {
        let mut others = self.ground.standing.devices.iter();
        if others.any(|other| other.name == *name && Some(name) != own) {
            return Err(ChangeError::Invalid(format!("another device is named `{name}`")));
        }
        if name.as_str() == "everyone" {
            return Err(ChangeError::Invalid(
                "`everyone` means all devices; choose another name".into(),
            ));
        }
        Ok(())
    }

    fn is_not_all(&self, entry: &DevicePart, places: &Places) -> Result<(), ChangeError> {
        if places.count() > 1 {
            return Ok(());
        }
        Err(ChangeError::Invalid(format!(
            "that is all by which `{}` is known; `deadpixel device rename` gives it another name, \
             `device forget` removes it",
            entry.name
        )))
    }
}

fn covers(wide: Prefix, narrow: Prefix) -> bool {
    wide.bits() <= narrow.bits() && wide.contains(narrow.address())
}

fn not_of_it(entry: &DevicePart, place: Place, places: &Places) -> ChangeError {
    let texts: Vec<String> = places.texts().flat_map(|(_, texts)| texts).collect();
    ChangeError::NotFound(format!(
        "policy.toml does not name `{}` by `{place}`, but by {}",
        entry.name,
        texts.join(", ")
    ))
}
