//! What others say of devices: lease files, announcements, the router's names.

use super::leases::Follower;
use super::mdns::Mdns;
use super::reverse_names::ReverseNames;
use super::{Parts, Sense, Settings};

/// All that hears, at work; it ends when dropped.
#[derive(Default)]
pub(super) struct Hearing {
    leases: Option<Follower>,
    mdns: Option<Mdns>,
    reverse_names: Option<ReverseNames>,
}

impl Hearing {
    /// Starts what the settings want; call it inside a runtime.
    pub(super) fn start(settings: &Settings, parts: &Parts) -> Hearing {
        let told = || (parts.devices.clone(), parts.clock.clone());
        let wanted = !settings.leases.is_empty();
        Hearing {
            leases: wanted.then(|| Follower::start(&settings.leases, told().0, told().1)),
            mdns: settings.mdns.then(|| Mdns::start(told().0, told().1)),
            reverse_names: settings.reverse_names.then(|| ReverseNames::start(told().0, told().1)),
        }
    }

    /// Returns how each fares.
    pub(super) fn senses(&self) -> Vec<Sense> {
        let leases = self.leases.iter().flat_map(Follower::senses);
        let mdns = self.mdns.iter().flat_map(Mdns::senses);
        leases.chain(mdns).chain(self.reverse_names.iter().map(ReverseNames::sense)).collect()
    }
}
