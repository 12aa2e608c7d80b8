//! Who has the word on each key: every key of a scope against an oracle that asks scope by scope.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::{
    CompanySwitch, Days, DevicePart, Effective, GroupPart, Hours, Part, Schedule, Source, Standing,
    TimeRange, Timed,
};
use crate::model::{DeviceName, GroupName, Level, ListName, LogDetail, Scope};

const GROUPS: [&str; 3] = ["A", "B", "C"];
const DETAILS: [LogDetail; 3] = [LogDetail::Full, LogDetail::Counts, LogDetail::Nothing];

fn group(place: usize) -> GroupName {
    GroupName::parse(GROUPS[place]).expect("a name")
}

fn list() -> ListName {
    ListName::parse("mine").expect("a name")
}

fn any_part() -> impl Strategy<Value = Part> {
    use proptest::option::weighted;
    let level = weighted(0.4, 0usize..4);
    let log = weighted(0.4, 0usize..3);
    let keys = (level, log, weighted(0.4, any::<bool>()), weighted(0.4, any::<bool>()));
    (keys, weighted(0.4, any::<bool>())).prop_map(|((level, log, switch, ban), only_listed)| {
        let ban = ban.map(|ban| if ban { CompanySwitch::Ban } else { CompanySwitch::Lift });
        Part {
            level: level.map(|place| Level::ALL[place]),
            lists: switch.map(|on| (list(), on)).into_iter().collect(),
            companies: ban.map(|ban| ("tiktok".to_string(), ban)).into_iter().collect(),
            log: log.map(|place| DETAILS[place]),
            only_listed,
        }
    })
}

/// A schedule for the device (0), a group (1 to 3) or everyone (4) that counts or does not.
fn any_schedule() -> impl Strategy<Value = (usize, bool, Part)> {
    (0usize..5, any::<bool>(), any_part())
}

#[derive(Debug)]
struct House {
    standing: Standing,
    /// Whether each schedule counts.
    on: Vec<bool>,
}

fn scope(place: usize) -> Scope {
    match place {
        0 => Scope::Device(DeviceName::parse("TV").expect("a name")),
        4 => Scope::Everyone,
        other => Scope::Group(group(other - 1)),
    }
}

/// A device that no policy names.
fn nobody() -> DeviceName {
    DeviceName::parse("10.0.0.9").expect("a name")
}

fn any_house() -> impl Strategy<Value = House> {
    let members = || {
        Just(vec![0usize, 1, 2])
            .prop_shuffle()
            .prop_flat_map(|order| (0usize..4).prop_map(move |count| order[..count].to_vec()))
    };
    let parts = prop::collection::vec(any_part(), 5);
    let schedules = prop::collection::vec(any_schedule(), 0..6);
    (parts, members(), members(), schedules).prop_map(|(parts, own, unknown, schedules)| {
        let names = |places: Vec<usize>| places.into_iter().map(group).collect::<Vec<_>>();
        let (addresses, hardware, kind, tags) = Default::default();
        let name = DeviceName::parse("TV").expect("a name");
        let (groups, part) = (names(own), parts[0].clone());
        let tv = DevicePart { name, addresses, hardware, kind, groups, tags, part };
        let on = schedules.iter().map(|(_, on, _)| *on).collect();
        let all = (0..GROUPS.len())
            .map(|place| GroupPart { name: group(place), part: parts[place + 1].clone() });
        let schedule = |(place, (whom, on, part)): (usize, (usize, bool, Part))| Schedule {
            name: format!("s{place}").into(),
            scope: scope(whom),
            days: Days::DAILY,
            // It is midnight where and when they are asked.
            times: if on { Vec::new() } else { vec![TimeRange { from: 60, until: 120 }] },
            part,
        };
        let standing = Standing {
            everyone: parts[4].clone(),
            groups: all.collect(),
            devices: vec![tv],
            unknown: names(unknown),
            schedules: schedules.into_iter().enumerate().map(schedule).collect(),
            ..Standing::default()
        };
        House { standing, on }
    })
}

impl House {
    /// The first that sets a key: of each scope, narrow first, its schedules and then itself.
    fn first<T>(&self, scopes: &[Scope], pick: impl Fn(&Part) -> Option<T>) -> Option<(T, Source)> {
        let own = |scope: &Scope| match scope {
            Scope::Device(_) => self.standing.devices.first().map(|device| &device.part),
            Scope::Group(name) => {
                self.standing.groups.iter().find(|group| group.name == *name).map(|it| &it.part)
            }
            Scope::Everyone => Some(&self.standing.everyone),
        };
        for scope in scopes {
            let named = self.standing.schedules.iter().zip(&self.on);
            for (schedule, _) in named.filter(|(it, on)| **on && it.scope == *scope) {
                if let Some(value) = pick(&schedule.part) {
                    return Some((value, Source::Schedule(scope.clone(), schedule.name.clone())));
                }
            }
            if let Some(value) = own(scope).and_then(&pick) {
                return Some((value, Source::Scope(scope.clone())));
            }
        }
        None
    }

    fn check(&self, effective: &Effective, scopes: &[Scope]) {
        fn or_default<T: Default>(found: Option<(T, Source)>) -> (T, Source) {
            found.unwrap_or((T::default(), Source::Default))
        }
        let level = or_default(self.first(scopes, |part| part.level));
        assert_eq!((effective.level.value, effective.level.source.clone()), level);
        let log = or_default(self.first(scopes, |part| part.log));
        assert_eq!((effective.log.value, effective.log.source.clone()), log);
        let only = or_default(self.first(scopes, |part| part.only_listed));
        assert_eq!((effective.only_listed.value, effective.only_listed.source.clone()), only);
        let ban = self.first(scopes, |part| part.companies.get("tiktok").copied());
        let told = effective.companies.get("tiktok");
        assert_eq!(told.map(|it| (it.value, it.source.clone())), ban);
        let switch = self.first(scopes, |part| part.lists.get(&list()).copied());
        let lists = if level.0 == Level::Off { &effective.shadow } else { &effective.lists };
        let told = lists.iter().find(|it| it.name == list());
        assert_eq!(told.map(|it| (it.on, it.source.clone())), switch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn for_every_key_schedules_and_narrow_scopes_come_first(house in any_house()) {
        let hours = Hours::at(&house.standing.schedules, &TimeZone::UTC, 0);
        let timed = Timed { hours, ..Timed::default() };
        let (tv, everyone) = (scope(0), Scope::Everyone);
        let with = |groups: &[GroupName]| -> Vec<Scope> {
            groups.iter().cloned().map(Scope::Group).chain([everyone.clone()]).collect()
        };
        let device = &house.standing.devices[0];
        let named: Vec<Scope> = [tv].into_iter().chain(with(&device.groups)).collect();
        house.check(&Effective::of(&house.standing, &timed, Some(&device.name)), &named);
        let unknown = with(&house.standing.unknown);
        house.check(&Effective::of(&house.standing, &timed, Some(&nobody())), &unknown);
        house.check(&Effective::of(&house.standing, &timed, None), &with(&[]));
    }
}

#[test]
fn a_schedule_is_told_with_its_scope_and_next_change() {
    let night = Schedule {
        name: "night".into(),
        scope: Scope::Group(group(0)),
        days: Days::DAILY,
        times: vec![TimeRange { from: 21 * 60, until: 7 * 60 }],
        part: Part { level: Some(Level::Strict), ..Part::default() },
    };
    let standing = Standing {
        groups: vec![GroupPart { name: group(0), part: Part::default() }],
        unknown: vec![group(0)],
        schedules: vec![night],
        ..Standing::default()
    };
    let hours = Hours::at(&standing.schedules, &TimeZone::UTC, 0);
    let timed = Timed { hours, ..Timed::default() };
    let unknown = Effective::of(&standing, &timed, Some(&nobody()));
    assert_eq!(unknown.level.source.to_string(), "schedule night for group A");
    assert_eq!((unknown.groups.clone(), unknown.next_change()), (vec![group(0)], Some(7 * 3_600)));
    assert!(unknown.schedules[0].on);
    let everyone = Effective::of(&standing, &timed, None);
    assert_eq!((everyone.level.value, everyone.schedules.len()), (Level::Standard, 0));
    assert_eq!(BTreeMap::new(), everyone.companies);
}
