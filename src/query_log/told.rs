//! What the log thread tells others of each batch that it drained.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::model::{
    BindingId, CompanyId, CompanyLabel, DeviceId, Legend, LogDetail, QueryEvent, QuickHash, Reason,
};

/// Most contacts that are remembered as told, and so not told again.
const MAX_KNOWN: usize = 65_536;

/// Most names of other resolvers that are told of one batch.
const MAX_DETOURS: usize = 256;

/// Told of each batch drained; it must not take long.
pub type SeenSink = Box<dyn FnMut(&Told) + Send>;

/// What a batch of events holds, in few words.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Who asked, and how often.
    pub seen: Vec<Seen>,
    /// Companies asked for by tracking names; one told before may be left out.
    pub contacts: Vec<Contact>,
    /// Names asked for by which devices pass this resolver by.
    pub detours: Vec<Detour>,
}

/// Queries of one address under one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The binding.
    pub binding: BindingId,
    /// What they are recorded under.
    pub device: DeviceId,
    /// The address.
    pub client: IpAddr,
    /// The latest, microseconds since 1970.
    pub latest: i64,
    /// How many.
    pub queries: u32,
}

/// A device asked for a tracking name of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// What it is recorded under.
    pub device: DeviceId,
    /// The company.
    pub company: CompanyLabel,
}

/// A device asked for a name by which it may pass this resolver by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    /// What it is recorded under.
    pub device: DeviceId,
    /// The name, escaped; none where the device's names are not kept.
    pub name: Option<String>,
    /// Whether it asks by it if it may, rather than for a server of encrypted DNS.
    pub canary: bool,
}

/// Gathers what is told of a batch.
#[derive(Default)]
pub(super) struct Teller {
    seen: HashMap<(BindingId, DeviceId, IpAddr), (i64, u32), QuickHash>,
    told: Told,
    known: HashSet<(DeviceId, u32, CompanyId), QuickHash>,
}

impl Teller {
    /// Takes in one event; `legend` is that of its edition.
    pub(super) fn take(&mut self, event: &QueryEvent<'_>, legend: Option<&Legend>) {
        let key = (event.binding, event.device, event.client);
        let (latest, queries) = self.seen.entry(key).or_insert((event.at, 0));
        *latest = event.at.max(*latest);
        *queries += 1;
        if !matches!(event.detail, LogDetail::Full | LogDetail::Tracking) {
            return;
        }
        let Some(legend) = legend else { return };
        self.note_contact(event, legend);
        let canary = event.reason == Some(Reason::Canary);
        if canary || !event.lists.intersection(legend.encrypted_dns).is_empty() {
            self.note_detour(event, canary);
        }
    }

    /// Returns what was gathered since the last call, if anything.
    pub(super) fn tell(&mut self) -> Option<Told> {
        if self.seen.is_empty() {
            return None;
        }
        let mut told = std::mem::take(&mut self.told);
        let seen = self.seen.drain().map(|((binding, device, client), (latest, queries))| Seen {
            binding,
            device,
            client,
            latest,
            queries,
        });
        told.seen = seen.collect();
        Some(told)
    }

    fn note_contact(&mut self, event: &QueryEvent<'_>, legend: &Legend) {
        let Some(company) = event.company.filter(|_| event.tracking) else { return };
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        if !self.known.insert((event.device, event.edition, company)) {
            return;
        }
        if let Some(company) = legend.company(company).cloned() {
            self.told.contacts.push(Contact { device: event.device, company });
        }
    }

    fn note_detour(&mut self, event: &QueryEvent<'_>, canary: bool) {
        if self.told.detours.len() >= MAX_DETOURS {
            return;
        }
        let kept = event.detail == LogDetail::Full || event.tracking;
        let detour =
            Detour { device: event.device, name: kept.then(|| event.name.to_string()), canary };
        if !self.told.detours.contains(&detour) {
            self.told.detours.push(detour);
        }
    }
}
