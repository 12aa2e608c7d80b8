//! Which device ever asked for which company, and what it asks for the first time.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::watch::Naming;
use super::{DAY, Draft, NoticeKind, Raised};
use crate::devices::Device;
use crate::model::DeviceId;
use crate::query_log::Contact;

/// Most parts of devices that are remembered.
const MAX_PARTS: usize = 65_536;

/// Most pairs of part and company that are remembered.
const MAX_PAIRS: usize = 262_144;

/// Most companies of one device that wait to be told.
const MAX_PENDING: usize = 20;

/// For so long nothing a device asks for is news.
const LEARNING: i64 = DAY;

/// A part of a device asked for a company, or was heard of if that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) part: DeviceId,
    pub(super) company: String,
    pub(super) since: i64,
}

/// What was asked for, and what is still to be told of it.
#[derive(Default)]
pub(super) struct Contacts {
    parts: HashMap<DeviceId, Part>,
    pairs: usize,
    /// Names of companies by device.
    pending: BTreeMap<DeviceId, Vec<String>>,
    added: Vec<Known>,
    gone: Vec<(DeviceId, Option<String>)>,
}

struct Part {
    /// When it was heard of first.
    since: i64,
    companies: HashSet<String>,
}

impl Contacts {
    pub(super) fn of(known: Vec<Known>) -> Contacts {
        let mut contacts = Contacts::default();
        for Known { part, company, since } in known {
            let entry = Part { since, companies: HashSet::new() };
            let entry = contacts.parts.entry(part).or_insert(entry);
            entry.since = entry.since.min(since);
            if !company.is_empty() && entry.companies.insert(company) {
                contacts.pairs += 1;
            }
        }
        contacts
    }

    /// Notes that a part asks.
    pub(super) fn hear(&mut self, part: DeviceId, passed: i64) {
        if self.parts.contains_key(&part) || self.parts.len() >= MAX_PARTS {
            return;
        }
        self.parts.insert(part, Part { since: passed, companies: HashSet::new() });
        self.added.push(Known { part, company: String::new(), since: passed });
    }

    /// Takes in that a part asked for a company; it is news unless the device did before.
    pub(super) fn take(&mut self, contact: &Contact, naming: &Naming, passed: i64) {
        let (part, slug) = (contact.device, &contact.company.slug);
        if self.pairs >= MAX_PAIRS || slug.is_empty() {
            return;
        }
        let Some(device) = naming.owner(part) else { return };
        let asked_before = self.asked(device, slug);
        let learning = self.is_learning(device, passed);
        let Some(known) = self.parts.get_mut(&part) else { return };
        if !known.companies.insert(slug.clone()) {
            return;
        }
        self.pairs += 1;
        self.added.push(Known { part, company: slug.clone(), since: passed });
        if !asked_before && !learning {
            let pending = self.pending.entry(device.id).or_default();
            if pending.len() < MAX_PENDING && !pending.contains(&contact.company.name) {
                pending.push(contact.company.name.clone());
            }
        }
    }

    /// Tells what is new; what a person muted for the day waits until it may be told.
    pub(super) fn tell(&mut self, naming: &Naming, mut raise: impl FnMut(Draft) -> Raised) {
        self.pending.retain(|&id, companies| match naming.device(id) {
            None => false,
            Some(device) => raise(draft(device, companies)) == Raised::Muted,
        });
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Forgets parts that no device has any more.
    pub(super) fn sweep(&mut self, naming: &Naming) {
        let gone: Vec<DeviceId> =
            self.parts.keys().copied().filter(|&part| naming.owner(part).is_none()).collect();
        for part in gone {
            if let Some(known) = self.parts.remove(&part) {
                self.pairs -= known.companies.len();
            }
            self.gone.push((part, None));
        }
        let parts = &self.parts;
        self.added.retain(|known| parts.contains_key(&known.part));
    }

    /// Takes what `state.db` does not hold yet.
    pub(super) fn take_changes(&mut self) -> (Vec<Known>, Vec<(DeviceId, Option<String>)>) {
        (std::mem::take(&mut self.added), std::mem::take(&mut self.gone))
    }

    /// Takes back what could not be written.
    pub(super) fn take_back(
        &mut self,
        (mut added, mut gone): (Vec<Known>, Vec<(DeviceId, Option<String>)>),
    ) {
        added.append(&mut self.added);
        gone.append(&mut self.gone);
        (self.added, self.gone) = (added, gone);
    }

    fn asked(&self, device: &Device, slug: &str) -> bool {
        let parts = device.parts.iter().filter_map(|part| self.parts.get(part));
        parts.into_iter().any(|part| part.companies.contains(slug))
    }

    fn is_learning(&self, device: &Device, passed: i64) -> bool {
        let since = device.parts.iter().filter_map(|part| Some(self.parts.get(part)?.since)).min();
        since.is_none_or(|since| passed.saturating_sub(since) < LEARNING)
    }
}

fn draft(device: &Device, companies: &[String]) -> Draft {
    let name = &device.name;
    Draft {
        kind: NoticeKind::FirstContact,
        subject: format!("device {}", device.id.0),
        device: Some(device.id),
        title: format!("{name} asked for a new company"),
        words: format!("{name} asked for tracking names of companies it never asked for before."),
        items: companies.to_vec(),
        remedy: format!(
            "A new app or page on it may be why. See what it asks: deadpixel who {}",
            super::watch::handle(device)
        ),
    }
}
