//! What EDNS options say of who asks: hardware address and client subnet, read in place.

use std::net::IpAddr;

use crate::model::HardwareAddress;

use super::header::word_at;

/// Client subnet (RFC 7871).
const SUBNET: u16 = 8;
/// Hardware address, six octets: `add-mac` of dnsmasq.
const HARDWARE: u16 = 65001;
/// Device id of Nominum: the hardware address as text, or in base 64 (`add-mac=text|base64`).
const DEVICE_ID: u16 = 65073;
/// Address families (RFC 7871, section 6).
const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// Who a query says it is asked for; nobody's word counts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The hardware address of who asks.
    pub hardware: Option<HardwareAddress>,
    /// Its address.
    pub address: Option<IpAddr>,
}

/// What options of one kind say, taken together.
#[derive(Clone, Copy)]
enum Said<T> {
    Nothing,
    One(T),
    /// Two that differ: one of them is a lie.
    Several,
}

impl Claims {
    /// Reads options that are whole; what is malformed, or names no single device, says nothing.
    pub(super) fn read(mut options: &[u8]) -> Option<Claims> {
        let (mut hardware, mut address) = (Said::Nothing, Said::Nothing);
        while let (Some(code), Some(length)) = (word_at(options, 0), word_at(options, 2)) {
            let end = 4 + usize::from(length);
            let data = options.get(4..end)?;
            match code {
                HARDWARE | DEVICE_ID => hardware = hardware.and(hardware_address(data)),
                SUBNET => address = address.and(subnet(data)),
                _ => {}
            }
            options = options.get(end..)?;
        }
        let claims = Claims { hardware: hardware.single(), address: address.single() };
        (claims != Claims::default()).then_some(claims)
    }
}

impl<T: PartialEq> Said<T> {
    fn and(self, more: Option<T>) -> Said<T> {
        match (self, more) {
            (said, None) => said,
            (Said::Nothing, Some(value)) => Said::One(value),
            (Said::One(before), Some(value)) if before == value => Said::One(before),
            _ => Said::Several,
        }
    }

    fn single(self) -> Option<T> {
        match self {
            Said::One(value) => Some(value),
            Said::Nothing | Said::Several => None,
        }
    }
}

/// Tells the forms apart by their length: 6 octets, 8 digits in base 64, text.
fn hardware_address(data: &[u8]) -> Option<HardwareAddress> {
    let address = match data.len() {
        6 => HardwareAddress(data.try_into().ok()?),
        8 => HardwareAddress(from_base64(data)?),
        17 => HardwareAddress(from_text(data)?),
        _ => return None,
    };
    address.is_one_device().then_some(address)
}

/// Reads `3c:5a:b4:01:02:03`.
fn from_text(text: &[u8]) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    for (octet, part) in octets.iter_mut().zip(text.chunks(3)) {
        let [high, low, separator @ ..] = part else { return None };
        if !matches!(separator, [] | [b':' | b'-']) {
            return None;
        }
        *octet = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    Some(octets)
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn from_base64(digits: &[u8]) -> Option<[u8; 6]> {
    let mut number = 0_u64;
    for digit in digits {
        number = number << 6 | u64::from(base64_value(*digit)?);
    }
    let [_, _, octets @ ..] = number.to_be_bytes();
    Some(octets)
}

fn base64_value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// A prefix shorter than a whole address is of a network, and claims nobody.
fn subnet(data: &[u8]) -> Option<IpAddr> {
    let (family, rest) = data.split_first_chunk::<2>()?;
    // In a query the scope is 0 (RFC 7871, section 6).
    let [source, 0, address @ ..] = rest else { return None };
    match (u16::from_be_bytes(*family), source) {
        (IPV4, 32) => Some(<[u8; 4]>::try_from(address).ok()?.into()),
        (IPV6, 128) => Some(IpAddr::from(<[u8; 16]>::try_from(address).ok()?).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x3c, 0x5a, 0xb4, 1, 2, 3];

    fn option(code: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).expect("short");
        [&code.to_be_bytes()[..], &length.to_be_bytes(), data].concat()
    }

    fn read(options: &[(u16, &[u8])]) -> Option<Claims> {
        let octets: Vec<u8> = options.iter().flat_map(|(code, data)| option(*code, data)).collect();
        Claims::read(&octets)
    }

    fn hardware(options: &[(u16, &[u8])]) -> Option<HardwareAddress> {
        read(options)?.hardware
    }

    fn address(data: &[u8]) -> Option<IpAddr> {
        read(&[(SUBNET, data)])?.address
    }

    #[test]
    fn hardware_addresses_are_read_in_each_form_that_forwarders_send() {
        let wanted = Some(HardwareAddress(MAC));
        for code in [HARDWARE, DEVICE_ID] {
            assert_eq!(hardware(&[(code, &MAC)]), wanted, "as it is");
            assert_eq!(hardware(&[(code, b"3c:5a:b4:01:02:03")]), wanted, "text");
            assert_eq!(hardware(&[(code, b"3C-5A-B4-01-02-03")]), wanted, "text, capitals");
            assert_eq!(hardware(&[(code, b"PFq0AQID")]), wanted, "base 64");
        }
        let every_kind = hardware(&[(DEVICE_ID, b"aj09+/Az")]);
        assert_eq!(every_kind.map(|address| address.0), Some([0x6a, 0x3d, 0x3d, 0xfb, 0xf0, 0x33]));
    }

    #[test]
    fn what_is_no_hardware_address_of_a_device_says_nothing() {
        for data in [
            &b""[..],
            b"\x3c\x5a\xb4\x01\x02",
            b"\x3c\x5a\xb4\x01\x02\x03\x04",
            &[0; 6],
            &[0xff; 6],
            b"\x01\x00\x5e\x00\x00\xfb",
            b"PFq0AQI=",
            b"PFq0AQ D",
            b"3c:5a:b4:01:02:0g",
            b"3c:5a:b4:01:02:+3",
            b"3c.5a.b4.01.02.03",
            b"3c:5a:b4:01:02:\xc3\xa9",
            b"01:00:5e:00:00:fb",
            b"00000000000000000",
        ] {
            assert_eq!(read(&[(HARDWARE, data), (DEVICE_ID, data)]), None, "{data:?}");
        }
    }

    #[test]
    fn a_whole_address_is_claimed_and_a_network_is_not() {
        assert_eq!(address(&[0, 1, 32, 0, 192, 168, 1, 40]), Some([192, 168, 1, 40].into()));
        let v6 = [&[0, 2, 128, 0, 0xfd][..], &[0; 14], &[7]].concat();
        assert_eq!(address(&v6), Some("fd00::7".parse().expect("an address")));
        let mapped = [&[0, 2, 128, 0][..], &[0; 10], &[0xff, 0xff, 10, 0, 0, 1]].concat();
        assert_eq!(address(&mapped), Some([10, 0, 0, 1].into()));
        for data in [
            &[][..],
            &[0, 1, 32],
            &[0, 1, 24, 0, 192, 168, 1],
            &[0, 1, 0, 0],
            &[0, 1, 32, 0, 192, 168, 1],
            &[0, 1, 32, 0, 192, 168, 1, 40, 0],
            &[0, 1, 31, 0, 192, 168, 1, 40],
            &[0, 1, 33, 0, 192, 168, 1, 40],
            &[0, 1, 128, 0, 192, 168, 1, 40],
            &[0, 1, 32, 24, 192, 168, 1, 40],
            &[0, 2, 32, 0, 192, 168, 1, 40],
            &[0, 3, 32, 0, 192, 168, 1, 40],
            &[0, 2, 128, 0, 0xfd],
        ] {
            assert_eq!(address(data), None, "{data:?}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_say_nothing() {
        let text = b"3c:5a:b4:01:02:03";
        let both = hardware(&[(HARDWARE, &MAC), (DEVICE_ID, text)]);
        assert_eq!(both, Some(HardwareAddress(MAC)), "they agree");
        let other = [0x3c, 0x5a, 0xb4, 1, 2, 4];
        assert_eq!(read(&[(HARDWARE, &MAC), (HARDWARE, &other)]), None);
        assert_eq!(read(&[(HARDWARE, &MAC), (HARDWARE, &other), (HARDWARE, &MAC)]), None);
        let subnets = [[0, 1, 32, 0, 10, 0, 0, 1], [0, 1, 32, 0, 10, 0, 0, 2]];
        let [one, two] = &subnets;
        let claims = read(&[(SUBNET, one), (HARDWARE, &MAC), (SUBNET, two)]);
        assert_eq!(claims, Some(Claims { hardware: Some(HardwareAddress(MAC)), address: None }));
    }

    #[test]
    fn options_of_other_kinds_are_passed_over_and_stumps_end_the_reading() {
        assert_eq!(read(&[(10, &[1; 8]), (12, &[0; 100])]), None);
        let mut options = option(12, &[0; 20]);
        options.extend(option(HARDWARE, &MAC));
        assert!(Claims::read(&options).is_some());
        for cut in 0..options.len() {
            assert_eq!(Claims::read(&options[..cut]), None, "{cut}");
        }
    }
}
