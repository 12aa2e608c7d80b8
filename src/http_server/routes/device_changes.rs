//! Devices changed: named, sorted, put together, taken apart, forgotten.

use axum::extract::State;

use super::{
    Actor, Answer, App, Body, Params, Segment, Shared, Snapshot, change_problem, find_group,
};
use crate::api::{
    Changed, DeviceChange, DeviceMerge, DeviceSplit, DeviceSplitting, DevicesMerged, ForgetParams,
    ProblemDocument, ProblemKind,
};
use crate::devices::Device;
use crate::model::{DeviceKind, DeviceName, Scope};
use crate::policy::{DevicePart, Standing};
use crate::policy_file::{Change, Place, hardware_of};

/// Answers `PATCH`.
pub async fn change(
    State(app): State<Shared>,
    Segment(text): Segment,
    Actor(actor): Actor,
    Body(change): Body<DeviceChange>,
) -> Answer<Changed> {
    app.work(move |app| {
        let snapshot = Snapshot::of(app);
        let device = app.find_device(&text, &snapshot)?.clone();
        let (change, scope, subject) = wanted(change, &device, &snapshot)?;
        app.parts.policy.apply(&change, &actor).map_err(change_problem)?;
        Ok(app.changed(scope, subject, None))
    })
    .await
}

/// Answers `DELETE`.
pub async fn forget(
    State(app): State<Shared>,
    Segment(text): Segment,
    Params(params): Params<ForgetParams>,
    Actor(actor): Actor,
) -> Answer<Changed> {
    app.work(move |app| {
        let device = app.find_device(&text, &Snapshot::of(app))?.clone();
        if params.number.is_some_and(|number| number != device.id.0) {
            let detail = format!("`{}` is another device now", device.name);
            return Err(ProblemDocument::new(ProblemKind::Conflict, detail));
        }
        if device.named {
            let change = Change::ForgetDevice(device.id);
            app.parts.policy.apply(&change, &actor).map_err(change_problem)?;
        }
        if params.history {
            app.parts.log.flush();
            for part in &device.parts {
                app.parts.log.erase(*part)?;
                app.parts.news.notices.forget(*part);
            }
        }
        // Without its name a device is the parts that it had.
        for part in &device.parts {
            app.parts.devices.forget(*part)?;
        }
        let name = DeviceName::parse(&device.key)
            .map_err(|why| ProblemDocument::new(ProblemKind::Internal, why))?;
        Ok(app.changed(Scope::Device(name), device.name, None))
    })
    .await
}

/// Answers `POST` of two devices.
pub async fn merge(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(wanted): Body<DeviceMerge>,
) -> Answer<DevicesMerged> {
    app.work(move |app| {
        let snapshot = Snapshot::of(app);
        let into = app.find_device(&wanted.into, &snapshot)?.clone();
        let from = app.find_device(&wanted.from, &snapshot)?.clone();
        let name = wanted.name.as_deref().map(device_name).transpose()?;
        let standing = app.parts.policy.standing();
        // Of two devices with an entry each, the second one's goes.
        let gone = snapshot.part(&from).filter(|_| into.named);
        let dropped = gone.map(|part| settings(part, &standing)).unwrap_or_default();
        let change = Change::MergeDevices { into: into.id, from: from.id, name };
        app.parts.policy.apply(&change, &actor).map_err(change_problem)?;
        let now = app.parts.devices.list();
        let base = if into.named || !from.named { &into } else { &from };
        let merged = now.iter().find(|device| device.id == base.id).filter(|it| it.named);
        let merged = merged.or_else(|| {
            let shares = |it: &&Device| it.named && it.parts.contains(&into.id);
            now.iter().find(shares)
        });
        let name = match (&change, merged) {
            (Change::MergeDevices { name: Some(name), .. }, _) => name.to_string(),
            (_, merged) => merged.unwrap_or(base).name.clone(),
        };
        let revision = app.parts.policy.revision();
        Ok(DevicesMerged { name, from: [into.name, from.name], dropped, revision })
    })
    .await
}

/// Answers `POST` of what is split off.
pub async fn split(
    State(app): State<Shared>,
    Segment(text): Segment,
    Actor(actor): Actor,
    Body(wanted): Body<DeviceSplitting>,
) -> Answer<DeviceSplit> {
    app.work(move |app| {
        let snapshot = Snapshot::of(app);
        let device = app.find_device(&text, &snapshot)?.clone();
        let name = wanted.name.as_deref().map(device_name).transpose()?;
        let place: Place = wanted.part.parse().map_err(|why: String| {
            ProblemDocument::new(ProblemKind::InvalidInput, why).field("part")
        })?;
        let place = behind(app, &device, snapshot.part(&device), place)?;
        let own_name = name.as_ref().map(ToString::to_string);
        let change = Change::SplitDevice { device: device.id, place, name };
        app.parts.policy.apply(&change, &actor).map_err(change_problem)?;
        let revision = app.parts.policy.revision();
        Ok(DeviceSplit { name: device.name, part: place.to_string(), own_name, revision })
    })
    .await
}

/// Returns the hardware address behind an address that policy.toml does not name the device by.
fn behind(
    app: &App,
    device: &Device,
    part: Option<&DevicePart>,
    place: Place,
) -> Result<Place, ProblemDocument> {
    let Place::Address(prefix) = place else { return Ok(place) };
    let named = part.is_some_and(|part| part.addresses.contains(&prefix));
    let (Some(address), false) = (prefix.as_host(), named) else { return Ok(place) };
    let bindings = app.parts.devices.bindings(device.id)?;
    let mut bound = bindings.iter().filter(|it| it.address.parse() == Ok(address));
    Ok(bound.find_map(hardware_of).map_or(place, Place::Hardware))
}

/// Returns the change that a request asks for, whom it binds, and what it is about.
fn wanted(
    change: DeviceChange,
    device: &Device,
    snapshot: &Snapshot,
) -> Result<(Change, Scope, String), ProblemDocument> {
    let scope = || {
        let name = DeviceName::parse(&device.key);
        let name = name.map_err(|why| ProblemDocument::new(ProblemKind::Internal, why))?;
        Ok::<Scope, ProblemDocument>(Scope::Device(name))
    };
    match change {
        DeviceChange { name: Some(name), kind: None, groups: None, log: None } => {
            let name = device_name(&name)?;
            let change = Change::RenameDevice(device.id, name.clone());
            Ok((change, Scope::Device(name), device.name.clone()))
        }
        DeviceChange { name: None, kind: Some(kind), groups: None, log: None } => {
            let change = Change::SetKind(device.id, device_kind(&kind)?);
            Ok((change, scope()?, kind))
        }
        DeviceChange { name: None, kind: None, groups: Some(groups), log: None } => {
            let found = groups.iter().map(|group| find_group(group, snapshot.groups()));
            let groups = found.collect::<Result<Vec<_>, ProblemDocument>>()?;
            let subject = groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Ok((Change::SetGroups(device.id, groups), scope()?, subject))
        }
        DeviceChange { name: None, kind: None, groups: None, log: Some(detail) } => {
            let scope = scope()?;
            let change = Change::SetLog(scope.clone(), Some(detail));
            Ok((change, scope, "log".into()))
        }
        _ => {
            let detail = "give one of name, kind, groups and log; each change is one of its own";
            Err(ProblemDocument::new(ProblemKind::InvalidInput, detail))
        }
    }
}

fn device_name(text: &str) -> Result<DeviceName, ProblemDocument> {
    DeviceName::parse(text)
        .map_err(|why| ProblemDocument::new(ProblemKind::InvalidInput, why).field("name"))
}

fn device_kind(text: &str) -> Result<Option<DeviceKind>, ProblemDocument> {
    if text == "none" {
        return Ok(None);
    }
    let found = DeviceKind::of(text);
    found.map(Some).ok_or_else(|| {
        let all: Vec<&str> = DeviceKind::ALL.into_iter().map(DeviceKind::as_str).collect();
        let detail = "that is no kind of device";
        ProblemDocument::new(ProblemKind::InvalidInput, detail)
            .field("kind")
            .hint(format!("write none or one of {}", all.join(", ")))
    })
}

/// Returns what a device's entry sets beside its addresses, in words.
fn settings(entry: &DevicePart, standing: &Standing) -> Vec<String> {
    let part = &entry.part;
    let scope = Scope::Device(entry.name.clone());
    let mut words: Vec<String> = Vec::new();
    words.extend(part.level.map(|level| format!("level {level}")));
    words.extend(entry.groups.iter().map(|group| format!("group {group}")));
    words.extend(
        part.lists
            .iter()
            .map(|(list, on)| format!("list {list} {}", if *on { "on" } else { "off" })),
    );
    words.extend(part.companies.keys().map(|slug| format!("company {slug}")));
    words.extend(part.log.map(|_| "its log detail".to_string()));
    words.extend(part.only_listed.map(|_| "only what is listed".to_string()));
    words.extend(entry.kind.map(|kind| format!("kind {kind}")));
    let schedules = standing.schedules.iter().filter(|schedule| schedule.scope == scope);
    words.extend(schedules.map(|schedule| format!("schedule {}", schedule.name)));
    let plain = standing.rules.iter().filter(|rule| rule.scope == scope).count();
    let rules = plain + standing.written.iter().filter(|rule| rule.scope == scope).count();
    words.extend((rules == 1).then(|| "1 rule".to_string()));
    words.extend((rules > 1).then(|| format!("{rules} rules")));
    words
}
