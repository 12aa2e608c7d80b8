//! Reading the kernel's structures out of octets; nothing here can be made to panic.

use std::net::IpAddr;

/// Octets that were not yet read.
#[derive(Clone, Copy)]
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> Octets<'a> {
    /// Takes so many octets from the front.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn take_u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Takes a number in the machine's order.
    pub(super) fn take_u16(&mut self) -> Option<u16> {
        Some(u16::from_ne_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Takes a number in the machine's order.
    pub(super) fn take_u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Takes so many octets and what fills them up to a multiple of four; at the end nothing does.
    pub(super) fn take_padded(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.take(length)?;
        let padding = length.next_multiple_of(4) - length;
        self.0 = self.0.get(padding..).unwrap_or_default();
        Some(taken)
    }
}

/// Goes through attributes (kind, value), until what is none.
fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = Octets(octets);
    std::iter::from_fn(move || {
        let mut head = rest;
        let length = usize::from(head.take_u16()?);
        let mut whole = Octets(rest.take_padded(length)?);
        whole.take_u16()?;
        // The two highest bits say how the value is made up.
        let kind = whole.take_u16()? & 0x3fff;
        Some((kind, whole.0))
    })
}

/// Returns the value of the first attribute of a kind.
pub(super) fn attribute(octets: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(octets).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Reads an address of 4 or 16 octets.
pub(super) fn read_address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// Reads a number in the machine's order.
pub(super) fn read_number(octets: &[u8]) -> Option<u32> {
    octets.try_into().ok().map(u32::from_ne_bytes)
}
