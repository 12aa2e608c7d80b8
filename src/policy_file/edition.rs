//! A policy put together with lists, devices and zones: what will be in force.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{Known, Parts, read};
use crate::catalogue::Catalogue;
use crate::devices::{Device, NamedDevice};
use crate::diagnostic::{Problem, Problems};
use crate::lists::Loaded;
use crate::model::{CompanyLabel, DeviceId, Legend, ListId, ListKind, Scope};
use crate::policy::{DevicePart, InForce, Part, PolicyTable, Standing, Timed};
use crate::rules::ListInfo;
use crate::zones::{LocalNames, Zones};

/// A text with what was read from it and loaded for it.
#[derive(Clone)]
pub(super) struct Draft {
    pub text: String,
    pub standing: Arc<Standing>,
    pub known: Arc<Known>,
    pub loaded: Arc<Loaded>,
    pub zones: Arc<Zones>,
}

/// Reads a text and loads lists and zones anew; `file` is its name for people.
pub(super) fn load(parts: &Parts, file: &str, text: &str) -> Result<Draft, Problems> {
    let place = |header: &str, message: String| at_header(file, text, header, message);
    let found = parts.lists.catalogue();
    let known = Known::of(&found.catalogue, parts.lists.defaults());
    let standing = read(file, text, &known)?;
    let now = parts.clock.now().unix_seconds();
    let loaded = parts.lists.load(&found, &standing.lists, now);
    let loaded = loaded.map_err(|error| place("[[list]]", error))?;
    let zones = zones(&parts.folder, &standing.local).map_err(|error| place("[[zone]]", error))?;
    Ok(Draft {
        text: text.into(),
        standing: Arc::new(standing),
        known: Arc::new(known),
        loaded: Arc::new(loaded),
        zones: Arc::new(zones),
    })
}

/// Returns a draft with its lists as they are now.
pub(super) fn with_fresh_lists(parts: &Parts, draft: &Draft) -> Result<Draft, String> {
    let found = parts.lists.catalogue();
    let now = parts.clock.now().unix_seconds();
    let loaded = parts.lists.load(&found, &draft.standing.lists, now)?;
    let known = Arc::new(Known::of(&found.catalogue, parts.lists.defaults()));
    Ok(Draft { known, loaded: Arc::new(loaded), ..draft.clone() })
}

/// Builds the zones; zone files lie below `folder`, links followed.
pub(super) fn zones(folder: &Path, local: &LocalNames) -> Result<Zones, String> {
    let mut local = local.clone();
    for (name, file) in &mut local.zone_files {
        *file = below(folder, file).map_err(|error| format!("zone {name}: {error}"))?;
    }
    Zones::build(&local).map_err(|errors| errors.join("; "))
}

/// Finds a file below a folder, links followed.
pub(super) fn below(folder: &Path, file: &Path) -> Result<std::path::PathBuf, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", file.display());
    let folder = fs::canonicalize(folder).map_err(fail)?;
    let whole = fs::canonicalize(folder.join(file)).map_err(fail)?;
    if !whole.starts_with(&folder) {
        return Err(format!("{} leads out of the data folder", file.display()));
    }
    Ok(whole)
}

/// Returns the problem of something that a text names, placed at the first such table.
pub(super) fn at_header(file: &str, text: &str, header: &str, message: String) -> Problems {
    let lines = text.lines().enumerate();
    let found = lines.into_iter().find(|(_, line)| line.trim_start().starts_with(header));
    let (place, line) = found.unwrap_or((0, ""));
    Problems(vec![Problem {
        file: file.into(),
        line: place + 1,
        column: 1,
        width: line.chars().count().max(1),
        text: line.into(),
        message,
        help: None,
    }])
}

/// Returns the devices of a policy as their keeper takes them.
pub(super) fn named_devices(standing: &Standing) -> Vec<NamedDevice> {
    let named = |device: &DevicePart| NamedDevice {
        name: device.name.clone(),
        addresses: device.addresses.clone(),
        hardware: device.hardware.clone(),
    };
    standing.devices.iter().map(named).collect()
}

/// Who is meant by a policy.
#[derive(Clone, Copy)]
pub(super) struct People<'p> {
    /// The numbers of the policy's devices.
    pub ids: &'p [DeviceId],
    /// All devices, named or not.
    pub seen: &'p [Device],
}

/// Puts an edition together, of its number and that of its lists; `previous` is the one before.
pub(super) fn assemble(
    draft: &Draft,
    timed: &Timed,
    people: People<'_>,
    (edition, generation): (u32, u32),
    previous: Option<&InForce>,
) -> InForce {
    let (standing, ids) = with_unnamed(&draft.standing, timed, people);
    let ruleset = Arc::clone(&draft.loaded.ruleset);
    let catalogue = Arc::clone(&draft.loaded.catalogue);
    let before = previous.map(|previous| &previous.policies);
    let policies = PolicyTable::compile(&standing, timed, &ids, &ruleset, before);
    let legend = Arc::new(legend(edition, ruleset.lists(), &catalogue, &policies));
    let zones = Arc::clone(&draft.zones);
    InForce { edition, generation, ruleset, catalogue, policies, zones, legend }
}

/// Adds the devices that nobody named but that have a pause or a rule of their own.
fn with_unnamed<'s>(
    standing: &'s Standing,
    timed: &Timed,
    People { ids, seen }: People<'_>,
) -> (Cow<'s, Standing>, Vec<DeviceId>) {
    let mut standing = Cow::Borrowed(standing);
    let mut ids = ids.to_vec();
    let pauses = timed.pauses.iter().map(|pause| &pause.scope);
    for scope in timed.rules.iter().map(|rule| &rule.scope).chain(pauses) {
        let Scope::Device(name) = scope else { continue };
        let device = seen.iter().find(|d| !d.named && d.key == name.as_str());
        let Some(device) = device.filter(|_| standing.devices.iter().all(|d| d.name != *name))
        else {
            continue;
        };
        let (name, part) = (name.clone(), Part::default());
        let (addresses, hardware, kind, tags) = Default::default();
        let groups = standing.unknown.clone();
        let entry = DevicePart { name, addresses, hardware, kind, groups, tags, part };
        standing.to_mut().devices.push(entry);
        ids.push(device.id);
    }
    (standing, ids)
}

fn legend(
    edition: u32,
    lists: &[ListInfo],
    catalogue: &Catalogue,
    policies: &PolicyTable,
) -> Legend {
    let label = |company: &crate::model::Company| CompanyLabel {
        slug: company.slug.clone(),
        name: company.name.clone(),
    };
    let of_kind = |kind| (0..=u8::MAX).zip(lists).filter(move |(_, list)| list.kind == kind);
    Legend {
        edition,
        encrypted_dns: of_kind(ListKind::EncryptedDns).map(|(place, _)| ListId(place)).collect(),
        lists: lists.iter().map(|list| (!list.part).then(|| list.name.clone())).collect(),
        rules: policies.rule_texts().clone(),
        companies: catalogue.companies().iter().map(label).collect(),
    }
}

/// Returns what to tell about lists.
pub(super) fn list_notices(loaded: &Loaded) -> Vec<String> {
    let held = loaded.reports.iter().filter_map(|report| {
        report.held.as_ref().map(|held| format!("list {}: {held}", report.name))
    });
    loaded.notices.iter().cloned().chain(held).collect()
}
