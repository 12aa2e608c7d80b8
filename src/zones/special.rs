//! Special-use names and private reverse zones: what never leaves.

/// Ours whatever `[forward]` maps: no server elsewhere can have an answer to these.
pub const ALWAYS: [&str; 5] =
    ["localhost", "invalid", "onion", "resolver.arpa", super::OUR_NAME_TEXT];

/// Ours unless `[forward]` maps them: RFC 6761, 6762, 8375, 9476, and `internal`, which ICANN
/// keeps for private use.
pub const PRIVATE: [&str; 5] = ["test", "local", "home.arpa", "internal", "alt"];

/// Reverse zones that are served locally (RFC 6303, sections 4.2 to 4.6), less the ranges.
const REVERSE: [&str; 17] = [
    "0.in-addr.arpa",
    "10.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "168.192.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
    "a.e.f.ip6.arpa",
    "b.e.f.ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
];

/// Returns every reverse zone: RFC 6303, with 172.16/12, and 100.64/10 by RFC 7793.
pub fn reverse() -> impl Iterator<Item = String> {
    let ranges = (16..=31).map(|second| format!("{second}.172.in-addr.arpa"));
    let shared = (64..=127).map(|second| format!("{second}.100.in-addr.arpa"));
    REVERSE.iter().map(ToString::to_string).chain(ranges).chain(shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    #[test]
    fn every_special_name_is_a_name_and_stands_once() {
        let all: Vec<String> =
            ALWAYS.iter().chain(&PRIVATE).map(ToString::to_string).chain(reverse()).collect();
        let mut names: Vec<DomainName> =
            all.iter().map(|text| DomainName::from_presentation(text).expect("a name")).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert_eq!(reverse().count(), 17 + 16 + 64);
    }
}
