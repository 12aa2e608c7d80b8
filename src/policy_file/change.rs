//! Changes of the policy as API and CLI ask for them, and why one is not made.

use std::fmt;

use super::{OwnText, Place};
use crate::diagnostic::Problems;
use crate::model::{
    Action, DeviceId, DeviceKind, DeviceName, DomainName, GroupName, Level, ListKind, ListName,
    LogDetail, Scope,
};
use crate::policy::{CompanySwitch, Syntax, action_word};

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
    /// Makes an own rule in AdGuard or Pi-hole syntax, in policy.toml.
    WriteRule {
        /// Whom it binds.
        scope: Scope,
        /// What it says.
        text: OwnText,
        /// Why.
        note: Option<String>,
    },
    /// Takes such a rule away.
    UnwriteRule {
        /// Whom it bound.
        scope: Scope,
        /// How it is written.
        syntax: Syntax,
        /// Its text.
        text: Box<str>,
    },
    /// Sets a level; `None` leaves it to wider scopes.
    SetLevel(Scope, Option<Level>),
    /// Switches a list; `None` leaves it to wider scopes.
    SwitchList(Scope, ListName, Option<bool>),
    /// Subscribes a list and switches it on for a scope.
    AddList(Scope, NewList),
    /// Takes a list of the owner's away, with all its switches.
    RemoveList(ListName),
    /// Bans a company or lifts a ban; `None` leaves it to wider scopes.
    SwitchCompany(Scope, String, Option<CompanySwitch>),
    /// Sets what is recorded.
    SetLog(Scope, Option<LogDetail>),
    /// Names a device; gives one that has no entry an entry with its addresses.
    RenameDevice(DeviceId, DeviceName),
    /// Removes a device's entry with its rules and pauses.
    ForgetDevice(DeviceId),
    /// Puts two devices together: the first one's entry gets all by which the other is known, and
    /// the other's entry goes with its settings and rules.
    MergeDevices {
        /// Whose entry stays.
        into: DeviceId,
        /// What it is put together with.
        from: DeviceId,
        /// The name of both; left out: the one that there is, or that hints suggest.
        name: Option<DeviceName>,
    },
    /// Takes something by which a device is known away from it: a device of its own.
    SplitDevice {
        /// The device.
        device: DeviceId,
        /// What is another device's.
        place: Place,
        /// That device's name.
        name: Option<DeviceName>,
    },
    /// Sets the groups of a device, the strongest first.
    SetGroups(DeviceId, Vec<GroupName>),
    /// Says what a device is; `None` leaves it to hints.
    SetKind(DeviceId, Option<DeviceKind>),
    /// Lifts blocking until a time, seconds since 1970.
    Pause(Scope, i64),
    /// Ends a pause.
    Resume(Scope),
}

/// A list to be subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewList {
    /// Its name.
    pub name: ListName,
    /// Where it is fetched from.
    pub address: String,
    /// What it is about.
    pub kind: ListKind,
    /// Whether everything that it names is allowed.
    pub allowlist: bool,
    /// Whether its plain names are meant with all below them.
    pub cover_subdomains: bool,
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
    /// The file is another one than that in force, which an undo would lose.
    #[error(
        "policy.toml was changed in the meantime, and what it says now is not in force; nothing \
         was taken back, since that would lose it"
    )]
    Changed,
    /// The file changed between reading and writing.
    #[error("policy.toml was changed by somebody else at the same moment; try again")]
    Conflict,
    /// The disk or database failed.
    #[error("{0}")]
    Storage(String),
}

impl Change {
    /// Returns what it is in words, with devices by their names.
    pub fn told(&self, name: impl Fn(DeviceId) -> String) -> String {
        match self {
            Change::RenameDevice(device, to) => format!("{} named {to}", name(*device)),
            Change::ForgetDevice(device) => format!("{} forgotten", name(*device)),
            Change::MergeDevices { into, from, name: to } => {
                let to = to.as_ref().map(|to| format!(" as {to}")).unwrap_or_default();
                format!("{} merged with {}{to}", name(*into), name(*from))
            }
            Change::SplitDevice { device, .. } => format!("{self} from {}", name(*device)),
            Change::SetGroups(device, groups) if groups.is_empty() => {
                format!("{} in no group", name(*device))
            }
            Change::SetGroups(device, groups) => {
                let groups: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
                format!("{} in {}", name(*device), groups.join(", "))
            }
            Change::SetKind(device, Some(kind)) => format!("kind {kind} for {}", name(*device)),
            Change::SetKind(device, None) => format!("no kind of its own for {}", name(*device)),
            other => other.to_string(),
        }
    }

    /// Returns the end of what it begins, seconds since 1970.
    pub fn until(&self) -> Option<i64> {
        match self {
            Change::AddRule { until, .. } => *until,
            Change::Pause(_, until) => Some(*until),
            _ => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::AddRule { scope, action, name, .. } => {
                write!(out, "{} {name} for {scope}", action_word(*action))
            }
            Change::RemoveRule { scope, action, name } => {
                write!(out, "no longer {} {name} for {scope}", action_word(*action))
            }
            Change::WriteRule { scope, text, .. } => write!(out, "{} for {scope}", text.text),
            Change::UnwriteRule { scope, text, .. } => {
                write!(out, "no longer {text} for {scope}")
            }
            Change::SetLevel(scope, Some(level)) => write!(out, "level {level} for {scope}"),
            Change::SetLevel(scope, None) => write!(out, "no level of its own for {scope}"),
            Change::SwitchList(scope, list, on) => {
                let word = on.map_or("as in wider scopes", |on| if on { "on" } else { "off" });
                write!(out, "list {list} {word} for {scope}")
            }
            Change::AddList(scope, list) => {
                write!(out, "list {} subscribed for {scope}", list.name)
            }
            Change::RemoveList(list) => write!(out, "list {list} removed"),
            Change::SwitchCompany(scope, company, switch) => {
                let word = switch.map_or("as in wider scopes", company_word);
                write!(out, "company {company} {word} for {scope}")
            }
            Change::SetLog(scope, Some(detail)) => {
                write!(out, "log {} for {scope}", log_word(*detail))
            }
            Change::SetLog(scope, None) => write!(out, "log as in wider scopes for {scope}"),
            Change::RenameDevice(_, name) => write!(out, "device named {name}"),
            Change::ForgetDevice(_) => out.write_str("device forgotten"),
            Change::MergeDevices { name: Some(name), .. } => {
                write!(out, "devices merged as {name}")
            }
            Change::MergeDevices { .. } => out.write_str("devices merged"),
            Change::SplitDevice { place, name: Some(name), .. } => {
                write!(out, "{place} split off as {name}")
            }
            Change::SplitDevice { place, .. } => write!(out, "{place} split off"),
            Change::SetGroups(_, groups) if groups.is_empty() => {
                out.write_str("device in no group")
            }
            Change::SetGroups(_, groups) => {
                let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
                write!(out, "device in {}", names.join(", "))
            }
            Change::SetKind(_, Some(kind)) => write!(out, "device is a {kind}"),
            Change::SetKind(_, None) => out.write_str("device of no stated kind"),
            Change::Pause(scope, _) => write!(out, "pause for {scope}"),
            Change::Resume(scope) => write!(out, "resume for {scope}"),
        }
    }
}

/// Returns the word for a company switch in the file.
pub(super) fn company_word(switch: CompanySwitch) -> &'static str {
    match switch {
        CompanySwitch::Ban => "ban",
        CompanySwitch::Lift => "lift",
    }
}

/// Returns the word for a log detail in the file.
pub(super) fn log_word(detail: LogDetail) -> &'static str {
    match detail {
        LogDetail::Full => "full",
        LogDetail::Tracking => "tracking",
        LogDetail::Counts => "counts",
        LogDetail::Nothing => "nothing",
    }
}
