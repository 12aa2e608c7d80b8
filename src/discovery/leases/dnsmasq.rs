//! Lease files of dnsmasq: one lease a line, IPv6 after the line `duid`.

use std::net::IpAddr;

use super::{Table, whole_lines};
use crate::devices::Lease;
use crate::model::HardwareAddress;

/// Types of hardware (RFC 826) whose addresses are EUI-48: Ethernet and IEEE 802.
const EUI48: [&str; 2] = ["01", "06"];

/// Returns whether a line can only be dnsmasq's.
pub(super) fn is_line(line: &str) -> bool {
    is_server_duid(line) || lease(line).is_some()
}

/// Reads `end hardware address name client-id`, and of IPv6 `end iaid address name duid`.
pub(super) fn read(text: &str, table: &mut Table) {
    for line in whole_lines(text, table) {
        if line.trim().is_empty() || is_server_duid(line) {
            continue;
        }
        let lease = lease(line);
        table.add_or_refuse(lease);
    }
}

fn is_server_duid(line: &str) -> bool {
    line.strip_prefix("duid ").is_some_and(|duid| {
        !duid.is_empty() && duid.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b':')
    })
}

fn lease(line: &str) -> Option<Lease> {
    let mut fields = line.split_ascii_whitespace();
    let end: i64 = fields.next().filter(|end| is_number(end))?.parse().ok()?;
    let whom = fields.next()?;
    let address: IpAddr = fields.next()?.parse().ok()?;
    let name = fields.next()?;
    let hardware = match address {
        IpAddr::V4(_) => hardware(whom)?,
        IpAddr::V6(_) => {
            let iaid = whom.strip_prefix('T').unwrap_or(whom);
            return is_number(iaid).then(|| told(address, None, name, end));
        }
    };
    Some(told(address, hardware, name, end))
}

fn told(address: IpAddr, hardware: Option<HardwareAddress>, name: &str, end: i64) -> Lease {
    let host_name = (name != "*").then(|| name.to_owned());
    // dnsmasq writes 0 where a lease does not end.
    Lease { address, hardware, host_name, until: (end != 0).then_some(end) }
}

/// Reads `3c:5a:b4:01:02:03` or `06-3c:5a:b4:01:02:03`; other networks' addresses, and those that
/// are no single device's, are `Some(None)`: a client may claim any.
fn hardware(text: &str) -> Option<Option<HardwareAddress>> {
    let (kind, address) = text.split_once('-').unwrap_or(("01", text));
    let is_octet = |text: &str| text.len() == 2 && text.bytes().all(|d| d.is_ascii_hexdigit());
    if !is_octet(kind) || !address.split(':').all(is_octet) {
        return None;
    }
    let known = EUI48.contains(&kind);
    let whole = !known || address.split(':').count() == 6;
    whole.then(|| address.parse().ok().filter(|_| known))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}
