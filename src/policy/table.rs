//! The policies of all devices, worked out when the policy changes, looked up per query.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::{
    CompanySwitch, DevicePolicy, Effective, Layers, ListSwitch, OwnRule, OwnRules, RuleIds, Spread,
    Standing, Timed,
};
use crate::model::{
    DeviceId, HashSeed, Level, ListId, ListKind, ListMask, NameHashes, RuleId, Scope,
};
use crate::rules::{ListInfo, Ruleset};
use crate::sinkhole::BlockingMode;

/// The policies of all devices; immutable.
#[derive(Debug)]
pub struct PolicyTable {
    devices: HashMap<DeviceId, Arc<DevicePolicy>, BuildHasherDefault<Spread>>,
    everyone: Arc<DevicePolicy>,
    rule_texts: HashMap<RuleId, String>,
    blocked_ttl: u32,
}

impl PolicyTable {
    /// Works out every device's policy. `devices` are the numbers of `standing.devices`, in order.
    pub fn compile(
        standing: &Standing,
        timed: &Timed,
        devices: &[DeviceId],
        ruleset: &Ruleset,
    ) -> PolicyTable {
        let places = Places::of(ruleset.lists());
        PolicyTable::with_places(standing, timed, devices, &places, ruleset.seed())
    }

    fn with_places(
        standing: &Standing,
        timed: &Timed,
        devices: &[DeviceId],
        places: &Places,
        seed: HashSeed,
    ) -> PolicyTable {
        let (ids, rule_texts) = RuleIds::of(standing.rules.iter().chain(&timed.rules));
        let own = own_rules(standing.rules.iter().chain(&timed.rules), &ids, seed);
        let blocking = Arc::new(standing.blocking.clone());
        let mut maker = Maker { standing, timed, places, own, blocking, made: HashMap::new() };
        let everyone = maker.policy(&Layers::of_unnamed(standing, None));
        let devices = devices
            .iter()
            .zip(&standing.devices)
            .map(|(&id, device)| (id, maker.policy(&Layers::of(standing, device))))
            .collect();
        PolicyTable { devices, everyone, rule_texts, blocked_ttl: standing.blocked_ttl }
    }

    /// Returns a device's policy; everyone's for a device the policy does not name.
    pub fn for_device(&self, device: DeviceId) -> &DevicePolicy {
        self.devices.get(&device).unwrap_or(&self.everyone)
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

fn own_rules<'r>(
    rules: impl Iterator<Item = &'r OwnRule>,
    ids: &RuleIds,
    seed: HashSeed,
) -> HashMap<Scope, Arc<OwnRules>> {
    let mut scopes: HashMap<Scope, OwnRules> = HashMap::new();
    for rule in rules {
        let hash = NameHashes::of(rule.name.as_ref(), seed).whole();
        if let (Some(hash), Some(id)) = (hash, ids.find(rule)) {
            let own = scopes.entry(rule.scope.clone()).or_default();
            own.insert(hash, rule.action, id, rule.until);
        }
    }
    scopes.into_iter().map(|(scope, own)| (scope, Arc::new(own))).collect()
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
    paused_until: Option<i64>,
}

/// Makes policies, one for all devices that are alike.
struct Maker<'s> {
    standing: &'s Standing,
    timed: &'s Timed,
    places: &'s Places,
    own: HashMap<Scope, Arc<OwnRules>>,
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
            paused_until: effective.pauses.iter().map(|pause| pause.until).max(),
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
        paused_until: policy.paused_until,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        Action, DeviceName, DomainName, GroupName, ListName, LogDetail, Moment, Reason, Verdict,
    };
    use crate::policy::{DevicePart, GroupPart, LevelDifference, Part, Pause};
    use crate::rules::parse::Format;

    const SEED: HashSeed = HashSeed([3, 5]);
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
        PolicyTable::with_places(standing, timed, &ids, &places(), SEED)
    }

    fn mask(lists: &[ListId]) -> ListMask {
        lists.iter().copied().collect()
    }

    fn device(name: &str, groups: &[&str], part: Part) -> DevicePart {
        let groups = groups.iter().map(|g| GroupName::parse(g).expect("a group name")).collect();
        let name = DeviceName::parse(name).expect("a device name");
        DevicePart { name, addresses: Vec::new(), groups, part }
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
        let name = DomainName::parse(name).expect("a name");
        let now = Moment { wall: 0, monotonic: 0 };
        policy.decide(&NameHashes::of(name.as_ref(), SEED), mask(found), now).verdict
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
                Pause { scope: tv, until: 100 },
                Pause { scope: Scope::Everyone, until: 60 },
            ],
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
        assert_eq!(table.for_device(DeviceId(0)).blocking(), &BlockingMode::NxDomain);
        assert_eq!(table.blocked_ttl(), 60);
    }
}
