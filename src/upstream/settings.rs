//! The sections `[upstream]` and `[[forward]]` of config.toml.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::model::DomainName;

/// Zones that are answered here whatever anyone maps (RFC 6761, 7686, 9462).
const NEVER_FORWARDED: [&str; 5] =
    ["localhost", "invalid", "onion", "resolver.arpa", "deadpixel.internal"];

/// Seconds that the bounds of TTLs may be at most.
const MOST_MIN_TTL: u32 = 3_600;
const MOST_MAX_TTL: u32 = 604_800;

/// Section `[upstream]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Servers that are asked for everything.
    pub servers: Vec<UpstreamSettings>,
    /// Which of several servers is asked first, here and in `[[forward]]`.
    pub order: Order,
    /// Octets that cached answers may take.
    pub cache_bytes: usize,
    /// Whether expired answers are given while no upstream has newer ones.
    pub serve_stale: bool,
    /// Bounds in seconds of what upstreams say about how long their answers hold.
    pub min_ttl: u32,
    /// See `min_ttl`.
    pub max_ttl: u32,
    /// Filled from the `[[forward]]` tables by the reader of the whole file.
    #[serde(skip)]
    pub forward: Vec<ForwardSettings>,
}

/// Which of several servers is asked first; one that fails rests whichever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The one with the shortest time of answers, the first of the list among those about as fast.
    #[default]
    Fastest,
    /// The first of the list; the others only while those before them fail or are late.
    AsListed,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// `https://dns.example/dns-query`, `tls://dns.example`, `udp://192.0.2.1`, `tcp://192.0.2.1:53`.
    pub url: String,
    /// Its addresses, so that nothing needs another resolver to start.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// A PEM file of authorities to trust instead of the public ones.
    pub ca_file: Option<std::path::PathBuf>,
}

/// One `[[forward]]` table: a zone and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardSettings {
    /// The zone: `lan`, `fritz.box`, `168.192.in-addr.arpa`, or a prefix as `192.168.0.0/16`.
    pub zone: String,
    /// Its servers.
    pub servers: Vec<UpstreamSettings>,
}

/// The servers asked by default: url and addresses; encrypted, of two independent operators.
const DEFAULT_SERVERS: [(&str, &[&str]); 2] = [
    ("tls://dns.quad9.net", &["9.9.9.9", "149.112.112.112", "2620:fe::fe"]),
    ("https://dns.mullvad.net/dns-query", &["194.242.2.2", "2a07:e340::2"]),
];

impl Default for Settings {
    fn default() -> Settings {
        let server = |(url, addresses): &(&str, &[&str])| UpstreamSettings {
            url: (*url).into(),
            addresses: addresses.iter().filter_map(|address| address.parse().ok()).collect(),
            ca_file: None,
        };
        let servers = DEFAULT_SERVERS.iter().map(server).collect();
        Settings {
            servers,
            order: Order::default(),
            cache_bytes: 16 << 20,
            serve_stale: true,
            min_ttl: 0,
            max_ttl: 86_400,
            forward: Vec::new(),
        }
    }
}

impl Settings {
    /// Checks the bounds of TTLs; errors say the mend.
    pub fn check_ttls(&self) -> Vec<String> {
        let Settings { min_ttl, max_ttl, .. } = *self;
        let mut problems = Vec::new();
        if min_ttl > MOST_MIN_TTL {
            problems.push(format!(
                "min_ttl = {min_ttl} would keep what has changed for too long: make it {MOST_MIN_TTL} or less"
            ));
        }
        if max_ttl > MOST_MAX_TTL {
            problems.push(format!(
                "max_ttl = {max_ttl} is more than a week: make it {MOST_MAX_TTL} or less"
            ));
        }
        if min_ttl > max_ttl {
            problems.push(format!(
                "min_ttl = {min_ttl} is more than max_ttl = {max_ttl}: make it {max_ttl} or less"
            ));
        }
        problems
    }
}

impl ForwardSettings {
    /// Returns the zone by its name; errors say the mend.
    pub fn zone_name(&self) -> Result<DomainName, String> {
        let zone = self.zone.trim();
        let name = match zone.split_once('/') {
            Some((address, bits)) => reverse_zone(zone, address, bits)?,
            None if zone.parse::<IpAddr>().is_ok() => {
                return Err(format!("zone `{zone}` is an address: write a prefix, `{zone}/24`"));
            }
            None => DomainName::parse(zone)
                .map_err(|error| format!("zone `{zone}`: {error}; write `lan` or `fritz.box`"))?,
        };
        let reserved = NEVER_FORWARDED.iter().find(|reserved| {
            DomainName::parse(reserved)
                .is_ok_and(|reserved| name.as_ref().is_subdomain_of(reserved.as_ref()))
        });
        match reserved {
            Some(reserved) => Err(format!(
                "zone `{zone}`: names under `{reserved}` are answered here and never forwarded"
            )),
            None => Ok(name),
        }
    }
}

fn reverse_zone(zone: &str, address: &str, bits: &str) -> Result<DomainName, String> {
    let wrong = || format!("zone `{zone}` is no prefix: write `192.168.0.0/16` or `fd00::/8`");
    let bits: u8 = bits.parse().map_err(|_| wrong())?;
    match address.parse().map_err(|_| wrong())? {
        IpAddr::V4(v4) => reverse_v4(zone, v4, bits),
        IpAddr::V6(v6) => reverse_v6(zone, v6, bits),
    }
}

fn reverse_v4(zone: &str, address: Ipv4Addr, bits: u8) -> Result<DomainName, String> {
    if !matches!(bits, 8 | 16 | 24 | 32) {
        return Err(format!(
            "zone `{zone}`: reverse zones of IPv4 end at /8, /16, /24 or /32; \
             write one [[forward]] for each of these that the prefix holds"
        ));
    }
    let network = Ipv4Addr::from(address.to_bits() & (u32::MAX << (32 - u32::from(bits))));
    if network != address {
        return Err(format!("zone `{zone}` has host bits: write `{network}/{bits}`"));
    }
    let octets = network.octets();
    let labels = octets.iter().take(usize::from(bits / 8)).rev().map(u8::to_string);
    named(zone, labels.collect(), "in-addr.arpa")
}

fn reverse_v6(zone: &str, address: Ipv6Addr, bits: u8) -> Result<DomainName, String> {
    if !bits.is_multiple_of(4) || !(4..=128).contains(&bits) {
        return Err(format!(
            "zone `{zone}`: reverse zones of IPv6 end at a multiple of 4 bits; \
             write one [[forward]] for each of these that the prefix holds"
        ));
    }
    let network = Ipv6Addr::from(address.to_bits() & (u128::MAX << (128 - u32::from(bits))));
    if network != address {
        return Err(format!("zone `{zone}` has host bits: write `{network}/{bits}`"));
    }
    let digits = format!("{:032x}", network.to_bits());
    let outside = 32 - usize::from(bits / 4);
    let labels = digits.chars().rev().skip(outside).map(String::from);
    named(zone, labels.collect(), "ip6.arpa")
}

fn named(zone: &str, labels: Vec<String>, root: &str) -> Result<DomainName, String> {
    let text = format!("{}.{root}", labels.join("."));
    DomainName::parse(&text).map_err(|error| format!("zone `{zone}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(text: &str) -> Result<String, String> {
        let forward = ForwardSettings { zone: text.into(), servers: Vec::new() };
        forward.zone_name().map(|name| name.to_string())
    }

    #[test]
    fn a_zone_is_a_name_or_a_prefix() {
        let cases = [
            ("Fritz.Box.", "fritz.box"),
            ("192.168.0.0/16", "168.192.in-addr.arpa"),
            ("10.0.0.0/8", "10.in-addr.arpa"),
            ("192.0.2.7/32", "7.2.0.192.in-addr.arpa"),
            ("fd00::/8", "d.f.ip6.arpa"),
            ("2001:db8:a::/48", "a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
        ];
        for (text, name) in cases {
            assert_eq!(zone(text).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_prefix_off_the_borders_is_refused_with_the_mend() {
        let says = |text: &str, mend: &str| {
            let error = zone(text).expect_err(text);
            assert!(error.contains(text) && error.contains(mend), "{error}");
        };
        says("192.168.0.0/20", "/8, /16, /24 or /32");
        says("0.0.0.0/0", "/8, /16, /24 or /32");
        says("192.168.1.5/16", "write `192.168.0.0/16`");
        says("fd00::/7", "multiple of 4");
        says("::/0", "multiple of 4");
        says("fd00::1/8", "write `fd00::/8`");
        says("192.168.0.0/99", "/8, /16, /24 or /32");
        says("192.168.0.0/x", "is no prefix");
        says("192.168.0.1", "write a prefix");
    }

    #[test]
    fn bounds_of_ttls_that_cannot_be_meant_are_told_with_the_mend() {
        let told = |min_ttl, max_ttl| {
            Settings { min_ttl, max_ttl, ..Settings::default() }.check_ttls().join("\n")
        };
        for (min_ttl, max_ttl) in [(0, 86_400), (3_600, 604_800), (60, 60), (0, 0)] {
            assert_eq!(told(min_ttl, max_ttl), "", "{min_ttl} {max_ttl}");
        }
        assert!(told(3_601, 86_400).ends_with("make it 3600 or less"));
        assert!(told(0, 604_801).ends_with("make it 604800 or less"));
        assert!(told(61, 60).ends_with("make it 60 or less"));
        assert_eq!(told(604_803, 604_802).lines().count(), 3);
    }

    #[test]
    fn the_root_and_names_of_ours_are_refused() {
        for text in [".", "", "a..b", "localhost", "x.onion", "_dns.resolver.arpa"] {
            assert!(zone(text).is_err(), "{text}");
        }
    }
}
