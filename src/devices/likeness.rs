//! Devices that may be one: a phone that makes hardware addresses up looks like several.
//!
//! Nothing is ever put together by this; a person reads the reasons and decides.

use std::collections::BTreeMap;

use super::{BindingRecord, Device, Devices, HintSource};
use crate::model::DeviceId;
use crate::storage::StorageError;

/// Devices of one name past which the name says nothing.
const MOST_ALIKE: usize = 8;

/// The most proposals, and the most pairs that are compared: whoever makes names up must not make
/// us read all bindings.
const MOST: usize = 20;
const MOST_COMPARED: usize = 256;

/// What many devices call themselves as they leave the factory.
const COMMON: [&str; 16] = [
    "android",
    "iphone",
    "ipad",
    "localhost",
    "unknown",
    "phone",
    "desktop",
    "laptop",
    "tv",
    "espressif",
    "esp",
    "wlan0",
    "raspberrypi",
    "linux",
    "device",
    "printer",
];

/// Two devices that look like one, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// The one seen first.
    pub first: DeviceId,
    /// The one seen later.
    pub second: DeviceId,
    /// What both call themselves.
    pub name: String,
    /// Where that was heard.
    pub heard: HintSource,
    /// When the first one was seen last, microseconds since 1970.
    pub left: i64,
    /// When the second one was seen first, microseconds since 1970.
    pub came: i64,
    /// Of both, which have hardware addresses that they made up.
    pub random: [bool; 2],
}

impl Devices {
    /// Returns devices that look like one.
    pub fn likenesses(&self) -> Result<Vec<Likeness>, StorageError> {
        let devices = self.list();
        let mut found = Vec::new();
        let groups = same_names(&devices);
        let all = groups.iter().flat_map(|alike| {
            pairs(&alike.devices).into_iter().map(move |(first, second)| (alike, first, second))
        });
        for (alike, first, second) in all.take(MOST_COMPARED) {
            let bindings = [self.bindings(first.id)?, self.bindings(second.id)?];
            found.extend(compare(alike, [first, second], [&bindings[0], &bindings[1]]));
            if found.len() == MOST {
                break;
            }
        }
        Ok(found)
    }
}

/// Devices that call themselves the same.
struct Alike<'d> {
    name: String,
    heard: HintSource,
    devices: Vec<&'d Device>,
}

/// Gathers devices by what they call themselves; names that many have are left out.
fn same_names(devices: &[Device]) -> Vec<Alike<'_>> {
    let mut names: BTreeMap<String, Alike<'_>> = BTreeMap::new();
    for device in devices.iter().filter(|device| device.last_seen > 0 && may_be_more(device)) {
        let heard = device.proposal.name.as_ref();
        let own = heard.filter(|(_, from)| matches!(from, HintSource::Lease | HintSource::Mdns));
        let Some((name, from)) = own.and_then(|(name, from)| Some((plain(name)?, *from))) else {
            continue;
        };
        let alike = names.entry(name.to_lowercase());
        alike.or_insert(Alike { name, heard: from, devices: Vec::new() }).devices.push(device);
    }
    let few = |alike: &Alike<'_>| (2..=MOST_ALIKE).contains(&alike.devices.len());
    names.into_values().filter(few).collect()
}

/// Returns whether a device may be known by another hardware address, too.
fn may_be_more(device: &Device) -> bool {
    device.hardware.is_empty() || device.hardware.iter().any(|address| address.is_random())
}

/// Returns a name as it is compared; `None` for one that says nothing.
fn plain(heard: &str) -> Option<String> {
    let name = heard.split('.').next()?.trim();
    let said = name.chars().count() >= 3 && name.chars().count() <= 64;
    let clean = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | '\''));
    let common = COMMON.contains(&name.to_lowercase().as_str());
    (said && clean && !common).then(|| name.to_string())
}

fn pairs<'d>(devices: &[&'d Device]) -> Vec<(&'d Device, &'d Device)> {
    let later = |at: usize| devices.get(at + 1..).unwrap_or(&[]);
    let all = devices.iter().enumerate();
    all.flat_map(|(at, first)| later(at).iter().map(move |second| (*first, *second))).collect()
}

/// Says why two devices of one name may be one, unless they were seen at the same time.
fn compare(
    alike: &Alike<'_>,
    devices: [&Device; 2],
    bindings: [&[BindingRecord]; 2],
) -> Option<Likeness> {
    // Whom a person named twice is two.
    if devices.iter().all(|device| device.named) {
        return None;
    }
    let spans = [spans(devices[0], bindings[0]), spans(devices[1], bindings[1])];
    if spans.iter().any(Vec::is_empty) || overlap(&spans[0], &spans[1]) {
        return None;
    }
    let earlier = devices[0].first_seen <= devices[1].first_seen;
    let [first, second] = if earlier { devices } else { [devices[1], devices[0]] };
    let random = |device: &Device| device.hardware.iter().any(|address| address.is_random());
    Some(Likeness {
        first: first.id,
        second: second.id,
        name: alike.name.clone(),
        heard: alike.heard,
        left: first.last_seen,
        came: second.first_seen,
        random: [random(first), random(second)],
    })
}

/// Returns when a device was there: its bindings, each until it ended or was last used.
fn spans(device: &Device, bindings: &[BindingRecord]) -> Vec<(i64, i64)> {
    let all = (device.first_seen, device.last_seen);
    if bindings.is_empty() {
        return vec![all];
    }
    let span = |binding: &BindingRecord| {
        let end = binding.ended.unwrap_or(device.last_seen).min(device.last_seen);
        (binding.began.max(device.first_seen), end)
    };
    bindings.iter().map(span).filter(|(from, until)| from <= until).collect()
}

fn overlap(some: &[(i64, i64)], others: &[(i64, i64)]) -> bool {
    some.iter().any(|a| others.iter().any(|b| a.0 < b.1 && b.0 < a.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: u32, hardware: &str, (first, last): (i64, i64)) -> Device {
        let hardware = hardware.parse().into_iter().collect();
        let (first_seen, last_seen) = (first, last);
        Device { id: DeviceId(id), hardware, first_seen, last_seen, ..Device::default() }
    }

    fn named(devices: &[Device], names: &[&str]) -> Vec<Device> {
        let mut devices = devices.to_vec();
        for (device, name) in devices.iter_mut().zip(names) {
            device.proposal.name = Some((name.to_string(), HintSource::Lease));
        }
        devices
    }

    fn likenesses(devices: &[Device], names: &[&str]) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        for alike in same_names(&named(devices, names)) {
            let all = pairs(&alike.devices).into_iter();
            let all = all.filter_map(|(a, b)| compare(&alike, [a, b], [&[], &[]]));
            found.extend(all.map(|it| (it.first.0, it.second.0)));
        }
        found
    }

    const RANDOM: [&str; 2] = ["da:5a:b4:01:02:03", "ae:5a:b4:01:02:03"];
    const REAL: &str = "3c:5a:b4:01:02:03";

    #[test]
    fn a_phone_that_came_back_under_another_address_is_proposed_with_reasons() {
        let devices = [device(0, RANDOM[1], (50, 90)), device(1, RANDOM[0], (10, 40))];
        let devices = named(&devices, &["Pixel-7.lan", "pixel-7"]);
        let alike = &same_names(&devices)[0];
        let found = compare(alike, [&devices[0], &devices[1]], [&[], &[]]).expect("alike");
        assert_eq!((found.first, found.second), (DeviceId(1), DeviceId(0)));
        assert_eq!((found.left, found.came, found.random), (40, 50, [true, true]));
        assert_eq!((found.name.as_str(), found.heard), ("Pixel-7", HintSource::Lease));
    }

    #[test]
    fn devices_seen_at_the_same_time_are_two() {
        let devices = [device(0, RANDOM[0], (10, 60)), device(1, RANDOM[1], (50, 90))];
        assert_eq!(likenesses(&devices, &["Pixel-7", "Pixel-7"]), []);
    }

    #[test]
    fn two_network_cards_from_factories_are_two() {
        let devices = [device(0, REAL, (10, 40)), device(1, "3c:5a:b4:99:99:99", (50, 90))];
        assert_eq!(likenesses(&devices, &["Pixel-7", "Pixel-7"]), []);
    }

    #[test]
    fn names_that_say_nothing_propose_nothing() {
        let two = [device(0, RANDOM[0], (10, 40)), device(1, RANDOM[1], (50, 90))];
        for name in ["iPhone", "android", "a", "", "x\u{202e}yz", "<b>phone</b>"] {
            assert_eq!(likenesses(&two, &[name, name]), [], "{name:?}");
        }
        assert_eq!(likenesses(&two, &["Ada's phone", "Ben's phone"]), []);
        let many: Vec<Device> =
            (1..10).map(|n| device(n, RANDOM[0], (n.into(), n.into()))).collect();
        assert_eq!(likenesses(&many, &["sensor"; 9]), [], "a name that nine have");
    }

    #[test]
    fn whom_a_person_named_twice_is_two_and_who_never_asked_is_nobody() {
        let mut two = [device(0, RANDOM[0], (10, 40)), device(1, RANDOM[1], (50, 90))];
        assert_eq!(likenesses(&two, &["Pixel-7", "Pixel-7"]), [(0, 1)]);
        two[0].named = true;
        assert_eq!(likenesses(&two, &["Pixel-7", "Pixel-7"]), [(0, 1)]);
        two[1].named = true;
        assert_eq!(likenesses(&two, &["Pixel-7", "Pixel-7"]), []);
        let silent = [device(0, RANDOM[0], (0, 0)), device(1, RANDOM[1], (50, 90))];
        assert_eq!(likenesses(&silent, &["Pixel-7", "Pixel-7"]), []);
    }

    #[test]
    fn a_binding_counts_until_it_was_last_used() {
        let device = device(0, RANDOM[0], (10, 40));
        let binding = |began, ended| BindingRecord {
            id: crate::model::BindingId(1),
            part: DeviceId(0),
            address: "10.0.0.9".into(),
            grade: crate::model::Grade::Hardware,
            evidence: String::new(),
            began,
            ended,
        };
        let bindings = [binding(5, Some(20)), binding(30, None), binding(70, None)];
        assert_eq!(spans(&device, &bindings), [(10, 20), (30, 40)]);
    }
}
