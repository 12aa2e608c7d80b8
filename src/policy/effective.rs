//! What binds a device, each value with the scope that it comes from.

use std::collections::BTreeMap;
use std::fmt;

use super::levels::definition;
use super::{CompanySwitch, DevicePart, Part, Pause, Schedule, Standing, Timed};
use crate::model::{DeviceName, GroupName, Level, ListName, LogDetail, Scope};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it: the program's default.
    Default,
    /// The program's definition of a level.
    Level(Level),
    /// What `policy.toml` changes in a level: `[level.standard]`.
    Difference(Level),
    /// The device, a group of its, or everyone.
    Scope(Scope),
    /// A schedule of one of those, which counts now.
    Schedule(Scope, Box<str>),
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

/// A list that somebody put on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSwitch {
    /// Its name.
    pub name: ListName,
    /// Whether only its rows whose breakage is "no" count.
    pub part: bool,
    /// Whether it is on.
    pub on: bool,
    /// Who says so.
    pub source: Source,
}

/// What binds a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The level.
    pub level: Sourced<Level>,
    /// The lists that are on, and those taken out of what a wider scope or the level has on.
    pub lists: Vec<ListSwitch>,
    /// At level off: the lists whose matches are noted all the same.
    pub shadow: Vec<ListSwitch>,
    /// Companies banned, and bans lifted.
    pub companies: BTreeMap<String, Sourced<CompanySwitch>>,
    /// What is recorded.
    pub log: Sourced<LogDetail>,
    /// Whether only names are answered that something allows.
    pub only_listed: Sourced<bool>,
    /// Its groups, the first one strongest; of a device that the policy does not name, those of
    /// `[unknown]`.
    pub groups: Vec<GroupName>,
    /// Its schedules, narrow scope first, those that do not count now too.
    pub schedules: Vec<BoundSchedule>,
    /// Pauses that bind it, ended ones too.
    pub pauses: Vec<Pause>,
}

/// A schedule that binds a device at some hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundSchedule {
    /// Its name.
    pub name: Box<str>,
    /// Whom it is for.
    pub scope: Scope,
    /// Whether it counts now.
    pub on: bool,
    /// When that changes, seconds since 1970; `None`: not within two weeks.
    pub next_change: Option<i64>,
}

impl Effective {
    /// Works out what binds the device of this name, or everyone.
    ///
    /// A device that the policy does not name is in the groups of `[unknown]`, and has pauses and
    /// rules with an end of its own at most.
    pub fn of(standing: &Standing, timed: &Timed, device: Option<&DeviceName>) -> Effective {
        let part = device.and_then(|name| standing.devices.iter().find(|d| d.name == *name));
        let layers = match (part, device) {
            (Some(part), _) => Layers::of(standing, timed, part),
            (None, Some(_)) => Layers::of_unnamed(standing, timed, device),
            (None, None) => Layers::of_everyone(standing, timed),
        };
        layers.told(standing, timed)
    }

    /// Returns when the first of its schedules changes, seconds since 1970.
    pub fn next_change(&self) -> Option<i64> {
        self.schedules.iter().filter_map(|schedule| schedule.next_change).min()
    }
}

/// The scopes that bind a device and what each sets, narrow first; before what a scope sets at all
/// times stands what its schedules set now.
pub(super) struct Layers<'s> {
    scopes: Vec<Scope>,
    parts: Vec<(Source, &'s Part)>,
}

impl<'s> Layers<'s> {
    /// Returns those of a device that the policy names.
    pub(super) fn of(standing: &'s Standing, timed: &Timed, device: &'s DevicePart) -> Layers<'s> {
        let mut layers = Layers { scopes: Vec::new(), parts: Vec::new() };
        let own = Scope::Device(device.name.clone());
        layers.add(standing, timed, own, Some(&device.part));
        layers.add_groups(standing, timed, &device.groups)
    }

    /// Returns those of a device that the policy does not name.
    pub(super) fn of_unnamed(
        standing: &'s Standing,
        timed: &Timed,
        device: Option<&DeviceName>,
    ) -> Layers<'s> {
        let mut layers = Layers { scopes: Vec::new(), parts: Vec::new() };
        if let Some(name) = device {
            layers.add(standing, timed, Scope::Device(name.clone()), None);
        }
        layers.add_groups(standing, timed, &standing.unknown)
    }

    /// Returns that of everyone alone.
    pub(super) fn of_everyone(standing: &'s Standing, timed: &Timed) -> Layers<'s> {
        let layers = Layers { scopes: Vec::new(), parts: Vec::new() };
        layers.add_groups(standing, timed, &[])
    }

    /// Adds groups in their order, and everyone.
    fn add_groups(
        mut self,
        standing: &'s Standing,
        timed: &Timed,
        groups: &[GroupName],
    ) -> Layers<'s> {
        for name in groups {
            let group = standing.groups.iter().find(|group| group.name == *name);
            let part = group.map(|group| &group.part);
            self.add(standing, timed, Scope::Group(name.clone()), part);
        }
        self.add(standing, timed, Scope::Everyone, Some(&standing.everyone));
        self
    }

    fn add(&mut self, standing: &'s Standing, timed: &Timed, scope: Scope, part: Option<&'s Part>) {
        let own = standing.schedules.iter().filter(|schedule| schedule.scope == scope);
        let on = own.filter(|it| timed.hours.state(&it.name).is_some_and(|state| state.on));
        self.parts.extend(on.map(|schedule| {
            let source = Source::Schedule(scope.clone(), schedule.name.clone());
            (source, &schedule.part)
        }));
        self.parts.extend(part.map(|part| (Source::Scope(scope.clone()), part)));
        self.scopes.push(scope);
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.iter()
    }

    /// Works out what binds, told with its schedules.
    fn told(&self, standing: &Standing, timed: &Timed) -> Effective {
        let schedules = self.schedules(standing, timed);
        Effective { schedules, ..self.effective(standing, timed) }
    }

    /// Works out what binds; what schedules set now is among it, they themselves are left out.
    pub(super) fn effective(&self, standing: &Standing, timed: &Timed) -> Effective {
        let level = self.first(|part| part.level);
        let shadowed = level.value == Level::Off;
        Effective {
            lists: self.lists(standing, level.value),
            shadow: if shadowed { self.lists(standing, Level::Standard) } else { Vec::new() },
            level,
            companies: self.companies(),
            log: self.first(|part| part.log),
            only_listed: self.first(|part| part.only_listed),
            groups: self.groups(),
            schedules: Vec::new(),
            pauses: timed.pauses.iter().filter(|p| self.binds(&p.scope)).cloned().collect(),
        }
    }

    fn groups(&self) -> Vec<GroupName> {
        let groups = self.scopes.iter().filter_map(|scope| match scope {
            Scope::Group(name) => Some(name.clone()),
            _ => None,
        });
        groups.collect()
    }

    fn schedules(&self, standing: &Standing, timed: &Timed) -> Vec<BoundSchedule> {
        let of = |scope: &Scope| -> Vec<BoundSchedule> {
            let own = standing.schedules.iter().filter(|schedule| schedule.scope == *scope);
            own.map(|schedule| bound(schedule, timed)).collect()
        };
        self.scopes.iter().flat_map(of).collect()
    }

    fn first<T: Default>(&self, pick: impl Fn(&Part) -> Option<T>) -> Sourced<T> {
        let set = self.parts.iter().find_map(|(source, part)| {
            Some(Sourced { value: pick(part)?, source: source.clone() })
        });
        set.unwrap_or_else(|| Sourced { value: T::default(), source: Source::Default })
    }

    /// Lists of a level with its differences and the switches of each scope; none at level off.
    fn lists(&self, standing: &Standing, level: Level) -> Vec<ListSwitch> {
        if level == Level::Off {
            return Vec::new();
        }
        let mut lists = level_lists(standing, level);
        for (source, part) in self.parts.iter().rev() {
            for (name, &on) in &part.lists {
                let source = source.clone();
                let switch = ListSwitch { name: name.clone(), part: false, on, source };
                lists.insert(name.clone(), switch);
            }
        }
        lists.into_values().collect()
    }

    fn companies(&self) -> BTreeMap<String, Sourced<CompanySwitch>> {
        let mut companies = BTreeMap::new();
        for (source, part) in self.parts.iter().rev() {
            for (slug, &value) in &part.companies {
                let source = source.clone();
                companies.insert(slug.clone(), Sourced { value, source });
            }
        }
        companies
    }

    fn binds(&self, scope: &Scope) -> bool {
        self.scopes().any(|own| own == scope)
    }
}

fn bound(schedule: &Schedule, timed: &Timed) -> BoundSchedule {
    let state = timed.hours.state(&schedule.name);
    BoundSchedule {
        name: schedule.name.clone(),
        scope: schedule.scope.clone(),
        on: state.is_some_and(|state| state.on),
        next_change: state.and_then(|state| state.next_change),
    }
}

/// Returns the lists of a level: the program's definition and the differences of `policy.toml`.
fn level_lists(standing: &Standing, level: Level) -> BTreeMap<ListName, ListSwitch> {
    let mut lists = BTreeMap::new();
    for list in definition(level).lists.iter().filter(|list| standing.has(list)) {
        let name = ListName::parse(list.name).expect("the program's lists have list names");
        let source = Source::Level(level);
        let switch = ListSwitch { name: name.clone(), part: list.part, on: true, source };
        lists.insert(name, switch);
    }
    let Some(difference) = standing.levels.get(&level) else { return lists };
    for name in &difference.add {
        let source = Source::Difference(level);
        let switch = ListSwitch { name: name.clone(), part: false, on: true, source };
        lists.insert(name.clone(), switch);
    }
    for name in &difference.remove {
        if let Some(list) = lists.get_mut(name) {
            list.on = false;
            list.source = Source::Difference(level);
        }
    }
    lists
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => out.write_str("default"),
            Source::Level(level) => write!(out, "level {level}"),
            Source::Difference(level) => write!(out, "[level.{level}]"),
            Source::Scope(scope) => scope.fmt(out),
            Source::Schedule(scope, name) => write!(out, "schedule {name} for {scope}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{GroupPart, LevelDifference};

    fn list(name: &str) -> ListName {
        ListName::parse(name).expect("a list name")
    }

    fn named(name: &str) -> DeviceName {
        DeviceName::parse(name).expect("a device name")
    }

    fn part(level: Option<Level>, lists: &[(&str, bool)]) -> Part {
        let lists = lists.iter().map(|(name, on)| (list(name), *on)).collect();
        Part { level, lists, ..Part::default() }
    }

    /// TV is in Kids and then Guests; each scope sets something.
    fn house() -> Standing {
        let group = |name: &str, part| GroupPart {
            name: crate::model::GroupName::parse(name).expect("a group name"),
            part,
        };
        let groups = vec![
            group("Guests", part(Some(Level::Off), &[("malware", true), ("big", true)])),
            group("Kids", Part { log: Some(LogDetail::Counts), ..part(None, &[("big", false)]) }),
        ];
        let tv = DevicePart {
            name: named("TV"),
            addresses: Vec::new(),
            hardware: Vec::new(),
            kind: None,
            groups: vec![groups[1].name.clone(), groups[0].name.clone()],
            tags: Vec::new(),
            part: part(Some(Level::Strict), &[]),
        };
        Standing { groups, devices: vec![tv], everyone: part(None, &[]), ..Standing::default() }
    }

    fn shown(lists: &[ListSwitch]) -> Vec<String> {
        let word = |list: &ListSwitch| if list.on { "on" } else { "off" };
        lists.iter().map(|l| format!("{} {}: {}", l.name, word(l), l.source)).collect()
    }

    #[test]
    fn narrow_scopes_win_and_the_first_group_before_the_next() {
        let standing = house();
        let tv = Effective::of(&standing, &Timed::default(), Some(&named("TV")));
        assert_eq!(tv.level.value, Level::Strict);
        assert_eq!(tv.level.source.to_string(), "TV");
        assert_eq!(
            (tv.log.value, tv.log.source.to_string()),
            (LogDetail::Counts, "group Kids".into())
        );
        assert_eq!(
            shown(&tv.lists),
            [
                "big off: group Kids",
                "encrypted-dns on: level strict",
                "malware on: group Guests",
                "trackers on: level strict",
                "trackers-strict on: level strict",
            ]
        );
    }

    #[test]
    fn everyone_and_unnamed_devices_have_the_default() {
        let pause = |scope| Pause { scope, from: 0, until: 5 };
        let timed = Timed {
            pauses: vec![
                pause(Scope::Device(named("10.0.0.9"))),
                pause(Scope::Device(named("TV"))),
                pause(Scope::Everyone),
            ],
            ..Timed::default()
        };
        let standing = house();
        let everyone = Effective::of(&standing, &timed, None);
        assert_eq!(
            (everyone.level.value, &everyone.level.source),
            (Level::Standard, &Source::Default)
        );
        assert_eq!(everyone.pauses, timed.pauses[2..]);
        let unnamed = Effective::of(&standing, &timed, Some(&named("10.0.0.9")));
        assert_eq!(unnamed.lists, everyone.lists);
        assert_eq!(unnamed.pauses.len(), 2);
    }

    #[test]
    fn differences_of_a_level_are_told_as_such() {
        let mut standing = house();
        let difference =
            LevelDifference { add: vec![list("big")], remove: vec![list("trackers"), list("no")] };
        standing.levels.insert(Level::Standard, difference);
        let everyone = Effective::of(&standing, &Timed::default(), None);
        assert_eq!(
            shown(&everyone.lists),
            ["big on: [level.standard]", "trackers off: [level.standard]"]
        );
    }

    #[test]
    fn level_off_has_no_lists_and_notes_what_standard_would_block() {
        let mut standing = house();
        standing.devices[0].part.level = None;
        let tv = Effective::of(&standing, &Timed::default(), Some(&named("TV")));
        assert_eq!(
            (tv.level.value, tv.level.source.to_string()),
            (Level::Off, "group Guests".into())
        );
        assert_eq!(tv.lists, []);
        assert_eq!(
            shown(&tv.shadow),
            ["big off: group Kids", "malware on: group Guests", "trackers on: level standard"]
        );
    }

    #[test]
    fn companies_are_switched_by_the_narrowest_scope() {
        let mut standing = house();
        let ban = BTreeMap::from([("tiktok".to_string(), CompanySwitch::Ban)]);
        standing.everyone.companies = ban;
        let lift = BTreeMap::from([("tiktok".to_string(), CompanySwitch::Lift)]);
        standing.groups[0].part.companies = lift;
        let tv = Effective::of(&standing, &Timed::default(), Some(&named("TV")));
        assert_eq!(tv.companies["tiktok"].value, CompanySwitch::Lift);
        let everyone = Effective::of(&standing, &Timed::default(), None);
        assert_eq!(everyone.companies["tiktok"].value, CompanySwitch::Ban);
    }
}
