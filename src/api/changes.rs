//! What the API lets one change: the bodies of requests.

use serde::{Deserialize, Serialize};

use crate::model::{Action, Level, ListKind, LogDetail};

/// Whom a change is for, as people name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeChoice {
    /// A device: its name, a part of it, an address.
    Device(String),
    /// A group.
    Group(String),
    /// Everyone.
    Everyone,
    /// The word `everyone`, a group or a device, whichever has this name.
    Named(String),
}

/// Makes an own rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// What it does.
    pub action: Action,
    /// The name; all below it is meant too.
    pub name: String,
    /// After how many seconds it ends by itself.
    pub seconds: Option<u64>,
    /// Why.
    pub note: Option<String>,
}

/// Makes an own rule in AdGuard's syntax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// The rule: `||example.com^$dnstype=AAAA`.
    pub text: String,
    /// Why.
    pub note: Option<String>,
}

/// Takes an own rule away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRemoval {
    /// Whom it bound.
    pub scope: ScopeChoice,
    /// The name, or the text of a rule in AdGuard or Pi-hole syntax.
    pub name: String,
}

/// Lifts blocking for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseChange {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// For how long.
    pub seconds: u64,
}

/// Ends a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeChange {
    /// Whom it bound.
    pub scope: ScopeChoice,
}

/// Sets a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelChange {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// The level.
    pub level: Level,
}

/// Switches a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListChange {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// On or off.
    pub on: bool,
}

/// Subscribes a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListAddition {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// The name of a list that the program knows of, or an https address.
    pub list: String,
    /// Its name here, where it is not to be made of the address.
    pub name: Option<String>,
    /// What it is about.
    pub kind: Option<ListKind>,
    /// Whether everything that it names is allowed.
    #[serde(default)]
    pub allowlist: bool,
    /// Whether its plain names are meant with all below them.
    #[serde(default)]
    pub cover_subdomains: bool,
}

/// Puts an earlier version of a list back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListRollback {
    /// Its number; none: the one before that in force.
    pub version: Option<u32>,
}

/// Bans a company, or lifts its ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanyChange {
    /// Whom it binds.
    pub scope: ScopeChoice,
    /// Whether everything of the company is blocked.
    pub blocked: bool,
}

/// Changes one thing of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceChange {
    /// Its new name.
    pub name: Option<String>,
    /// What it is; `none` leaves it to hints.
    pub kind: Option<String>,
    /// Its groups, the strongest first.
    pub groups: Option<Vec<String>>,
    /// What is recorded of it.
    pub log: Option<LogDetail>,
}

/// Puts two devices together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceMerge {
    /// Whose name, settings and rules stay.
    pub into: String,
    /// What it is put together with.
    pub from: String,
    /// The name of both.
    pub name: Option<String>,
}

/// Takes something by which a device is known away from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSplitting {
    /// A hardware address, or an address.
    pub part: String,
    /// The name of what is split off.
    pub name: Option<String>,
}

/// Fetches lists now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateRequest {
    /// Their names; none: all that have an address.
    pub lists: Vec<String>,
}

/// Puts an earlier revision of the policy back in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UndoRequest {
    /// The beginning of its hash; none: the one before the last change.
    pub revision: Option<String>,
}

/// Says that a person knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dismissal {
    /// Whether it is never to come back for that subject.
    pub always: bool,
}

/// A text to be checked as policy.toml.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// What problems call the file.
    pub file: String,
    /// The text.
    pub text: String,
}

/// Removes answers from the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheFlush {
    /// Only those about this name and all below it.
    #[serde(default)]
    pub name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_as_people_would_write_them() {
        let read = |text| serde_json::from_str::<ScopeChoice>(text).ok();
        assert_eq!(read(r#""everyone""#), Some(ScopeChoice::Everyone));
        assert_eq!(read(r#"{"device":"tv"}"#), Some(ScopeChoice::Device("tv".into())));
        assert_eq!(read(r#"{"group":"kids"}"#), Some(ScopeChoice::Group("kids".into())));
        assert_eq!(read(r#""all""#), None);
    }

    #[test]
    fn a_mistyped_key_is_refused() {
        let body = r#"{"scope":"everyone","seconds":60,"reason":"x"}"#;
        assert!(serde_json::from_str::<PauseChange>(body).is_err());
    }
}
