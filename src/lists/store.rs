//! The store of lists: every version that is kept, which is in force, and when each is due again.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use siphasher::sip::SipHasher13;
use url::Url;

use super::schedule::next_due;
use super::{
    ContentHash, History, Kept, ListChange, Named, OwnList, Reading, Source, Version, VersionState,
    compare, suspicion, unpacked, version_rows,
};
use crate::model::{HashSeed, ListName};
use crate::rules::parse::ListRefused;
use crate::storage::{Database, StorageError};

/// No list waits longer than this, in seconds: if one seems to, the wall clock was wrong.
const LONGEST_WAIT: i64 = 62 * 86_400;

/// How long the versions of a list are kept that no policy names any more, in seconds.
const FORGOTTEN_AFTER: i64 = 30 * 86_400;

/// All versions of all lists; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    kept: Kept,
    state: Arc<Database>,
    seed: HashSeed,
    histories: Mutex<BTreeMap<ListName, History>>,
    /// Why something is kept in memory alone: the copies, the rows.
    unwritten: Mutex<(Option<String>, Option<String>)>,
    /// One change at a time; readers of `histories` never wait for a list to be read.
    turn: Mutex<()>,
}

/// A list that is to be fetched now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The list.
    pub list: OwnList,
    /// Where it is fetched from.
    pub address: Url,
    /// Whether the address may lie in the own network.
    pub local: bool,
    /// `ETag` of what came last.
    pub etag: Option<String>,
    /// `Last-Modified` of what came last.
    pub last_modified: Option<String>,
}

/// What came with the octets of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
    /// The address that gave it, after redirects; `None`: the list's own.
    pub fetched_from: Option<String>,
}

/// What became of octets that were offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// They are those in force.
    Unchanged,
    /// They are in force from the next load on.
    InForce {
        /// The number of the new version.
        version: u32,
        /// What it changed.
        change: ListChange,
    },
    /// They are held back, and what was in force stays.
    Held {
        /// Why.
        why: String,
    },
}

impl Store {
    /// Reads what is known of the lists and sweeps the folder of copies.
    pub fn open(
        folder: PathBuf,
        state: Arc<Database>,
        seed: HashSeed,
    ) -> Result<Store, StorageError> {
        let kept = Kept::new(folder);
        let mut histories = version_rows::load(&state)?;
        for history in histories.values_mut() {
            let lost: Vec<u32> =
                history.versions.iter().filter(|v| !kept.has(&v.hash)).map(|v| v.number).collect();
            lost.into_iter().for_each(|number| history.lose(number));
        }
        kept.sweep(&hashes(&histories));
        let histories = Mutex::new(histories);
        let (unwritten, turn) = Default::default();
        Ok(Store(Arc::new(Inner { kept, state, seed, histories, unwritten, turn })))
    }

    /// Returns which of these lists are to be fetched at `now`, seconds since 1970.
    pub fn due(&self, lists: &[OwnList], now: i64) -> Vec<Due> {
        let histories = self.histories();
        let due = |list: &OwnList| {
            let Source::Address { url, local } = &list.source else { return None };
            let attempts = histories.get(&list.name).map(|history| &history.attempts);
            let attempts = attempts.filter(|attempts| attempts.asked == list.asked());
            let next = attempts.and_then(|attempts| attempts.next_due);
            let waits = next.is_some_and(|next| now < next && next - now < LONGEST_WAIT);
            (!waits).then(|| Due {
                list: list.clone(),
                address: url.clone(),
                local: *local,
                etag: attempts.and_then(|attempts| attempts.etag.clone()),
                last_modified: attempts.and_then(|attempts| attempts.last_modified.clone()),
            })
        };
        lists.iter().filter_map(due).collect()
    }

    /// Takes the octets of a list in, unless something is wrong with them.
    ///
    /// An error is as good as a failed fetch: there is nothing that could be held.
    pub fn offer(
        &self,
        list: &OwnList,
        octets: &[u8],
        meta: Meta,
        now: i64,
    ) -> Result<Offered, String> {
        let _turn = self.turn();
        let mut history = self.history(&list.name);
        let content = match unpacked(octets) {
            Ok(content) => content,
            Err(why) => {
                self.note_failure(list, &mut history, &why, now);
                self.save(&list.name, history);
                return Err(why);
            }
        };
        let offered = self.take_in(list, &content, &mut history, now);
        self.ask(list, &mut history, now);
        (history.attempts.etag, history.attempts.last_modified) = (meta.etag, meta.last_modified);
        history.attempts.failures = 0;
        self.schedule(list, &mut history, now);
        if let Offered::Held { why } = &offered {
            let from = meta.fetched_from.filter(|from| *from != list.source.to_string());
            let from = from.map(|from| format!(" (from {from})")).unwrap_or_default();
            history.attempts.last_error = Some(format!("{why}{from}"));
        } else {
            history.attempts.last_error = None;
            history.attempts.last_success = Some(now);
        }
        self.save(&list.name, history);
        Ok(offered)
    }

    /// Notes that the source has nothing new: what came last is what it has.
    pub fn unchanged(&self, list: &OwnList, now: i64) {
        let _turn = self.turn();
        let mut history = self.history(&list.name);
        self.ask(list, &mut history, now);
        history.attempts.failures = 0;
        if history.held().is_none() {
            history.attempts.last_error = None;
            history.attempts.last_success = Some(now);
        }
        self.schedule(list, &mut history, now);
        self.save(&list.name, history);
    }

    /// Notes that the list could not be fetched.
    pub fn failed(&self, list: &OwnList, why: &str, now: i64) {
        let _turn = self.turn();
        let mut history = self.history(&list.name);
        self.note_failure(list, &mut history, why, now);
        self.save(&list.name, history);
    }

    /// Puts the held version of a list in force from the next load on; returns its number.
    pub fn accept(&self, name: &ListName, now: i64) -> Result<u32, String> {
        self.change(name, now, History::accept)
    }

    /// Puts an earlier version in force from the next load on; returns its number.
    ///
    /// The content it takes the place of is held back when it comes again; other content is not.
    pub fn rollback(&self, name: &ListName, version: Option<u32>, now: i64) -> Result<u32, String> {
        self.change(name, now, |history| history.roll_back(version))
    }

    /// Returns the octets of the version in force, unpacked, with its number.
    pub fn octets(&self, name: &ListName) -> Result<(Vec<u8>, u32), String> {
        let in_force = self.in_force(name);
        let version = in_force.ok_or_else(|| format!("no version of {name} is in force"))?;
        Ok((self.0.kept.read(&version.hash)?, version.number))
    }

    /// Returns the octets of a version that is kept, unpacked.
    pub fn octets_of(&self, name: &ListName, number: u32) -> Result<Vec<u8>, String> {
        let history = self.history(name);
        let version = history.versions.iter().find(|version| version.number == number);
        let version = version.ok_or_else(|| format!("version {number} of {name} is not kept"))?;
        self.0.kept.read(&version.hash)
    }

    /// Returns the version of a list that is in force.
    pub fn in_force(&self, name: &ListName) -> Option<Version> {
        self.histories().get(name)?.in_force().cloned()
    }

    /// Returns all that is known of a list's versions.
    pub fn history(&self, name: &ListName) -> History {
        self.histories().get(name).cloned().unwrap_or_default()
    }

    /// Returns all that is known of every list's versions.
    pub fn states(&self) -> BTreeMap<ListName, History> {
        self.histories().clone()
    }

    /// Returns why something could not be written and lasts only until the program ends.
    pub fn notices(&self) -> Vec<String> {
        let unwritten = self.unwritten();
        unwritten.0.iter().chain(&unwritten.1).cloned().collect()
    }

    /// Drops the version in force, whose copy turned out to be damaged; one before takes its place.
    pub(super) fn lose(&self, name: &ListName, number: u32) {
        let _turn = self.turn();
        let mut history = self.history(name);
        if let Some(lost) = history.versions.iter().find(|version| version.number == number) {
            self.0.kept.remove(&lost.hash);
        }
        history.lose(number);
        self.save(name, history);
    }

    /// Forgets lists that no policy has named for long.
    pub(super) fn tidy(&self, lists: &[OwnList], now: i64) {
        let _turn = self.turn();
        let named: BTreeSet<&ListName> = lists.iter().map(|list| &list.name).collect();
        let long_gone = |(name, history): &(&ListName, &History)| {
            let latest = history.versions.iter().map(|version| version.at);
            let latest = latest.chain(history.attempts.last_attempt).max().unwrap_or(0);
            !named.contains(name) && latest.saturating_add(FORGOTTEN_AFTER) < now
        };
        let gone: Vec<ListName> =
            self.histories().iter().filter(long_gone).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if version_rows::forget(&self.0.state, &name).is_ok() {
                let before = self.histories().remove(&name);
                self.remove_unused(before.as_ref());
            }
        }
    }

    /// Decides what becomes of content, and puts it into the history.
    fn take_in(&self, list: &OwnList, content: &[u8], history: &mut History, now: i64) -> Offered {
        let hash = ContentHash::of(content);
        if history.in_force().is_some_and(|version| version.hash == hash) {
            self.keep(&hash, content);
            history.settle();
            return Offered::Unchanged;
        }
        if let Some(version) = history.rolled_back(&hash) {
            let why = version.why.clone().unwrap_or_default();
            return Offered::Held { why };
        }
        self.keep(&hash, content);
        let (mut version, why) = self.examine(list, content, history);
        (version.hash, version.at) = (hash, now);
        match why {
            Some(why) => {
                history.hold(version, &why);
                Offered::Held { why }
            }
            None => {
                let change = version.change.clone();
                Offered::InForce { version: history.put_in_force(version), change }
            }
        }
    }

    /// Reads content; returns what it is as a version, and why it is not to be put in force.
    fn examine(
        &self,
        list: &OwnList,
        content: &[u8],
        history: &History,
    ) -> (Version, Option<String>) {
        let (options, seed) = (list.options(), self.0.seed);
        let mut version = Version {
            number: 0,
            hash: ContentHash::of(b""),
            octets: u32::try_from(content.len()).unwrap_or(u32::MAX),
            names: 0,
            usable: true,
            expires: None,
            source: list.source.to_string(),
            change: ListChange::default(),
            at: 0,
            state: VersionState::Earlier,
            why: None,
        };
        let (named, summary) = match Named::of(content, &options, seed) {
            Ok(read) => read,
            Err(refused) => {
                // Somebody may mean a list to be empty; the rest could not be put in force at all.
                version.usable = refused == ListRefused::Empty;
                return (version, Some(refused.to_string()));
            }
        };
        (version.names, version.expires) = (named.count(), summary.header.expires);
        let Some(before) = history.in_force() else { return (version, None) };
        let same_source = before.source == version.source;
        let old = self.0.kept.read(&before.hash).ok();
        let Some((old, _)) = old.and_then(|old| Named::of(&old, &options, seed).ok()) else {
            let why = suspicion(before.names, version.names).filter(|_| same_source);
            return (version, why);
        };
        let why = suspicion(old.count(), version.names).filter(|_| same_source);
        let mut old_octets = || self.0.kept.read(&before.hash).ok();
        let new = Reading { octets: content, named: &named };
        version.change = compare((&old, &mut old_octets), &new, &options, seed);
        (version, why)
    }

    fn change(
        &self,
        name: &ListName,
        now: i64,
        change: impl FnOnce(&mut History) -> Result<u32, String>,
    ) -> Result<u32, String> {
        let _turn = self.turn();
        let mut history = self.history(name);
        let number = change(&mut history)?;
        if let Some(version) = history.in_force()
            && let Err(why) = self.0.kept.read(&version.hash)
        {
            return Err(format!("version {number} cannot be put in force: {why}"));
        }
        history.attempts.last_error = None;
        if history.held().is_none() {
            history.attempts.last_success = Some(now);
        }
        self.save(name, history);
        Ok(number)
    }

    fn note_failure(&self, list: &OwnList, history: &mut History, why: &str, now: i64) {
        self.ask(list, history, now);
        history.attempts.failures = history.attempts.failures.saturating_add(1);
        history.attempts.last_error = Some(why.into());
        self.schedule(list, history, now);
    }

    /// Notes an attempt; what came from another source says nothing of this one.
    fn ask(&self, list: &OwnList, history: &mut History, now: i64) {
        let asked = list.asked();
        let attempts = &mut history.attempts;
        if attempts.asked != asked {
            (attempts.etag, attempts.last_modified, attempts.failures) = Default::default();
            attempts.asked = asked;
        }
        attempts.last_attempt = Some(now);
    }

    fn schedule(&self, list: &OwnList, history: &mut History, now: i64) {
        let HashSeed([left, right]) = self.0.seed;
        let mut hasher = SipHasher13::new_with_keys(left, right);
        (list.name.as_str(), now).hash(&mut hasher);
        let newest = history.held().or(history.in_force());
        let expires = newest.and_then(|version| version.expires);
        let wait = next_due(list.every, expires, history.attempts.failures, hasher.finish());
        history.attempts.next_due = Some(now.saturating_add(wait.into()));
    }

    fn keep(&self, hash: &ContentHash, content: &[u8]) {
        let kept = self.0.kept.keep(hash, content);
        self.unwritten().0 = kept.err().map(|error| {
            format!(
                "copies of lists are kept in memory only, the folder cannot be written: {error}"
            )
        });
    }

    /// Writes a history down and removes the copies that it needs no more.
    fn save(&self, name: &ListName, history: History) {
        let saved = version_rows::save(&self.0.state, name, &history);
        let is_saved = saved.is_ok();
        self.unwritten().1 = saved.err().map(|error| {
            format!("versions of lists are kept in memory only, they cannot be written: {error}")
        });
        let before = self.histories().insert(name.clone(), history);
        // What the rows on disk still name must be there at the next start.
        if is_saved {
            self.remove_unused(before.as_ref());
        }
    }

    fn remove_unused(&self, before: Option<&History>) {
        let used = hashes(&self.histories());
        let before = before.iter().flat_map(|history| &history.versions);
        for version in before.filter(|version| !used.contains(&version.hash)) {
            self.0.kept.remove(&version.hash);
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn histories(&self) -> MutexGuard<'_, BTreeMap<ListName, History>> {
        self.0.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten(&self) -> MutexGuard<'_, (Option<String>, Option<String>)> {
        self.0.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hashes(histories: &BTreeMap<ListName, History>) -> BTreeSet<ContentHash> {
    let versions = histories.values().flat_map(|history| &history.versions);
    versions.map(|version| version.hash.clone()).collect()
}
