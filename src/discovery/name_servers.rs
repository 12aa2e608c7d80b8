//! DNS servers that router advertisements name (RFC 8106), as the kernel hands them on.
//!
//! The options come from whoever can send on the link: everything in them is hostile.

use std::net::IpAddr;

use super::{Octets, attribute, read_address};

/// Most servers read of one advertisement.
const MAX_SERVERS: usize = 8;

/// What one advertisement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameServers {
    pub(super) router: IpAddr,
    pub(super) servers: Vec<IpAddr>,
}

/// Reads `nduseroptmsg`, the options behind it and the attribute that names the router.
///
/// `None` where nothing names a DNS server that may be used.
pub(super) fn name_servers(octets: &[u8]) -> Option<NameServers> {
    const INET6: u8 = 10;
    const ADVERTISEMENT: u8 = 134;
    const SOURCE: u16 = 1;
    let mut octets = Octets(octets);
    let family = octets.take_u8()?;
    octets.take_u8()?;
    let length = usize::from(octets.take_u16()?);
    octets.take_u32()?;
    let kind = octets.take_u8()?;
    octets.take(7)?;
    if family != INET6 || kind != ADVERTISEMENT {
        return None;
    }
    let options = octets.take_padded(length)?;
    let router = attribute(octets.0, SOURCE).and_then(read_address)?;
    let mut servers = servers(options);
    servers.sort();
    servers.dedup();
    (!servers.is_empty()).then_some(NameServers { router, servers })
}

fn servers(options: &[u8]) -> Vec<IpAddr> {
    const RDNSS: u8 = 25;
    let mut options = Octets(options);
    let mut found = Vec::new();
    while let Some((kind, value)) = take_option(&mut options) {
        if kind == RDNSS {
            take_servers(Octets(value), &mut found);
        }
    }
    found
}

/// Takes an option: its kind, and what follows its length.
fn take_option<'a>(options: &mut Octets<'a>) -> Option<(u8, &'a [u8])> {
    let mut head = *options;
    let kind = head.take_u8()?;
    // In units of eight octets; a length of none would never end.
    let length = usize::from(head.take_u8()?) * 8;
    let whole = options.take(length)?;
    Some((kind, whole.get(2..)?))
}

fn take_servers(mut option: Octets<'_>, found: &mut Vec<IpAddr>) {
    let lifetime = option.take(2).and_then(|_| option.take_u32());
    if lifetime.is_none_or(|seconds| seconds == 0) {
        // They are to be used no longer.
        return;
    }
    while let Some(server) = option.take(16).and_then(read_address) {
        let usable = !server.is_multicast() && !server.is_unspecified();
        if usable && found.len() < MAX_SERVERS {
            found.push(server);
        }
    }
}
