//! The kernel's tables as they were last told: links, our addresses, routes, neighbours.
//!
//! Everything is taken in the order in which the kernel said it, so that what a dump and the news
//! between its parts say of one row ends as the kernel has it. No I/O, no clock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;

use super::{Message, NameServers, News, OnLink, OwnAddress, Place, Route, Row};
use crate::devices::Neighbour;
use crate::model::Prefix;

/// Most rows that are kept of links, addresses and routes.
const MAX_ROWS: usize = 4_096;

/// Most neighbours that one dump may name; the kernel's own bound is below, save where it is tuned.
const MAX_NEIGHBOURS: usize = 131_072;

/// A table that is asked for whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Links,
    Addresses,
    Routes,
    Neighbours,
}

/// What has to be done after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// The dump that was asked for is complete.
    Done,
    /// The dump that was asked for was refused, or has to be asked for again.
    Again,
    /// Routes have changed: the table has to be read again.
    Routes,
    /// News were lost.
    Doubt,
    /// Somebody advertises DNS servers.
    Advertised(NameServers),
}

/// Which dump is under way, as its answers say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dump {
    pub(super) table: Table,
    pub(super) port: u32,
    pub(super) sequence: u32,
}

/// The tables.
#[derive(Default)]
pub(super) struct Tables {
    /// Interfaces with hardware addresses.
    ethernet: HashSet<u32>,
    /// Our addresses, and whether each is tentative.
    own: HashMap<(IpAddr, Prefix, u32), bool>,
    on_link: HashSet<Place>,
    routers: BTreeSet<IpAddr>,
    /// What a dump of neighbours has said up to now; `None` while there is none.
    dumped: Option<HashMap<(IpAddr, u32), Neighbour>>,
    /// News of neighbours that were not yet handed on.
    news: Vec<Neighbour>,
    /// Whether the dump under way changed while it was made.
    interrupted: bool,
    /// Whether links, addresses or routes changed.
    changed: bool,
    /// Whether our addresses changed.
    own_changed: bool,
}

impl Table {
    /// All of them, in the order in which each needs the ones before.
    pub(super) const ALL: [Table; 4] =
        [Table::Links, Table::Addresses, Table::Routes, Table::Neighbours];

    /// Returns the kind of the message that asks for it, and the length of that message's body.
    pub(super) fn request(self) -> (u16, usize) {
        match self {
            Table::Links => (18, 16),
            Table::Addresses => (22, 8),
            Table::Routes => (26, 12),
            Table::Neighbours => (30, 12),
        }
    }
}

impl Tables {
    /// Prepares for a table that comes whole.
    pub(super) fn begin(&mut self, table: Table) {
        self.interrupted = false;
        self.changed |= table != Table::Neighbours;
        match table {
            Table::Links => self.ethernet.clear(),
            Table::Addresses => {
                self.own.clear();
                self.own_changed = true;
            }
            Table::Routes => {
                self.on_link.clear();
                self.routers.clear();
            }
            Table::Neighbours => {
                self.dumped = Some(HashMap::new());
                self.news.clear();
            }
        }
    }

    /// Takes one message; `dump` is the dump under way.
    pub(super) fn take(&mut self, message: Message, dump: Option<Dump>) -> Effect {
        let ours = |dump: &Dump| (message.port, message.sequence) == (dump.port, dump.sequence);
        let dump = dump.filter(ours);
        self.interrupted |= dump.is_some() && message.interrupted;
        match message.news {
            News::Link { interface, ethernet: true } => {
                self.changed |= keep(&mut self.ethernet, interface);
                // The kernel takes routes away with a link that goes down, without a word.
                return if dump.is_none() { Effect::Routes } else { Effect::Nothing };
            }
            News::Link { interface, .. } | News::LinkGone(interface) => {
                self.changed |= self.ethernet.remove(&interface);
            }
            News::Address(own) => self.take_own_address(own),
            News::AddressGone(own) => {
                let gone = self.own.remove(&(own.address, own.prefix, own.interface)).is_some();
                self.changed |= gone;
                self.own_changed |= gone;
            }
            News::Route(route) if dump.is_some() => self.take_route(route),
            News::Route(_) | News::RouteGone(_) => return Effect::Routes,
            News::Neighbour(row) => self.take_row(row),
            News::NameServers(found) => return self.judge(found),
            News::Done if dump.is_some() && self.interrupted => return Effect::Again,
            News::Done if dump.is_some() => return Effect::Done,
            News::Failed(code) if dump.is_some() && code != 0 => return Effect::Again,
            News::Done | News::Failed(_) | News::Other => {}
            News::Doubt => return Effect::Doubt,
        }
        Effect::Nothing
    }

    /// Returns all neighbours, once a dump of them is complete.
    pub(super) fn take_dumped(&mut self) -> Option<Vec<Neighbour>> {
        Some(self.dumped.take()?.into_values().collect())
    }

    /// Returns the news of neighbours since the last call; none while a dump is under way.
    pub(super) fn take_news(&mut self) -> Vec<Neighbour> {
        std::mem::take(&mut self.news)
    }

    /// Returns how many news wait.
    pub(super) fn waiting(&self) -> usize {
        self.news.len()
    }

    /// Returns the routers by which everything is reached.
    pub(super) fn routers(&self) -> Vec<IpAddr> {
        self.routers.iter().copied().collect()
    }

    /// Returns what look-ups need to know of our links, if it changed since the last call.
    pub(super) fn take_on_link(&mut self) -> Option<OnLink> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let is_ethernet = |place: &Place| self.ethernet.contains(&place.interface);
        let of_own = self.own.keys().map(|&(_, prefix, interface)| Place { prefix, interface });
        let places = of_own.chain(self.on_link.iter().copied()).filter(is_ethernet);
        let own = self.own.keys().map(|&(address, _, interface)| (address, interface));
        Some(OnLink::new(places.collect(), own.collect()))
    }

    /// Returns our addresses, if they changed since the last call.
    pub(super) fn take_own(&mut self) -> Option<Vec<OwnAddress>> {
        let own = self.own.iter().map(|(&(address, prefix, interface), &tentative)| OwnAddress {
            address,
            prefix,
            interface,
            tentative,
        });
        std::mem::take(&mut self.own_changed).then(|| own.collect())
    }

    fn take_own_address(&mut self, own: OwnAddress) {
        let key = (own.address, own.prefix, own.interface);
        if self.own.len() >= MAX_ROWS && !self.own.contains_key(&key) {
            return;
        }
        let known = self.own.insert(key, own.tentative);
        self.own_changed |= known != Some(own.tentative);
        if known.is_none() {
            self.changed = true;
            self.lose(own.address, own.interface);
        }
    }

    fn take_route(&mut self, route: Route) {
        match route {
            Route::OnLink { prefix, interface } => {
                self.changed |= keep(&mut self.on_link, Place { prefix, interface });
            }
            Route::Default { routers } => {
                let room = MAX_ROWS.saturating_sub(self.routers.len());
                self.routers.extend(routers.into_iter().take(room));
            }
        }
    }

    fn take_row(&mut self, row: Row) {
        let Row { address, interface, hardware, reachable } = row;
        let address = address.to_canonical();
        let ours = || self.own.keys().any(|(own, ..)| *own == address);
        let nobody = address.is_loopback() || address.is_multicast() || address.is_unspecified();
        if nobody || !self.ethernet.contains(&interface) && hardware.is_some() || ours() {
            return;
        }
        let neighbour = Neighbour { address, hardware, interface, reachable };
        match &mut self.dumped {
            Some(dumped) if hardware.is_none() => {
                dumped.remove(&(address, interface));
            }
            Some(dumped) if dumped.len() < MAX_NEIGHBOURS => {
                dumped.insert((address, interface), neighbour);
            }
            Some(_) => {}
            None => self.news.push(neighbour),
        }
    }

    /// An address that became ours is no neighbour's any longer.
    fn lose(&mut self, address: IpAddr, interface: u32) {
        match &mut self.dumped {
            Some(dumped) => {
                dumped.remove(&(address, interface));
            }
            None => {
                let lost = Neighbour { address, hardware: None, interface, reachable: false };
                self.news.push(lost);
            }
        }
    }

    /// Whoever advertises our own addresses alone is the router as it should be.
    fn judge(&self, found: NameServers) -> Effect {
        let ours = |server: &IpAddr| self.own.keys().any(|(own, ..)| own == server);
        if found.servers.iter().all(ours) { Effect::Nothing } else { Effect::Advertised(found) }
    }
}

/// Returns whether the row is new.
fn keep<T: Eq + Hash>(rows: &mut HashSet<T>, row: T) -> bool {
    rows.len() < MAX_ROWS && rows.insert(row)
}
