//! State files of odhcpd: a hosts file with one comment a lease.

use std::net::IpAddr;

use super::{Table, whole_lines};
use crate::devices::Lease;
use crate::model::HardwareAddress;

/// What stands before a host name that is no good, or is another's.
const BROKEN: &str = "broken\\x20";

/// Most addresses of one lease.
const MAX_ADDRESSES: usize = 64;

/// Returns whether a line is a lease: `# br-lan 3c5ab4010203 ipv4 phone 1763776311 c0a80114 32 …`.
pub(super) fn is_state(line: &str) -> bool {
    state(line).is_some()
}

/// Returns whether a line is one of a hosts file.
pub(super) fn is_host(line: &str) -> bool {
    host(line).is_some()
}

/// Reads the comments; a line of the hosts file counts only where no comment tells of its address.
pub(super) fn read(text: &str, table: &mut Table) {
    let mut hosts = Vec::new();
    for line in whole_lines(text, table).filter(|line| !line.trim().is_empty()) {
        match (state(line), host(line)) {
            (Some(leases), _) => leases.into_iter().for_each(|lease| table.add(lease)),
            (None, Some(lease)) => hosts.push(lease),
            (None, None) => table.refuse(),
        }
    }
    for lease in hosts {
        if !table.has(lease.address) {
            table.add(lease);
        }
    }
}

/// Reads `# interface duid iaid name end id length address/length …`.
fn state(line: &str) -> Option<Vec<Lease>> {
    let mut fields = line.strip_prefix("# ")?.split_ascii_whitespace();
    let _interface = fields.next()?;
    let client = fields.next().filter(|text| is_hexadecimal(text))?;
    let iaid = fields.next()?;
    let name = fields.next()?;
    let end: i64 = fields.next()?.parse().ok()?;
    let _assigned = fields.next().filter(|text| is_hexadecimal(text))?;
    let _length: u8 = fields.next()?.parse().ok()?;
    if iaid != "ipv4" && !is_hexadecimal(iaid) {
        return None;
    }
    let hardware = (iaid == "ipv4").then(|| octets(client)).flatten();
    let name = name.strip_prefix(BROKEN).unwrap_or(name);
    let lease = |address| Lease {
        address,
        hardware,
        host_name: (name != "-").then(|| name.to_owned()),
        until: (end >= 0).then_some(end),
    };
    // Shorter prefixes are delegated to routers.
    Some(fields.take(MAX_ADDRESSES).filter_map(host_address).map(lease).collect())
}

fn host_address(text: &str) -> Option<IpAddr> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { "32" } else { "128" };
    (length == whole).then_some(address)
}

fn host(line: &str) -> Option<Lease> {
    let mut fields = line.split_ascii_whitespace();
    let address = fields.next()?.parse().ok()?;
    let host_name = Some(fields.last()?.to_owned());
    Some(Lease { address, hardware: None, host_name, until: None })
}

fn octets(text: &str) -> Option<HardwareAddress> {
    let mut octets = [0; 6];
    for (at, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    (text.len() == 12).then_some(HardwareAddress(octets))
}

fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}
