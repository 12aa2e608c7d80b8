//! Facts in, notices out: who asked, what the register and the network tell.

use std::collections::HashMap;

use super::arrivals::Arrivals;
use super::detours::Detours;
use super::{Contacts, HOUR, MINUTE, Notices, OneAddress, Quiet, Raised, Surroundings};
use super::{quiet, store};
use crate::devices::{Device, Devices, Happening};
use crate::discovery::Sight;
use crate::model::DeviceId;
use crate::query_log::Told;
use crate::storage::StorageError;

/// What was learned since the last look.
#[derive(Debug, Default)]
pub struct News {
    /// What the log tells of who asked.
    pub told: Vec<Told>,
    /// What happened to devices.
    pub happenings: Vec<Happening>,
    /// What was seen on the network.
    pub sights: Vec<Sight>,
    /// How many queries were lost since the start.
    pub lost: u64,
}

/// Watches; one for all.
pub struct Watch {
    notices: Notices,
    devices: Devices,
    contacts: Contacts,
    detours: Detours,
    arrivals: Arrivals,
    one_address: OneAddress,
    quiet: Quiet,
    /// Queries of this minute by what they are recorded under.
    queries: HashMap<DeviceId, u32>,
    minute: i64,
    hour: i64,
    lost: u64,
}

impl Watch {
    /// Reads what is known of contacts, and begins to watch.
    pub fn open(notices: Notices, devices: Devices) -> Result<Watch, StorageError> {
        let known = notices.with_state(|connection| store::load_contacts(connection))?;
        let passed = notices.passed();
        Ok(Watch {
            notices,
            devices,
            contacts: Contacts::of(known),
            detours: Detours::default(),
            arrivals: Arrivals::default(),
            one_address: OneAddress::default(),
            quiet: Quiet::default(),
            queries: HashMap::new(),
            minute: passed.div_euclid(MINUTE),
            hour: passed.div_euclid(HOUR),
            lost: 0,
        })
    }

    /// Takes in what is new; called once a second.
    ///
    /// `is_reachable` tells whether the kernel heard of a device within the last minutes.
    pub fn look(
        &mut self,
        news: &News,
        around: &Surroundings,
        is_reachable: impl Fn(&Device) -> bool,
    ) {
        let passed = self.notices.passed();
        self.count(&news.told, passed);
        for draft in news.sights.iter().filter_map(|sight| around.sight(sight)) {
            self.notices.raise(draft);
        }
        let minute = passed.div_euclid(MINUTE);
        let told = |told: &Told| !(told.contacts.is_empty() && told.detours.is_empty());
        let eventful = !news.happenings.is_empty() || news.told.iter().any(told);
        if !eventful && minute == self.minute {
            return;
        }
        let naming = Naming::of(self.devices.list());
        self.take(news, &naming, passed);
        if std::mem::replace(&mut self.minute, minute) != minute {
            self.end_minute(news.lost, &naming, is_reachable);
        }
        let hour = passed.div_euclid(HOUR);
        if std::mem::replace(&mut self.hour, hour) != hour {
            self.end_hour(around, &naming);
        }
    }

    /// Writes what is not yet written; called once a second and on stop.
    pub fn flush(&mut self) -> Result<(), StorageError> {
        self.notices.flush()?;
        let (added, gone) = self.contacts.take_changes();
        if added.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let write = |connection: &mut _| store::write_contacts(connection, &added, &gone);
        let written = self.notices.with_state(write);
        if written.is_err() {
            self.contacts.take_back((added, gone));
        }
        written
    }

    fn count(&mut self, told: &[Told], passed: i64) {
        for seen in told.iter().flat_map(|told| &told.seen) {
            self.contacts.hear(seen.device, passed);
            self.one_address.take(seen.client, seen.queries, passed);
            let queries = self.queries.entry(seen.device).or_default();
            *queries = queries.saturating_add(seen.queries);
        }
    }

    fn take(&mut self, news: &News, naming: &Naming, passed: i64) {
        for happening in &news.happenings {
            if let Some(draft) = self.arrivals.take(happening, naming, passed) {
                self.notices.raise(draft);
            }
        }
        for told in &news.told {
            for contact in &told.contacts {
                self.contacts.take(contact, naming, passed);
            }
            for detour in &told.detours {
                if let Some(draft) = self.detours.take(detour, naming, passed) {
                    self.notices.raise(draft);
                }
            }
        }
        if self.contacts.is_waiting() {
            self.contacts.tell(naming, |draft| self.notices.raise(draft));
        }
    }

    fn end_minute(&mut self, lost: u64, naming: &Naming, is_reachable: impl Fn(&Device) -> bool) {
        let passed = self.notices.passed();
        if std::mem::replace(&mut self.lost, lost) != lost {
            self.quiet.begin_anew(passed);
        }
        let counted = std::mem::take(&mut self.queries);
        for device in &naming.devices {
            let queries = device.parts.iter().filter_map(|part| counted.get(part)).sum();
            let reachable = queries == 0 && is_reachable(device);
            let silence = self.quiet.minute(device.id, queries, reachable, passed);
            if let Some(silence) = silence {
                self.notices.raise(quiet::draft(device, silence));
            }
        }
    }

    fn end_hour(&mut self, around: &Surroundings, naming: &Naming) {
        let told = self.one_address.judge(around, self.notices.passed());
        for draft in told.into_iter().chain(around.time_zone()) {
            let _: Raised = self.notices.raise(draft);
        }
        self.contacts.sweep(naming);
        self.quiet.sweep(|device| naming.device(device).is_some());
    }
}

/// All devices at one moment, by their numbers and by those of their parts.
pub(super) struct Naming {
    devices: Vec<Device>,
    owners: HashMap<DeviceId, usize>,
}

impl Naming {
    pub(super) fn of(devices: Vec<Device>) -> Naming {
        let mut owners = HashMap::with_capacity(devices.len());
        for (place, device) in devices.iter().enumerate() {
            owners.insert(device.id, place);
        }
        for (place, device) in devices.iter().enumerate() {
            owners.extend(device.parts.iter().map(|&part| (part, place)));
        }
        Naming { devices, owners }
    }

    /// Returns the device that a part belongs to.
    pub(super) fn owner(&self, part: DeviceId) -> Option<&Device> {
        self.devices.get(*self.owners.get(&part)?)
    }

    /// Returns the device of this number.
    pub(super) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.owner(id).filter(|device| device.id == id)
    }
}

/// Returns how commands call a device, or an address of it where that is not easy to type.
pub(super) fn handle(device: &Device) -> String {
    if is_typed_easily(&device.key) {
        return shell_word(&device.key);
    }
    let address = device.addresses.first().map(ToString::to_string);
    address.unwrap_or_else(|| device.id.0.to_string())
}

/// Returns a name as one writes it in a shell.
pub(super) fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if !name.starts_with('-') && name.chars().all(plain) {
        return name.into();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

fn is_typed_easily(name: &str) -> bool {
    let easy = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | ' ');
    !name.is_empty() && !name.starts_with('-') && name.chars().all(easy)
}
