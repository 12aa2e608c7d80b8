//! What the policy names, ready to be looked up.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::NamedDevice;
use crate::model::{DeviceId, HardwareAddress, Prefix};

/// Whose an address or a hardware address is by the policy.
#[derive(Default)]
pub(super) struct Named {
    hardware: HashMap<HardwareAddress, DeviceId>,
    hosts: HashMap<IpAddr, DeviceId>,
    /// Longest first.
    prefixes: Vec<(Prefix, DeviceId)>,
}

/// What one device is named by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub addresses: BTreeSet<Prefix>,
    pub hardware: BTreeSet<HardwareAddress>,
}

impl Named {
    /// Makes it of devices and their numbers; what is named twice belongs to the first.
    pub(super) fn of<'e>(entries: impl Iterator<Item = (DeviceId, &'e Entry)>) -> Named {
        let mut named = Named::default();
        let mut prefixes: HashMap<Prefix, DeviceId> = HashMap::new();
        for (id, entry) in entries {
            for &hardware in &entry.hardware {
                named.hardware.entry(hardware).or_insert(id);
            }
            for &prefix in &entry.addresses {
                match prefix.as_host() {
                    Some(host) => named.hosts.entry(host).or_insert(id),
                    None => prefixes.entry(prefix).or_insert(id),
                };
            }
        }
        named.prefixes = prefixes.into_iter().collect();
        named.prefixes.sort_by_key(|(prefix, _)| Reverse((prefix.bits(), *prefix)));
        named
    }

    pub(super) fn of_hardware(&self, hardware: HardwareAddress) -> Option<DeviceId> {
        self.hardware.get(&hardware).copied()
    }

    pub(super) fn of_host(&self, address: IpAddr) -> Option<DeviceId> {
        self.hosts.get(&address).copied()
    }

    /// Returns the longest prefix around an address, and whose it is.
    pub(super) fn of_address(&self, address: IpAddr) -> Option<(Prefix, DeviceId)> {
        let host = self.hosts.get(&address).map(|&id| (Prefix::host(address), id));
        host.or_else(|| self.prefixes.iter().find(|(prefix, _)| prefix.contains(address)).copied())
    }

    /// Returns the one device that has all of an entry now.
    pub(super) fn holder_of(&self, entry: &Entry) -> Option<DeviceId> {
        let of_prefix = |prefix: &Prefix| match prefix.as_host() {
            Some(host) => self.hosts.get(&host).copied(),
            None => self.prefixes.iter().find(|(own, _)| own == prefix).map(|(_, id)| *id),
        };
        let hardware = entry.hardware.iter().map(|hardware| self.of_hardware(*hardware));
        let mut holders = hardware.chain(entry.addresses.iter().map(of_prefix));
        let first = holders.next()??;
        holders.all(|holder| holder == Some(first)).then_some(first)
    }
}

impl Entry {
    pub(super) fn of(device: &NamedDevice) -> Entry {
        Entry {
            addresses: device.addresses.iter().copied().collect(),
            hardware: device.hardware.iter().copied().collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.hardware.is_empty()
    }

    /// Returns the addresses, without the prefixes.
    pub(super) fn hosts(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().filter_map(|prefix| prefix.as_host())
    }
}
