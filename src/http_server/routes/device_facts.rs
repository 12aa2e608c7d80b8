//! How a device is known: its hardware, names, kind and addresses, and who else it may be.

use axum::extract::State;

use super::{Answer, App, Shared, Snapshot};
use crate::api::{BindingView, HardwareView, HeardName, LikenessView, ProblemDocument, timestamp};
use crate::devices::{self, BindingRecord, Device, HintSource, Likeness};
use crate::model::{DeviceId, DeviceKind};
use crate::policy::DevicePart;

/// Bindings that are shown of one device.
const BINDINGS: usize = 50;

/// Names that are shown of one device.
const NAMES: usize = 16;

/// Answers `GET` of devices that look like one.
pub async fn proposals(State(app): State<Shared>) -> Answer<Vec<LikenessView>> {
    app.work(|app| {
        let snapshot = Snapshot::of(app);
        let found = app.parts.devices.likenesses()?;
        Ok(found.iter().map(|likeness| view(likeness, &snapshot)).collect())
    })
    .await
}

/// Returns devices that may be the same as one.
pub fn may_be(
    app: &App,
    device: DeviceId,
    snapshot: &Snapshot,
) -> Result<Vec<LikenessView>, ProblemDocument> {
    let found = app.parts.devices.likenesses()?;
    let of_it = found.iter().filter(|it| it.first == device || it.second == device);
    Ok(of_it.map(|likeness| view(likeness, snapshot)).collect())
}

/// Returns what a device is, and who says so.
pub fn kind(device: &Device, part: Option<&DevicePart>) -> (Option<DeviceKind>, Option<String>) {
    let own = part.and_then(|part| part.kind).map(|kind| (kind, HintSource::Person));
    let told = own.or(device.proposal.kind);
    (told.map(|(kind, _)| kind), told.map(|(_, source)| source.as_str().into()))
}

/// Returns who made a device's network card.
pub fn maker(device: &Device) -> Option<String> {
    device.hardware.iter().find_map(|hardware| devices::maker(*hardware)).map(Into::into)
}

/// Returns the hardware addresses of a device.
pub fn hardware(device: &Device, part: Option<&DevicePart>) -> Vec<HardwareView> {
    let configured = part.map_or(&[][..], |part| part.hardware.as_slice());
    let mut all = device.hardware.clone();
    all.extend(configured.iter().filter(|address| !device.hardware.contains(address)));
    let view = |address| HardwareView {
        address,
        random: address.is_random(),
        configured: configured.contains(&address),
    };
    all.into_iter().map(view).collect()
}

/// Returns what a device calls itself, and what others call it.
pub fn names(app: &App, device: DeviceId) -> Vec<HeardName> {
    let mut names: Vec<HeardName> = Vec::new();
    for (source, text) in app.parts.devices.hints(device) {
        let Some(name) = text.name.filter(|_| source != HintSource::Maker) else { continue };
        // It is untrusted and of any length.
        let name: String = name.chars().take(64).collect();
        let heard = HeardName { name, from: source.as_str().into() };
        if !names.contains(&heard) && names.len() < NAMES {
            names.push(heard);
        }
    }
    names
}

/// Returns the latest bindings of a device, and how many more there are.
pub fn bindings(app: &App, device: DeviceId) -> Result<(Vec<BindingView>, u64), ProblemDocument> {
    let all = app.parts.devices.bindings(device)?;
    let more = all.len().saturating_sub(BINDINGS) as u64;
    let view = |binding: BindingRecord| BindingView {
        address: binding.address,
        grade: binding.grade,
        evidence: binding.evidence,
        from: timestamp(binding.began),
        until: binding.ended.map(timestamp),
    };
    Ok((all.into_iter().take(BINDINGS).map(view).collect(), more))
}

fn view(likeness: &Likeness, snapshot: &Snapshot) -> LikenessView {
    let name = |id| snapshot.device_name(id).unwrap_or_default().to_string();
    LikenessView {
        first: likeness.first.0,
        first_name: name(likeness.first),
        second: likeness.second.0,
        second_name: name(likeness.second),
        left: timestamp(likeness.left),
        came: timestamp(likeness.came),
        reasons: reasons(likeness),
    }
}

fn reasons(likeness: &Likeness) -> Vec<String> {
    let heard = match likeness.heard {
        HintSource::Lease => "in DHCP leases",
        _ => "on the network",
    };
    let mut reasons = vec![format!("both call themselves `{}` {heard}", likeness.name)];
    reasons.extend(match likeness.random {
        [true, true] => Some("both made their hardware addresses up, as phones do".to_string()),
        [true, false] | [false, true] => Some("one made its hardware address up".to_string()),
        [false, false] => None,
    });
    reasons.push("they were never there at the same time".into());
    reasons
}
