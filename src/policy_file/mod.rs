//! policy.toml: checked whole, edited by key, its revisions kept, watched; puts editions in force.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::devices::Devices;
use crate::diagnostic::Problems;
use crate::lists::{ListReport, Lists};
use crate::model::{
    Action, DeviceId, DeviceName, DomainName, Legend, Level, ListName, LogDetail, Scope,
};
use crate::policy::{CompanySwitch, LivePolicy, Standing, Timed};
use crate::storage::{Database, StorageError};

/// One change of the policy, as API and CLI ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes an own rule; with an end it goes to `state.db`, else to policy.toml.
    AddRule {
        /// Whom it binds.
        scope: Scope,
        /// What it does.
        action: Action,
        /// The name.
        name: DomainName,
        /// Its end, seconds since 1970.
        until: Option<i64>,
        /// Why.
        note: Option<String>,
    },
    /// Takes an own rule away, standing or timed.
    RemoveRule {
        /// Whom it bound.
        scope: Scope,
        /// What it did.
        action: Action,
        /// The name.
        name: DomainName,
    },
    /// Sets a level; `None` leaves it to wider scopes.
    SetLevel(Scope, Option<Level>),
    /// Switches a list; `None` leaves it to wider scopes.
    SwitchList(Scope, ListName, Option<bool>),
    /// Bans a company or lifts a ban; `None` leaves it to wider scopes.
    SwitchCompany(Scope, String, Option<CompanySwitch>),
    /// Sets what is recorded.
    SetLog(Scope, Option<LogDetail>),
    /// Names a device; gives one that has no entry an entry with its addresses.
    RenameDevice(DeviceId, DeviceName),
    /// Removes a device's entry with its rules and pauses.
    ForgetDevice(DeviceId),
    /// Lifts blocking until a time, seconds since 1970.
    Pause(Scope, i64),
    /// Ends a pause.
    Resume(Scope),
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Something it names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be right.
    #[error("{0}")]
    Invalid(String),
    /// policy.toml cannot be written by us.
    #[error("policy.toml is managed elsewhere: {0}; pauses and rules with an end still work")]
    ReadOnly(String),
    /// policy.toml has changed since and does not check: mend it first.
    #[error("policy.toml does not check, so nothing was changed:\n{0}")]
    Broken(Problems),
    /// The file changed between reading and writing.
    #[error("policy.toml was changed by somebody else at the same moment; try again")]
    Conflict,
    /// The disk or database failed.
    #[error("{0}")]
    Storage(String),
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Whether another policy or other lists are in force now.
    pub changed: bool,
    /// Notices about lists that were held back.
    pub notices: Vec<String>,
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
    /// Told each legend before its edition is in force.
    pub announce: Box<dyn Fn(Arc<Legend>) + Send + Sync>,
}

/// Keeps the policy: a handle that is cheap to clone.
#[derive(Clone)]
pub struct PolicyFile {}

/// Why the policy cannot be put in force at start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// policy.toml does not check.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something else: a file that cannot be read, too many lists.
    #[error("{0}")]
    Other(String),
}

impl PolicyFile {
    /// Reads policy.toml (writing a commented one where there is none) and puts it in force.
    pub fn start(parts: Parts) -> Result<(PolicyFile, LivePolicy), StartError> {
        let _ = parts;
        todo!()
    }

    /// Checks a text as policy.toml without putting it in force.
    pub fn check(&self, file: &str, text: &str) -> Result<Standing, Problems> {
        let _ = (file, text);
        todo!()
    }

    /// Reads file and lists again and puts them in force; a bad file changes nothing.
    pub fn reload(&self) -> Result<Reloaded, Problems> {
        todo!()
    }

    /// Makes a change, for `actor` (`cli root`, `api`), and puts it in force before it returns.
    pub fn apply(&self, change: &Change, actor: &str) -> Result<(), ChangeError> {
        let _ = (change, actor);
        todo!()
    }

    /// Returns the policy in force as it was written.
    pub fn standing(&self) -> Arc<Standing> {
        todo!()
    }

    /// Returns pauses and rules with an end that have not ended.
    pub fn timed(&self) -> Timed {
        todo!()
    }

    /// Returns the number of a device the policy names.
    pub fn device_id(&self, name: &DeviceName) -> Option<DeviceId> {
        let _ = name;
        todo!()
    }

    /// Returns what became of each list.
    pub fn list_reports(&self) -> Vec<ListReport> {
        todo!()
    }

    /// Returns why the file on disk is not the policy in force, if so, and notices about lists.
    pub fn notices(&self) -> Vec<String> {
        todo!()
    }

    /// Returns the revision in force, a hash of the text.
    pub fn revision(&self) -> String {
        todo!()
    }

    /// Watches the folder and reloads soon after an editor wrote the file, until dropped.
    pub fn watch(&self) -> Result<Watching, String> {
        todo!()
    }
}

/// The watch over policy.toml; ends when dropped.
pub struct Watching {}
