//! What the register of devices tells: new ones, fallen ones, contested and shared addresses.

use super::watch::{Naming, handle};
use super::{DAY, Draft, NoticeKind};
use crate::devices::{Happening, OTHERS};
use crate::model::DeviceId;

/// Most new devices of a day that get a notice of their own.
const MAX_NEW: usize = 20;

/// How many new devices were told within the day.
#[derive(Default)]
pub(super) struct Arrivals {
    began: i64,
    told: usize,
}

impl Arrivals {
    /// Returns what to tell of a happening.
    pub(super) fn take(
        &mut self,
        happening: &Happening,
        naming: &Naming,
        passed: i64,
    ) -> Option<Draft> {
        match happening {
            Happening::New(id) => self.newcomer(*id, naming, passed),
            Happening::FellToDefault { device, was, address } => {
                Some(fell(*device, was.as_str(), &address.to_string(), naming))
            }
            Happening::SharedHardware { hardware, addresses } => Some(Draft {
                kind: NoticeKind::SharedHardware,
                subject: format!("hardware {hardware}"),
                device: None,
                title: format!("{addresses} addresses ask from hardware {hardware}"),
                words: format!(
                    "{addresses} IPv4 addresses ask from one hardware address, {hardware}. A Wi-Fi \
                     repeater or a virtual machine host does that; devices behind it are not told \
                     apart by hardware address. So does somebody who answers for others."
                ),
                items: Vec::new(),
                remedy: "If it is a repeater, let it work as a bridge or access point, and name \
                         the devices behind it by address. If you know none, look for it by its \
                         hardware address in your router."
                    .into(),
            }),
            Happening::Contested { address, hardware: [one, two] } => Some(Draft {
                kind: NoticeKind::Contested,
                subject: format!("address {address}"),
                device: None,
                title: format!("two devices claim {address}"),
                words: format!(
                    "The address {address} went from {one} to {two} and back within a minute. Two \
                     devices may be set to the same address, or one answers for the other."
                ),
                items: Vec::new(),
                remedy: "Look in your router which devices these are; give one of them another \
                         address."
                    .into(),
            }),
        }
    }

    fn newcomer(&mut self, id: DeviceId, naming: &Naming, passed: i64) -> Option<Draft> {
        // One that a person has named by now is no news to them.
        let device = naming.owner(id).filter(|device| !device.named && device.name != OTHERS)?;
        if passed.saturating_sub(self.began) >= DAY {
            (self.began, self.told) = (passed, 0);
        }
        self.told += 1;
        if self.told > MAX_NEW {
            return Some(many());
        }
        let known = device.addresses.iter().map(ToString::to_string);
        let hardware = device.hardware.iter().map(|hardware| format!("hardware {hardware}"));
        let known = known.filter(|address| *address != device.name).take(2);
        let known: Vec<String> = known.chain(hardware.take(1)).collect();
        let known = match known.as_slice() {
            [] => String::new(),
            known => format!(" ({})", known.join(", ")),
        };
        Some(Draft {
            kind: NoticeKind::NewDevice,
            subject: format!("device {}", device.id.0),
            device: Some(device.id),
            title: format!("new device {}", device.name),
            words: format!(
                "{}{known} asked for the first time. Until you name it, it has what unknown devices \
                 have.",
                device.name
            ),
            items: Vec::new(),
            remedy: format!("Give it a name: deadpixel device rename {} NAME", handle(device)),
        })
    }
}

fn many() -> Draft {
    Draft {
        kind: NoticeKind::NewDevice,
        subject: "many".into(),
        device: None,
        title: format!("more than {MAX_NEW} new devices in a day"),
        words: "So many devices asked for the first time that they are not told one by one. A \
                network of guests does that; so do devices that change their addresses where \
                hardware addresses are not seen."
            .into(),
        items: Vec::new(),
        remedy: "See them: deadpixel devices. Whether hardware addresses are seen: deadpixel \
                 status"
            .into(),
    }
}

fn fell(id: DeviceId, was: &str, address: &str, naming: &Naming) -> Draft {
    let device = naming.owner(id);
    let hardware = device.and_then(|device| device.hardware.first());
    let now = device.map_or(address.into(), handle);
    let add = match hardware {
        Some(hardware) => format!(", or add \"{hardware}\" to its `hardware` in policy.toml"),
        None => ", or add its hardware address to its entry in policy.toml".into(),
    };
    Draft {
        kind: NoticeKind::FellToDefault,
        subject: format!("{was} at device {}", id.0),
        device: Some(id),
        title: format!("{was} may be under the default policy"),
        words: format!(
            "{address} was {was} and is not known as it any more: its hardware address changed, or \
             its lease is gone. What asks there is under the default policy now."
        ),
        items: Vec::new(),
        remedy: format!(
            "If it still is {was}: deadpixel device merge {} {now}{add}.",
            super::watch::shell_word(was)
        ),
    }
}
