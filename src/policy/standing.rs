//! The policy as it was written and checked: plain values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::levels::{LevelList, definition};
use super::{Hours, Schedule};
use crate::lists::OwnList;
use crate::model::{
    Action, DeviceKind, DeviceName, DomainName, GroupName, HardwareAddress, Level, ListName,
    LogDetail, Prefix, Scope,
};
use crate::rules::Rule;
use crate::sinkhole::BlockingMode;
use crate::zones::LocalNames;

/// Seconds that a blocked answer may be kept, unless `policy.toml` says otherwise.
const BLOCKED_TTL: u32 = 10;

/// `policy.toml`, checked whole; the default is what an empty file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What binds everyone.
    pub everyone: Part,
    /// Differences to the program's levels.
    pub levels: BTreeMap<Level, LevelDifference>,
    /// Groups.
    pub groups: Vec<GroupPart>,
    /// Devices.
    pub devices: Vec<DevicePart>,
    /// The groups of devices that it does not name, the first one strongest.
    pub unknown: Vec<GroupName>,
    /// What counts at some hours, in the order of the file.
    pub schedules: Vec<Schedule>,
    /// Own rules of the file; those with an end that API and CLI make are in [`Timed`].
    pub rules: Vec<OwnRule>,
    /// Own rules in AdGuard or Pi-hole syntax.
    pub written: Vec<WrittenRule>,
    /// The file of asserts that every edition must hold, below the data folder.
    pub asserts: Option<PathBuf>,
    /// Lists of the owner's.
    pub lists: Vec<OwnList>,
    /// Those of `lists` that nobody wrote: lists by others that levels subscribe.
    pub subscribed: Vec<ListName>,
    /// Names that are ours.
    pub local: LocalNames,
    /// How blocked queries are answered.
    pub blocking: BlockingMode,
    /// Seconds that a blocked answer may be kept.
    pub blocked_ttl: u32,
}

impl Default for Standing {
    fn default() -> Standing {
        Standing {
            everyone: Part::default(),
            levels: BTreeMap::new(),
            groups: Vec::new(),
            devices: Vec::new(),
            unknown: Vec::new(),
            schedules: Vec::new(),
            rules: Vec::new(),
            written: Vec::new(),
            asserts: None,
            lists: Vec::new(),
            subscribed: Vec::new(),
            local: LocalNames::default(),
            blocking: BlockingMode::default(),
            blocked_ttl: BLOCKED_TTL,
        }
    }
}

/// What a level holds more or less than the program's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelDifference {
    /// Lists added.
    pub add: Vec<ListName>,
    /// Lists taken out.
    pub remove: Vec<ListName>,
}

/// What one scope sets; what it leaves out, a wider scope decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The level.
    pub level: Option<Level>,
    /// Lists switched on or off.
    pub lists: BTreeMap<ListName, bool>,
    /// Companies switched: all of theirs blocked, or not.
    pub companies: BTreeMap<String, CompanySwitch>,
    /// What is recorded.
    pub log: Option<LogDetail>,
    /// Whether only names are answered that something allows.
    pub only_listed: Option<bool>,
}

/// A company ban, on or lifted at this scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompanySwitch {
    /// Everything of the company is blocked.
    Ban,
    /// A wider scope's ban does not bind here.
    Lift,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPart {
    /// Its name.
    pub name: GroupName,
    /// What it sets.
    pub part: Part,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePart {
    /// Its name.
    pub name: DeviceName,
    /// Its addresses and prefixes.
    pub addresses: Vec<Prefix>,
    /// Its hardware addresses.
    pub hardware: Vec<HardwareAddress>,
    /// What it is, if the person said so.
    pub kind: Option<DeviceKind>,
    /// Its groups, the first one strongest.
    pub groups: Vec<GroupName>,
    /// What `$ctag` knows it by.
    pub tags: Vec<Box<str>>,
    /// What it sets.
    pub part: Part,
}

/// An own rule: a name and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRule {
    /// Whom it binds.
    pub scope: Scope,
    /// What it does.
    pub action: Action,
    /// The name.
    pub name: DomainName,
    /// Its end in seconds since 1970; `None`: it stands.
    pub until: Option<i64>,
    /// Why it was made.
    pub note: Option<String>,
}

/// An own rule in AdGuard or Pi-hole syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRule {
    /// Whom it binds.
    pub scope: Scope,
    /// How it is written.
    pub syntax: Syntax,
    /// Its text.
    pub text: Box<str>,
    /// What it says.
    pub rules: Arc<[Rule]>,
    /// Its end in seconds since 1970; `None`: it stands.
    pub until: Option<i64>,
    /// Why it was made.
    pub note: Option<String>,
}

/// How an own rule is written that is not a name with all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// AdGuard's.
    Adguard,
    /// A regular expression with Pi-hole's options.
    Regex(Action),
    /// A name without those below it.
    Exact(Action),
}

/// A pause: no blocking for a scope until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Whom it binds.
    pub scope: Scope,
    /// Its beginning in seconds since 1970: a clock set back behind it does not prolong it.
    pub from: i64,
    /// Its end in seconds since 1970.
    pub until: i64,
}

/// What changes by itself as time goes on; pauses and rules live in `state.db`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timed {
    /// Pauses.
    pub pauses: Vec<Pause>,
    /// Own rules with an end.
    pub rules: Vec<OwnRule>,
    /// How schedules stand.
    pub hours: Hours,
}

impl Pause {
    /// Returns whether it lifts blocking at `now`, seconds since 1970.
    pub fn is_on(&self, now: i64) -> bool {
        self.from <= now && now < self.until
    }
}

impl Standing {
    /// Adds all of `defaults` that the owner has no list of that name for.
    ///
    /// They stay empty until they are fetched, so that a change of level rebuilds nothing.
    pub fn subscribe(&mut self, defaults: &[OwnList]) {
        let free = |list: &&OwnList| self.lists.iter().all(|own| own.name != list.name);
        let added: Vec<OwnList> = defaults.iter().filter(free).cloned().collect();
        self.subscribed = added.iter().map(|list| list.name.clone()).collect();
        self.lists.extend(added);
    }

    /// Returns the lists that are kept fresh: the owner's, and of those that levels subscribe the
    /// ones that a level in use holds, a switch names or a difference adds.
    pub fn fetched(&self) -> impl Iterator<Item = &OwnList> {
        let wanted =
            |list: &&OwnList| !self.subscribed.contains(&list.name) || self.uses(&list.name);
        self.lists.iter().filter(wanted)
    }

    /// Returns whether a list of a level is there; one by others may not be subscribed.
    pub fn has(&self, list: &LevelList) -> bool {
        !list.subscribed || self.lists.iter().any(|own| own.name.as_str() == list.name)
    }

    fn uses(&self, list: &ListName) -> bool {
        let groups = self.groups.iter().map(|group| &group.part);
        let devices = self.devices.iter().map(|device| &device.part);
        let schedules = self.schedules.iter().map(|schedule| &schedule.part);
        let all = std::iter::once(&self.everyone).chain(groups).chain(devices);
        let mut parts = all.chain(schedules);
        let in_level = |level: Level| {
            let difference = self.levels.get(&level);
            let added = difference.is_some_and(|difference| difference.add.contains(list));
            added || definition(level).lists.iter().any(|own| own.name == list.as_str())
        };
        in_level(self.everyone.level.unwrap_or_default())
            || parts
                .any(|part| part.level.is_some_and(in_level) || part.lists.get(list) == Some(&true))
    }
}

impl OwnRule {
    /// Returns the rule as people read it: `block example.com for TV`.
    pub fn text(&self) -> String {
        format!("{} {} for {}", action_word(self.action), self.name, self.scope)
    }
}

impl WrittenRule {
    /// Returns the rule as people read it: `||example.com^$dnstype=A for TV`.
    pub fn text(&self) -> String {
        format!("{} for {}", self.subject(), self.scope)
    }

    /// Returns what it does and to what, without whom it binds.
    pub fn subject(&self) -> String {
        match self.syntax {
            Syntax::Adguard => self.text.to_string(),
            Syntax::Regex(action) => format!("{} regex {}", action_word(action), self.text),
            Syntax::Exact(action) => format!("{} exactly {}", action_word(action), self.text),
        }
    }
}

/// Returns the word for an action, in files and databases.
pub fn action_word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Block => "block",
    }
}

/// Returns the kind of a scope and its name, which for everyone is empty.
pub fn scope_words(scope: &Scope) -> (&'static str, &str) {
    match scope {
        Scope::Device(name) => ("device", name.as_str()),
        Scope::Group(name) => ("group", name.as_str()),
        Scope::Everyone => ("everyone", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::Source;

    fn by_others(name: &str) -> OwnList {
        let name = ListName::parse(name).expect("a list name");
        let url = format!("https://lists.example/{name}").parse().expect("an address");
        OwnList::new(name, Source::Address { url, local: false })
    }

    fn defaults() -> Vec<OwnList> {
        ["hagezi-normal", "hagezi-pro"].map(by_others).to_vec()
    }

    fn fetched(standing: &Standing) -> Vec<&str> {
        standing.fetched().map(|list| list.name.as_str()).collect()
    }

    #[test]
    fn all_default_lists_are_there_and_only_those_in_use_are_fetched() {
        let mut standing = Standing { lists: vec![by_others("mine")], ..Standing::default() };
        standing.subscribe(&defaults());
        assert_eq!(standing.lists.len(), 3);
        assert_eq!(fetched(&standing), ["mine", "hagezi-normal"]);
        let lists = standing.lists.clone();
        standing.everyone.level = Some(Level::Strict);
        assert_eq!((fetched(&standing), &standing.lists), (vec!["mine", "hagezi-pro"], &lists));
        standing.everyone.level = Some(Level::Off);
        assert_eq!(fetched(&standing), ["mine"]);
        standing.everyone.lists.insert(lists[1].name.clone(), true);
        assert_eq!(fetched(&standing), ["mine", "hagezi-normal"], "switched by hand");
    }

    #[test]
    fn a_list_of_the_owners_takes_the_place_of_a_default_one() {
        let mut standing = Standing {
            lists: vec![by_others("hagezi-pro")],
            everyone: Part { level: Some(Level::Off), ..Part::default() },
            ..Standing::default()
        };
        standing.subscribe(&defaults());
        assert_eq!(standing.subscribed, [defaults()[0].name.clone()]);
        assert_eq!(fetched(&standing), ["hagezi-pro"], "the owner's is fetched at any level");
    }

    #[test]
    fn without_default_lists_levels_hold_what_is_shipped() {
        let mut standing = Standing::default();
        standing.subscribe(&[]);
        assert_eq!((standing.lists.len(), fetched(&standing).len()), (0, 0));
        let held = definition(Level::Standard).lists.iter().filter(|list| standing.has(list));
        assert_eq!(held.map(|list| list.name).collect::<Vec<_>>(), ["trackers"]);
    }
}
