//! Whole lists: formats, refusals, counts.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::model::RecordType;
use crate::rules::test_data;

fn read(text: &str, format: Format) -> ParsedList {
    parse(text.as_bytes(), format).expect("a good list")
}

/// The names of a list, which are all exact blocks.
fn names(list: &ParsedList) -> Vec<String> {
    let name = |rule: &Rule| match &rule.pattern {
        Pattern::Exact(name) => name.to_string(),
        other => panic!("{other:?} is not exact"),
    };
    assert!(list.rules.iter().all(|rule| rule.effect == Effect::Block(Answer::Policy)));
    list.rules.iter().map(name).collect()
}

fn hosts(text: &str) -> Vec<String> {
    names(&read(text, Format::Hosts))
}

fn domains(text: &str) -> Vec<String> {
    names(&read(text, Format::Domains))
}

/// Why the second line is refused, where the first is good.
fn refusal(line: &str, format: Format) -> String {
    let list = read(&format!("good.example\n{line}\n"), format);
    assert_eq!((list.rules.len(), list.summary.refused), (1, 1), "{line}");
    assert_eq!(list.summary.samples[0].line, 2);
    list.summary.samples[0].why.clone()
}

/// The rules of a list as text: `=x` exactly, `x` and below, addresses; what is not just blocked.
fn told(list: &ParsedList) -> Vec<String> {
    let told = |rule: &Rule| {
        let pattern = match &rule.pattern {
            Pattern::Exact(name) => format!("={name}"),
            Pattern::Subtree(name) => name.to_string(),
            Pattern::Below(name) => format!("*.{name}"),
            Pattern::Address(prefix) => prefix.to_string(),
            Pattern::Text(text) => format!("/{}/", text.text),
            other => panic!("{other:?} comes of no such list"),
        };
        match &rule.effect {
            Effect::Block(Answer::Policy) => pattern,
            Effect::Rewrite(Rewrite::Record(record)) => format!("{pattern} {:?}", record.data),
            other => format!("{pattern} {other:?}"),
        }
    };
    list.rules.iter().map(told).collect()
}

#[test]
fn every_name_of_a_hosts_line_counts_and_sinks_block() {
    assert_eq!(hosts("0.0.0.0 a.x b.x\t\tc.x d.x e.x f.x g.x h.x i.x j.x").len(), 10);
    for address in ["127.0.0.1", "127.9.9.9", "255.255.255.255", "::", "::1", "0.0.0.0%lo0"] {
        assert_eq!(hosts(&format!("{address} a.x")), ["a.x"], "{address}");
    }
    let once = read("0.0.0.0 a.x\n127.0.0.1 a.x\n:: a.x", Format::Hosts);
    assert_eq!(told(&once), ["=a.x"]);
}

#[test]
fn any_other_address_of_a_hosts_line_is_an_answer() {
    let list = read("192.0.2.9 a.x b.x\n2001:db8::9 a.x\n192.0.2.8 a.x", Format::Hosts);
    let expected = [
        "=a.x [192, 0, 2, 9]",
        "=b.x [192, 0, 2, 9]",
        "=a.x [32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]",
        "=a.x [192, 0, 2, 8]",
    ];
    assert_eq!(told(&list), expected);
    let types: Vec<String> = list
        .rules
        .iter()
        .map(|rule| match &rule.effect {
            Effect::Rewrite(Rewrite::Record(record)) => record.record_type.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(types, ["A", "A", "AAAA", "A"]);
}

#[test]
fn addresses_alone_are_looked_for_in_answers() {
    let text = "192.0.2.77\n2001:0db8::0001\n198.51.100.1.\n10.1.2.3/8 # net\n2001:db8::/32\na.x";
    let expected =
        ["192.0.2.77", "2001:db8::1", "198.51.100.1", "10.0.0.0/8", "2001:db8::/32", "=a.x"];
    for format in [Format::Hosts, Format::Domains, Format::Wildcard, Format::Auto] {
        let text = if format == Format::Hosts { text.replace(" # net", "") } else { text.into() };
        assert_eq!(told(&read(&text, format)), expected, "{format:?}");
    }
    assert_eq!(told(&read("0.0.0.0 192.0.2.1 a.x", Format::Hosts)), ["192.0.2.1", "=a.x"]);
}

#[test]
fn subdomains_are_covered_where_the_list_is_set_so() {
    let read = |text: &str, format| {
        let mut rules = Vec::new();
        let options = Options { format, cover_subdomains: true, ..Options::default() };
        let summary = super::read(text.as_bytes(), &options, &mut |rule| rules.push(rule));
        told(&ParsedList { rules, summary: summary.expect("a good list") })
    };
    assert_eq!(read("a.x\n192.0.2.1", Format::Domains), ["a.x", "192.0.2.1"]);
    assert_eq!(read("0.0.0.0 a.x\n192.0.2.1 b.x", Format::Hosts), ["a.x", "b.x [192, 0, 2, 1]"]);
}

#[test]
fn stars_and_dots_in_front_cover_the_name_too_in_wildcard_lists() {
    let list = read("*.a.x\n.b.x\nc.x\n*.zip\n*.localhost\nd.x # note", Format::Wildcard);
    assert_eq!(told(&list), ["a.x", "b.x", "=c.x", "zip", "=d.x"]);
    assert_eq!((list.summary.boilerplate, list.summary.refused), (1, 0));
    for line in ["a.*.x", "a.*", "*x.com", "*", "*.", "*.*.x", "**.x"] {
        assert_eq!(refusal(line, Format::Wildcard), Refusal::InnerStar.to_string(), "{line}");
    }
    assert!(refusal("*.1.2.3.4", Format::Wildcard).contains("no name"));
    assert!(refusal("*.a..x", Format::Wildcard).contains("empty label"));
    assert!(refusal("0.0.0.0 a.x", Format::Wildcard).contains("hosts line"));
    for format in [Format::Domains, Format::Hosts] {
        assert_eq!(told(&read("b.x\n*.a.x", format)), ["=b.x", "a.x"], "{format:?}");
    }
    assert!(refusal(".a.x", Format::Domains).contains("wildcard"));
    assert!(refusal("0.0.0.0 *.a.x", Format::Hosts).contains("wildcard"));
    assert_eq!(read("*.a.x\nb.x", Format::Auto).summary.format, Format::Wildcard);
}

#[test]
fn names_are_folded_and_cut_to_one_form() {
    let text = "\"Quoted.X\"\nUPPER.x\ndot.x.\nmüller.x\nxn--bcher-kva.x\n_a_b.x\n-a-.x\nfoo\nß.x";
    let expected = [
        "quoted.x",
        "upper.x",
        "dot.x",
        "xn--mller-kva.x",
        "xn--bcher-kva.x",
        "_a_b.x",
        "-a-.x",
        "foo",
        "xn--zca.x",
    ];
    assert_eq!(domains(text), expected);
    assert_eq!(hosts(text), expected);
}

#[test]
fn one_bad_name_spoils_only_itself() {
    let list = read("0.0.0.0 a.x bad!name.x b.x\n0.0.0.0 c.x", Format::Hosts);
    assert_eq!(names(&list), ["a.x", "b.x", "c.x"]);
    assert_eq!((list.summary.lines, list.summary.refused), (2, 1));
    let sample = &list.summary.samples[0];
    assert_eq!((sample.line, sample.text.as_str()), (1, "0.0.0.0 a.x bad!name.x b.x"));
    assert!(sample.why.starts_with("`bad!name.x`: "), "{}", sample.why);
}

#[test]
fn lines_that_are_not_hosts_lines_are_refused_with_the_reason() {
    for line in ["foo bar", "300.1.1.1 a.x", "invalidIP localhost"] {
        assert_eq!(refusal(line, Format::Hosts), Refusal::NoAddress.to_string(), "{line}");
    }
    assert_eq!(refusal("0.0.0.0 # a.x", Format::Hosts), Refusal::AddressAlone.to_string());
    assert!(refusal("0.0.0.0 a..x", Format::Hosts).contains("empty label"));
    assert!(refusal("0.0.0.0 1.2.3", Format::Hosts).contains("neither a name nor an address"));
}

#[test]
fn what_is_no_plain_name_is_refused_with_the_reason() {
    let cases = [
        ("0.0.0.0/0", "every address"),
        ("1.2.3", "neither a name nor an address"),
        ("http://a.x/path", "a URL with a path"),
        ("a.x/path", "a URL with a path"),
        ("a.x:8080", "a host with a port"),
        ("http://a.x:80/", "a host with a port"),
        ("ftp://a.x", "neither http nor https"),
        ("0.0.0.0 a.x", "a hosts line"),
        ("a.x b.x", "more than one word"),
        ("/wap/index/", "a URL with a path"),
        ("address=/a.x/0.0.0.0", "dnsmasq"),
        ("a.x CNAME .", "a record of a zone"),
        ("a..x", "empty label"),
    ];
    for (line, reason) in cases {
        let why = refusal(line, Format::Domains);
        assert!(why.contains(reason), "{line}: {why}");
    }
}

#[test]
fn a_url_that_is_only_a_host_is_its_name() {
    assert_eq!(domains("http://a.x\nHTTPS://b.x/\n"), ["a.x", "b.x"]);
}

#[test]
fn pihole_takes_what_gravity_takes() {
    let text = "0.0.0.0 a.x\n192.0.2.1 b.x c.x\nd.x e.x\nf.x#note\n||g.x^\n192.0.2.2\n\
                127.0.0.1 localhost\n; comment\n(^|\\.)ads[0-9]\\.\nh;querytype=A;reply=NXDOMAIN";
    let list = read(text, Format::Pihole);
    let expected = [
        "=a.x",
        "=b.x",
        "=c.x",
        "=d.x",
        "=e.x",
        "=f.x",
        "g.x",
        r"/(?:^|\.)ads[0-9]\./",
        "/h/ Block(NxDomain)",
    ];
    assert_eq!(told(&list), expected);
    let Summary { ignored, boilerplate, refused, .. } = list.summary;
    assert_eq!((ignored, boilerplate, refused), (1, 1, 0));
}

#[test]
fn what_gravity_does_not_take_is_refused() {
    let cases = [
        ("foo", "one label"),
        ("0.0.0.0 foo", "one label"),
        ("||a.x^$important", "nothing else"),
        ("||a.x", "nothing else"),
        ("@@||a.x^", "nothing else"),
        ("@@a.x", "nothing else"),
        ("/ads[0-9]/", "AdGuard syntax"),
        ("a.x^$important", "AdGuard syntax"),
        ("a.x##div[x]", "AdGuard syntax"),
        ("*.a.x", "stands behind nothing"),
        ("http://a.x/b?c", "neither"),
        ("bad!name.x", "letters, digits"),
        (".*", "every name"),
        ("a;reply=IP", "this machine"),
    ];
    for (line, reason) in cases {
        let why = refusal(line, Format::Pihole);
        assert!(why.contains(reason), "{line}: {why}");
    }
    assert_eq!(told(&read(".*;querytype=HTTPS", Format::Pihole)), ["/.*/"]);
}

#[test]
fn an_allowlist_of_pihole_has_another_mark() {
    let options = Options { format: Format::Pihole, allowlist: true, ..Options::default() };
    let mut rules = Vec::new();
    let text = b"@@||a.x^\n||b.x^\nc.x\n^d";
    let summary = super::read(text, &options, &mut |rule| rules.push(rule)).expect("a list");
    assert_eq!(summary.refused, 1);
    assert_eq!(told(&ParsedList { rules, summary }), ["a.x", "=c.x", "/^d/ Allow"]);
}

#[test]
fn names_of_the_machine_itself_are_boilerplate() {
    let text = "127.0.0.1 localhost localhost.localdomain local\n::1 ip6-localhost ip6-loopback\n\
                255.255.255.255 broadcasthost\nff00::0 ip6-mcastprefix\nfe00::0 ip6-localnet\n\
                ff02::1 ip6-allnodes ip6-allrouters ip6-allhosts\n0.0.0.0 0.0.0.0\n1.2.3.4 1.2.3.4\n\
                0.0.0.0\n0.0.0.0 .\n0.0.0.0 LOCALHOST. a.x\n";
    let list = read(text, Format::Hosts);
    assert_eq!(names(&list), ["a.x"]);
    assert_eq!((list.summary.boilerplate, list.summary.refused), (10, 0));
}

#[test]
fn comments_behind_names_are_cut() {
    assert_eq!(hosts("0.0.0.0 a.x#note\n0.0.0.0 b.x # note"), ["a.x", "b.x"]);
    assert_eq!(domains("a.x#note\nb.x\t# note"), ["a.x", "b.x"]);
}

#[test]
fn duplicates_collapse_to_their_first_line() {
    let list = read("b.x\na.x\nB.x.\na.x\n", Format::Domains);
    let told: Vec<_> = list.rules.iter().map(|rule| rule.line).collect();
    assert_eq!((names(&list), told), (vec!["b.x".into(), "a.x".into()], vec![1, 2]));
}

#[test]
fn the_format_is_what_most_lines_can_only_be() {
    let found = |text: &str| {
        let summary = read(text, Format::Auto).summary;
        (summary.format, summary.refused)
    };
    assert_eq!(found("# list\n\n0.0.0.0 a.x\n0.0.0.0 b.x\nc.x\n"), (Format::Hosts, 0));
    assert_eq!(found("a.x\nb.x\nhttp://c.x\n0.0.0.0 d.x\n"), (Format::Hosts, 0));
    assert_eq!(found("a.x # 1\nb.x\naddress=/x/#"), (Format::Domains, 1));
    assert_eq!(parse(b"a.x", Format::Hosts).expect("a list").summary.format, Format::Hosts);
}

#[test]
fn only_the_first_thousand_lines_tell_the_format() {
    let text = "a.x\n".repeat(1000) + &"0.0.0.0 b.x\n".repeat(3000);
    let list = read(&(text + &"c.x\n".repeat(1000)), Format::Auto);
    assert_eq!(
        (names(&list).len(), list.summary.refused, list.summary.samples.len()),
        (2, 3000, 100)
    );
}

#[test]
fn what_is_no_list_is_refused() {
    let refused = |octets: &[u8]| parse(octets, Format::Auto).err();
    assert_eq!(refused(b"\n <!DOCTYPE html>\n<p>"), Some(ListRefused::Html));
    assert_eq!(refused(b"<HTML>"), Some(ListRefused::Html));
    let json = b"{\n\"a\": [\n\"a.x\"\n]\n}\n";
    assert!(matches!(refused(json), Some(ListRefused::Disconnect(_))));
    assert_eq!(parse(json, Format::Domains).err(), Some(ListRefused::Json));
    assert!(matches!(parse(b"a.x", Format::Disconnect).err(), Some(ListRefused::Disconnect(_))));
    assert_eq!(refused(b"a.x\nb.\0x"), Some(ListRefused::Binary(2)));
    assert_eq!(refused(b""), Some(ListRefused::Empty));
    assert_eq!(refused(b"# nothing\n127.0.0.1 localhost\n"), Some(ListRefused::Empty));
    let unreadable = refused("bad!\na^\n".repeat(5).as_bytes().get(5..).expect("long"));
    let why = "it would match nearly every name".to_string();
    assert_eq!(unreadable, Some(ListRefused::Unreadable { line: 1, why }));
}

#[test]
fn nine_bad_lines_of_ten_are_borne_and_one_more_is_not() {
    let bad = |count: usize| "bad!name\n".repeat(count) + "[x]\n";
    assert!(parse((bad(9) + "a.x").as_bytes(), Format::Domains).is_err());
    let borne = read(&("[x]\n".to_string() + &"bad!name\n".repeat(9) + "a.x"), Format::Domains);
    assert_eq!((names(&borne), borne.summary.refused), (vec!["a.x".into()], 9));
}

#[test]
fn a_list_larger_than_the_limit_is_refused_unread() {
    let octets = vec![b'\n'; MAX_LIST_OCTETS + 1];
    assert_eq!(parse(&octets, Format::Auto).err(), Some(ListRefused::TooLarge));
}

/// The addresses that a list gives a name.
fn addresses(list: &ParsedList, wanted: &str, wanted_type: RecordType) -> Vec<String> {
    let wanted = DomainName::parse(wanted).expect("a name");
    let record = |rule: &Rule| match &rule.effect {
        Effect::Rewrite(Rewrite::Record(record)) if record.record_type == wanted_type => {
            let own = matches!(&rule.pattern, Pattern::Exact(name) if *name == wanted);
            own.then(|| match <[u8; 4]>::try_from(&*record.data) {
                Ok(v4) => IpAddr::from(v4).to_string(),
                Err(_) => {
                    let v6: [u8; 16] = (&*record.data).try_into().expect("an address");
                    IpAddr::from(v6).to_string()
                }
            })
        }
        _ => None,
    };
    list.rules.iter().filter_map(record).collect()
}

#[test]
fn a_list_made_dirty_on_purpose_is_read_as_expected() {
    let Some(octets) = test_data::list("made-dirty.hosts.txt.gz") else {
        return;
    };
    let expectation = test_data::list("made-dirty.expect.json.gz").expect("beside its list");
    let expected: serde_json::Value = serde_json::from_slice(&expectation).expect("JSON");
    let texts = |value: &serde_json::Value| -> Vec<String> {
        let items = value.as_array().expect("a list").iter();
        items.map(|item| item.as_str().expect("a text").to_string()).collect()
    };
    let blocked = texts(&expected["block"]).into_iter().map(|name| format!("={name}"));
    let mut wanted: BTreeSet<String> = blocked.collect();
    wanted.extend(texts(&expected["answer_address_block"]));
    let rewritten = expected["rewrite_if_trusted_else_block"].as_object().expect("an object");
    for format in [Format::Auto, Format::Hosts] {
        let list = parse(&octets, format).expect("a good list");
        assert_eq!(list.summary.format, Format::Hosts);
        assert_eq!(list.summary.header.title.as_deref(), Some("Dirty hosts, made on purpose"));
        for (name, answers) in rewritten {
            for (record_type, of_type) in answers.as_object().expect("an object") {
                let record_type = record_type.parse().expect("a type");
                assert_eq!(addresses(&list, name, record_type), texts(of_type), "{name}");
            }
        }
        let is_rewrite = |rule: &Rule| matches!(rule.effect, Effect::Rewrite(_));
        let (rewrites, blocks): (Vec<_>, Vec<_>) = list.rules.iter().cloned().partition(is_rewrite);
        assert_eq!(rewrites.len(), 2);
        let blocks = ParsedList { rules: blocks, ..ParsedList::default() };
        assert_eq!(told(&blocks).into_iter().collect::<BTreeSet<_>>(), wanted);
        for never in texts(&expected["must_not_be_rules"]) {
            assert!(!told(&list).iter().any(|rule| rule.contains(&format!("={never}"))), "{never}");
        }
    }
}

#[test]
fn real_lists_in_several_formats_have_the_same_names() {
    let families = [
        ["hagezi-doh-2026.hosts-compressed", "hagezi-doh-2026.domains"],
        ["sixway-adaway-2022.hosts", "sixway-adaway-2022.domains"],
    ];
    for family in families {
        let read = |stem: &&str| test_data::list(&format!("{stem}.txt.gz"));
        let Some(lists) = family.iter().map(read).collect::<Option<Vec<_>>>() else {
            return;
        };
        let names_of = |octets: &Vec<u8>| {
            let list = parse(octets, Format::Auto).expect("a good list");
            assert_eq!(list.summary.refused, 0);
            names(&list).into_iter().collect::<BTreeSet<_>>()
        };
        let sets: Vec<_> = lists.iter().map(names_of).collect();
        assert!(sets.windows(2).all(|pair| pair[0] == pair[1]), "{family:?}");
    }
}

/// One row of the table of real lists: file, format, names.
fn table() -> Vec<(String, String, usize)> {
    let rows = test_data::readme().unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (file, format) = (cells.next()?, cells.next()?);
        let names = cells.nth(1)?.replace(',', "").parse().ok()?;
        file.ends_with(".gz").then(|| (file.to_string(), format.to_string(), names))
    };
    rows.lines().take_while(|line| !line.starts_with("## popularity")).filter_map(row).collect()
}

/// Files of which we find other names than the table counts, and by how many.
const DIFFERENCES: [(&str, i64); 4] = [
    // Labels may begin or end with a hyphen: `evirolog-doeda-.com.cnd`, `-sso`.
    ("lightswitch05-amp-2023.hosts.txt.gz", 1),
    ("fdns-malware-2026.hosts.txt.gz", 1),
    // Names may have one label: `t`, `edge-z-p1-sh`; `free`, `orted`, `pnpcom`, `tc` and others.
    ("mullvad-social-2026.domains.txt.gz", 2),
    ("maltrail-dirty-2026.txt.gz", 6),
];

/// Lists of a million names and more: minutes without optimisation.
const HUGE: [(&str, i64); 2] = [
    ("maltrail-1m-2026.domains.txt.gz", 0),
    // It has `localhost.localdomain`.
    ("union-2.7m-2026.domains.txt.gz", -1),
];

/// The format that a row of the table means, for those read here.
fn table_format(format: &str) -> Option<Format> {
    match format {
        "hosts" => Some(Format::Hosts),
        "plain" => Some(Format::Domains),
        "wildcard" => Some(Format::Wildcard),
        _ => None,
    }
}

fn distinct_names(octets: &[u8]) -> (usize, Summary) {
    let mut names = HashSet::new();
    let take = &mut |rule: Rule| {
        if let Pattern::Exact(name) | Pattern::Subtree(name) = rule.pattern {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            names.insert(hasher.finish());
        }
    };
    let summary = super::read(octets, &Options::default(), take).expect("a good list");
    (names.len(), summary)
}

/// Reads a file of the table; it has as many names as told, but for a difference that we know.
fn count_names(file: &str, format: Format, told: usize, differences: &[(&str, i64)]) {
    let Some(octets) = test_data::list(file) else {
        return;
    };
    let (names, summary) = distinct_names(&octets);
    let known = differences.iter().find(|(name, _)| *name == file);
    let expected = told.checked_add_signed(known.map_or(0, |known| known.1) as isize);
    assert_eq!(Some(names), expected, "{file}: {:?}", summary.samples.first());
    assert!(names.abs_diff(told) * 100 <= told, "{file}");
    let mixed = summary.format == Format::Wildcard || summary.format == Format::Domains;
    assert!(summary.format == format || mixed && format == Format::Domains, "{file}");
}

#[test]
fn real_lists_have_as_many_names_as_their_table_says() {
    for (file, format, names) in table() {
        let huge = HUGE.iter().any(|(name, _)| *name == file);
        if let Some(format) = table_format(&format).filter(|_| !huge) {
            count_names(&file, format, names, &DIFFERENCES);
        }
    }
}

#[test]
#[ignore = "minutes without optimisation"]
fn huge_lists_have_as_many_names_as_their_table_says() {
    for (file, _, names) in table() {
        if HUGE.iter().any(|(name, _)| *name == file) {
            count_names(&file, Format::Domains, names, &HUGE);
        }
    }
}

#[test]
fn address_lists_are_addresses() {
    for file in ["blp-malware-ip-2026", "doh-dibdot-2026.ipv4", "doh-dibdot-2026.ipv6"] {
        let Some(octets) = test_data::list(&format!("{file}.txt.gz")) else {
            return;
        };
        let list = parse(&octets, Format::Auto).expect("a good list");
        assert!(list.rules.len() > 1000, "{file}");
        let is_address = |rule: &Rule| matches!(rule.pattern, Pattern::Address(_));
        assert!(list.rules.iter().all(is_address), "{file}");
        assert_eq!(list.summary.refused, 0, "{file}: {:?}", list.summary.samples.first());
    }
}

proptest! {
    #[test]
    fn no_octets_make_the_reader_fall(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                r"[ \t]*(0\.0\.0\.0|::1|#|!|a\.x)?[ \t]{0,2}[a-z0-9.:/*|#\[\]]{0,20}"
                    .prop_map(String::into_bytes),
                r"[\[\](){}a-c0-9,:*+?^$|\\.~#-]{0,20}(;(querytype|reply|invert)=?[A-Z:.,!]{0,9})?"
                    .prop_map(String::into_bytes),
                r#"[{}\[\]":,a-z\\ ]{0,30}"#.prop_map(String::into_bytes),
            ],
            0..20
        ),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"])
    ) {
        let octets = lines.join(end.as_bytes());
        for (_, format) in Format::WORDS {
            if let Ok(list) = parse(&octets, format) {
                prop_assert!(list.rules.iter().all(|rule| (1..=list.summary.lines).contains(&rule.line)));
                prop_assert!(list.summary.refused + list.summary.boilerplate <= list.summary.lines);
            }
        }
    }

    #[test]
    fn the_order_of_lines_does_not_change_the_rules(
        lines in prop::collection::vec(
            prop_oneof![
                "[a-c]{1,2}\\.(x|y)",
                "(0\\.0\\.0\\.0|192\\.0\\.2\\.[1-3]) [a-c]\\.x [ab]!?",
                "(\\*\\.|\\.|\\|\\||@@\\|\\|)[a-c]\\.x\\^?",
                "(\\^|#|;|192\\.0\\.2\\.[1-3]|http://)?[a-c]{0,2}(/|;invert)?",
            ],
            1..12
        ),
        seed in any::<u64>()
    ) {
        let mut shuffled = lines.clone();
        shuffled.sort_by_key(|line| {
            let mut hasher = DefaultHasher::new();
            (seed, line).hash(&mut hasher);
            hasher.finish()
        });
        let rules = |lines: &[String], format| {
            let list = parse(lines.join("\n").as_bytes(), format).ok();
            list.map(|list| told(&list).into_iter().collect::<BTreeSet<_>>())
        };
        for format in [Format::Auto, Format::Hosts, Format::Domains, Format::Wildcard, Format::Pihole] {
            prop_assert_eq!(rules(&lines, format), rules(&shuffled, format), "{:?}", format);
        }
    }

    #[test]
    fn the_same_names_mean_the_same_in_both_formats(
        names_in in prop::collection::btree_set("[a-z]{1,8}\\.[a-z]{2,5}", 1..20)
    ) {
        let plain: String = names_in.iter().map(|name| format!("{name}\n")).collect();
        let hosts_lines: String = names_in.iter().map(|name| format!("0.0.0.0 {name}\n")).collect();
        let as_plain = read(&plain, Format::Auto);
        prop_assert_eq!(&as_plain.rules, &read(&hosts_lines, Format::Auto).rules);
        prop_assert_eq!(as_plain.rules.len(), names_in.len());
    }
}
