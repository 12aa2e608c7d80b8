//! The words of a line: names, addresses, what is never a rule, signs of other formats.

use std::net::IpAddr;

use crate::model::{DomainName, Prefix};

use super::{Refusal, is_blank};

/// Names of a machine's own hosts file, in wire form; no list blocks them.
const BOILERPLATE: [&[u8]; 11] = [
    b"\x09localhost\0",
    b"\x09localhost\x0blocaldomain\0",
    b"\x05local\0",
    b"\x0dbroadcasthost\0",
    b"\x0dip6-localhost\0",
    b"\x0cip6-loopback\0",
    b"\x0cip6-localnet\0",
    b"\x0fip6-mcastprefix\0",
    b"\x0cip6-allnodes\0",
    b"\x0eip6-allrouters\0",
    b"\x0cip6-allhosts\0",
];

/// Marks between names and what browsers hide or run there.
const COSMETIC: [&str; 10] =
    ["##", "#@#", "#?#", "#@?#", "#$#", "#@$#", "#$?#", "#@$?#", "#%#", "#@%#"];

/// Beginnings of dnsmasq lines.
const DNSMASQ_KEYS: [&str; 3] = ["address=/", "server=/", "local=/"];

/// Beginnings of unbound lines.
const UNBOUND_KEYS: [&str; 3] = ["local-zone:", "local-data:", "server:"];

/// What a word of a list of names is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A name.
    Name(DomainName),
    /// An address or prefix, to be looked for in answers.
    Address(Prefix),
    /// A machine's own name, the root or an address that stands for nothing: never a rule.
    Boilerplate,
}

/// Returns the words of a text.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// Reads a word of a list: quotes around it, letter case and one final dot do not count.
pub fn listed(word: &str) -> Result<Listed, Refusal> {
    let unquoted = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    let word = unquoted.unwrap_or(word);
    if word == "." {
        return Ok(Listed::Boilerplate);
    }
    if !is_surely_no_address(word) {
        if let Some(address) = address(word) {
            let rule = Listed::Address(Prefix::host(address));
            return Ok(if is_sink(address) { Listed::Boilerplate } else { rule });
        }
        if let Some(prefix) = word.contains('/').then(|| word.parse::<Prefix>().ok()).flatten() {
            let all = prefix.bits() == 0;
            return if all { Err(Refusal::EveryAddress) } else { Ok(Listed::Address(prefix)) };
        }
    }
    match DomainName::parse(word) {
        Ok(name) if is_boilerplate(&name) => Ok(Listed::Boilerplate),
        Ok(name) => Ok(Listed::Name(name)),
        Err(error) => Err(foreign(word).unwrap_or(error.into())),
    }
}

/// Returns whether a name belongs to a machine's own hosts file.
pub fn is_boilerplate(name: &DomainName) -> bool {
    BOILERPLATE.contains(&name.as_ref().wire())
}

/// Returns whether a text has only what most names consist of.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'))
}

/// Spares most words the attempt: an address has a colon, or ends with a number.
fn is_surely_no_address(word: &str) -> bool {
    let last = word.strip_suffix('.').unwrap_or(word).bytes().last();
    is_plain(word) && last.is_some_and(|octet| !octet.is_ascii_digit())
}

/// Cuts a comment behind the text. `name##selector` is no comment: it would block the whole name.
pub fn cut_comment(text: &str) -> &str {
    let Some((before, _)) = text.split_once('#') else {
        return text;
    };
    let comment = text.get(before.len()..).unwrap_or_default();
    let cosmetic = is_cosmetic(comment.as_bytes()) && !before.ends_with(is_blank);
    if cosmetic { text } else { before.trim_end_matches(is_blank) }
}

/// Returns whether a text begins with the mark of a rule for what browsers show.
pub fn is_cosmetic(text: &[u8]) -> bool {
    COSMETIC.iter().any(|mark| text.starts_with(mark.as_bytes()))
}

/// Reads an address; a zone behind it is dropped, and so is a final dot.
pub fn address(word: &str) -> Option<IpAddr> {
    let word = word.split_once('%').map_or(word, |(address, _)| address);
    word.strip_suffix('.').unwrap_or(word).parse().ok()
}

/// Returns whether hosts files send blocked names to this address.
pub fn is_sink(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_loopback() || v4.is_broadcast(),
        IpAddr::V6(v6) => {
            let local = [0xfe80, 0, 0, 0, 0, 0, 0, 1];
            v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.segments() == local
        }
    }
}

/// Returns whether a line can only be dnsmasq's.
pub fn is_dnsmasq(text: &str) -> bool {
    DNSMASQ_KEYS.iter().any(|key| text.starts_with(key))
}

/// Returns whether a line can only be unbound's.
pub fn is_unbound(text: &str) -> bool {
    UNBOUND_KEYS.iter().any(|key| text.starts_with(key))
}

/// Returns whether a line can only be AdGuard's syntax.
pub fn is_adguard(text: &str) -> bool {
    let anchored = text.starts_with(['|', '^']) || text.starts_with("@@");
    let bare = cut_comment(text);
    anchored
        || bare.contains('^')
        || is_expression(text)
        || has_modifier(bare)
        || has_selector(bare)
}

/// `/expression/`; without any mark of one it is a path, of which dirty lists have many.
fn is_expression(text: &str) -> bool {
    let inner = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
    inner.is_some_and(|inner| inner.contains(['^', '$', '*', '+', '?', '(', '[', '{', '|', '\\']))
}

/// `name$modifier`, `/expression/$modifier=value,…`; a `$` in a URL's path begins none.
fn has_modifier(text: &str) -> bool {
    let Some((pattern, modifiers)) = text.rsplit_once('$') else {
        return false;
    };
    let first = modifiers.split([',', '=']).next().unwrap_or_default();
    let begins = first.starts_with(|letter: char| letter == '~' || letter.is_ascii_lowercase());
    let rest = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'~');
    let is_url = pattern.contains('/') && !pattern.starts_with('/');
    let is_pattern = !pattern.is_empty() && !is_url && !pattern.contains(is_blank);
    begins && first.bytes().all(rest) && is_pattern
}

/// `name##selector`, with the name: alone it looks like a heading.
fn has_selector(text: &str) -> bool {
    let Some((names, _)) = text.split_once('#') else {
        return false;
    };
    let marked = text.get(names.len()..).is_some_and(|rest| is_cosmetic(rest.as_bytes()));
    marked && !names.is_empty() && !names.contains(is_blank)
}

/// Returns which other format a text that is no name belongs to, if it shows.
pub fn foreign(text: &str) -> Option<Refusal> {
    if is_plain(text) && !text.starts_with('.') {
        None
    } else if is_dnsmasq(text) || is_unbound(text) {
        Some(Refusal::ServerConfiguration)
    } else if text.contains(" CNAME ") || text.contains(" SOA ") || text.starts_with("$TTL") {
        Some(Refusal::Rpz)
    } else if is_adguard(text) || text.contains(['|', '$']) {
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
    }

    #[test]
    fn words_are_names_addresses_or_neither() {
        let address = |text: &str| Ok(Listed::Address(text.parse().expect("a prefix")));
        for text in ["192.0.2.1", "192.0.2.1.", "2001:0db8:0::1", "10.1.0.0/8", "2001:db8::/32"] {
            let plain = text.strip_suffix('.').unwrap_or(text);
            assert_eq!(listed(text), address(plain), "{text}");
        }
        assert_eq!(listed("2001:db8:0:0:0:0:0:1"), listed("2001:db8::1"));
        for text in ["0.0.0.0", "::1", "127.1.2.3", ".", "LocalHost.", "ip6-allhosts", "local"] {
            assert_eq!(listed(text), Ok(Listed::Boilerplate), "{text}");
        }
        for text in ["a.localhost", "localhost.x", "\"x.com\"", "a.x1", "1.2.3.x", "fe80.be"] {
            assert!(matches!(listed(text), Ok(Listed::Name(_))), "{text}");
        }
        for text in ["0.0.0.0/0", "::/0", "300.1.1.1", "1.2.3", "x.com/8", "10.0.0.0/99", "a..b"] {
            assert!(listed(text).is_err(), "{text}");
        }
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
            "::ffff:0.0.0.0",
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

    #[test]
    fn adguard_syntax_has_signs_that_nothing_else_has() {
        for text in [
            "/ads/i[0-9]?/",
            "||x.com^",
            "|x.com|",
            "@@x.com",
            "x.com^",
            "/ads[0-9]/",
            "x.com$important",
            "*$client=kid-tablet",
            "/ad/$dnstype=AAAA",
            "x.com$dnsrewrite=1.2.3.4,important",
            "x.com##.banner",
            "x.com,y.com#@#.banner",
            "*.x.com^$~third-party",
        ] {
            assert!(is_adguard(text), "{text}");
        }
        for text in [
            "x.com",
            "0.0.0.0 x.com",
            "0.0.0.0 x.com # costs 5$ or ^",
            "x.com # a $note",
            "*.x.com",
            "http://x.com/a$b",
            "x.com/$price",
            "x.com ## note",
            "10.0.0.0/8",
            "/wap/index/",
            "/",
            "//",
        ] {
            assert!(!is_adguard(text), "{text}");
        }
    }
}
