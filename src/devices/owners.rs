//! Who is held to ask: one pure function of what is seen, leased and named by the policy.

use std::net::IpAddr;

use super::{Claim, Facts, Known, Named};
use crate::model::{DeviceId, Grade, HardwareAddress, Prefix};

/// What asks: an address, or somebody on whose behalf a forwarder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    /// An address.
    Address(IpAddr),
    /// The word of a forwarder.
    Claimed(IpAddr, Claim),
}

/// The smallest thing that is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    /// One hardware address, at whatever address it is.
    Hardware(HardwareAddress),
    /// One address of which nothing else is known.
    Address(IpAddr),
    /// All addresses past the bound.
    Others,
}

/// What events are recorded under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// A part, whoever has it in the policy: history moves with it.
    Part(Part),
    /// A named device's own number, so that the past stays true when the address moves on.
    Device(DeviceId),
}

/// By what an asker is held to be somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    pub by: By,
    /// The hardware address that asks, as far as it is known.
    pub hardware: Option<HardwareAddress>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The kernel sees the hardware address on this interface.
    Kernel(u32),
    /// A lease gives the address to the hardware address.
    Lease,
    /// The policy names this address or prefix.
    Policy(Prefix),
    /// The same hardware is at this address, which the policy names.
    Beside(IpAddr),
    /// This forwarder says so.
    Forwarder(IpAddr),
    /// Nothing but the address.
    Alone,
    /// There is no room for a binding of its own.
    Shared,
}

/// Who is held to ask, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub under: Under,
    /// The device that the policy names; `None`: the part is a device of its own.
    pub device: Option<DeviceId>,
    pub evidence: Evidence,
}

/// Returns who is held to ask.
///
/// Hardware that the policy names stands above an address that it names; then comes an address
/// that it names and at which the same hardware is; and what nobody named is a device by its
/// hardware address, or by its address alone. A forwarder's word stands in for what we would see.
pub(super) fn owner_of(asker: Asker, facts: &Facts, named: &Named) -> Owner {
    let (address, known) = match asker {
        Asker::Address(address) | Asker::Claimed(_, Claim::Address(address)) => {
            (Some(address), facts.hardware_of(address))
        }
        Asker::Claimed(by, Claim::Hardware(hardware)) => {
            (None, Some(Known { hardware, by: By::Forwarder(by) }))
        }
        Asker::Claimed(by, Claim::Both(hardware, address)) => {
            (Some(address), Some(Known { hardware, by: By::Forwarder(by) }))
        }
    };
    let hardware = known.map(|known| known.hardware);
    let owner = |under, device, by| {
        let by = asker.forwarder().map_or(by, By::Forwarder);
        Owner { under, device, evidence: Evidence { by, hardware } }
    };
    if let Some(known) = known
        && let Some(device) = named.of_hardware(known.hardware)
    {
        return owner(Under::Part(Part::Hardware(known.hardware)), Some(device), known.by);
    }
    if let Some((prefix, device)) = address.and_then(|address| named.of_address(address)) {
        return owner(Under::Device(device), Some(device), By::Policy(prefix));
    }
    let beside = hardware.and_then(|hardware| beside(hardware, facts, named));
    if let Some((address, device)) = beside {
        return owner(Under::Device(device), Some(device), By::Beside(address));
    }
    match (known, address) {
        (Some(known), _) => owner(Under::Part(Part::Hardware(known.hardware)), None, known.by),
        (None, Some(address)) => owner(Under::Part(Part::Address(address)), None, By::Alone),
        (None, None) => owner(Under::Part(Part::Others), None, By::Shared),
    }
}

/// Returns the one device that the policy names at the other addresses of some hardware.
///
/// Hardware at several IPv4 addresses may be a repeater with others behind it: it has none.
fn beside(hardware: HardwareAddress, facts: &Facts, named: &Named) -> Option<(IpAddr, DeviceId)> {
    let homes = facts.homes_of(hardware).into_iter();
    let mut found =
        homes.filter_map(|home| named.of_address(home).map(|(_, device)| (home, device)));
    let first = found.next()?;
    found.all(|(_, device)| device == first.1).then_some(first)
}

impl Asker {
    /// Returns the forwarder whose word it is.
    pub(super) fn forwarder(self) -> Option<IpAddr> {
        match self {
            Asker::Address(_) => None,
            Asker::Claimed(by, _) => Some(by),
        }
    }

    /// Returns the address that asks, or that is said to ask.
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Asker::Address(address)
            | Asker::Claimed(_, Claim::Address(address) | Claim::Both(_, address)) => Some(address),
            Asker::Claimed(_, Claim::Hardware(_)) => None,
        }
    }
}

impl Owner {
    /// Returns whether this may be what is left of `other` while a device sleeps.
    pub(super) fn is_less_than(&self, other: &Owner) -> bool {
        let (one, two) = (self.evidence, other.evidence);
        match one.hardware {
            None => two.hardware.is_some(),
            same => self.under == other.under && same == two.hardware && one.grade() > two.grade(),
        }
    }

    /// Returns whether a binding by `other` goes on by this: who has the part does not matter.
    pub(super) fn continues(&self, other: &Owner) -> bool {
        let kernel = |by| matches!(by, By::Kernel(_));
        let (one, two) = (self.evidence, other.evidence);
        self.under == other.under
            && one.hardware == two.hardware
            && (one.by == two.by || (kernel(one.by) && kernel(two.by)))
    }
}

impl Evidence {
    /// Returns how well it tells.
    pub(super) fn grade(self) -> Grade {
        match self.by {
            By::Kernel(_) => Grade::Hardware,
            By::Lease => Grade::Lease,
            By::Forwarder(_) => Grade::Forwarder,
            By::Policy(_) | By::Beside(_) | By::Alone | By::Shared => Grade::Address,
        }
    }

    /// Returns it in words.
    pub(super) fn words(self) -> String {
        let hardware = self.hardware.map(|hardware| hardware.to_string());
        let seen = hardware.as_ref().map(|hardware| format!(", {hardware} is there"));
        let hardware = hardware.unwrap_or_default();
        match self.by {
            By::Kernel(interface) => format!("{hardware} on interface {interface}"),
            By::Lease => format!("leased to {hardware}"),
            By::Policy(prefix) => format!("policy names {prefix}{}", seen.unwrap_or_default()),
            By::Beside(address) => format!("{hardware}, also at {address}, which policy names"),
            By::Forwarder(by) if hardware.is_empty() => format!("forwarder {by}"),
            By::Forwarder(by) => format!("forwarder {by}, {hardware}"),
            By::Alone => "the address alone".into(),
            By::Shared => "no room for a binding of its own".into(),
        }
    }
}
