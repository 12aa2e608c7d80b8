//! Addresses and prefixes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address prefix in canonical form: host bits zero, IPv4-mapped addresses as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Prefix {
    /// Returns the prefix of one address.
    pub fn host(address: IpAddr) -> Prefix {
        let address = address.to_canonical();
        Prefix { address, bits: width(address) }
    }

    /// Returns the prefix of `bits` bits around an address; `None` where it has fewer.
    pub fn of(address: IpAddr, bits: u8) -> Option<Prefix> {
        if bits > width(address) {
            return None;
        }
        let (address, bits) = match (address.to_canonical(), bits.checked_sub(96)) {
            (mapped @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => (mapped, bits),
            _ => (address, bits),
        };
        Some(Prefix { address: mask(address, bits), bits })
    }

    /// Returns its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Returns how many bits count.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Returns the address, if this is the prefix of one.
    pub fn as_host(self) -> Option<IpAddr> {
        (self.bits == width(self.address)).then_some(self.address)
    }

    /// Returns whether `address` is within.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && mask(address, self.bits) == self.address
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Prefix, String> {
        let wrong = || {
            format!("`{text}` is no address or prefix; write 192.168.1.40, fd00::5 or 10.0.0.0/8")
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        Prefix::of(address, bits.unwrap_or(width(address))).ok_or_else(wrong)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.address) {
            self.address.fmt(out)
        } else {
            write!(out, "{}/{}", self.address, self.bits)
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn mask(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let keep = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & keep).into())
        }
        IpAddr::V6(v6) => {
            let keep = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & keep).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_their_addresses() {
        let prefix: Prefix = "192.168.1.77/24".parse().expect("a prefix");
        assert_eq!(prefix.to_string(), "192.168.1.0/24");
        assert!(prefix.contains("192.168.1.200".parse().expect("an address")));
        assert!(prefix.contains("::ffff:192.168.1.2".parse().expect("an address")));
        assert!(!prefix.contains("192.168.2.1".parse().expect("an address")));
        assert_eq!("::ffff:192.168.1.9/120".parse(), Ok(prefix));
        assert_eq!("::ffff:192.168.1.2".parse(), Ok(Prefix::host([192, 168, 1, 2].into())));
        assert!("0.0.0.0/0".parse::<Prefix>().expect("all").contains([8, 8, 8, 8].into()));
        for bad in ["192.168.1.0/33", "192.168.1", "x/8", "::/129"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }
}
