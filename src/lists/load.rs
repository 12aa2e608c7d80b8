//! The loader: all lists into one ruleset, or the ruleset of before if nothing has changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    ArtefactKey, Artefacts, Files, Guard, KeyParts, ListReport, Loading, Meta, Offered, OwnList,
    Settings, Source, Store, Version, known, shipped,
};
use crate::catalogue::Catalogue;
use crate::model::{DomainName, HashSeed, ListKind, ListName, MAX_LISTS};
use crate::rules::{Ruleset, TooManyLists};
use crate::storage::{Database, StorageError};

/// Rises when the same lists would give other rules: parsers, guard or shipped lists are others.
const READING: u32 = 1;

/// How often another version is tried where copies are damaged.
const TRIES: usize = 8;

/// Rules, catalogue and reports, loaded together.
pub struct Loaded {
    /// All lists, compiled.
    pub ruleset: Arc<Ruleset>,
    /// The catalogue they were made with.
    pub catalogue: Arc<Catalogue>,
    /// A report for each list that is shown, in `ListId` order.
    pub reports: Vec<ListReport>,
    /// What to tell beside the reports: the override folder is broken or older than the shipped
    /// lists, copies or compiled lists could not be kept.
    pub notices: Vec<String>,
}

/// The catalogue in force.
pub struct FoundCatalogue {
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// Why it is not the one that was to be, or what to know of it.
    pub notice: Option<String>,
}

/// The loader of lists.
pub struct Lists {
    files: Files,
    store: Store,
    artefacts: Artefacts,
    /// The folder that overrides the shipped lists, if there is one.
    blocklists: Option<PathBuf>,
    seed: HashSeed,
    /// The machine's own names.
    machine: Vec<DomainName>,
    /// Lists by others that levels subscribe.
    defaults: Vec<OwnList>,
}

/// One of the owner's lists on its way in.
struct Arrived<'l> {
    list: &'l OwnList,
    /// Why its latest content is not in force.
    held: Option<String>,
}

impl Lists {
    /// Makes a loader. `data` is the data folder, in which copies and compiled lists are kept.
    pub fn open(
        settings: &Settings,
        data: &Path,
        state: Arc<Database>,
        seed: HashSeed,
    ) -> Result<Lists, StorageError> {
        let folder = settings.folder.clone().unwrap_or_else(|| data.join("lists"));
        Ok(Lists {
            files: Files::new(folder),
            store: Store::open(data.join("lists-kept"), state, seed)?,
            artefacts: Artefacts::new(data.join("compiled")),
            blocklists: settings.blocklists.clone(),
            seed,
            machine: machine_names(),
            defaults: if settings.subscribe_defaults { known::defaults() } else { Vec::new() },
        })
    }

    /// Returns the store of lists, which fetching fills.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Returns the lists by others that levels subscribe.
    pub fn defaults(&self) -> Vec<OwnList> {
        self.defaults.clone()
    }

    /// Returns the names of the lists that ship with the program, bans included, in their order.
    pub fn shipped_names(catalogue: &Catalogue) -> Vec<(ListName, ListKind)> {
        shipped::names(catalogue)
    }

    /// Returns what keeps rules of lists from blocking what no list may.
    pub fn guard(&self, catalogue: &Catalogue) -> Guard {
        Guard::new(catalogue.essential(), &self.machine)
    }

    /// Reads the catalogue of the override folder if it is good, else the shipped one.
    pub fn catalogue(&self) -> FoundCatalogue {
        let shipped = Catalogue::shipped(self.seed);
        let (catalogue, notice) = match &self.blocklists {
            None => (shipped, None),
            Some(folder) => overridden(shipped, folder, self.seed),
        };
        FoundCatalogue { catalogue: Arc::new(catalogue), notice }
    }

    /// Loads everything, at `now` in seconds since 1970: files as they are, of lists with an
    /// address the version in force. Nothing is parsed if nothing has changed since the last time.
    pub fn load(
        &self,
        found: &FoundCatalogue,
        own: &[OwnList],
        now: i64,
    ) -> Result<Loaded, String> {
        let catalogue = &found.catalogue;
        let count = shipped::names(catalogue).len() + shipped::PARTS + own.len();
        if count > MAX_LISTS {
            return Err(TooManyLists(count).to_string());
        }
        let mut arrived: Vec<Arrived<'_>> =
            own.iter().map(|list| Arrived { list, held: self.arrive(list, now) }).collect();
        self.store.tidy(own, now);
        let mut notices = Vec::from_iter(found.notice.clone());
        let (ruleset, mut reports) = match self.compiled(self.key(catalogue, own)) {
            Some(compiled) => compiled,
            None => self.compile(catalogue, &mut arrived, now, &mut notices)?,
        };
        for Arrived { list, held } in &arrived {
            let report = reports.iter_mut().find(|report| report.name == list.name);
            report.into_iter().for_each(|report| self.complete(report, held.as_deref()));
        }
        notices.extend(self.store.notices());
        let catalogue = Arc::clone(catalogue);
        Ok(Loaded { ruleset: Arc::new(ruleset), catalogue, reports, notices })
    }

    /// Compiles lists as they lie here now, in memory, and keeps nothing of it.
    ///
    /// Returns the lists of which nothing is here, too.
    pub fn foresee(
        &self,
        catalogue: &Catalogue,
        own: &[OwnList],
    ) -> Result<(Ruleset, Vec<ListName>), String> {
        let guard = self.guard(catalogue);
        let mut loading = Loading::new(&guard, self.seed);
        for list in shipped::rules(catalogue) {
            loading.add_shipped(list).map_err(|error| error.to_string())?;
        }
        let mut missing = Vec::new();
        for list in own {
            let stored = || self.store.octets(&list.name).map(|(octets, _)| octets);
            let content = match &list.source {
                Source::File(file) => self.files.read(file).or_else(|_| stored()),
                _ => stored(),
            };
            if content.is_err() {
                missing.push(list.name.clone());
            }
            let added = loading.add_own(list, content.ok().as_deref());
            added.map_err(|error| error.to_string())?;
        }
        Ok((loading.finish().0, missing))
    }

    /// Offers a list's file to the store; returns why the latest content of a list is not in force.
    fn arrive(&self, list: &OwnList, now: i64) -> Option<String> {
        let Source::File(file) = &list.source else {
            let history = self.store.history(&list.name);
            return history.waiting().and_then(|version| version.why.clone());
        };
        let offered = match self.files.read(file) {
            Ok(octets) => self.store.offer(list, &octets, Meta::default(), now),
            Err(why) => {
                self.store.failed(list, &why, now);
                Err(why)
            }
        };
        match offered {
            Ok(Offered::Unchanged | Offered::InForce { .. }) => None,
            Ok(Offered::Held { why }) | Err(why) => Some(why),
        }
    }

    /// Returns the key of the compiled lists as they are in force now.
    fn key(&self, catalogue: &Catalogue, own: &[OwnList]) -> ArtefactKey {
        let mut key = KeyParts::new();
        key.add(env!("CARGO_PKG_VERSION").as_bytes());
        key.add(&READING.to_le_bytes());
        self.seed.0.iter().for_each(|half| key.add(&half.to_le_bytes()));
        key.add(&catalogue.content());
        self.machine.iter().for_each(|name| key.add(name.as_ref().wire()));
        for list in own {
            key.add(list.name.as_str().as_bytes());
            let OwnList { kind, trusted, allowlist, wide, .. } = list;
            key.add(format!("{kind:?} {trusted} {allowlist} {wide} {}", list.asked()).as_bytes());
            let hash = self.store.in_force(&list.name).map(|version| version.hash.to_string());
            key.add(hash.unwrap_or_default().as_bytes());
        }
        key.finish()
    }

    /// Maps the compiled lists of a key, if they are there and whole.
    fn compiled(&self, key: ArtefactKey) -> Option<(Ruleset, Vec<ListReport>)> {
        let octets = self.artefacts.find(key)?;
        let ruleset = Ruleset::from_octets(octets, &key.0, self.seed);
        let ruleset = ruleset.inspect_err(|error| {
            tracing::warn!("{error}: they are made anew from the stored lists");
        });
        let ruleset = ruleset.ok()?;
        let reports = serde_json::from_slice(ruleset.notes()).ok()?;
        Some((ruleset, reports))
    }

    fn compile(
        &self,
        catalogue: &Catalogue,
        arrived: &mut [Arrived<'_>],
        now: i64,
        notices: &mut Vec<String>,
    ) -> Result<(Ruleset, Vec<ListReport>), String> {
        let guard = self.guard(catalogue);
        let mut loading = Loading::new(&guard, self.seed);
        for list in shipped::rules(catalogue) {
            loading.add_shipped(list).map_err(|error| error.to_string())?;
        }
        for arrived in arrived.iter_mut() {
            let content = self.content(arrived, now, notices);
            let added = loading.add_own(arrived.list, content.as_deref());
            added.map_err(|error| error.to_string())?;
        }
        let (mut ruleset, reports) = loading.finish();
        ruleset.set_notes(serde_json::to_vec(&reports).unwrap_or_default().into());
        let own: Vec<OwnList> = arrived.iter().map(|arrived| arrived.list.clone()).collect();
        // Copies may have been damaged, and other versions come into force.
        let key = self.key(catalogue, &own);
        match self.artefacts.keep(key, &ruleset.to_octets(&key.0)) {
            Ok(()) => {
                self.artefacts.sweep(key);
                Ok(self.compiled(key).unwrap_or((ruleset, reports)))
            }
            Err(error) => {
                notices.push(format!(
                    "compiled lists are in memory only, and made anew at the next start: {error}"
                ));
                Ok((ruleset, reports))
            }
        }
    }

    /// Returns the octets in force of a list; a damaged copy gives way to the file or a version before.
    fn content(
        &self,
        arrived: &mut Arrived<'_>,
        now: i64,
        notices: &mut Vec<String>,
    ) -> Option<Vec<u8>> {
        let name = &arrived.list.name;
        for _ in 0..TRIES {
            let version = self.store.in_force(name)?.number;
            match self.store.octets(name) {
                Ok((octets, _)) => return Some(octets),
                Err(why) => notices.push(format!("list {name}, version {version}: {why}")),
            }
            self.store.lose(name, version);
            arrived.held = self.arrive(arrived.list, now);
        }
        None
    }

    /// Adds to a report what the store knows.
    fn complete(&self, report: &mut ListReport, held: Option<&str>) {
        let history = self.store.history(&report.name);
        report.version = history.in_force().map(|version| version.number);
        let Some(why) = held.or(report.held.as_deref()) else { return };
        let instead = match report.version {
            Some(number) => format!("version {number} is in force"),
            None => "nothing of it is in force".into(),
        };
        let waits = |version: &&Version| version.usable && version.why.as_deref() == held;
        let name = &report.name;
        let way = history.waiting().filter(waits);
        let way = way.map(|_| format!("; `deadpixel lists accept {name}` lets it in"));
        report.held = Some(format!("{why}; {instead}{}", way.unwrap_or_default()));
    }
}

fn overridden(shipped: Catalogue, folder: &Path, seed: HashSeed) -> (Catalogue, Option<String>) {
    let shown = folder.display();
    match Catalogue::from_folder(folder, seed) {
        Err(problems) => {
            let notice = format!("{shown} is not in force, the shipped lists are: {problems}");
            (shipped, Some(notice))
        }
        Ok(own) if own.edition() < shipped.edition() => {
            let (edition, newer) = (own.edition(), shipped.edition());
            let notice = format!("{shown} is of {edition}; the shipped lists are of {newer}");
            (own, Some(notice))
        }
        Ok(own) => (own, None),
    }
}

/// Returns the names by which the machine calls itself.
fn machine_names() -> Vec<DomainName> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = DomainName::parse(name.trim()).ok().filter(|name| !name.as_ref().is_root());
    name.into_iter().collect()
}
