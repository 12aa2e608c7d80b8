//! What the kernel says over netlink, read from its octets; pure, and total over any input.

use std::net::IpAddr;

use super::{NameServers, Octets, OwnAddress, attribute, name_servers, read_address, read_number};
use crate::model::{HardwareAddress, Prefix};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;
const NEW_LINK: u16 = 16;
const DELETED_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETED_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETED_ROUTE: u16 = 25;
const NEW_NEIGHBOUR: u16 = 28;
const DELETED_NEIGHBOUR: u16 = 29;
const NEW_ND_OPTION: u16 = 68;

/// The flag of a dump that changed while it was made.
const INTERRUPTED: u16 = 0x10;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// To which request of `port` this is the answer, if to any.
    pub(super) sequence: u32,
    /// The port of who asked.
    pub(super) port: u32,
    /// Whether the dump it is part of has to be asked for again.
    pub(super) interrupted: bool,
    pub(super) news: News,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// An interface is there; `ethernet`: what is on it has hardware addresses as we know them.
    Link {
        interface: u32,
        ethernet: bool,
    },
    LinkGone(u32),
    Address(OwnAddress),
    AddressGone(OwnAddress),
    Route(Route),
    RouteGone(Route),
    Neighbour(Row),
    NameServers(NameServers),
    /// A dump is complete.
    Done,
    /// A request failed, by this error number; 0: it succeeded.
    Failed(i32),
    /// Something else, or nothing of interest.
    Other,
    /// News were lost, or are not to be read.
    Doubt,
}

/// A route that tells of our links: to a link itself, or to everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Addresses that are reached without a router.
    OnLink { prefix: Prefix, interface: u32 },
    /// By these routers everything is reached.
    Default { routers: Vec<IpAddr> },
}

/// A row of a neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) address: IpAddr,
    pub(super) interface: u32,
    /// `None`: nobody answers there, or the row is gone.
    pub(super) hardware: Option<HardwareAddress>,
    /// Whether it answered within the last half minute or so.
    pub(super) reachable: bool,
}

/// Reads the messages of a datagram; what is cut off or contradicts itself is a doubt.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message> {
    let mut rest = Octets(datagram);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        Some(take_message(&mut rest).unwrap_or_else(|| {
            rest = Octets(&[]);
            Message { sequence: 0, port: 0, interrupted: false, news: News::Doubt }
        }))
    })
}

fn take_message(rest: &mut Octets<'_>) -> Option<Message> {
    let mut head = *rest;
    let length = usize::try_from(head.take_u32()?).ok()?;
    let mut whole = Octets(rest.take_padded(length)?);
    whole.take_u32()?;
    let (kind, flags) = (whole.take_u16()?, whole.take_u16()?);
    let (sequence, port) = (whole.take_u32()?, whole.take_u32()?);
    let news = read(kind, whole);
    Some(Message { sequence, port, interrupted: flags & INTERRUPTED != 0, news })
}

fn read(kind: u16, octets: Octets<'_>) -> News {
    let known = match kind {
        NEW_LINK => link(octets),
        DELETED_LINK => link(octets).map(|link| match link {
            News::Link { interface, .. } => News::LinkGone(interface),
            other => other,
        }),
        NEW_ADDRESS => own_address(octets).map(News::Address),
        DELETED_ADDRESS => own_address(octets).map(News::AddressGone),
        NEW_ROUTE => Some(route(octets).map_or(News::Other, News::Route)),
        DELETED_ROUTE => Some(route(octets).map_or(News::Other, News::RouteGone)),
        NEW_NEIGHBOUR => neighbour(octets).map(|row| row.map_or(News::Other, News::Neighbour)),
        DELETED_NEIGHBOUR => neighbour(octets).map(|row| match row {
            Some(row) => News::Neighbour(Row { hardware: None, reachable: false, ..row }),
            None => News::Other,
        }),
        NEW_ND_OPTION => Some(name_servers(octets.0).map_or(News::Other, News::NameServers)),
        DONE => Some(News::Done),
        ERROR => read_number(octets.0.get(..4).unwrap_or_default())
            .map(|code| News::Failed(code.cast_signed().saturating_neg())),
        OVERRUN => None,
        _ => Some(News::Other),
    };
    known.unwrap_or(News::Doubt)
}

/// Reads `ifinfomsg`.
fn link(mut octets: Octets<'_>) -> Option<News> {
    const LOOPBACK: u32 = 0x8;
    const WITHOUT_ARP: u32 = 0x80;
    let family = octets.take(2)?.first().copied()?;
    let (kind, interface, flags) = (octets.take_u16()?, octets.take_u32()?, octets.take_u32()?);
    if family != 0 {
        // What a bridge says of its ports.
        return Some(News::Other);
    }
    let ethernet = matches!(kind, 1 | 6) && flags & (LOOPBACK | WITHOUT_ARP) == 0;
    Some(News::Link { interface, ethernet })
}

/// Reads `ifaddrmsg` and its attributes.
fn own_address(mut octets: Octets<'_>) -> Option<OwnAddress> {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    const OPTIMISTIC: u8 = 0x04;
    const FOUND_ELSEWHERE: u8 = 0x08;
    const TENTATIVE: u8 = 0x40;
    octets.take_u8()?;
    let (bits, flags) = (octets.take_u8()?, octets.take_u8()?);
    octets.take_u8()?;
    let interface = octets.take_u32()?;
    let tentative = flags & (TENTATIVE | OPTIMISTIC) == TENTATIVE || flags & FOUND_ELSEWHERE != 0;
    let far = attribute(octets.0, ADDRESS).and_then(read_address);
    // Where a link has two ends, the address of the other one is told too.
    let near = attribute(octets.0, LOCAL).and_then(read_address);
    let prefix = Prefix::of(far.or(near)?, bits)?;
    Some(OwnAddress { address: near.or(far)?, prefix, interface, tentative })
}

/// Reads `rtmsg` and its attributes; `None` for routes that tell nothing of our links.
fn route(mut octets: Octets<'_>) -> Option<Route> {
    const UNICAST: u8 = 1;
    const CLONED: u32 = 0x200;
    const DESTINATION: u16 = 1;
    const INTERFACE: u16 = 4;
    octets.take_u8()?;
    let bits = octets.take_u8()?;
    octets.take(5)?;
    let kind = octets.take_u8()?;
    let flags = octets.take_u32()?;
    if kind != UNICAST || flags & CLONED != 0 {
        return None;
    }
    let routers = routers(octets.0);
    if bits == 0 && !routers.is_empty() {
        return Some(Route::Default { routers });
    }
    if bits == 0 || !routers.is_empty() {
        return None;
    }
    let prefix = Prefix::of(attribute(octets.0, DESTINATION).and_then(read_address)?, bits)?;
    let interface = attribute(octets.0, INTERFACE).and_then(read_number)?;
    Some(Route::OnLink { prefix, interface })
}

/// Most ways that are read of one route.
const MAX_WAYS: usize = 64;

fn routers(attributes_of_route: &[u8]) -> Vec<IpAddr> {
    const MULTIPATH: u16 = 9;
    let mut found: Vec<IpAddr> = router(attributes_of_route).into_iter().collect();
    let mut ways = Octets(attribute(attributes_of_route, MULTIPATH).unwrap_or_default());
    while let Some(way) = take_way(&mut ways).filter(|_| found.len() < MAX_WAYS) {
        found.extend(router(way));
    }
    found
}

/// Takes one `rtnexthop` and returns its attributes.
fn take_way<'a>(ways: &mut Octets<'a>) -> Option<&'a [u8]> {
    let mut head = *ways;
    let length = usize::from(head.take_u16()?);
    let mut way = Octets(ways.take_padded(length)?);
    way.take(8)?;
    Some(way.0)
}

fn router(attributes_of_way: &[u8]) -> Option<IpAddr> {
    const GATEWAY: u16 = 5;
    const VIA: u16 = 18;
    let via = || read_address(attribute(attributes_of_way, VIA)?.get(2..)?);
    attribute(attributes_of_way, GATEWAY).and_then(read_address).or_else(via)
}

/// Reads `ndmsg` and its attributes; `Some(None)` for rows that are not about neighbours of ours.
fn neighbour(mut octets: Octets<'_>) -> Option<Option<Row>> {
    const DESTINATION: u16 = 1;
    const LINK_LAYER_ADDRESS: u16 = 2;
    const REACHABLE: u16 = 0x02;
    /// Reachable, stale, delayed, probed, permanent.
    const KNOWN: u16 = 0x9e;
    const WITHOUT_ARP: u16 = 0x40;
    const PROXY: u8 = 0x08;
    let family = octets.take(4)?.first().copied()?;
    let interface = octets.take_u32()?;
    let state = octets.take_u16()?;
    let flags = octets.take_u8()?;
    octets.take_u8()?;
    let ip = matches!(family, 2 | 10);
    if !ip || flags & PROXY != 0 || state & WITHOUT_ARP != 0 {
        return Some(None);
    }
    let Some(address) = attribute(octets.0, DESTINATION).and_then(read_address) else {
        return Some(None);
    };
    let known = attribute(octets.0, LINK_LAYER_ADDRESS).filter(|_| state & KNOWN != 0);
    let hardware = known.and_then(|octets| octets.try_into().ok()).map(HardwareAddress);
    let hardware = hardware.filter(|hardware| hardware.is_one_device());
    let reachable = hardware.is_some() && state & REACHABLE != 0;
    Some(Some(Row { address, interface, hardware, reachable }))
}

/// Returns the request for a whole table, or for one row where `body` names it.
pub(super) fn request(kind: u16, sequence: u32, body: &[u8], whole: bool) -> Vec<u8> {
    const REQUEST: u16 = 0x1;
    const DUMP: u16 = 0x300;
    const HEADER: usize = 16;
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let flags = if whole { REQUEST | DUMP } else { REQUEST };
    let mut octets = Vec::with_capacity(HEADER + body.len());
    octets.extend(length.to_ne_bytes());
    octets.extend(kind.to_ne_bytes());
    octets.extend(flags.to_ne_bytes());
    octets.extend(sequence.to_ne_bytes());
    octets.extend(0u32.to_ne_bytes());
    octets.extend(body);
    octets
}

/// Returns what names one row of a neighbour table in a request.
pub(super) fn row_of(address: IpAddr, interface: u32) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (2, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, v6.octets().to_vec()),
    };
    let mut body = vec![family, 0, 0, 0];
    body.extend(interface.to_ne_bytes());
    body.extend([0; 4]);
    let length = if octets.len() == 4 { 8u16 } else { 20 };
    body.extend(length.to_ne_bytes());
    body.extend(1u16.to_ne_bytes());
    body.extend(octets);
    body
}
