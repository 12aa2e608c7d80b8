//! What is in force and who is there at one moment, for the length of one request.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use arc_swap::Guard;

use super::App;
use crate::api::{CompanyBrief, DeviceBrief, PauseView, ProblemDocument, timestamp};
use crate::devices::Device;
use crate::model::{DeviceId, DeviceName, GroupName, Level, Moment, Scope};
use crate::policy::{DevicePart, DevicePolicy, InForce, Part, Pause, Standing};
use crate::query_log::{QueryCount, Total};

/// No device has this number, so that it stands for all that the policy does not name.
const UNNAMED: DeviceId = DeviceId(u32::MAX);

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// One moment of devices and policy.
pub struct Snapshot {
    /// All devices.
    pub devices: Vec<Device>,
    /// The policy as it was written.
    pub standing: Arc<Standing>,
    /// What is in force.
    pub in_force: Arc<InForce>,
    /// When.
    pub now: Moment,
    /// The place of each device by its number and those of its parts.
    places: HashMap<DeviceId, usize>,
    /// The place of each of the policy's entries by its name, once it is wanted.
    entries: OnceLock<HashMap<DeviceName, usize>>,
}

impl Snapshot {
    /// Takes a snapshot.
    pub fn of(app: &App) -> Snapshot {
        let devices = app.parts.devices.list();
        let places = places(&devices);
        Snapshot {
            devices,
            places,
            entries: OnceLock::new(),
            standing: app.parts.policy.standing(),
            in_force: Guard::into_inner(app.parts.live.load()),
            now: app.parts.clock.now(),
        }
    }

    /// Returns the last 24 hours, microseconds since 1970, the end not included.
    ///
    /// A second more, since events of one moment are stored a microsecond apart.
    pub fn last_day(&self) -> (i64, i64) {
        (self.now.wall - DAY, self.now.wall + 1_000_000)
    }

    /// Returns the device of a number, be it its own or one of its parts', if it is still known.
    pub fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(*self.places.get(&id)?)
    }

    /// Returns the number of the device that a part belongs to now.
    pub fn device_of(&self, part: DeviceId) -> DeviceId {
        self.device(part).map_or(part, |device| device.id)
    }

    /// Returns the numbers that events of a device carry.
    pub fn parts_of(&self, id: DeviceId) -> Vec<DeviceId> {
        self.device(id).map_or_else(|| vec![id], |device| device.parts.clone())
    }

    /// Returns a device's name, if it is still known.
    pub fn device_name(&self, id: DeviceId) -> Option<&str> {
        self.device(id).map(|device| device.name.as_str())
    }

    /// Reads the log's totals over a span, by device and company.
    pub fn totals(&self, app: &App, from: i64, until: i64) -> Result<Vec<Total>, ProblemDocument> {
        let totals = app.parts.log.totals(from, until)?;
        Ok(folded(totals, |part| self.device_of(part)))
    }

    /// Reads raw queries over a span, by device.
    pub fn queries(
        &self,
        app: &App,
        from: i64,
        until: i64,
    ) -> Result<HashMap<DeviceId, QueryCount>, ProblemDocument> {
        let mut counts: HashMap<DeviceId, QueryCount> = HashMap::new();
        for (part, count) in app.parts.log.queries(from, until)? {
            let sum = counts.entry(self.device_of(part)).or_default();
            sum.queries += count.queries;
            sum.blocked += count.blocked;
            sum.failed += count.failed;
        }
        Ok(counts)
    }

    /// Returns what binds a device, or those that the policy does not name.
    pub fn policy(&self, device: Option<DeviceId>) -> &DevicePolicy {
        self.in_force.policies.for_device(device.unwrap_or(UNNAMED))
    }

    /// Returns a company by its short name; one the catalogue has lost keeps that as its name.
    pub fn company(&self, slug: &str) -> CompanyBrief {
        let companies = self.in_force.catalogue.companies();
        let find = |slug: &str| companies.iter().find(|company| company.slug == slug);
        let found = find(slug);
        let parent = found.and_then(|company| company.parent.as_deref());
        CompanyBrief {
            slug: slug.into(),
            name: found.map_or(slug, |company| &company.name).into(),
            parent: parent.map(|slug| find(slug).map_or(slug, |company| &company.name).into()),
        }
    }

    /// Returns a device in few words.
    pub fn brief(&self, device: &Device) -> DeviceBrief {
        DeviceBrief {
            id: device.id.0,
            name: device.name.clone(),
            addresses: device.addresses.clone(),
            level: self.policy(Some(device.id)).level(),
            custom: is_custom(&self.standing, self.part(device)),
        }
    }

    /// Returns everyone's level, and whether lists were switched by hand beside it.
    pub fn everyone(&self) -> (Level, bool) {
        (self.in_force.policies.everyone().level(), !self.standing.everyone.lists.is_empty())
    }

    /// Returns a device's entry in the policy.
    pub fn part(&self, device: &Device) -> Option<&DevicePart> {
        let all = &self.standing.devices;
        let entries = self.entries.get_or_init(|| {
            let named = |(place, part): (usize, &DevicePart)| (part.name.clone(), place);
            all.iter().enumerate().map(named).collect()
        });
        let name = DeviceName::parse(&device.name).ok().filter(|_| device.named)?;
        all.get(*entries.get(&name)?)
    }

    /// Returns the groups of a device, the strongest first.
    pub fn groups_of(&self, device: Option<&Device>) -> &[GroupName] {
        groups_of(&self.standing, device.and_then(|device| self.part(device)))
    }

    /// Returns the scopes that bind a device, the narrowest first.
    pub fn scopes_of(&self, device: Option<&Device>) -> Vec<Scope> {
        let own = device.and_then(|device| DeviceName::parse(&device.key).ok());
        let groups = self.groups_of(device).iter().cloned().map(Scope::Group);
        own.map(Scope::Device).into_iter().chain(groups).chain([Scope::Everyone]).collect()
    }

    /// Returns the names of the groups.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> + Clone {
        self.standing.groups.iter().map(|group| &group.name)
    }

    /// Returns every scope of the policy that sets something, with what it sets.
    pub fn scopes(&self) -> impl Iterator<Item = (Scope, &Part)> {
        let groups = self.standing.groups.iter();
        let devices = self.standing.devices.iter();
        std::iter::once((Scope::Everyone, &self.standing.everyone))
            .chain(groups.map(|group| (Scope::Group(group.name.clone()), &group.part)))
            .chain(devices.map(|device| (Scope::Device(device.name.clone()), &device.part)))
    }
}

fn places(devices: &[Device]) -> HashMap<DeviceId, usize> {
    let numbers = |(place, device): (usize, &Device)| {
        let all = device.parts.iter().copied().chain([device.id]);
        all.map(move |id| (id, place)).collect::<Vec<_>>()
    };
    devices.iter().enumerate().flat_map(numbers).collect()
}

/// Adds up the totals of parts that belong to the same device.
fn folded(totals: Vec<Total>, device_of: impl Fn(DeviceId) -> DeviceId) -> Vec<Total> {
    let mut folded: BTreeMap<(DeviceId, Option<String>), Total> = BTreeMap::new();
    for total in totals {
        let device = device_of(total.device);
        let key = (device, total.company.clone());
        match folded.entry(key) {
            Entry::Vacant(vacant) => _ = vacant.insert(Total { device, ..total }),
            Entry::Occupied(mut known) => known.get_mut().add_up(&total),
        }
    }
    folded.into_values().collect()
}

/// Returns pauses as they are shown.
pub fn pause_views(pauses: Vec<Pause>) -> Vec<PauseView> {
    let view = |pause: Pause| PauseView { scope: pause.scope, until: seconds(pause.until) };
    pauses.into_iter().map(view).collect()
}

/// Returns seconds since 1970 as a time.
pub fn seconds(unix: i64) -> jiff::Timestamp {
    timestamp(unix.saturating_mul(1_000_000))
}

/// Returns the groups of a device's entry; without one, those of devices that nobody named.
fn groups_of<'s>(standing: &'s Standing, device: Option<&'s DevicePart>) -> &'s [GroupName] {
    device.map_or(&standing.unknown, |part| &part.groups)
}

fn is_custom(standing: &Standing, device: Option<&DevicePart>) -> bool {
    let own = groups_of(standing, device);
    let groups = standing.groups.iter().filter(|group| own.contains(&group.name));
    !standing.everyone.lists.is_empty()
        || device.is_some_and(|part| !part.part.lists.is_empty())
        || groups.into_iter().any(|group| !group.part.lists.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ListName;
    use crate::policy::GroupPart;

    #[test]
    fn totals_of_parts_are_those_of_their_device_and_stand_apart_after_a_split() {
        let total = |device: u32, company: &str, attempts: u64, last: i64| Total {
            device: DeviceId(device),
            company: Some(company.into()),
            attempts,
            blocked: attempts,
            allowed: 0,
            failed: 0,
            queries: 2 * attempts,
            last,
        };
        let totals = || vec![total(1, "x", 3, 9), total(2, "x", 4, 7), total(2, "y", 1, 1)];
        let merged = folded(totals(), |_| DeviceId(5));
        let figures: Vec<_> = merged.iter().map(|t| (t.device.0, t.attempts, t.last)).collect();
        assert_eq!(figures, [(5, 7, 9), (5, 1, 1)]);
        assert_eq!((merged[0].queries, merged[0].blocked), (14, 7));
        let split = folded(totals(), |part| part);
        assert_eq!(split.len(), 3);
    }

    fn with_list() -> Part {
        let list = ListName::parse("trackers").expect("a name");
        Part { lists: [(list, false)].into(), ..Part::default() }
    }

    #[test]
    fn a_level_is_custom_where_a_scope_of_the_device_switches_a_list() {
        let kids = GroupName::parse("kids").expect("a name");
        let mut device = DevicePart {
            name: DeviceName::parse("tablet").expect("a name"),
            addresses: Vec::new(),
            hardware: Vec::new(),
            kind: None,
            groups: Vec::new(),
            tags: Vec::new(),
            part: Part::default(),
        };
        let group = GroupPart { name: kids.clone(), part: with_list() };
        let mut standing = Standing { groups: vec![group], ..Standing::default() };
        assert!(!is_custom(&standing, Some(&device)), "not in the group");
        device.groups.push(kids);
        assert!(is_custom(&standing, Some(&device)));
        assert!(!is_custom(&standing, None));
        standing.unknown = device.groups.clone();
        assert!(is_custom(&standing, None), "nobody named it, so it is in the group");
        standing.unknown.clear();
        standing.everyone = with_list();
        assert!(is_custom(&standing, None));
    }
}
