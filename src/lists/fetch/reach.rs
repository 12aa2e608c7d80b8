//! Which addresses a server may stand at whose list anybody could have named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::Prefix;

/// What of IPv4 is not public (RFC 6890 and the registry it began).
const NOT_PUBLIC_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// The one part of IPv6 that is, and what in it is not.
const GLOBAL_V6: &str = "2000::/3";
const NOT_PUBLIC_V6: [&str; 3] = ["2001::/23", "2001:db8::/32", "3fff::/20"];

/// Returns whether an address is one that everybody reaches the same host at.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !within(v4.into(), &NOT_PUBLIC_V4),
        IpAddr::V6(v6) => match carried(v6) {
            Some(v4) => is_public(v4.into()),
            None => within(v6.into(), &[GLOBAL_V6]) && !within(v6.into(), &NOT_PUBLIC_V6),
        },
    }
}

/// Returns the IPv4 address that a gateway would send on to: NAT64 (RFC 6052), 6to4 (RFC 3056).
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of_words = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => Some(of_words(g, h)),
        (0x2002, _) => Some(of_words(b, c)),
        _ => None,
    }
}

fn within(address: IpAddr, prefixes: &[&str]) -> bool {
    let prefixes = prefixes.iter().filter_map(|text| text.parse::<Prefix>().ok());
    prefixes.into_iter().any(|prefix| prefix.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_one() {
        let all = NOT_PUBLIC_V4.iter().chain(&NOT_PUBLIC_V6).chain([&GLOBAL_V6]);
        for text in all {
            assert!(text.parse::<Prefix>().is_ok(), "{text}");
        }
    }

    #[test]
    fn nothing_but_public_addresses_is_public() {
        let public = ["1.1.1.1", "100.63.255.255", "172.32.0.1", "223.255.255.255", "2620:fe::fe"];
        let carried = ["::ffff:9.9.9.9", "64:ff9b::9.9.9.9", "2002:909:909::1", "2a07:e340::2"];
        for text in public.iter().chain(&carried) {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
        let v4 = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.251",
            "239.255.255.250",
            "255.255.255.255",
        ];
        let v6 = [
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12::5",
            "fe80::1",
            "fec0::1",
            "ff02::fb",
        ];
        for text in v4.iter().chain(&v6) {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
    }
}
