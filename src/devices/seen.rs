//! What others tell of devices: the kernel, DHCP servers, forwarders, names heard on the network.

use std::net::IpAddr;

use crate::model::{DeviceId, DeviceKind, DeviceName, HardwareAddress};

/// A row of the kernel's neighbour tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The address, on our own link.
    pub address: IpAddr,
    /// Whose it is; `None`: the kernel lost it.
    pub hardware: Option<HardwareAddress>,
    /// The number of the interface.
    pub interface: u32,
    /// Whether the kernel heard of it within the last half minute or so.
    pub reachable: bool,
}

/// An address that a DHCP server leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// To whom; IPv6 leases may not tell.
    pub hardware: Option<HardwareAddress>,
    /// What the device called itself.
    pub host_name: Option<String>,
    /// Its end in seconds since 1970; `None`: it does not end.
    pub until: Option<i64>,
}

/// Somebody else's word on who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The asking device has this hardware address (EDNS options 65001 and 65073).
    Hardware(HardwareAddress),
    /// The asking device has this address (EDNS client subnet /32 or /128, PROXY protocol).
    Address(IpAddr),
    /// The asking device has this hardware address and this address.
    Both(HardwareAddress, IpAddr),
}

/// Who gave a hint, the most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HintSource {
    /// The person, in policy.toml.
    Person,
    /// A DHCP lease.
    Lease,
    /// An announcement heard on the network (RFC 6762, RFC 6763).
    Mdns,
    /// The router's answer to a reverse lookup.
    ReverseName,
    /// The registry of hardware addresses.
    Maker,
}

impl HintSource {
    /// Every source, the most trusted first.
    pub const ALL: [HintSource; 5] = [
        HintSource::Person,
        HintSource::Lease,
        HintSource::Mdns,
        HintSource::ReverseName,
        HintSource::Maker,
    ];

    /// Returns its word in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            HintSource::Person => "person",
            HintSource::Lease => "lease",
            HintSource::Mdns => "mdns",
            HintSource::ReverseName => "reverse-name",
            HintSource::Maker => "maker",
        }
    }

    /// Reads its word.
    pub fn of(word: &str) -> Option<HintSource> {
        HintSource::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// What may be a device's name and kind, from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintText {
    /// A name as it was heard, untrusted and of any length.
    pub name: Option<String>,
    /// A model, as `AppleTV14,1`, or service types, one to each.
    pub words: Vec<String>,
    /// A kind, where the source tells one.
    pub kind: Option<DeviceKind>,
}

/// A hint on the device that is at an address now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The address that the hint came from or is about.
    pub address: IpAddr,
    /// Who gave it.
    pub source: HintSource,
    /// What it says.
    pub text: HintText,
}

/// Something about devices that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A device asked for the first time.
    New(DeviceId),
    /// What was under a named device's policy is under the default now.
    FellToDefault {
        /// What asks now.
        device: DeviceId,
        /// What it was taken for before.
        was: DeviceName,
        /// Where it is now.
        address: IpAddr,
    },
    /// Several IPv4 addresses ask from one hardware address at once: a repeater, or a rogue.
    SharedHardware {
        /// The hardware address.
        hardware: HardwareAddress,
        /// How many addresses.
        addresses: usize,
    },
    /// An address went from one hardware address to another and back within a minute.
    Contested {
        /// The address.
        address: IpAddr,
        /// Those who claim it.
        hardware: [HardwareAddress; 2],
    },
}
