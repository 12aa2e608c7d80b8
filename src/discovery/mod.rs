//! What can be seen of devices from here: the kernel's tables, leases, names heard and asked for.
//!
//! Everything found goes to [`Devices`]; nothing here decides who is who.

mod hearing;
mod interfaces;
mod kernel;
pub mod leases;
mod links;
mod look_up;
pub mod mdns;
mod messages;
mod name_servers;
mod netlink;
mod octets;
mod on_link;
mod own;
mod reverse_names;
mod running;
mod settings;
mod tables;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::devices::Devices;

pub use own::OwnAddress;
pub use settings::Settings;

use hearing::Hearing;
use kernel::{Kernel, ROOM, Tell, Told};
use look_up::LookUps;
use messages::{Message, News, Route, Row, messages, request, row_of};
use name_servers::{NameServers, name_servers};
use netlink::{Inquiry, Subscription};
use octets::{Octets, attribute, read_address, read_number};
use on_link::{OnLink, Place};
use own::{Own, is_link};
use running::{Running, Senses, Sights};
use tables::{Dump, Effect, Table, Tables};

/// Nothing is answered before the kernel's tables were read, but for that long at most.
const BEFORE_START: Duration = Duration::from_millis(250);

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
    sights: Sights,
    own: Own,
    /// None where nothing was started.
    look_ups: Option<LookUps>,
    running: Vec<Running>,
    /// None where nothing was started.
    hearing: Option<Hearing>,
}

impl Discovery {
    /// Starts whatever can be started here; call it inside the main runtime.
    ///
    /// It waits for the kernel's tables, a quarter of a second at most.
    pub fn start(settings: &Settings, parts: Parts) -> Discovery {
        let hearing = Some(Hearing::start(settings, &parts));
        let (sights, on_link) =
            (Sights::default(), Arc::new(ArcSwap::from_pointee(OnLink::default())));
        let tell = tell(&parts);
        let look_ups = LookUps::new(tell.clone(), on_link.clone(), parts.clock.clone());
        let (ready, read) = sync_channel(1);
        let own = Own::read();
        let kernel =
            Kernel { tell, on_link, own: own.clone(), sights: sights.clone(), room: ROOM, ready };
        let running = vec![kernel::spawn(kernel)];
        // Those who ask before the tables are read are looked up one by one.
        let _ = read.recv_timeout(BEFORE_START);
        Discovery(Arc::new(Inner { sights, own, look_ups: Some(look_ups), running, hearing }))
    }

    /// Sees nothing: for tests, and where only addresses matter.
    pub fn blind() -> Discovery {
        let (sights, own, running) = (Sights::default(), Own::read(), Vec::new());
        Discovery(Arc::new(Inner { sights, own, look_ups: None, running, hearing: None }))
    }

    /// Looks for whose an address is, asking the kernel and the link; within 50 ms
    /// unless this machine is too busy.
    ///
    /// What is found is in [`Devices`] when it returns. `local` is the address that was asked.
    pub async fn look_up(&self, client: IpAddr, local: IpAddr) {
        if let Some(look_ups) = &self.0.look_ups {
            look_ups.look_up(client, local).await;
        }
    }

    /// Returns how each way of seeing fares.
    pub fn senses(&self) -> Vec<Sense> {
        let heard = self.0.hearing.iter().flat_map(Hearing::senses);
        self.0.running.iter().flat_map(Running::senses).chain(heard).collect()
    }

    /// Returns what tells the addresses of this machine, now and whenever they change.
    pub fn own_addresses(&self) -> watch::Receiver<Arc<[OwnAddress]>> {
        self.0.own.follow()
    }

    /// Returns what was seen since the last call.
    pub fn sights(&self) -> Vec<Sight> {
        self.0.sights.take()
    }
}

/// Hands on what the kernel tells.
fn tell(parts: &Parts) -> Tell {
    let (devices, clock) = (parts.devices.clone(), parts.clock.clone());
    Arc::new(move |told| match told {
        Told::News(news) => devices.take_neighbours(&news, clock.now()),
        Told::All(all) => devices.replace_neighbours(&all, clock.now()),
        Told::Routers(routers) => devices.take_routers(&routers),
    })
}

#[cfg(test)]
mod tests;
