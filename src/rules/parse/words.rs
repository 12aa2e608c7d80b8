//! The words of a line: addresses, names that are never rules, signs of other formats.

use std::net::IpAddr;

use crate::model::DomainName;

use super::{Refusal, is_blank};

/// Names of a machine's own hosts file; no list blocks them.
const BOILERPLATE: [&str; 11] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

/// Marks that make element hiding rules of what looks like a comment behind a name.
const COSMETIC: [&str; 5] = ["##", "#@#", "#?#", "#$#", "#%#"];

/// Beginnings of dnsmasq and unbound lines.
const SERVER_KEYS: [&str; 6] =
    ["address=/", "server=/", "local=/", "local-zone:", "local-data:", "server:"];

/// Returns the words of a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// Cuts a comment behind the text. `name##selector` is no comment: it would block the whole name.
pub fn cut_comment(text: &str) -> &str {
    let Some((before, _)) = text.split_once('#') else {
        return text;
    };
    let comment = text.get(before.len()..).unwrap_or_default();
    let cosmetic = COSMETIC.iter().any(|mark| comment.starts_with(mark));
    if cosmetic && !before.ends_with(is_blank) { text } else { before.trim_end_matches(is_blank) }
}

/// Reads an address; a zone behind it is dropped, and so is a final dot.
pub fn address(word: &str) -> Option<IpAddr> {
    let word = word.split_once('%').map_or(word, |(address, _)| address);
    word.strip_suffix('.').unwrap_or(word).parse().ok()
}

/// Returns whether a word is an address or a prefix.
pub fn is_address_rule(word: &str) -> bool {
    let (start, bits) = word.split_once('/').unwrap_or((word, "0"));
    address(start).is_some() && bits.parse::<u8>().is_ok()
}

/// Returns whether hosts files send blocked names to this address.
pub fn is_sink(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_loopback() || v4.is_broadcast(),
        IpAddr::V6(v6) => {
            let local = [0xfe80, 0, 0, 0, 0, 0, 0, 1];
            v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.segments() == local
        }
    }
}

/// Returns whether a name belongs to a machine's own hosts file.
pub fn is_boilerplate(name: &DomainName) -> bool {
    BOILERPLATE.iter().any(|text| name.as_ref().labels().eq(text.split('.').map(str::as_bytes)))
}

/// Returns which other format a text that is no name belongs to, if it shows.
pub fn foreign(text: &str) -> Option<Refusal> {
    let expression = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
    let cosmetic = COSMETIC.iter().any(|mark| text.contains(mark));
    if SERVER_KEYS.iter().any(|key| text.starts_with(key)) {
        Some(Refusal::ServerConfiguration)
    } else if text.contains(" CNAME ") || text.contains(" SOA ") || text.starts_with("$TTL") {
        Some(Refusal::Rpz)
    } else if expression || cosmetic || text.starts_with("@@") || text.contains(['|', '^', '$']) {
        Some(Refusal::AdGuard)
    } else if text.starts_with('.') || text.contains('*') {
        Some(Refusal::Wildcard)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_zone_and_final_dot() {
        for text in ["0.0.0.0", "0.0.0.0%lo0", "1.2.3.4.", "fe80::1%lo0", "::", "2001:db8:0::1"] {
            assert!(address(text).is_some(), "{text}");
        }
        for text in ["300.1.1.1", "1.2.3", "localhost", "10.0.0.0/8", ""] {
            assert!(address(text).is_none(), "{text}");
        }
        assert!(is_address_rule("10.0.0.0/8") && is_address_rule("2001:db8::/32"));
        assert!(!is_address_rule("x.com/8") && !is_address_rule("10.0.0.0/index.html"));
    }

    #[test]
    fn sinks_are_those_of_hosts_files() {
        let sinks = [
            "0.0.0.0",
            "127.9.9.9",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff00::",
            "ff02::1",
        ];
        assert!(sinks.iter().all(|text| is_sink(address(text).expect("an address"))));
        let others = ["192.0.2.1", "fe80::2", "2001:db8::1", "10.0.0.1"];
        assert!(!others.iter().any(|text| is_sink(address(text).expect("an address"))));
    }

    #[test]
    fn a_comment_is_cut_and_a_selector_is_not() {
        assert_eq!(cut_comment("x.com#note"), "x.com");
        assert_eq!(cut_comment("x.com \u{a0}# note"), "x.com");
        assert_eq!(cut_comment("x.com ## note"), "x.com");
        assert_eq!(cut_comment("x.com##.banner"), "x.com##.banner");
        assert_eq!(cut_comment("x.com#@#.banner"), "x.com#@#.banner");
    }

    #[test]
    fn other_formats_are_known_by_their_signs() {
        let cases = [
            ("||x.com^", Refusal::AdGuard),
            ("@@x.com", Refusal::AdGuard),
            ("/^ad/", Refusal::AdGuard),
            ("x.com##.ad", Refusal::AdGuard),
            ("x.com$important", Refusal::AdGuard),
            ("*.x.com", Refusal::Wildcard),
            (".x.com", Refusal::Wildcard),
            ("address=/x.com/0.0.0.0", Refusal::ServerConfiguration),
            ("local-zone: \"x.com\" refuse", Refusal::ServerConfiguration),
            ("x.com CNAME .", Refusal::Rpz),
        ];
        for (text, refusal) in cases {
            assert_eq!(foreign(text), Some(refusal), "{text}");
        }
        assert_eq!(foreign("bad!name.com"), None);
    }
}
