//! Which addresses are to be served, and the opening of all of them at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use nix::net::if_::if_nametoindex;

use super::sockets::{self, Door, Refusal, Spot};
use super::{BindError, Drops, Listen, Settings, inherited};
use crate::discovery::OwnAddress;

/// How often a free port is looked for before the search counts as failed.
const PORT_TRIES: usize = 16;

/// All that was opened at the start.
pub(super) struct Opened {
    /// The addresses of config.toml that are served, ports filled in.
    pub(super) addresses: Vec<SocketAddr>,
    /// What each worker serves.
    pub(super) workers: Vec<Vec<Door>>,
    /// What is to be served from now on.
    pub(super) plan: Plan,
    /// What the plan's addresses hold: the numbers of their sockets.
    pub(super) held: BTreeMap<SocketAddr, Vec<u64>>,
    /// Addresses of the plan that could not be bound yet.
    pub(super) refused: BTreeMap<SocketAddr, Refusal>,
    /// What the kernel drops at these sockets.
    pub(super) drops: Arc<Drops>,
    /// What a person should know for as long as this runs.
    pub(super) notices: Vec<String>,
    /// What a person should know if nothing changes.
    pub(super) passing: Vec<String>,
}

/// What `listen` asks for, ports filled in.
#[derive(Clone, Default)]
pub(super) struct Plan {
    entries: Vec<Entry>,
}

#[derive(Clone)]
enum Entry {
    /// This address, whether an interface has it or not; or a socket of all.
    One(SocketAddr),
    /// Each address of the family of this wildcard.
    Each(SocketAddr),
    /// A link-local address of the interface of this name.
    On { address: Ipv6Addr, interface: String, port: u16 },
}

impl Entry {
    fn spots(&self, own: &[OwnAddress]) -> Vec<Spot> {
        match self {
            Entry::One(address) => vec![Spot { address: *address, ahead: true }],
            Entry::Each(wildcard) => {
                let wanted = own.iter().filter(|own| {
                    own.address.is_ipv4() == wildcard.is_ipv4()
                        && !own.tentative
                        && !own.address.is_multicast()
                });
                let spots = wanted.map(|own| Spot {
                    address: own.at(wildcard.port()),
                    // IPv4 addresses of a link that is down cannot be bound in any other way.
                    ahead: wildcard.is_ipv4(),
                });
                let spots: BTreeSet<Spot> = spots.collect();
                spots.into_iter().collect()
            }
            Entry::On { address, interface, port } => {
                let scope = if_nametoindex(interface.as_str()).ok();
                let at = |scope| SocketAddrV6::new(*address, *port, 0, scope).into();
                scope.map(|scope| Spot { address: at(scope), ahead: true }).into_iter().collect()
            }
        }
    }

    /// Returns whether it is named: if it cannot be bound, the program does not start.
    fn is_named(&self) -> bool {
        !matches!(self, Entry::Each(_))
    }

    fn configured(&self) -> SocketAddr {
        match self {
            Entry::One(address) | Entry::Each(address) => *address,
            Entry::On { address, interface, port } => {
                let scope = if_nametoindex(interface.as_str()).unwrap_or_default();
                SocketAddrV6::new(*address, *port, 0, scope).into()
            }
        }
    }

    fn set_port(&mut self, fresh: u16) {
        match self {
            Entry::One(address) | Entry::Each(address) => address.set_port(fresh),
            Entry::On { port, .. } => *port = fresh,
        }
    }

    /// Returns the address it names, if no interface has it.
    fn absent(&self, own: &[OwnAddress]) -> Option<String> {
        match self {
            Entry::One(address) => {
                let ip = address.ip();
                let always = ip.is_loopback() || ip.is_unspecified();
                let known = always || own.iter().any(|own| own.address == ip);
                (!known).then(|| ip.to_string())
            }
            Entry::On { address, interface, .. } => {
                let scope = if_nametoindex(interface.as_str()).ok();
                let ours = |own: &OwnAddress| {
                    own.address == IpAddr::V6(*address) && Some(own.interface) == scope
                };
                (!own.iter().any(ours)).then(|| format!("{address}%{interface}"))
            }
            Entry::Each(_) => None,
        }
    }
}

impl Plan {
    /// Returns all addresses that are to be served while we have these.
    pub(super) fn wanted(&self, own: &[OwnAddress]) -> BTreeMap<SocketAddr, Spot> {
        let spots = self.entries.iter().flat_map(|entry| entry.spots(own));
        let mut wanted: BTreeMap<SocketAddr, Spot> = BTreeMap::new();
        for spot in spots {
            wanted.entry(spot.address).or_insert(spot).ahead |= spot.ahead;
        }
        wanted
    }

    /// Returns what a person should know of addresses that no interface has.
    pub(super) fn notices(&self, own: &[OwnAddress]) -> Vec<String> {
        let absent = self.entries.iter().filter_map(|entry| entry.absent(own));
        let told = absent.map(|address| {
            format!("no interface has the address {address} now; it is served as soon as one has")
        });
        told.collect()
    }
}

/// One pass over `listen`.
struct Start<'o> {
    own: &'o [OwnAddress],
    /// Whether a socket of all addresses can tell which one was asked.
    packet_info: bool,
    opened: Opened,
    errors: Vec<BindError>,
}

/// What came of one entry.
#[derive(Default)]
struct Attempt {
    /// Doors of an address, one for each worker.
    doors: Vec<Vec<Door>>,
    refused: Vec<(SocketAddr, Refusal)>,
}

/// Binds every address that is named or none; tells all that is wrong.
///
/// Of the addresses that a wildcard means, those that cannot be bound are left for later, unless
/// that is true of all.
pub(super) fn open(
    settings: &Settings,
    own: &io::Result<Vec<OwnAddress>>,
) -> Result<Opened, Vec<BindError>> {
    let mut start = Start {
        own: own.as_deref().unwrap_or_default(),
        packet_info: settings.batched,
        opened: Opened {
            addresses: Vec::new(),
            workers: (0..settings.worker_count()).map(|_| Vec::new()).collect(),
            plan: Plan::default(),
            held: BTreeMap::new(),
            refused: BTreeMap::new(),
            drops: Arc::default(),
            notices: Vec::new(),
            passing: Vec::new(),
        },
        errors: Vec::new(),
    };
    for listen in &settings.listen {
        match (start.entries(listen), own) {
            (entries, Err(error)) if entries.iter().any(|entry| !entry.is_named()) => {
                start.errors.push(unknown_addresses(listen, error));
            }
            (entries, _) => start.open(entries),
        }
    }
    if settings.listen.contains(&Listen::Inherited) {
        start.inherit();
    }
    start.end()
}

impl Start<'_> {
    fn entries(&mut self, listen: &Listen) -> Vec<Entry> {
        let any = if self.packet_info { Entry::One } else { Entry::Each };
        let every = |port| {
            let wildcards = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
            wildcards.map(|wildcard| any(SocketAddr::new(wildcard, port))).to_vec()
        };
        let mut entries = match listen {
            Listen::Address(address) if address.ip().is_unspecified() => {
                vec![Entry::Each(*address)]
            }
            Listen::Address(address) => vec![Entry::One(*address)],
            Listen::OnInterface { address, interface, port } => {
                vec![Entry::On { address: *address, interface: interface.clone(), port: *port }]
            }
            Listen::Any(port) => every(*port),
            Listen::Inherited => Vec::new(),
        };
        if entries.iter().any(|entry| entry.configured().is_ipv6()) && !sockets::has_ipv6() {
            let notice = format!("{listen} is not served over IPv6: this machine has none");
            self.opened.notices.push(notice);
            entries.retain(|entry| entry.configured().is_ipv4());
        }
        entries
    }

    /// Opens entries that have one port; port 0 becomes one that is free for all of them.
    fn open(&mut self, mut entries: Vec<Entry>) {
        let searched = entries.iter().any(|entry| entry.configured().port() == 0);
        let tries = if searched { PORT_TRIES } else { 1 };
        let mut outcome = Ok(Attempt::default());
        for left in (0..tries).rev() {
            if searched && let Err(mut refusal) = self.choose_port(&mut entries) {
                self.errors.append(&mut refusal.errors);
                return;
            }
            outcome = self.attempt(&entries);
            let taken = |attempt: &Attempt| attempt.refused.iter().any(|(_, r)| !r.unavailable);
            if left == 0 || outcome.as_ref().is_ok_and(|attempt| !taken(attempt)) {
                break;
            }
        }
        match outcome {
            Ok(attempt) => self.take(entries, attempt),
            Err(mut errors) => self.errors.append(&mut errors),
        }
    }

    fn choose_port(&self, entries: &mut [Entry]) -> Result<(), Refusal> {
        let first = entries.iter().flat_map(|entry| entry.spots(self.own)).next();
        let Some(Spot { mut address, ahead }) = first else { return Ok(()) };
        address.set_port(0);
        let port = sockets::free_port(Spot { address, ahead })?;
        entries.iter_mut().for_each(|entry| entry.set_port(port));
        Ok(())
    }

    fn attempt(&self, entries: &[Entry]) -> Result<Attempt, Vec<BindError>> {
        let (mut attempt, mut errors) = (Attempt::default(), Vec::new());
        for entry in entries {
            let spots = entry.spots(self.own);
            let fresh = |spot: &&Spot| !self.opened.held.contains_key(&spot.address);
            let mut refused = Vec::new();
            for spot in spots.iter().filter(fresh) {
                match sockets::open(*spot, self.opened.workers.len()) {
                    Ok(doors) => attempt.doors.push(doors),
                    Err(refusal) => refused.push((spot.address, refusal)),
                }
            }
            let taken = refused.iter().any(|(_, refusal)| !refusal.unavailable);
            if taken && (entry.is_named() || refused.len() == spots.len()) {
                errors.extend(refused.into_iter().flat_map(|(_, refusal)| refusal.errors));
            } else {
                attempt.refused.append(&mut refused);
            }
        }
        if errors.is_empty() { Ok(attempt) } else { Err(errors) }
    }

    fn take(&mut self, entries: Vec<Entry>, attempt: Attempt) {
        let Opened { addresses, workers, plan, held, refused, drops, .. } = &mut self.opened;
        addresses.extend(entries.iter().map(Entry::configured));
        plan.entries.extend(entries);
        refused.extend(attempt.refused);
        for doors in attempt.doors {
            let Some(address) = doors.first().map(|door| door.address) else { continue };
            held.insert(address, drops.watch(&doors));
            workers.iter_mut().zip(doors).for_each(|(worker, door)| worker.push(door));
        }
    }

    /// Takes what the service manager handed over: the first of each kind to the first worker, and
    /// so on, so that no datagram wakes two.
    fn inherit(&mut self) {
        let doors = match inherited::take() {
            Ok(doors) => doors,
            Err(why) => return self.errors.push(BindError { door: "systemd".into(), why }),
        };
        self.opened.drops.watch(&doors);
        let (mut datagrams, mut streams) = (0, 0);
        for door in doors {
            if !self.opened.addresses.contains(&door.address) {
                self.opened.addresses.push(door.address);
            }
            let turn = if door.udp.is_some() { &mut datagrams } else { &mut streams };
            let worker = *turn % self.opened.workers.len().max(1);
            *turn += 1;
            if let Some(worker) = self.opened.workers.get_mut(worker) {
                worker.push(door);
            }
        }
    }

    fn end(mut self) -> Result<Opened, Vec<BindError>> {
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let doors = self.opened.workers.iter().flatten();
        self.opened.notices.extend(sockets::buffer_notice(doors));
        self.opened.passing = self.opened.plan.notices(self.own);
        Ok(self.opened)
    }
}

fn unknown_addresses(listen: &Listen, error: &io::Error) -> BindError {
    let why = format!(
        "the addresses of this machine cannot be read here ({error}); allow the program netlink \
         sockets (AF_NETLINK), or name addresses, or `any` and the port, in `listen` in [dns] of \
         config.toml"
    );
    BindError { door: listen.to_string(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &[&str], workers: usize) -> Settings {
        let listen = listen.iter().map(|text| text.parse().expect("an entry")).collect();
        Settings { listen, workers, ..Settings::default() }
    }

    fn open_here(listen: &[&str], workers: usize) -> Result<Opened, Vec<BindError>> {
        open(&settings(listen, workers), &OwnAddress::read())
    }

    fn bound(opened: &Opened) -> Vec<SocketAddr> {
        opened.workers[0].iter().map(|door| door.address).collect()
    }

    fn own(text: &str, interface: u32) -> OwnAddress {
        let address = text.parse().expect("an address");
        let prefix = crate::model::Prefix::of(address, 24).expect("a prefix");
        OwnAddress { address, prefix, interface, tentative: false }
    }

    #[test]
    fn port_0_is_one_free_port_for_all_workers_and_transports() {
        let opened = open_here(&["127.0.0.1:0", "[::1]:0"], 3).expect("free ports");
        assert_eq!((opened.addresses.len(), opened.workers.len()), (2, 3));
        for door in opened.workers.iter().flatten() {
            assert!(opened.addresses.contains(&door.address), "{}", door.address);
            assert_ne!(door.address.port(), 0);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let first = open_here(&["127.0.0.1:0", "127.0.0.2:0"], 2).expect("free ports");
        let taken: Vec<String> = first.addresses.iter().map(SocketAddr::to_string).collect();
        let listen: Vec<&str> = taken.iter().map(String::as_str).chain(["127.0.0.3:0"]).collect();
        let errors = open_here(&listen, 2).err().expect("two ports are in use");
        let told: Vec<&str> = errors.iter().map(|error| error.door.as_str()).collect();
        let [a, b] = [&taken[0], &taken[1]];
        let both = |address| [format!("{address} (udp)"), format!("{address} (tcp)")];
        assert_eq!(told, [both(a), both(b)].concat());
    }

    #[test]
    fn a_wildcard_becomes_the_addresses_of_this_machine() {
        let opened = open_here(&["0.0.0.0:0"], 1).expect("free ports");
        let port = opened.addresses[0].port();
        assert!(opened.addresses[0].ip().is_unspecified());
        let bound = bound(&opened);
        assert!(bound.contains(&SocketAddr::from(([127, 0, 0, 1], port))), "{bound:?}");
        assert!(bound.iter().all(|address| !address.ip().is_unspecified()));
    }

    #[test]
    fn one_address_of_a_wildcard_that_is_held_is_left_for_later() {
        let holder = open_here(&["127.0.0.1:0"], 1).expect("a free port");
        let port = holder.addresses[0].port();
        let wildcard = settings(&[&format!("0.0.0.0:{port}")], 2);
        let opened = open(&wildcard, &Ok(vec![own("127.0.0.1", 1), own("127.0.0.2", 1)]));
        let opened = opened.expect("one of two is free");
        assert_eq!(bound(&opened), [SocketAddr::from(([127, 0, 0, 2], port))]);
        assert_eq!(opened.refused.keys().next(), Some(&holder.addresses[0]));
        let alone = open(&wildcard, &Ok(vec![own("127.0.0.1", 1)]));
        assert!(alone.is_err(), "where all are held it does not start");
    }

    #[test]
    fn a_machine_without_addresses_starts_and_waits_for_them() {
        let opened =
            open(&settings(&["0.0.0.0:5353"], 1), &Ok(Vec::new())).expect("none is needed");
        assert_eq!(bound(&opened), []);
        let later = opened.plan.wanted(&[own("10.0.0.1", 2)]);
        assert_eq!(later.keys().map(SocketAddr::to_string).collect::<Vec<_>>(), ["10.0.0.1:5353"]);
        let unreadable = Err(io::Error::from_raw_os_error(1));
        let errors = open(&settings(&["0.0.0.0:5353"], 1), &unreadable).err().expect("unknown");
        assert!(errors[0].why.contains("AF_NETLINK"), "{}", errors[0]);
    }

    #[test]
    fn an_address_named_twice_is_bound_once() {
        let first = open_here(&["127.0.0.1:0"], 1).expect("a free port");
        let twice = first.addresses[0].to_string();
        drop(first);
        let opened = open_here(&[&twice, &twice], 2).expect("a free port");
        assert_eq!(opened.workers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn an_address_that_is_not_there_yet_is_bound_with_a_notice() {
        let opened = open_here(&["192.0.2.53:0"], 2).expect("it can be bound ahead");
        assert_eq!(opened.workers[1].len(), 1);
        assert!(opened.passing.iter().any(|n| n.contains("192.0.2.53")), "{:?}", opened.passing);
        assert_eq!(opened.plan.notices(&[own("192.0.2.53", 2)]), Vec::<String>::new());
        let opened = open_here(&["[fe80::1%no-such-link]:53"], 1).expect("it may come");
        assert_eq!(bound(&opened), []);
        assert!(opened.passing[0].contains("fe80::1%no-such-link"), "{:?}", opened.passing);
    }

    #[test]
    fn any_is_one_socket_for_each_family() {
        let opened = open_here(&["any:0"], 2).expect("a free port");
        for worker in &opened.workers {
            assert!(worker.iter().all(|door| door.address.ip().is_unspecified()));
            assert_eq!(worker.len(), opened.addresses.len());
        }
        assert!(opened.addresses.iter().all(|a| a.port() == opened.addresses[0].port()));
        let one_by_one = Settings { batched: false, ..settings(&["any:0"], 1) };
        let opened = open(&one_by_one, &Ok(vec![own("127.0.0.1", 1)])).expect("a free port");
        assert_eq!(bound(&opened)[0].ip(), IpAddr::from([127, 0, 0, 1]), "without packet info");
    }

    #[test]
    fn wildcards_keep_family_and_scope_and_leave_tentative_addresses_out() {
        let tentative = OwnAddress { tentative: true, ..own("fd00::2", 2) };
        let known = [
            own("10.0.0.1", 2),
            own("10.0.0.1", 3),
            own("fd00::1", 2),
            own("fe80::1", 2),
            own("fe80::1", 3),
            tentative,
        ];
        let texts = |wildcard: &str| {
            let entry = Entry::Each(wildcard.parse().expect("a wildcard"));
            entry.spots(&known).iter().map(|spot| spot.address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(texts("0.0.0.0:53"), ["10.0.0.1:53"]);
        assert_eq!(texts("[::]:53"), ["[fd00::1]:53", "[fe80::1%2]:53", "[fe80::1%3]:53"]);
    }
}
