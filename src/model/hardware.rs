//! Hardware addresses: what a network card calls itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An EUI-48 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HardwareAddress(pub [u8; 6]);

impl HardwareAddress {
    /// Returns whether the device made it up: privacy addresses of phones, virtual machines.
    pub fn is_random(self) -> bool {
        self.0[0] & 0x02 != 0
    }

    /// Returns whether it can be one device's: neither a group's nor all zeros.
    pub fn is_one_device(self) -> bool {
        self.0[0] & 0x01 == 0 && self.0 != [0; 6]
    }
}

impl FromStr for HardwareAddress {
    type Err = String;

    /// Reads six octets in hexadecimal with `:` or `-` between them.
    fn from_str(text: &str) -> Result<HardwareAddress, String> {
        let wrong = || {
            let text: String = text.chars().take(64).collect();
            format!("`{text}` is no hardware address; write 3c:5a:b4:01:02:03")
        };
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().filter(|part| matches!(part.len(), 1 | 2)).ok_or_else(wrong)?;
            // `from_str_radix` would take a sign.
            let digits = part.bytes().all(|digit| digit.is_ascii_hexdigit());
            let number = u8::from_str_radix(part, 16).ok().filter(|_| digits);
            *octet = number.ok_or_else(wrong)?;
        }
        let address = HardwareAddress(octets);
        (parts.next().is_none() && address.is_one_device()).then_some(address).ok_or_else(wrong)
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl Serialize for HardwareAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HardwareAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HardwareAddress, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_and_systems_write_them() {
        for text in ["3c:5a:b4:01:02:0f", "3C-5A-B4-01-02-0F", "3c:5a:b4:1:2:f"] {
            let address: HardwareAddress = text.parse().expect("it is right");
            assert_eq!(address.to_string(), "3c:5a:b4:01:02:0f");
            assert!(!address.is_random());
        }
        let private: HardwareAddress = "da:5a:b4:01:02:0f".parse().expect("it is right");
        assert!(private.is_random());
    }

    #[test]
    fn what_is_no_device_is_no_hardware_address() {
        for text in [
            "",
            "3c:5a:b4:01:02",
            "3c:5a:b4:01:02:03:04",
            "01:00:5e:00:00:fb",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "3c:5a:b4:01:02:+3",
            "3c:5a:b4:01:02:003",
            "é:5a:b4:01:02:03",
        ] {
            assert!(text.parse::<HardwareAddress>().is_err(), "{text:?}");
        }
    }
}
