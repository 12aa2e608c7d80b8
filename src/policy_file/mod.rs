//! policy.toml: checked whole, edited by key, its revisions kept, watched; puts editions in force.

use std::path::PathBuf;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::devices::Devices;
use crate::diagnostic::Problems;
use crate::lists::{Guard, History, ListReport, Lists, OwnList, Store};
use crate::model::{DeviceId, DeviceName, Legend, ListName};
use crate::policy::{Effective, LivePolicy, Standing, Timed};
use crate::storage::{Database, StorageError};

mod asserts;
mod change;
mod checker;
mod device_entries;
mod device_plan;
mod diff;
mod disk;
mod edit;
mod edition;
mod entries;
mod form;
mod history;
mod keeper;
mod list_entries;
mod list_plan;
mod own_syntax;
mod plan;
mod preview;
mod revisions;
mod rules;
mod schedule_entries;
mod settings;
mod text;
mod timed;
mod tree;
mod watch;
mod zone;

pub use asserts::{AssertGround, AssertedDevice, Asserts};
pub use change::{Change, ChangeError, NewList};
pub use checker::Known;
pub use device_plan::Place;
pub use diff::TextDiff;
pub use history::{Comparison, PastChange, Undone};
pub use own_syntax::OwnText;
pub use preview::{Preview, hardware_of};
pub use revisions::Revision;
pub use settings::Settings;
pub use text::read;
pub use watch::Watching;
pub use zone::{Zone, ZoneSource};

use change::{company_word, log_word};
use checker::{Checker, has_key, names_of};
use device_plan::Places;
use diff::diff;
use disk::{Disk, WriteError, revision_of};
use edit::{EditError, PolicyText};
use edition::{
    Draft, People, assemble, at_header, below, list_notices, load, named_devices, with_fresh_lists,
    zones,
};
use form::{
    Any, BlockingForm, DeviceForm, DifferenceForm, GroupForm, ListForm, LocalForm, PartForm,
    RuleForm, ScheduleForm, Text, UnknownForm, ZoneForm,
};
use history::{Undo, compare, compare_text, renamed_back};
use keeper::{Current, Keeper};
use plan::{Ground, Planner, plan, unknown};
use revisions::Revisions;
use rules::check_note;
use timed::{TimedChange, TimedStep, TimedStore};
use tree::{Held, entries, entry_mut, scope, scope_mut};

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Whether another edition is in force now: the policy changed, or the lists were loaded anew.
    pub changed: bool,
    /// Notices about lists that were held back.
    pub notices: Vec<String>,
}

/// The octets of a list that are in force.
pub struct ListCopy {
    /// The list.
    pub list: OwnList,
    /// The octets, unpacked.
    pub octets: Vec<u8>,
    /// The number of the version.
    pub version: u32,
}

/// What the keeper works with.
pub struct Parts {
    /// The data folder, where policy.toml lies.
    pub folder: PathBuf,
    /// state.db.
    pub state: Arc<Database>,
    /// Who is who.
    pub devices: Devices,
    /// Where rules come from.
    pub lists: Lists,
    /// The clocks.
    pub clock: Clock,
    /// The zone of schedules.
    pub zone: Zone,
    /// Told each legend before its edition is in force.
    pub announce: Box<dyn Fn(Arc<Legend>) + Send + Sync>,
}

/// Keeps the policy: a handle that is cheap to clone.
#[derive(Clone)]
pub struct PolicyFile(Arc<Keeper>);

/// Why the policy cannot be put in force at start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// policy.toml does not check, or a list or zone it names cannot be loaded.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl PolicyFile {
    /// Reads policy.toml (writing a commented one where there is none) and puts it in force.
    pub fn start(parts: Parts) -> Result<(PolicyFile, LivePolicy), StartError> {
        let (keeper, live) = Keeper::start(parts)?;
        Ok((PolicyFile(Arc::new(keeper)), live))
    }

    /// Checks a text as policy.toml without putting it in force.
    pub fn check(&self, file: &str, text: &str) -> Result<Standing, Problems> {
        read(file, text, &self.0.current().draft.known)
    }

    /// Holds the policy in force to asserts; returns how many there are, and what fails.
    pub fn test(&self, file: &str, text: &str) -> Result<(usize, Problems), Problems> {
        self.0.test(file, text)
    }

    /// Reads file and lists again and puts them in force; a bad file changes nothing.
    pub fn reload(&self) -> Result<Reloaded, Problems> {
        self.0.reload(true, "reload")
    }

    /// Loads lists anew for the policy in force, and puts them in force; policy.toml is not read.
    pub fn refresh_lists(&self) -> Result<(), String> {
        self.0.refresh_lists()
    }

    /// Puts the version of a list that waits in force.
    pub fn accept_list(&self, name: &ListName) -> Result<u32, String> {
        let (store, now) = self.store();
        let version = store.accept(name, now)?;
        self.refresh_lists().map(|()| version)
    }

    /// Puts an earlier version of a list back: the given one, or the one before.
    pub fn roll_list_back(&self, name: &ListName, version: Option<u32>) -> Result<u32, String> {
        let (store, now) = self.store();
        let version = store.rollback(name, version, now)?;
        self.refresh_lists().map(|()| version)
    }

    /// Returns the versions of a list that are kept, and how its fetching goes.
    pub fn list_history(&self, name: &ListName) -> History {
        self.store().0.history(name)
    }

    fn store(&self) -> (Store, i64) {
        let parts = self.0.parts();
        (parts.lists.store(), parts.clock.now().unix_seconds())
    }

    /// Makes a change, for `actor` (`cli root`, `api`), and puts it in force before it returns.
    pub fn apply(&self, change: &Change, actor: &str) -> Result<(), ChangeError> {
        self.0.apply(change, actor)
    }

    /// Returns the policy in force as it was written.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.0.current().draft.standing)
    }

    /// Returns pauses that lift blocking now, rules with an end that have not ended, and how
    /// schedules stand.
    pub fn timed(&self) -> Timed {
        self.timed_of(&self.0.current())
    }

    fn timed_of(&self, current: &Current) -> Timed {
        let mut timed = current.timed.clone();
        let now = self.0.parts().clock.now().unix_seconds();
        timed.pauses.retain(|pause| pause.is_on(now));
        timed.rules.retain(|rule| rule.until.is_none_or(|until| now < until));
        timed
    }

    /// Returns what binds a device (or everyone), each value with the scope it comes from.
    pub fn effective(&self, device: Option<&DeviceName>) -> Effective {
        let current = self.0.current();
        Effective::of(&current.draft.standing, &self.timed_of(&current), device)
    }

    /// Returns the number of a device the policy names.
    pub fn device_id(&self, name: &DeviceName) -> Option<DeviceId> {
        let current = self.0.current();
        let place = current.draft.standing.devices.iter().position(|d| d.name == *name)?;
        current.ids.get(place).copied()
    }

    /// Returns what became of each list.
    pub fn list_reports(&self) -> Vec<ListReport> {
        self.0.current().draft.loaded.reports.clone()
    }

    /// Returns the copy of a list that is in force.
    pub fn list_copy(&self, name: &ListName) -> Result<ListCopy, String> {
        let standing = self.standing();
        let list = standing.lists.iter().find(|list| list.name == *name);
        let list = list.ok_or_else(|| format!("the policy has no list {name}"))?.clone();
        let (octets, version) = self.0.parts().lists.store().octets(name)?;
        Ok(ListCopy { list, octets, version })
    }

    /// Returns what keeps rules of lists from blocking what no list may.
    pub fn guard(&self, catalogue: &Catalogue) -> Guard {
        self.0.parts().lists.guard(catalogue)
    }

    /// Returns why the file on disk is not the policy in force, if so, and notices about lists.
    pub fn notices(&self) -> Vec<String> {
        self.0.notices()
    }

    /// Returns the revision in force, a hash of the text.
    pub fn revision(&self) -> String {
        self.0.current().revision.clone()
    }

    /// Returns the revisions that are kept, the latest first.
    pub fn revisions(&self) -> Result<Vec<Revision>, StorageError> {
        self.0.revisions().list()
    }

    /// Returns the text of a revision that is kept.
    pub fn revision_text(&self, hash: &str) -> Result<Option<String>, StorageError> {
        self.0.revisions().text(hash)
    }

    /// Returns the latest changes, the latest first, those of pauses and rules with an end too.
    pub fn history(&self, most: usize) -> Result<Vec<PastChange>, StorageError> {
        self.0.history(most)
    }

    /// Compares two revisions; left out: the one in force, and the one before it.
    pub fn compare(&self, from: Option<&str>, to: Option<&str>) -> Result<Comparison, ChangeError> {
        compare(self.0.revisions(), &self.revision(), (from, to))
    }

    /// Compares the policy in force with a text.
    pub fn compare_text(&self, text: &str) -> Result<Comparison, ChangeError> {
        compare_text(self.0.revisions(), &self.revision(), text)
    }

    /// Puts an earlier text back in force: that of a revision, or the one before the last change.
    pub fn undo(&self, revision: Option<&str>, actor: &str) -> Result<Undone, ChangeError> {
        self.0.undo(revision, actor)
    }

    /// Puts another edition in force if schedules have begun or ended since, by the clock as it is
    /// now; to be called once a second. Returns whether it did.
    pub fn tick(&self) -> bool {
        self.0.tick()
    }

    /// Returns the zone of schedules.
    pub fn zone(&self) -> &Zone {
        &self.0.parts().zone
    }

    /// Watches the folder and reloads soon after an editor wrote the file, until dropped.
    pub fn watch(&self) -> Result<Watching, String> {
        let keeper = Arc::clone(&self.0);
        Watching::start(&self.0.parts().folder, move || match keeper.reload(false, "editor") {
            Ok(Reloaded { changed: true, .. }) => tracing::info!("policy.toml taken over"),
            Ok(_) => {}
            Err(problems) => tracing::warn!("policy.toml is not taken over:\n{problems}"),
        })
    }
}

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod keeper_tests;
#[cfg(test)]
mod keys_tests;
#[cfg(test)]
mod tests;
