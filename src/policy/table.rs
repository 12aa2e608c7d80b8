//! The policies of all devices, worked out when the policy changes, looked up per query.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::sync::Arc;

use super::{
    AnyRule, CompanySwitch, DevicePart, DevicePolicy, Effective, Layers, ListSwitch, OwnRules,
    Scopes, Spread, Standing, Timed, number,
};
use crate::model::{DeviceId, HashSeed, Level, ListId, ListKind, ListMask, RuleId};
use crate::rules::{Asker, ListInfo, Ruleset};
use crate::sinkhole::BlockingMode;

/// The policies of all devices; immutable.
pub struct PolicyTable {
    devices: HashMap<DeviceId, Known, BuildHasherDefault<Spread>>,
    /// Of devices that the policy does not name.
    unknown: Arc<DevicePolicy>,
    everyone: Arc<DevicePolicy>,
    rule_texts: HashMap<RuleId, String>,
    blocked_ttl: u32,
    own: Scopes,
    seed: HashSeed,
}

/// A device that the policy names.
#[derive(Debug)]
struct Known {
    policy: Arc<DevicePolicy>,
    names: Box<[Box<str>]>,
    tags: Box<[Box<str>]>,
}

/// What binds a device, and what conditions of rules know it by.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'t> {
    /// What binds it.
    pub policy: &'t DevicePolicy,
    /// Its name, addresses and hardware addresses, lower case.
    pub names: &'t [Box<str>],
    /// Its tags.
    pub tags: &'t [Box<str>],
}

impl<'t> Bound<'t> {
    /// Returns who asks, from one of the device's addresses.
    pub fn asker(&self, address: IpAddr) -> Asker<'t> {
        Asker { address: address.to_canonical(), names: self.names, tags: self.tags }
    }
}

impl PolicyTable {
    /// Works out every device's policy. `devices` are the numbers of `standing.devices`, in order.
    ///
    /// What stands in `previous` alike and is dear to make is taken from there.
    pub fn compile(
        standing: &Standing,
        timed: &Timed,
        devices: &[DeviceId],
        ruleset: &Ruleset,
        previous: Option<&PolicyTable>,
    ) -> PolicyTable {
        let places = Places::of(ruleset.lists());
        let (none, seed) = (Scopes::new(), ruleset.seed());
        let previous = previous.filter(|previous| previous.seed == seed);
        let own = previous.map_or(&none, |previous| &previous.own);
        let ground = Ground { places: &places, seed, own };
        PolicyTable::on(&ground, standing, timed, devices)
    }

    fn on(
        ground: &Ground<'_>,
        standing: &Standing,
        timed: &Timed,
        devices: &[DeviceId],
    ) -> PolicyTable {
        let plain = standing.rules.iter().chain(&timed.rules).map(AnyRule::Plain);
        let written = standing.written.iter().map(AnyRule::Written);
        let rules: Vec<AnyRule<'_>> = plain.chain(written).collect();
        let (ids, rule_texts) = number(&rules);
        let (places, seed) = (ground.places, ground.seed);
        let own = OwnRules::of_scopes(rules.into_iter().zip(ids), seed, ground.own);
        let blocking = Arc::new(standing.blocking.clone());
        let made = HashMap::new();
        let mut maker = Maker { standing, timed, places, own: &own, blocking, made };
        let everyone = maker.policy(&Layers::of_everyone(standing, timed));
        let unknown = maker.policy(&Layers::of_unnamed(standing, timed, None));
        let mut known = |device: &DevicePart| Known {
            policy: maker.policy(&Layers::of(standing, timed, device)),
            names: names(device),
            tags: device.tags.as_slice().into(),
        };
        let devices = devices.iter().zip(&standing.devices);
        let devices = devices.map(|(&id, device)| (id, known(device))).collect();
        let blocked_ttl = standing.blocked_ttl;
        PolicyTable { devices, unknown, everyone, rule_texts, blocked_ttl, own, seed }
    }

    /// Returns what binds everyone, the groups of unknown devices left out.
    pub fn everyone(&self) -> &DevicePolicy {
        &self.everyone
    }

    /// Returns a device's policy; that of unknown devices for one the policy does not name.
    pub fn for_device(&self, device: DeviceId) -> &DevicePolicy {
        self.bound(device).policy
    }

    /// Returns what binds a device, with what conditions of rules know it by.
    pub fn bound(&self, device: DeviceId) -> Bound<'_> {
        match self.devices.get(&device) {
            Some(Known { policy, names, tags }) => Bound { policy, names, tags },
            None => Bound { policy: &self.unknown, names: &[], tags: &[] },
        }
    }

    /// Returns own rules as people read them: `block example.com for TV`.
    pub fn rule_texts(&self) -> &HashMap<RuleId, String> {
        &self.rule_texts
    }

    /// Returns seconds that a blocked answer may be kept.
    pub fn blocked_ttl(&self) -> u32 {
        self.blocked_ttl
    }
}

/// What a table is worked out on beside the policy.
struct Ground<'g> {
    places: &'g Places,
    seed: HashSeed,
    /// Own rules as the table before had them, under the same seed.
    own: &'g Scopes,
}

/// Returns what `$client` may call a device.
fn names(device: &DevicePart) -> Box<[Box<str>]> {
    let addresses = device.addresses.iter().map(|address| address.to_string().into());
    let name = device.name.as_str().to_lowercase().into();
    let hardware = device.hardware.iter().map(|address| address.to_string().into());
    std::iter::once(name).chain(addresses).chain(hardware).collect()
}

/// Lists in force by name.
struct Places {
    wholes: HashMap<String, ListId>,
    parts: HashMap<String, ListId>,
    bans: HashMap<String, ListId>,
    told: Arc<[ListId]>,
}

impl Places {
    fn of(lists: &[ListInfo]) -> Places {
        let place = |(id, list): (u8, &ListInfo)| (list.name.as_str().to_string(), ListId(id));
        let pick = |wanted: fn(&ListInfo) -> bool| {
            (0..=u8::MAX).zip(lists).filter(|(_, list)| wanted(list)).map(place).collect()
        };
        let wholes: HashMap<String, ListId> = pick(|list| !list.part && list.kind != ListKind::Ban);
        let told = (0..=u8::MAX)
            .zip(lists)
            .map(|(id, list)| match wholes.get(list.name.as_str()) {
                Some(&whole) if list.part => whole,
                _ => ListId(id),
            })
            .collect();
        let parts = pick(|list| list.part);
        Places { wholes, parts, bans: pick(|list| list.kind == ListKind::Ban), told }
    }

    fn mask(&self, lists: &[ListSwitch]) -> ListMask {
        let place = |list: &ListSwitch| {
            let places = if list.part { &self.parts } else { &self.wholes };
            places.get(list.name.as_str()).copied()
        };
        lists.iter().filter(|list| list.on).filter_map(place).collect()
    }

    fn bans(&self, effective: &Effective) -> ListMask {
        let banned = effective.companies.iter().filter(|(_, s)| s.value == CompanySwitch::Ban);
        banned.filter_map(|(slug, _)| self.bans.get(&format!("ban-{slug}")).copied()).collect()
    }
}

/// What makes two devices' policies one and the same.
#[derive(PartialEq, Eq, Hash)]
struct Likeness {
    level: Level,
    log: u8,
    lists: ListMask,
    shadow: ListMask,
    bans: ListMask,
    own: Vec<*const OwnRules>,
    only_listed: bool,
    pauses: Box<[(i64, i64)]>,
}

/// Makes policies, one for all devices that are alike.
struct Maker<'s> {
    standing: &'s Standing,
    timed: &'s Timed,
    places: &'s Places,
    own: &'s Scopes,
    blocking: Arc<BlockingMode>,
    made: HashMap<Likeness, Arc<DevicePolicy>>,
}

impl Maker<'_> {
    fn policy(&mut self, layers: &Layers<'_>) -> Arc<DevicePolicy> {
        let effective = layers.effective(self.standing, self.timed);
        let own: Vec<Arc<OwnRules>> =
            layers.scopes().filter_map(|scope| self.own.get(scope).cloned()).collect();
        let policy = DevicePolicy {
            level: effective.level.value,
            log: effective.log.value,
            lists: self.places.mask(&effective.lists),
            shadow: self.places.mask(&effective.shadow),
            bans: self.places.bans(&effective),
            own: own.into(),
            only_listed: effective.only_listed.value,
            pauses: effective.pauses.iter().map(|pause| (pause.from, pause.until)).collect(),
            blocking: Arc::clone(&self.blocking),
            told: Arc::clone(&self.places.told),
        };
        let alike = self.made.entry(likeness(&policy)).or_insert_with(|| Arc::new(policy));
        Arc::clone(alike)
    }
}

fn likeness(policy: &DevicePolicy) -> Likeness {
    Likeness {
        level: policy.level,
        log: policy.log as u8,
        lists: policy.lists,
        shadow: policy.shadow,
        bans: policy.bans,
        own: policy.own.iter().map(Arc::as_ptr).collect(),
        only_listed: policy.only_listed,
        pauses: policy.pauses.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        Action, DeviceName, DomainName, GroupName, ListName, LogDetail, Moment, Reason, Scope,
        Verdict,
    };
    use crate::policy::test_ground::{SEED, at, decide, lists_with};
    use crate::policy::{
        DevicePart, GroupPart, LevelDifference, OwnRule, Part, Pause, Syntax, WrittenRule,
    };
    use crate::rules::parse::Format;
    use crate::rules::{Answer, Effect, Pattern, Rule};

    const TRACKERS: ListId = ListId(0);
    const HARMLESS: ListId = ListId(1);
    const STRICT: ListId = ListId(2);
    const ENCRYPTED: ListId = ListId(3);
    const BAN: ListId = ListId(4);
    const OWN: ListId = ListId(5);

    fn places() -> Places {
        let info = |name: &str, kind, part| ListInfo {
            shipped: name != "mine",
            part,
            ..ListInfo::new(ListName::parse(name).expect("a list name"), kind, Format::Domains)
        };
        Places::of(&[
            info("trackers", ListKind::Tracking, false),
            info("trackers", ListKind::Tracking, true),
            info("trackers-strict", ListKind::Tracking, false),
            info("encrypted-dns", ListKind::EncryptedDns, false),
            info("ban-tiktok", ListKind::Ban, false),
            info("mine", ListKind::Other, false),
        ])
    }

    fn table(standing: &Standing, timed: &Timed) -> PolicyTable {
        let ids: Vec<DeviceId> = (10..).take(standing.devices.len()).map(DeviceId).collect();
        let (places, own) = (places(), Scopes::new());
        let ground = Ground { places: &places, seed: SEED, own: &own };
        PolicyTable::on(&ground, standing, timed, &ids)
    }

    fn mask(lists: &[ListId]) -> ListMask {
        lists.iter().copied().collect()
    }

    fn device(name: &str, groups: &[&str], part: Part) -> DevicePart {
        let groups = groups.iter().map(|g| GroupName::parse(g).expect("a group name")).collect();
        let name = DeviceName::parse(name).expect("a device name");
        let (addresses, hardware, kind, tags) = Default::default();
        DevicePart { name, addresses, hardware, kind, groups, tags, part }
    }

    fn level(level: Level) -> Part {
        Part { level: Some(level), ..Part::default() }
    }

    fn switched(lists: &[(&str, bool)]) -> BTreeMap<ListName, bool> {
        lists.iter().map(|(name, on)| (ListName::parse(name).expect("a list name"), *on)).collect()
    }

    fn rule(scope: Scope, action: Action, name: &str) -> OwnRule {
        let name = DomainName::parse(name).expect("a name");
        OwnRule { scope, action, name, until: None, note: None }
    }

    fn verdict(policy: &DevicePolicy, name: &str, found: &[ListId]) -> Verdict {
        decide(policy, name, found, at(0)).verdict
    }

    #[test]
    fn levels_hold_what_the_program_says() {
        let levels = Level::ALL.map(|l| device(l.as_str(), &[], level(l)));
        let standing = Standing { devices: levels.to_vec(), ..Standing::default() };
        let table = table(&standing, &Timed::default());
        let held = (10..14).map(|id| table.for_device(DeviceId(id)).lists());
        let expected =
            [mask(&[]), mask(&[HARMLESS]), mask(&[TRACKERS]), mask(&[TRACKERS, STRICT, ENCRYPTED])];
        assert_eq!(held.collect::<Vec<_>>(), expected);
        assert_eq!(table.for_device(DeviceId(99)).lists(), mask(&[TRACKERS]));
        assert_eq!(table.for_device(DeviceId(99)).level(), Level::Standard);
    }

    #[test]
    fn differences_and_switches_move_lists() {
        let name = |text| ListName::parse(text).expect("a list name");
        let difference =
            LevelDifference { add: vec![name("mine")], remove: vec![name("trackers")] };
        let switch = |l, lists: &[(&str, bool)]| Part { lists: switched(lists), ..level(l) };
        let standing = Standing {
            levels: BTreeMap::from([(Level::Strict, difference)]),
            devices: vec![
                device("differs", &[], level(Level::Strict)),
                device("switched off", &[], switch(Level::Strict, &[("mine", false)])),
                device("part off", &[], switch(Level::Basic, &[("trackers", false)])),
                device("whole on", &[], switch(Level::Basic, &[("trackers", true)])),
                device("gone", &[], switch(Level::Standard, &[("gone", true)])),
            ],
            ..Standing::default()
        };
        let table = table(&standing, &Timed::default());
        let held: Vec<ListMask> =
            (10..15).map(|id| table.for_device(DeviceId(id)).lists()).collect();
        let expected = [
            mask(&[STRICT, ENCRYPTED, OWN]),
            mask(&[STRICT, ENCRYPTED]),
            mask(&[]),
            mask(&[TRACKERS]),
            mask(&[TRACKERS]),
        ];
        assert_eq!(held, expected);
    }

    #[test]
    fn level_off_only_notes_what_standard_would_hold() {
        let part = Part { lists: switched(&[("mine", true)]), ..level(Level::Off) };
        let standing = Standing { devices: vec![device("TV", &[], part)], ..Standing::default() };
        let table = table(&standing, &Timed::default());
        let tv = table.for_device(DeviceId(10));
        assert_eq!((tv.lists(), tv.shadow), (mask(&[]), mask(&[TRACKERS, OWN])));
    }

    #[test]
    fn a_ban_binds_until_a_narrower_scope_lifts_it() {
        let companies = |switch| BTreeMap::from([("tiktok".to_string(), switch)]);
        let lift = Part { companies: companies(CompanySwitch::Lift), ..Part::default() };
        let standing = Standing {
            everyone: Part { companies: companies(CompanySwitch::Ban), ..level(Level::Off) },
            devices: vec![device("TV", &[], lift)],
            ..Standing::default()
        };
        let table = table(&standing, &Timed::default());
        assert_eq!(table.for_device(DeviceId(10)).bans(), mask(&[]));
        let other = table.for_device(DeviceId(1));
        assert_eq!(other.bans(), mask(&[BAN]));
        assert_eq!(verdict(other, "x.com", &[BAN]), Verdict::Block(Reason::Ban(BAN)));
    }

    #[test]
    fn own_rules_go_device_then_groups_in_their_order_then_everyone() {
        let group = |name| Scope::Group(GroupName::parse(name).expect("a group name"));
        let tv = Scope::Device(DeviceName::parse("TV").expect("a device name"));
        let groups = ["A", "B"].map(|name| GroupPart {
            name: GroupName::parse(name).expect("a group name"),
            part: Part::default(),
        });
        let standing = Standing {
            groups: groups.to_vec(),
            devices: vec![
                device("TV", &["B", "A"], Part::default()),
                device("Radio", &["A", "B"], Part::default()),
            ],
            rules: vec![
                rule(group("A"), Action::Block, "x.com"),
                rule(group("B"), Action::Allow, "x.com"),
                rule(Scope::Everyone, Action::Block, "y.com"),
                rule(tv, Action::Allow, "y.com"),
            ],
            ..Standing::default()
        };
        let table = table(&standing, &Timed::default());
        let said = |id, name| match verdict(table.for_device(DeviceId(id)), name, &[]) {
            Verdict::Allow(Reason::Rule(rule)) | Verdict::Block(Reason::Rule(rule)) => {
                table.rule_texts()[&rule].clone()
            }
            other => format!("{other:?}"),
        };
        assert_eq!(said(10, "x.com"), "allow x.com for group B");
        assert_eq!(said(11, "x.com"), "block x.com for group A");
        assert_eq!(said(10, "y.com"), "allow y.com for TV");
        assert_eq!(said(11, "y.com"), "block y.com for everyone");
        assert_eq!(said(99, "x.com"), "None");
    }

    #[test]
    fn timed_rules_and_the_latest_pause_count() {
        let until = |rule: OwnRule, end| OwnRule { until: Some(end), ..rule };
        let tv = Scope::Device(DeviceName::parse("TV").expect("a device name"));
        let timed = Timed {
            rules: vec![until(rule(tv.clone(), Action::Allow, "x.com"), 50)],
            pauses: vec![
                Pause { scope: tv, from: 0, until: 100 },
                Pause { scope: Scope::Everyone, from: 0, until: 60 },
            ],
            ..Timed::default()
        };
        let standing =
            Standing { devices: vec![device("TV", &[], Part::default())], ..Standing::default() };
        let table = table(&standing, &timed);
        let now = Moment { wall: 0, monotonic: 0 };
        let tv = table.for_device(DeviceId(10));
        assert_eq!(tv.paused_until(now), Some(100));
        assert_eq!(table.for_device(DeviceId(1)).paused_until(now), Some(60));
        assert!(matches!(verdict(tv, "x.com", &[TRACKERS]), Verdict::Allow(_)));
    }

    #[test]
    fn a_changed_rule_leaves_the_rules_of_other_scopes_as_they_are() {
        let tv = Scope::Device(DeviceName::parse("TV").expect("a device name"));
        let written = |text: &str| WrittenRule {
            scope: Scope::Everyone,
            syntax: Syntax::Exact(Action::Block),
            text: text.into(),
            rules: Arc::new([Rule::plain(
                Pattern::Exact(DomainName::parse(text).expect("a name")),
                Effect::Block(Answer::NxDomain),
                1,
            )]),
            until: None,
            note: None,
        };
        let mut standing = Standing {
            devices: vec![device("TV", &[], Part::default())],
            rules: vec![rule(tv.clone(), Action::Block, "x.com")],
            written: vec![written("only.com")],
            ..Standing::default()
        };
        let ruleset = lists_with("x.com", &[]);
        let (timed, ids) = (Timed::default(), [DeviceId(10)]);
        let compile = |standing: &Standing, previous: Option<&PolicyTable>| {
            PolicyTable::compile(standing, &timed, &ids, &ruleset, previous)
        };
        let first = compile(&standing, None);
        standing.rules[0] = rule(tv.clone(), Action::Block, "y.com");
        let second = compile(&standing, Some(&first));
        let shared = |scope: &Scope| Arc::ptr_eq(&first.own[scope], &second.own[scope]);
        assert_eq!((shared(&tv), shared(&Scope::Everyone)), (false, true));
        let decided = |name| decide(second.for_device(DeviceId(10)), name, &[], at(0));
        assert_eq!(decided("x.com").verdict, Verdict::None);
        assert!(matches!(decided("y.com").verdict, Verdict::Block(_)));
        let only = decided("only.com");
        assert_eq!((only.answer, decided("a.only.com").verdict), (Answer::NxDomain, Verdict::None));
        let Verdict::Block(Reason::Rule(id)) = only.verdict else { panic!("blocked") };
        assert_eq!(second.rule_texts()[&id], "block exactly only.com for everyone");
        standing.written = vec![WrittenRule { until: Some(5), ..written("only.com") }];
        let third = compile(&standing, Some(&second));
        let ended = |seconds| decide(third.for_device(DeviceId(10)), "only.com", &[], at(seconds));
        assert!(matches!(ended(4).verdict, Verdict::Block(_)));
        assert_eq!(ended(5).verdict, Verdict::None);
    }

    #[test]
    fn devices_that_are_alike_share_one_policy() {
        let quiet = Part { log: Some(LogDetail::Nothing), ..Part::default() };
        let devices = (0..5_000)
            .map(|n| {
                device(&format!("d{n}"), &[], if n == 7 { quiet.clone() } else { Part::default() })
            })
            .collect();
        let standing = Standing { devices, ..Standing::default() };
        let table = table(&standing, &Timed::default());
        let policy = |id| std::ptr::from_ref(table.for_device(DeviceId(id)));
        assert_eq!(policy(10), policy(5_009));
        assert_eq!(policy(10), policy(1), "and with everyone who is not named");
        assert_ne!(policy(10), policy(17));
        assert_eq!(table.for_device(DeviceId(17)).log_detail(), LogDetail::Nothing);
    }

    #[test]
    fn the_blocked_answer_is_as_the_policy_says() {
        let standing =
            Standing { blocking: BlockingMode::NxDomain, blocked_ttl: 60, ..Standing::default() };
        let table = table(&standing, &Timed::default());
        assert_eq!(table.for_device(DeviceId(0)).blocking(Answer::Policy), &BlockingMode::NxDomain);
        assert_eq!(table.blocked_ttl(), 60);
    }
}
