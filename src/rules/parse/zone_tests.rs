//! Zones against naive twins, and real lists of dnsmasq, unbound and response policy zones.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::model::{NameRef, RecordType};
use crate::rules::test_data;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

/// The rules of a list, refused or not.
fn rules(octets: &[u8], format: Format) -> Vec<Rule> {
    let mut rules = Vec::new();
    let options = Options { format, ..Options::default() };
    // A list without rules, or with hardly any, is refused; what it says is looked at still.
    let _refused = read(octets, &options, &mut |rule| rules.push(rule));
    drop_duplicates(&mut rules);
    rules
}

/// What a query comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It goes on.
    Through,
    /// It is blocked.
    Blocked(Answer),
    /// It is answered with this data.
    Data(Vec<Box<[u8]>>),
    /// Rules for one name say different things, so that their order would decide.
    Ambiguous,
}

/// Decides as the longest name does: the name itself, then each parent, then rules for every name.
fn decide(rules: &[Rule], query: NameRef<'_>, query_type: RecordType) -> Outcome {
    let applies = |rule: &&Rule| {
        let types = rule.condition.as_ref().map(|condition| &condition.types);
        types.is_none_or(|types| types.holds(|&wanted| wanted == query_type))
    };
    let of_step = |step: Option<NameRef<'_>>| -> Vec<&Rule> {
        let is_of_step = |rule: &&Rule| match (&rule.pattern, step) {
            (Pattern::Exact(name), Some(step)) => name.as_ref() == step && step == query,
            (Pattern::Subtree(name), Some(step)) => name.as_ref() == step,
            (Pattern::Below(name), Some(step)) => name.as_ref() == step && step != query,
            (Pattern::Everything, None) => true,
            _ => false,
        };
        rules.iter().filter(is_of_step).filter(applies).collect()
    };
    let mut steps = query.walk().map(Some).chain([None]).map(of_step);
    steps
        .find(|rules| !rules.is_empty())
        .map_or(Outcome::Through, |rules| weigh(&rules, query_type))
}

/// Decides between rules of one name by class.
fn weigh(rules: &[&Rule], query_type: RecordType) -> Outcome {
    let mut data = Vec::new();
    let (mut rewritten, mut allowed, mut answers) = (false, false, BTreeSet::new());
    for rule in rules {
        match &rule.effect {
            Effect::Hole => return Outcome::Through,
            Effect::Allow => allowed = true,
            Effect::Block(answer) => {
                answers.insert(*answer);
            }
            Effect::Rewrite(Rewrite::Record(record)) => {
                rewritten = true;
                data.extend((record.record_type == query_type).then(|| record.data.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
    match answers.first() {
        _ if rewritten && data.is_empty() => Outcome::Blocked(Answer::NoData),
        _ if rewritten => Outcome::Data(data),
        Some(_) if !allowed && answers.len() > 1 => Outcome::Ambiguous,
        Some(&answer) if !allowed => Outcome::Blocked(answer),
        _ => Outcome::Through,
    }
}

/// All names of one to three labels from two letters.
fn universe() -> Vec<String> {
    let letters = ["a", "b"];
    let below = |names: &[String]| -> Vec<String> {
        names.iter().flat_map(|name| letters.map(|letter| format!("{letter}.{name}"))).collect()
    };
    let one: Vec<String> = letters.map(String::from).to_vec();
    let two = below(&one);
    let three = below(&two);
    [one, two, three].concat()
}

/// The owner whose rule is for a name by RFC 4592, sections 2.2.2 and 3.3.1.
fn owner_by_rfc_4592(owners: &BTreeSet<String>, query: &str) -> Option<String> {
    let exists = |name: &str| {
        let ending = format!(".{name}");
        owners.iter().any(|owner| owner == name || owner.ends_with(&ending))
    };
    if exists(query) {
        return owners.get(query).cloned();
    }
    let mut encloser = query;
    while let Some((_, parent)) = encloser.split_once('.') {
        encloser = parent;
        if exists(encloser) {
            return owners.get(&format!("*.{encloser}")).cloned();
        }
    }
    owners.get("*").cloned()
}

/// A list's zones, and the addresses of its data; 0 means the sink.
type Local = (BTreeMap<String, &'static str>, BTreeSet<(String, bool, u8)>);

/// What unbound does, by its manual and section 8 of `filter-rules.md`.
fn answer_by_unbound((zones, data): &Local, query: &str, query_type: RecordType) -> Outcome {
    let query_name = name(query);
    let zone = query_name.as_ref().walk().find_map(|above| zones.get_key_value(&above.to_string()));
    let (apex, kind) = zone.map_or(("", "transparent"), |(apex, kind)| (apex.as_str(), *kind));
    let of = |owner: &str| data.iter().filter(move |(name, ..)| name == owner).collect::<Vec<_>>();
    let is_asked = |is_v6: bool| is_v6 == (query_type == RecordType::AAAA);
    let records = |owner: &str| -> Vec<Box<[u8]>> {
        let real = of(owner).into_iter().filter(|(_, is_v6, host)| *host > 0 && is_asked(*is_v6));
        real.map(|(_, is_v6, host)| octets(*is_v6, *host)).collect()
    };
    let whole = |owner: &str| match (records(owner), of(owner)) {
        (_, all) if all.iter().all(|(_, _, host)| *host == 0) => Outcome::Blocked(Answer::Policy),
        (records, _) if records.is_empty() => Outcome::Blocked(Answer::NoData),
        (records, _) => Outcome::Data(records),
    };
    let ending = format!(".{query}");
    match kind {
        "always_nxdomain" => return Outcome::Blocked(Answer::NxDomain),
        "always_transparent" => return Outcome::Through,
        "redirect" if of(apex).is_empty() => return Outcome::Blocked(Answer::NoData),
        "redirect" => return whole(apex),
        "static" | "transparent" if !of(query).is_empty() => return whole(query),
        "static" => {
            let is_above = |owner: &str| owner.ends_with(&ending) && zone_of(zones, owner) == apex;
            let empty = data.iter().any(|(owner, ..)| is_above(owner));
            return Outcome::Blocked(if empty { Answer::NoData } else { Answer::NxDomain });
        }
        _ => {}
    }
    if kind != "transparent" && !records(query).is_empty() {
        return Outcome::Data(records(query));
    }
    if of(query).iter().any(|(_, _, host)| *host == 0) {
        return Outcome::Blocked(Answer::Policy);
    }
    match kind {
        "refuse" => Outcome::Blocked(Answer::Refused),
        "block_a" if query_type == RecordType::A => Outcome::Blocked(Answer::NoData),
        _ => Outcome::Through,
    }
}

fn zone_of(zones: &BTreeMap<String, &'static str>, owner: &str) -> String {
    let owner = name(owner);
    let mut above = owner.as_ref().walk().map(|above| above.to_string());
    above.find(|above| zones.contains_key(above)).unwrap_or_default()
}

fn octets(is_v6: bool, host: u8) -> Box<[u8]> {
    let v6 = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into());
    if is_v6 { v6.octets().into() } else { [192, 0, 2, host].into() }
}

fn address_of(is_v6: bool, host: u8) -> String {
    match (is_v6, host) {
        (false, 0) => "A 0.0.0.0".to_string(),
        (true, 0) => "AAAA ::".to_string(),
        (false, host) => format!("A 192.0.2.{host}"),
        (true, host) => format!("AAAA 2001:db8::{host:x}"),
    }
}

fn local() -> impl Strategy<Value = Local> {
    let kinds = [
        "always_nxdomain",
        "always_transparent",
        "redirect",
        "static",
        "refuse",
        "transparent",
        "typetransparent",
        "block_a",
    ];
    let zones = subsequence(universe(), 0..8)
        .prop_flat_map(move |names| {
            let count = names.len();
            (Just(names), prop::collection::vec(prop::sample::select(kinds.to_vec()), count))
        })
        .prop_map(|(names, kinds)| names.into_iter().zip(kinds).collect());
    let data = prop::collection::btree_set(
        (prop::sample::select(universe()), any::<bool>(), 0_u8..3),
        0..8,
    );
    (zones, data)
}

fn unbound_text((zones, data): &Local) -> Vec<String> {
    let zones = zones.iter().map(|(name, kind)| format!("local-zone: \"{name}.\" {kind}"));
    let data = data
        .iter()
        .map(|(name, is_v6, host)| format!("local-data: \"{name} {}\"", address_of(*is_v6, *host)));
    zones.chain(data).collect()
}

/// Rules without lines, in one order.
fn as_set(rules: Vec<Rule>) -> BTreeSet<String> {
    rules.into_iter().map(|rule| format!("{:?}", Rule { line: 0, ..rule })).collect()
}

proptest! {
    #[test]
    fn wildcards_reach_exactly_as_far_as_rfc_4592_says(
        exact in subsequence(universe(), 0..9),
        wild in subsequence(universe(), 0..6),
        everything in prop::bool::weighted(0.2),
    ) {
        let wild = wild.into_iter().map(|name| format!("*.{name}"));
        let owners: BTreeSet<String> =
            exact.into_iter().chain(wild).chain(everything.then(|| "*".to_string())).collect();
        let numbered: Vec<(&String, u8)> = owners.iter().zip(1..).collect();
        let lines: Vec<String> =
            numbered.iter().map(|(owner, host)| format!("{owner} A 192.0.2.{host}\n")).collect();
        let rules = rules(lines.concat().as_bytes(), Format::Rpz);
        let below = universe().into_iter().map(|name| format!("a.{name}"));
        for query in universe().into_iter().chain(below) {
            let owner = owner_by_rfc_4592(&owners, &query);
            let host = owner.and_then(|owner| numbered.iter().find(|(known, _)| **known == owner));
            let expected = host.map_or(Outcome::Through, |(_, host)| {
                Outcome::Data(vec![octets(false, *host)])
            });
            let found = decide(&rules, name(&query).as_ref(), RecordType::A);
            prop_assert_eq!(found, expected, "{} in {:?}", query, owners);
        }
    }

    #[test]
    fn local_zones_and_data_answer_as_unbound_does(local in local()) {
        let text = unbound_text(&local).join("\n");
        let rules = rules(text.as_bytes(), Format::Unbound);
        for query in universe() {
            for query_type in [RecordType::A, RecordType::AAAA] {
                let expected = answer_by_unbound(&local, &query, query_type);
                let found = decide(&rules, name(&query).as_ref(), query_type);
                prop_assert_eq!(found, expected, "{} {} in\n{}", query, query_type, text);
            }
        }
    }

    #[test]
    fn the_order_of_lines_changes_no_rule(
        lines in local().prop_map(|local| unbound_text(&local)).prop_flat_map(|lines| {
            (Just(lines.clone()), Just(lines).prop_shuffle())
        }),
        owners in subsequence(universe(), 1..12).prop_flat_map(|names| {
            let line = |name: String| [format!("{name} CNAME ."), format!("*.{name} CNAME *.")];
            let lines: Vec<String> = names.into_iter().flat_map(line).step_by(2).collect();
            (Just(lines.clone()), Just(lines).prop_shuffle())
        }),
    ) {
        for ((one, other), format) in [(lines, Format::Unbound), (owners, Format::Rpz)] {
            let [one, other] =
                [one, other].map(|lines| as_set(rules(lines.join("\n").as_bytes(), format)));
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn no_octets_make_these_readers_fall(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                r#"( |a\.x|\*|@|\$ORIGIN|\$TTL)? (IN|60)? (CNAME|A|TXT|MX|SOA|SRV|FOO) [a-z0-9.*();"\\ é-]{0,20}"#
                    .prop_map(String::into_bytes),
                r#"[0-9z.]{0,20}(rpz-ip|rpz-client-ip|rpz-nsip)? CNAME (\.|\*\.|rpz-drop)"#
                    .prop_map(String::into_bytes),
                r#"(server:)? ?local-(zone|data): ?["']?[a-z.é ]{0,9}["']? ?(static|redirect|A ::|TXT "a#")?["'#]?"#
                    .prop_map(String::into_bytes),
                r#"(address|server|local|x) ?= ?/?[a-zé.*/#]{0,12}/?(#|::|1\.2\.3\.4)?#?é?"#
                    .prop_map(String::into_bytes),
            ],
            0..20
        ),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"])
    ) {
        let octets = lines.join(end.as_bytes());
        for format in [Format::Dnsmasq, Format::Unbound, Format::Rpz] {
            if let Ok(list) = parse(&octets, format) {
                let count = list.summary.lines;
                prop_assert!(list.rules.iter().all(|rule| (1..=count).contains(&rule.line)));
                prop_assert!(list.summary.refused <= count);
            }
        }
    }
}

/// The names that a real list blocks; none of its lines may be refused.
fn real(file: &str, format: Format) -> Option<BTreeSet<DomainName>> {
    let list = parse(&test_data::list(file)?, format).expect("a good list");
    assert_eq!((list.summary.refused, list.summary.format), (0, format), "{file}");
    let blocks = list.rules.into_iter().filter(|rule| matches!(rule.effect, Effect::Block(_)));
    let name_of = |rule: Rule| match rule.pattern {
        Pattern::Exact(name) | Pattern::Subtree(name) | Pattern::Below(name) => name,
        other => panic!("{file}: {other:?}"),
    };
    Some(blocks.map(name_of).collect())
}

#[test]
fn real_lists_have_the_names_they_are_known_to_have() {
    let files = [
        ("hagezi-2023-dnsmasq-light.txt.gz", Format::Dnsmasq, 69_751),
        ("hagezi-2023-dnsmasq-tif.normal.txt.gz", Format::Dnsmasq, 58_004),
        ("neodev-2026.dnsmasq.txt.gz", Format::Dnsmasq, 111_532),
        ("blp-redirect-2026.dnsmasq.txt.gz", Format::Dnsmasq, 108_685),
        ("sixway-easylist-2022.dnsmasq.txt.gz", Format::Dnsmasq, 50_231),
        ("sixway-easylist-2022.unbound.conf.gz", Format::Unbound, 50_231),
        ("hagezi-2023-rpz-tif.medium.txt.gz", Format::Rpz, 21_712),
        ("hagezi-2023-rpz-doh-vpn-proxy-bypass.txt.gz", Format::Rpz, 2_506),
        ("hagezi-2023-rpz-doh.txt.gz", Format::Rpz, 724),
        ("oisd-small-2025.rpz.txt.gz", Format::Rpz, 44_630),
        ("mullvad-privacy-2026.rpz.txt.gz", Format::Rpz, 47_798),
    ];
    for (file, format, expected) in files {
        let Some(names) = real(file, format) else { return };
        assert_eq!(names.len(), expected, "{file}");
    }
}

#[test]
fn real_lists_of_one_set_have_the_same_names() {
    let families = [
        [
            ("hagezi-2023-dnsmasq-light.txt.gz", Format::Dnsmasq),
            ("hagezi-2023-unbound-light.blacklist.conf.gz", Format::Unbound),
            ("hagezi-2023-rpz-light.txt.gz", Format::Rpz),
        ]
        .as_slice(),
        &[
            ("sixway-adaway-2022.dnsmasq.txt.gz", Format::Dnsmasq),
            ("sixway-adaway-2022.unbound.conf.gz", Format::Unbound),
        ],
    ];
    for family in families {
        let sets: Option<Vec<_>> =
            family.iter().map(|&(file, format)| real(file, format)).collect();
        let Some(sets) = sets else { return };
        assert!(sets.windows(2).all(|pair| pair[0] == pair[1]), "{family:?}");
    }
}

#[test]
fn a_real_zone_tells_its_serial_number() {
    let Some(octets) = test_data::list("mullvad-privacy-2026.rpz.txt.gz") else { return };
    let header = parse(&octets, Format::Rpz).expect("a good zone").summary.header;
    assert_eq!((header.version.as_deref(), header.expires), (Some("1782967930"), Some(86_400)));
}
