//! What a response policy zone's rule is for: the owner name below the zone's own.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{DomainName, Prefix};

use super::{ClientMatch, Condition, Effect, Pattern, Refusal, Rule, Selection, because, domain};

/// When a rule of a zone fires.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// For this name.
    Name(DomainName),
    /// For names below this one; of the root: for every name.
    Below(DomainName),
    /// For every query of devices with these addresses.
    Client(Prefix),
    /// For answers that hold such an address.
    Address(Prefix),
    /// Never: a forwarder does not see delegations.
    Delegation,
}

impl Trigger {
    /// Reads an owner name, lower case, less the zone's own and less the final dot.
    pub fn read(owner: &str) -> Result<Trigger, Refusal> {
        let (front, last) = owner.rsplit_once('.').unwrap_or(("", owner));
        match last {
            "rpz-client-ip" => prefix(front).map(Trigger::Client),
            "rpz-ip" => prefix(front).map(Trigger::Address),
            "rpz-nsdname" | "rpz-nsip" => Ok(Trigger::Delegation),
            _ => match (owner, owner.strip_prefix("*.")) {
                ("*", _) => Ok(Trigger::Below(DomainName::root())),
                (_, Some(above)) => Ok(Trigger::Below(domain(above)?)),
                (_, None) => Ok(Trigger::Name(domain(owner)?)),
            },
        }
    }

    /// Makes a rule one for this trigger; nothing fires for delegations.
    pub fn rule(&self, effect: Effect) -> Option<Rule> {
        let (pattern, client) = match self {
            Trigger::Name(name) => (Pattern::Exact(name.clone()), None),
            Trigger::Below(name) if name.as_ref().is_root() => (Pattern::Everything, None),
            Trigger::Below(name) => (Pattern::Below(name.clone()), None),
            Trigger::Client(prefix) => (Pattern::Everything, Some(*prefix)),
            Trigger::Address(prefix) => (Pattern::Address(*prefix), None),
            Trigger::Delegation => return None,
        };
        let condition = client.map(|prefix| {
            let include = [ClientMatch::Address(prefix)].into();
            let clients = Selection { include, ..Selection::default() };
            Box::new(Condition { clients, ..Condition::default() })
        });
        Some(Rule { condition, ..Rule::plain(pattern, effect, 0) })
    }
}

/// Reads `24.0.2.0.192` or `48.zz.db8.2001`: the length, then the address from its low end.
fn prefix(text: &str) -> Result<Prefix, Refusal> {
    let wrong = || because("no prefix as `24.0.2.0.192` or `48.zz.db8.2001`");
    let mut labels: Vec<&str> = text.split('.').collect();
    labels.reverse();
    let bits: u8 = labels.pop().and_then(number::<u8>).ok_or_else(wrong)?;
    let written = match *labels {
        [a, b, c, d] if !labels.contains(&"zz") => {
            v4([a, b, c, d]).map(|v4| (v4.to_string(), bits))
        }
        _ => v6(&labels).map(|v6| match v6.to_ipv4_mapped() {
            Some(v4) if bits >= 96 => (v4.to_string(), bits - 96),
            _ => (v6.to_string(), bits),
        }),
    };
    let (address, length) = written.filter(|_| bits > 0).ok_or_else(wrong)?;
    format!("{address}/{length}").parse().map_err(|_| wrong())
}

fn v4(octets: [&str; 4]) -> Option<Ipv4Addr> {
    let mut address = [0; 4];
    for (place, octet) in address.iter_mut().zip(octets) {
        *place = number(octet)?;
    }
    Some(address.into())
}

/// Reads eight hexadecimal words, of which `zz` stands for a run of zeros.
fn v6(words: &[&str]) -> Option<Ipv6Addr> {
    let is_word = |word: &&str| {
        *word == "zz"
            || (1..=4).contains(&word.len()) && word.bytes().all(|o| o.is_ascii_hexdigit())
    };
    if !words.iter().all(is_word) {
        return None;
    }
    let Some(run) = words.iter().position(|word| *word == "zz") else {
        return words.join(":").parse().ok();
    };
    let (front, back) = words.split_at(run);
    let back = back.get(1..)?;
    format!("{}::{}", front.join(":"), back.join(":")).parse().ok()
}

/// Reads a number without sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(owner: &str) -> Trigger {
        Trigger::read(owner).expect("a trigger")
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    #[test]
    fn names_are_exact_and_wildcards_stand_for_what_is_below() {
        assert_eq!(read("a.x"), Trigger::Name(name("a.x")));
        assert_eq!(read("*.a.x"), Trigger::Below(name("a.x")));
        assert_eq!(read("*"), Trigger::Below(DomainName::root()));
        let everything = read("*").rule(Effect::Allow).expect("a rule");
        assert_eq!((everything.pattern, everything.condition), (Pattern::Everything, None));
        assert!(Trigger::read("a.*.x").is_err() && Trigger::read("1.2.3.4").is_err());
    }

    #[test]
    fn prefixes_are_written_from_their_low_end() {
        let cases = [
            ("32.1.2.0.192", "192.0.2.1"),
            ("24.7.2.0.192", "192.0.2.0/24"),
            ("1.0.0.0.128", "128.0.0.0/1"),
            ("128.57.zz.1.0.db8.2001", "2001:db8:0:1::57"),
            ("48.zz.3.db8.2001", "2001:db8:3::/48"),
            ("128.1.zz", "::1"),
            ("8.zz.fc00", "fc00::/8"),
            ("64.8.7.6.5.4.3.2.1", "1:2:3:4::/64"),
            ("120.102.c000.ffff.zz", "192.0.1.0/24"),
        ];
        for (owner, expected) in cases {
            let expected: Prefix = expected.parse().expect("a prefix");
            assert_eq!(read(&format!("{owner}.rpz-ip")), Trigger::Address(expected), "{owner}");
            let client = read(&format!("{owner}.rpz-client-ip"));
            assert_eq!(client, Trigger::Client(expected), "{owner}");
        }
    }

    #[test]
    fn a_clients_rule_is_for_every_name_it_asks_and_an_addresss_for_answers() {
        let prefix: Prefix = "192.0.2.0/24".parse().expect("a prefix");
        let rule = read("24.0.2.0.192.rpz-client-ip").rule(Effect::Truncate).expect("a rule");
        assert_eq!((rule.pattern, rule.effect), (Pattern::Everything, Effect::Truncate));
        let clients = rule.condition.expect("a condition").clients;
        assert_eq!(clients.include, [ClientMatch::Address(prefix)].into());
        let rule = read("24.0.2.0.192.rpz-ip").rule(Effect::Allow).expect("a rule");
        assert_eq!((rule.pattern, rule.condition), (Pattern::Address(prefix), None));
    }

    #[test]
    fn bad_prefixes_are_refused() {
        let bad = [
            "33.1.2.0.192",
            "0.1.2.0.192",
            "1.2.0.192",
            "32.1.2.0.256",
            "32.1.2.0.+1",
            "129.1.zz",
            "0.zz",
            "64.zz.1.zz",
            "64.1.2.3.4.5.6.7",
            "64.1.2.3.4.5.6.7.8.9",
            "128.12345.zz",
            "zz",
            "*.1.2.0.192",
            "",
        ];
        for owner in bad {
            assert!(Trigger::read(&format!("{owner}.rpz-ip")).is_err(), "{owner}");
        }
        assert!(Trigger::read("rpz-ip").is_err());
    }

    #[test]
    fn delegations_fire_nothing() {
        for owner in ["ns.x.rpz-nsdname", "32.1.2.0.192.rpz-nsip"] {
            assert_eq!(read(owner), Trigger::Delegation);
        }
        assert_eq!(Trigger::Delegation.rule(Effect::Allow), None);
    }
}
