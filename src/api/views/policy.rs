//! Lists, levels, rules, pauses, and what a change did.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ListUpdateView;
use crate::model::{Action, DeviceName, GroupName, Level, ListKind, Scope};

/// One scope's switch of a list or ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchView {
    /// The scope.
    pub scope: Scope,
    /// On or off.
    pub on: bool,
}

/// Whether a list binds everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListState {
    /// It does.
    On,
    /// Only the rules whose absence breaks nothing do.
    Part,
    /// It does not.
    Off,
}

/// A list in few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListBrief {
    /// Its name.
    pub name: String,
    /// Rules in force.
    pub rules: u32,
    /// Whether it binds everyone.
    pub state: ListState,
}

/// A list and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    /// The list.
    #[serde(flatten)]
    pub brief: ListBrief,
    /// What it is about.
    pub kind: ListKind,
    /// `shipped`, or the file.
    pub source: String,
    /// What it calls itself.
    pub title: Option<String>,
    /// Its syntax.
    pub format: String,
    /// The number of the version in force, if it has versions.
    pub version: Option<u32>,
    /// Rules in force, those that stand in it several times counted once.
    pub unique: u32,
    /// Lines that are for browsers and not for DNS, ignored by design.
    pub ignored: u32,
    /// Lines left out: localhost and the like.
    pub boilerplate: u32,
    /// How its fetching goes; none: it is not fetched.
    pub fetching: Option<ListUpdateView>,
    /// Its versions that are kept, the oldest first.
    pub versions: Vec<VersionView>,
    /// Lines that could not be read.
    pub refused: u32,
    /// The first of them.
    pub samples: Vec<LineView>,
    /// Rules skipped because no list may block what they name.
    pub skipped: Vec<LineView>,
    /// Why the file as it is now is not in force.
    pub held: Option<String>,
    /// Where it is switched by hand.
    pub switches: Vec<SwitchView>,
    /// What it caught in the days that the log holds.
    pub worth: ListWorth,
}

/// A version of a list that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Its number.
    pub version: u32,
    /// `in force`, `held`, `rolled back` or `earlier`.
    pub state: String,
    /// When it came.
    pub at: Timestamp,
    /// Different names in it.
    pub names: u32,
    /// Names that came with it.
    pub added: u32,
    /// Names that went with it.
    pub removed: u32,
    /// The first that came.
    pub came: Vec<String>,
    /// The first that went.
    pub went: Vec<String>,
    /// Why it is held or was rolled back.
    pub why: Option<String>,
}

/// What a list caught; queries, not attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListWorth {
    /// Queries that it matches, whether it binds the device or not.
    pub hits: u64,
    /// Those of them that no other list matches.
    pub sole: u64,
    /// Those of them that were blocked, by whatever rule.
    pub blocked: u64,
    /// How many of them other lists match too, most first.
    pub overlaps: Vec<Overlap>,
}

/// Queries that two lists match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The other list.
    pub list: String,
    /// How many.
    pub queries: u64,
}

/// A line of a list, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// Its number.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// What is wrong.
    pub why: String,
}

/// A list of a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelList {
    /// Its name.
    pub name: String,
    /// Whether only its rules whose absence breaks nothing count.
    pub part: bool,
}

/// What a level holds, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelView {
    /// The level.
    pub level: Level,
    /// What it does, in words.
    pub words: String,
    /// Its lists, with the policy's differences.
    pub lists: Vec<LevelList>,
    /// Lists the policy adds.
    pub added: Vec<String>,
    /// Lists the policy takes out.
    pub removed: Vec<String>,
    /// Whether everyone has it who has no other.
    pub everyone: bool,
    /// Groups that have it.
    pub groups: Vec<GroupName>,
    /// Devices that have it by their own.
    pub devices: Vec<DeviceName>,
}

/// Own rules and pauses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Own rules.
    pub rules: Vec<RuleView>,
    /// Pauses that have not ended.
    pub pauses: Vec<PauseView>,
}

/// An own rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleView {
    /// Whom it binds.
    pub scope: Scope,
    /// How it is written.
    #[serde(default)]
    pub syntax: RuleSyntax,
    /// What it does; a rule in AdGuard's syntax says so in its text.
    pub action: Option<Action>,
    /// The name, expression or rule.
    pub name: String,
    /// Its end.
    pub until: Option<Timestamp>,
    /// Why it was made.
    pub note: Option<String>,
}

/// How an own rule is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleSyntax {
    /// A name, which means all below it too.
    #[default]
    Name,
    /// A name without those below it.
    Exact,
    /// A regular expression with Pi-hole's options.
    Regex,
    /// A rule in AdGuard's syntax.
    Adguard,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseView {
    /// Whom it binds.
    pub scope: Scope,
    /// Its end.
    pub until: Timestamp,
}

/// A change that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Whom it binds.
    pub scope: Scope,
    /// What it is about: a name, a list, a company, as the daemon knows it.
    pub subject: String,
    /// Its end.
    pub until: Option<Timestamp>,
    /// The revision of the policy now.
    pub revision: String,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The revision of the policy now.
    pub revision: String,
    /// What a person should know of it.
    pub notices: Vec<String>,
}

/// What became of asserts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// How many there are.
    pub asserts: usize,
    /// Those that fail.
    pub failed: Vec<FailedAssert>,
}

/// An assert that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAssert {
    /// Its line.
    pub line: usize,
    /// How.
    pub why: String,
}

/// A policy that checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Devices it names.
    pub devices: usize,
    /// Groups it names.
    pub groups: usize,
    /// Own rules.
    pub rules: usize,
    /// Lists of the owner's.
    pub lists: usize,
}
