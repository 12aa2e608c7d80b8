//! The keeper: reads, checks and changes the policy, and puts each edition in force.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::{
    AssertGround, AssertedDevice, Asserts, Change, ChangeError, Disk, Draft, Ground, Parts,
    PastChange, People, Reloaded, Revision, Revisions, StartError, TimedChange, TimedStore, Undo,
    Undone, WriteError, assemble, at_header, below, list_notices, load, named_devices, plan, read,
    renamed_back, revision_of, with_fresh_lists, zones,
};
use crate::devices::Device;
use crate::diagnostic::Problems;
use crate::model::{DeviceId, Moment};
use crate::policy::{Hours, InForce, LivePolicy, Timed};
use crate::storage::StorageError;

/// What the first start writes.
pub(super) const FIRST_POLICY: &str = include_str!("first_policy.toml");

/// How often lists are loaded while the policy may still change.
const UNHURRIED: usize = 3;

/// Whence a device asks that has no address.
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Keeps one policy file.
pub(super) struct Keeper {
    parts: Parts,
    disk: Disk,
    timed: TimedStore,
    revisions: Revisions,
    live: LivePolicy,
    current: ArcSwap<Current>,
    /// One change at a time; readers take `current` and never wait.
    turn: Mutex<()>,
}

/// The edition in force, as it was made.
#[derive(Clone)]
pub(super) struct Current {
    pub draft: Draft,
    pub revision: String,
    pub timed: Timed,
    pub ids: Vec<DeviceId>,
    edition: u32,
    generation: u32,
    /// Why the file on disk is not in force.
    unread: Option<String>,
    /// Why the revision in force is not kept in `state.db`.
    unkept: Option<String>,
}

/// Why an edition is made.
struct Occasion<'o> {
    actor: &'o str,
    reason: &'o str,
    /// Whether lists were loaded anew for it.
    fresh_lists: bool,
}

impl Keeper {
    pub fn start(parts: Parts) -> Result<(Keeper, LivePolicy), StartError> {
        let disk = Disk::new(parts.folder.join("policy.toml"));
        let (text, unread) = match disk.read()? {
            Some(text) => (text, None),
            None => (FIRST_POLICY.to_string(), write_first(&disk)),
        };
        let timed_store = TimedStore::new(Arc::clone(&parts.state));
        let revisions = Revisions::new(Arc::clone(&parts.state));
        let draft = load(&parts, &disk.name(), &text)?;
        let now = parts.clock.now();
        let hours = hours(&parts, &draft, now);
        let timed = Timed { hours, ..timed_store.load(now.unix_seconds())? };
        let ids = parts.devices.configure(&named_devices(&draft.standing), now);
        let revision = revision_of(&text);
        let (edition, generation) = (1, 1);
        let people = People { ids: &ids, seen: &parts.devices.list() };
        let first = assemble(&draft, &timed, people, (edition, generation), None);
        (parts.announce)(Arc::clone(&first.legend));
        let live = LivePolicy::new(first);
        let current =
            Current { draft, revision, timed, ids, edition, generation, unread, unkept: None };
        let current = ArcSwap::from_pointee(current);
        let turn = Mutex::new(());
        let keeper = Keeper { parts, disk, timed: timed_store, revisions, live, current, turn };
        keeper.keep_revision("daemon", "start");
        // A start that a failing assert held back would leave the network without any policy.
        if let Err(problems) = keeper.hold_to_asserts(&keeper.current().draft) {
            keeper.amend(|current| current.unread = Some(fails_at_start(&problems)));
        }
        let live = keeper.live.clone();
        Ok((keeper, live))
    }

    pub fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    pub fn revisions(&self) -> &Revisions {
        &self.revisions
    }

    /// Reads the file again; `everything`: lists and zones too, though the text is the same.
    pub fn reload(&self, everything: bool, actor: &str) -> Result<Reloaded, Problems> {
        let _turn = self.take_turn();
        self.follow_disk(everything, actor)
    }

    /// Loads lists anew; changes of the policy wait only if they come between again and again.
    pub fn refresh_lists(&self) -> Result<(), String> {
        for _ in 0..UNHURRIED {
            let before = self.current();
            let draft = with_fresh_lists(&self.parts, &before.draft)?;
            let _turn = self.take_turn();
            let now = self.current();
            let same = Arc::ptr_eq(&now.draft.loaded, &before.draft.loaded);
            if same && now.draft.text == before.draft.text {
                return self.put_fresh(draft);
            }
        }
        let _turn = self.take_turn();
        self.put_fresh(with_fresh_lists(&self.parts, &self.current().draft)?)
    }

    fn put_fresh(&self, draft: Draft) -> Result<(), String> {
        self.hold_to_asserts(&draft).map_err(|problems| problems.to_string())?;
        let occasion =
            Occasion { actor: "daemon", reason: "lists were updated", fresh_lists: true };
        self.put(draft, &occasion).map_err(|error| error.to_string())
    }

    /// Puts an earlier text back: that of a revision, or the one before the last change.
    pub fn undo(&self, revision: Option<&str>, actor: &str) -> Result<Undone, ChangeError> {
        let _turn = self.take_turn();
        let current = self.current();
        // To follow an edit first, as other changes do, would take that edit back.
        let on_disk = self.disk.read().map_err(ChangeError::Broken)?;
        if on_disk.is_some_and(|text| text != current.draft.text) {
            return Err(ChangeError::Changed);
        }
        let undo = Undo::find(&self.revisions, &current.revision, revision)?;
        let draft = self.write(&current, undo.text)?;
        let steps = renamed_back(&current.draft.standing, &draft.standing);
        let now = self.parts.clock.now().unix_seconds();
        let kept = match steps.as_slice() {
            [] => Ok(()),
            steps => self.timed.apply(steps, now, actor),
        };
        let fresh_lists = !Arc::ptr_eq(&draft.loaded, &current.draft.loaded);
        self.put(draft, &Occasion { actor, reason: &undo.reason, fresh_lists })
            .and(kept)
            .map_err(|error| ChangeError::Storage(error.to_string()))?;
        Ok(undo.done)
    }

    pub fn apply(&self, change: &Change, actor: &str) -> Result<(), ChangeError> {
        let _turn = self.take_turn();
        // A change by hand that the watch has not told of yet comes first, as its own edition.
        let on_disk = self.follow_disk(false, "editor");
        let current = self.current();
        let now = self.parts.clock.now().unix_seconds();
        let devices = self.parts.devices.list();
        let plan = plan(
            change,
            &Ground {
                text: &current.draft.text,
                standing: &current.draft.standing,
                timed: &current.timed,
                ids: &current.ids,
                devices: &devices,
                known: &current.draft.known,
                now,
            },
        )?;
        if plan.text.is_none() && plan.steps.is_empty() {
            return Ok(());
        }
        let draft = match plan.text {
            Some(text) => {
                on_disk.map_err(ChangeError::Broken)?;
                self.write(&current, text)?
            }
            None => current.draft.clone(),
        };
        let kept = match plan.steps.as_slice() {
            [] => Ok(()),
            steps => self.timed.apply(steps, now, actor),
        };
        let reason = change.told(|device| name_of(&devices, device));
        // What changes policy.toml is in the history by its revision.
        let kept = kept.and_then(|()| match draft.text == current.draft.text {
            true => self.note(change, &reason, actor),
            false => Ok(()),
        });
        let fresh_lists = !Arc::ptr_eq(&draft.loaded, &current.draft.loaded);
        self.put(draft, &Occasion { actor, reason: &reason, fresh_lists })
            .and(kept)
            .map_err(|error| ChangeError::Storage(error.to_string()))
    }

    fn note(&self, change: &Change, what: &str, actor: &str) -> Result<(), StorageError> {
        let at = self.parts.clock.now().wall;
        let (actor, what, until) = (actor.into(), what.into(), change.until());
        self.timed.note(&TimedChange { at, actor, what, until })
    }

    /// Returns the latest changes, the latest first: revisions, and what has an end.
    pub fn history(&self, most: usize) -> Result<Vec<PastChange>, StorageError> {
        let revisions = self.revisions.list()?.into_iter().take(most).map(PastChange::from);
        let timed = self.timed.changes(most)?.into_iter().map(PastChange::from);
        let mut changes: Vec<PastChange> = revisions.chain(timed).collect();
        // Stable, so that changes of one moment stay in their order.
        changes.sort_by_key(|change| std::cmp::Reverse(change.at));
        changes.truncate(most);
        Ok(changes)
    }

    /// Holds the policy in force to asserts.
    pub fn test(&self, file: &str, text: &str) -> Result<(usize, Problems), Problems> {
        let asserts = Asserts::read(file, text)?;
        let devices = self.parts.devices.list();
        let device = |name: &str| {
            let by_address = name.parse().ok().and_then(|a| self.parts.devices.find_by_address(a));
            let device = devices.iter().find(|device| {
                device.name.eq_ignore_ascii_case(name) || Some(device.id) == by_address
            })?;
            let address = device.addresses.first().copied().unwrap_or(NOWHERE);
            Some(AssertedDevice { id: device.id, address })
        };
        let live = self.live.load();
        let ground = AssertGround { in_force: &live, device: &device, now: self.parts.clock.now() };
        let failed = asserts.hold(&ground).err().unwrap_or_default();
        Ok((asserts.len(), failed))
    }

    /// Holds a draft to the asserts that it names, without pauses and rules with an end.
    pub(super) fn hold_to_asserts(&self, draft: &Draft) -> Result<(), Problems> {
        let Some(file) = &draft.standing.asserts else { return Ok(()) };
        let shown = file.display().to_string();
        let read = below(&self.parts.folder, file)
            .and_then(|path| std::fs::read_to_string(path).map_err(|error| error.to_string()));
        let named = |error| at_header(&self.disk.name(), &draft.text, "asserts", error);
        let text = read.map_err(named)?;
        let asserts = Asserts::read(&shown, &text)?;
        // The devices' own numbers are given when the draft is put in force.
        let devices = &draft.standing.devices;
        let ids: Vec<DeviceId> = (0..).map(DeviceId).take(devices.len()).collect();
        let live = self.live.load();
        let people = People { ids: &ids, seen: &[] };
        let next = assemble(draft, &Timed::default(), people, (0, 0), Some(&live));
        let device = |name: &str| {
            let place =
                devices.iter().position(|it| it.name.as_str().eq_ignore_ascii_case(name))?;
            let address = devices.get(place)?.addresses.iter().find_map(|it| it.as_host());
            Some(AssertedDevice { id: *ids.get(place)?, address: address.unwrap_or(NOWHERE) })
        };
        let now = self.parts.clock.now();
        asserts.hold(&AssertGround { in_force: &next, device: &device, now })
    }

    /// Returns what the file and the lists give cause to tell.
    pub fn notices(&self) -> Vec<String> {
        let current = self.current();
        let own = current.unread.iter().chain(&current.unkept).cloned();
        own.chain(list_notices(&current.draft.loaded)).collect()
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in force what lies on disk, if it differs or `everything` is asked for.
    fn follow_disk(&self, everything: bool, actor: &str) -> Result<Reloaded, Problems> {
        let current = self.current();
        let followed = self.disk.read().and_then(|text| {
            let unread = text
                .is_none()
                .then(|| format!("{} is gone; the policy it had stays in force", self.disk.name()));
            let text = text.unwrap_or_else(|| current.draft.text.clone());
            let changed = everything || text != current.draft.text;
            if changed {
                self.take_over(&current, text, everything, actor)?;
            }
            // The file of the first start may be unwritten, of which there is a notice already.
            if unread.is_none() || current.unread.is_none() {
                self.amend(|current| current.unread = unread);
            }
            Ok(changed)
        });
        match followed {
            Ok(changed) => {
                let notices = list_notices(&self.current().draft.loaded);
                Ok(Reloaded { changed, notices })
            }
            Err(problems) => {
                self.amend(|current| current.unread = Some(not_in_force(&problems)));
                Err(problems)
            }
        }
    }

    fn take_over(
        &self,
        current: &Current,
        text: String,
        everything: bool,
        actor: &str,
    ) -> Result<(), Problems> {
        let file = self.disk.name();
        let draft = match everything {
            true => load(&self.parts, &file, &text)?,
            false => self.redraft(&current.draft, &file, text)?,
        };
        let fresh_lists = !Arc::ptr_eq(&draft.loaded, &current.draft.loaded);
        self.hold_to_asserts(&draft)?;
        let reason = if everything { "reload" } else { "file edited" };
        self.put(draft, &Occasion { actor, reason, fresh_lists })
            .map_err(|error| at_header(&file, "", "", error.to_string()))
    }

    /// Reads a text; lists and zones are loaded only where it has others than the draft before.
    pub(super) fn redraft(&self, old: &Draft, file: &str, text: String) -> Result<Draft, Problems> {
        let standing = read(file, &text, &old.known)?;
        if standing.lists != old.standing.lists {
            return load(&self.parts, file, &text);
        }
        let mut draft = Draft { text, standing: Arc::new(standing), ..old.clone() };
        if draft.standing.local != old.standing.local {
            let built = zones(&self.parts.folder, &draft.standing.local);
            let placed = |error| at_header(file, &draft.text, "[[zone]]", error);
            draft.zones = Arc::new(built.map_err(placed)?);
        }
        Ok(draft)
    }

    /// Writes a text that a change has made of the one in force.
    fn write(&self, current: &Current, text: String) -> Result<Draft, ChangeError> {
        let invalid = |problems: Problems| ChangeError::Invalid(problems.to_string());
        let draft = self.redraft(&current.draft, &self.disk.name(), text).map_err(invalid)?;
        self.hold_to_asserts(&draft).map_err(invalid)?;
        let there = self.disk.read().map_err(ChangeError::Broken)?;
        let based_on = there.is_some().then_some(current.revision.as_str());
        self.disk.replace(based_on, &draft.text).map_err(|error| match error {
            WriteError::ReadOnly(why) => ChangeError::ReadOnly(why),
            WriteError::Conflict => ChangeError::Conflict,
            WriteError::Failed(why) => ChangeError::Storage(why),
        })?;
        Ok(draft)
    }

    /// Puts a draft in force, with pauses and timed rules as they are in `state.db` now.
    fn put(&self, draft: Draft, occasion: &Occasion<'_>) -> Result<(), StorageError> {
        let now = self.parts.clock.now();
        let hours = hours(&self.parts, &draft, now);
        let timed = Timed { hours, ..self.timed.load(now.unix_seconds())? };
        self.put_timed(draft, timed, occasion.fresh_lists);
        self.keep_revision(occasion.actor, occasion.reason);
        Ok(())
    }

    /// Puts another edition in force if schedules have begun or ended.
    ///
    /// The text is the same, so there is no revision of it; nor is a list loaded or a row read.
    pub fn tick(&self) -> bool {
        let are_past =
            |current: &Current| current.timed.hours.are_past(self.parts.clock.now().unix_seconds());
        if !are_past(&self.current()) {
            return false;
        }
        let _turn = self.take_turn();
        // A change that came before may have taken long, and have worked them out itself.
        let current = self.current();
        if !are_past(&current) {
            return false;
        }
        let hours = hours(&self.parts, &current.draft, self.parts.clock.now());
        let changed = !hours.on().eq(current.timed.hours.on());
        let timed = Timed { hours, ..current.timed.clone() };
        if changed {
            self.put_timed(current.draft.clone(), timed, false);
        } else {
            self.amend(|current| current.timed = timed);
        }
        changed
    }

    fn put_timed(&self, draft: Draft, timed: Timed, fresh_lists: bool) {
        let old = self.current();
        let now = self.parts.clock.now();
        let named = named_devices(&draft.standing);
        let ids = if named == named_devices(&old.draft.standing) {
            old.ids.clone()
        } else {
            self.parts.devices.configure(&named, now)
        };
        let edition = old.edition.wrapping_add(1);
        let generation = old.generation.wrapping_add(u32::from(fresh_lists));
        let people = People { ids: &ids, seen: &self.parts.devices.list() };
        let live = self.live.load();
        let next = assemble(&draft, &timed, people, (edition, generation), Some(&live));
        let revision = revision_of(&draft.text);
        // What a pause puts in force says nothing of the file.
        let unread = old.unread.clone().filter(|_| revision == old.revision);
        let unkept = old.unkept.clone();
        let current = Current { draft, revision, timed, ids, edition, generation, unread, unkept };
        self.replace(current, next);
    }

    fn replace(&self, current: Current, next: InForce) {
        // The log must know an edition's words before an event can refer to them.
        (self.parts.announce)(Arc::clone(&next.legend));
        self.live.replace(next);
        self.current.store(Arc::new(current));
    }

    fn keep_revision(&self, actor: &str, reason: &str) {
        let current = self.current();
        let now = self.parts.clock.now();
        let revision = Revision::new(&current.revision, now, actor, reason);
        let kept = self.revisions.record(&current.draft.text, revision);
        let unkept =
            kept.err().map(|error| format!("the policy's revision could not be kept: {error}"));
        if unkept != current.unkept {
            self.amend(|current| current.unkept = unkept);
        }
    }

    fn amend(&self, change: impl FnOnce(&mut Current)) {
        let mut current = Current::clone(&self.current());
        change(&mut current);
        self.current.store(Arc::new(current));
    }
}

fn name_of(devices: &[Device], id: DeviceId) -> String {
    let found = devices.iter().find(|device| device.id == id);
    found.map_or_else(|| "a device".into(), |device| device.name.clone())
}

fn hours(parts: &Parts, draft: &Draft, now: Moment) -> Hours {
    Hours::at(&draft.standing.schedules, &parts.zone.zone, now.unix_seconds())
}

fn write_first(disk: &Disk) -> Option<String> {
    let unwritten = disk.create(FIRST_POLICY).err()?;
    Some(format!("{} could not be written ({unwritten}); defaults are in force", disk.name()))
}

fn fails_at_start(problems: &Problems) -> String {
    let first = problems.0.first();
    let first = first.map(|p| format!("{}:{}: {}", p.file, p.line, p.message)).unwrap_or_default();
    format!("the policy is in force though an assert fails: {first}")
}

fn not_in_force(problems: &Problems) -> String {
    let more = match problems.0.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let first =
        problems.0.first().map(|p| format!("{}:{}:{}: {}", p.file, p.line, p.column, p.message));
    let first = first.unwrap_or_default();
    format!("{first}{more}; the policy from before stays in force, see `deadpixel policy check`")
}
