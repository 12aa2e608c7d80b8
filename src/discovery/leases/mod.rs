//! Lease files of DHCP servers: text in, leases out; and the follower that re-reads them.
//!
//! - `dnsmasq`, `dhcpd`, `kea`, `networkd`, `odhcpd`: one format each
//! - `follower`: several files at once, read again as they change
//!
//! Which format a file has is told by what is in it. Hardware addresses inside DUIDs are not used:
//! machines set up from one image share them, and would become one device.

mod dhcpd;
mod dnsmasq;
mod follower;
mod kea;
mod networkd;
mod odhcpd;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

pub use follower::Follower;

use crate::devices::Lease;

/// Most octets of one lease file; a larger one is not read.
pub const MAX_OCTETS: usize = 8 << 20;

/// Most leases of one file.
pub const MAX_LEASES: usize = 100_000;

/// Most octets of a host name that are kept.
const MAX_HOST_NAME: usize = 255;

/// Whose lease files we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// dnsmasq.
    Dnsmasq,
    /// ISC dhcpd.
    Dhcpd,
    /// Kea's memfile.
    Kea,
    /// The DHCP server of systemd-networkd.
    Networkd,
    /// odhcpd, of OpenWrt.
    Odhcpd,
}

impl fmt::Display for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Format::Dnsmasq => "dnsmasq",
            Format::Dhcpd => "ISC dhcpd",
            Format::Kea => "Kea",
            Format::Networkd => "systemd-networkd",
            Format::Odhcpd => "odhcpd",
        })
    }
}

/// What a lease file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its format; `None`: there is nothing in it yet.
    pub format: Option<Format>,
    /// Its leases by address, one to each, those that have ended too.
    pub leases: Vec<Lease>,
    /// Lines, blocks or entries that make no sense, or are too many.
    pub refused: u64,
    /// Whether its end is missing: it is being written.
    pub cut: bool,
}

/// Reads a lease file; `None`: it is in no format that we know.
pub fn parse(octets: &[u8]) -> Option<Reading> {
    parse_all(&[octets])
}

/// Reads the parts of a lease file, the oldest first; they are in the format of the last.
pub fn parse_all(parts: &[&[u8]]) -> Option<Reading> {
    let texts: Vec<_> = parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
    let last = texts.last()?;
    let Some(format) = detect(last) else {
        return is_silent(last).then(Reading::default);
    };
    let mut table = Table::default();
    for text in &texts {
        match format {
            Format::Dnsmasq => dnsmasq::read(text, &mut table),
            Format::Dhcpd => dhcpd::read(text, &mut table),
            Format::Kea => kea::read(text, &mut table),
            Format::Networkd => networkd::read(text, &mut table),
            Format::Odhcpd => odhcpd::read(text, &mut table),
        }
    }
    Some(table.finish(format))
}

/// Tells the format by the first line that is in one.
fn detect(text: &str) -> Option<Format> {
    let text = text.trim_start_matches('\u{feff}');
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let found = if odhcpd::is_state(line) {
            Format::Odhcpd
        } else if line.starts_with('#') {
            continue;
        } else if networkd::is_start(line) {
            Format::Networkd
        } else if kea::is_header(line) {
            Format::Kea
        } else if dnsmasq::is_line(line) {
            Format::Dnsmasq
        } else if dhcpd::is_start(line) {
            Format::Dhcpd
        } else if odhcpd::is_host(line) {
            Format::Odhcpd
        } else {
            return None;
        };
        return Some(found);
    }
    None
}

/// Returns whether there is nothing but blanks and comments in it, as in a fresh lease file.
fn is_silent(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

/// Returns the lines that are whole; what follows the last line end is being written.
fn whole_lines<'t>(text: &'t str, table: &mut Table) -> std::str::Lines<'t> {
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let (lines, rest) = text.split_at(whole);
    table.cut |= !rest.trim().is_empty();
    lines.lines()
}

/// Leases as they are read: the latest word on an address wins.
#[derive(Default)]
struct Table {
    leases: HashMap<IpAddr, Lease>,
    refused: u64,
    cut: bool,
}

impl Table {
    fn add(&mut self, mut lease: Lease) {
        if self.leases.len() >= MAX_LEASES && !self.leases.contains_key(&lease.address) {
            return self.refuse();
        }
        lease.hardware = lease.hardware.filter(|hardware| hardware.is_one_device());
        lease.host_name =
            lease.host_name.map(|name| bounded(&name)).filter(|name| !name.is_empty());
        self.leases.insert(lease.address, lease);
    }

    fn add_or_refuse(&mut self, lease: Option<Lease>) {
        match lease {
            Some(lease) => self.add(lease),
            None => self.refuse(),
        }
    }

    fn end(&mut self, address: IpAddr) {
        self.leases.remove(&address);
    }

    fn has(&self, address: IpAddr) -> bool {
        self.leases.contains_key(&address)
    }

    fn refuse(&mut self) {
        self.refused += 1;
    }

    fn finish(self, format: Format) -> Reading {
        let mut leases: Vec<Lease> = self.leases.into_values().collect();
        leases.sort_unstable_by_key(|lease| lease.address);
        Reading { format: Some(format), leases, refused: self.refused, cut: self.cut }
    }
}

fn bounded(name: &str) -> String {
    let mut end = name.len().min(MAX_HOST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests;
