//! Lease files of Kea's memfile backend: comma-separated, with a header; the last row counts.

use std::net::IpAddr;

use super::{Table, whole_lines};
use crate::devices::Lease;

/// The lifetime that says: for ever.
const FOREVER: &str = "4294967295";

/// Of IPv6 leases: where the hardware address was cut out of the DUID.
const FROM_DUID: &str = "2";

/// Most columns of a row that are looked at.
const MAX_COLUMNS: usize = 32;

/// Returns whether a line is the header.
pub(super) fn is_header(line: &str) -> bool {
    let has = |name: &str| line.split(',').any(|column| column == name);
    line.starts_with("address,") && has("expire") && (has("hwaddr") || has("duid"))
}

/// Reads rows, each column by its name in the header.
pub(super) fn read(text: &str, table: &mut Table) {
    let mut columns: Option<Columns> = None;
    let text = text.trim_start_matches('\u{feff}');
    for line in whole_lines(text, table).map(str::trim).filter(|line| !line.is_empty()) {
        if is_header(line) {
            columns = Some(Columns::named(line));
            continue;
        }
        match columns.as_ref().and_then(|columns| columns.row(line)) {
            Some(Row::Lease(lease)) => table.add(lease),
            Some(Row::End(address)) => table.end(address),
            Some(Row::Prefix) => {}
            None => table.refuse(),
        }
    }
}

enum Row {
    Lease(Lease),
    /// Reclaimed, declined or released.
    End(IpAddr),
    /// Delegated to a router, which is no device's address.
    Prefix,
}

/// Where each column stands.
struct Columns {
    address: Option<usize>,
    hardware: Option<usize>,
    hardware_source: Option<usize>,
    lifetime: Option<usize>,
    expire: Option<usize>,
    lease_type: Option<usize>,
    host_name: Option<usize>,
    state: Option<usize>,
}

impl Columns {
    fn named(header: &str) -> Columns {
        let at = |name: &str| header.split(',').take(MAX_COLUMNS).position(|column| column == name);
        Columns {
            address: at("address"),
            hardware: at("hwaddr"),
            hardware_source: at("hwaddr_source"),
            lifetime: at("valid_lifetime"),
            expire: at("expire"),
            lease_type: at("lease_type"),
            host_name: at("hostname"),
            state: at("state"),
        }
    }

    fn row(&self, line: &str) -> Option<Row> {
        let fields: Vec<&str> = line.split(',').take(MAX_COLUMNS).collect();
        let field = |at: Option<usize>| at.and_then(|at| fields.get(at)).copied();
        let address = field(self.address)?;
        if field(self.lease_type) == Some("2") {
            return Some(Row::Prefix);
        }
        let address: IpAddr = address.parse().ok()?;
        let lifetime = field(self.lifetime).unwrap_or_default();
        if lifetime == "0" || !matches!(field(self.state), None | Some("" | "0")) {
            return Some(Row::End(address));
        }
        let hardware = field(self.hardware).filter(|text| !text.is_empty());
        let is_guess = address.is_ipv6() && field(self.hardware_source) == Some(FROM_DUID);
        let until = match lifetime {
            FOREVER => None,
            _ => Some(field(self.expire)?.parse().ok()?),
        };
        let host_name = field(self.host_name).map(unescape);
        // Other networks' addresses are longer, and none of ours.
        let hardware = hardware.filter(|_| !is_guess).and_then(|text| text.parse().ok());
        Some(Row::Lease(Lease { address, hardware, host_name, until }))
    }
}

/// Takes `&#x2c` for the character it stands for.
fn unescape(text: &str) -> String {
    let mut parts = text.split("&#x");
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).filter(|code| code.bytes().all(|d| d.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                octets.extend(part.bytes().skip(2));
            }
            None => octets.extend(b"&#x".iter().copied().chain(part.bytes())),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}
