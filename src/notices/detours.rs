//! Devices that ask for servers of encrypted DNS, or whether they may pass this resolver by.

use std::collections::HashMap;

use super::watch::{Naming, handle};
use super::{Draft, HOUR, NoticeKind};
use crate::devices::Device;
use crate::model::DeviceId;
use crate::query_log::Detour;

/// Most sightings that are remembered for an hour.
const MAX_RECENT: usize = 16_384;

/// What was told within the hour, so that it is counted by hours and not by queries.
#[derive(Default)]
pub(super) struct Detours {
    recent: HashMap<(DeviceId, Option<String>, bool), i64>,
}

impl Detours {
    /// Returns what to tell of a sighting, if it was not told within the hour.
    pub(super) fn take(&mut self, detour: &Detour, naming: &Naming, passed: i64) -> Option<Draft> {
        if self.recent.len() >= MAX_RECENT {
            self.recent.clear();
        }
        let device = naming.owner(detour.device)?;
        let key = (device.id, detour.name.clone(), detour.canary);
        let last = self.recent.get(&key);
        if last.is_some_and(|&last| passed.saturating_sub(last) < HOUR) {
            return None;
        }
        self.recent.insert(key, passed);
        Some(draft(device, detour))
    }
}

fn draft(device: &Device, detour: &Detour) -> Draft {
    let (name, handle) = (&device.name, handle(device));
    let (kind, words, remedy) = if detour.canary {
        let words = format!(
            "{name} asked by a name that tells devices whether to use this resolver, and was told \
             to use it. If its encrypted DNS was switched on by hand it may be bypassing this \
             resolver all the same."
        );
        let remedy = format!(
            "Nothing, if it goes on asking here: deadpixel log -d {handle}. Else switch off \
             Private DNS, Secure DNS or Private Relay on it."
        );
        (NoticeKind::Canary, words, remedy)
    } else {
        let words = format!(
            "{name} asked for servers of encrypted DNS. It may be bypassing this resolver: what it \
             asks of them is not seen here."
        );
        let remedy = format!(
            "Look for Private DNS or Secure DNS in the settings of the device and its browsers. To \
             block such servers by name: deadpixel lists enable encrypted-dns -d {handle}"
        );
        (NoticeKind::EncryptedDns, words, remedy)
    };
    Draft {
        kind,
        subject: format!("device {}", device.id.0),
        device: Some(device.id),
        title: format!("{name} may be bypassing"),
        words,
        items: detour.name.iter().cloned().collect(),
        remedy,
    }
}
