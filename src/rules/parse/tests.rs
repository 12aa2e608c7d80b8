//! Whole lists: formats, refusals, counts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
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

#[test]
fn every_name_of_a_hosts_line_counts_whatever_the_address() {
    assert_eq!(hosts("0.0.0.0 a.x b.x\t\tc.x d.x e.x f.x g.x h.x i.x j.x").len(), 10);
    for address in ["127.0.0.1", "::", "::1", "0.0.0.0%lo0", "192.0.2.9", "2001:db8::9"] {
        assert_eq!(hosts(&format!("{address} a.x")), ["a.x"], "{address}");
    }
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
    assert_eq!(refusal("192.0.2.77", Format::Hosts), Refusal::AddressRule.to_string());
    assert!(refusal("0.0.0.0 1.2.3.4", Format::Hosts).ends_with("this version blocks names only"));
    assert!(refusal("0.0.0.0 a..x", Format::Hosts).contains("empty label"));
    assert!(refusal("0.0.0.0 1.2.3", Format::Hosts).contains("neither a name nor an address"));
}

#[test]
fn what_is_no_plain_name_is_refused_with_the_reason() {
    let cases = [
        ("1.2.3.4", "this version blocks names only"),
        ("1.2.3.4.", "this version blocks names only"),
        ("10.0.0.0/8", "this version blocks names only"),
        ("2001:0db8::0001", "this version blocks names only"),
        ("http://a.x/path", "a URL with a path"),
        ("a.x/path", "a URL with a path"),
        ("a.x:8080", "a host with a port"),
        ("http://a.x:80/", "a host with a port"),
        ("ftp://a.x", "neither http nor https"),
        ("0.0.0.0 a.x", "a hosts line"),
        ("a.x b.x", "more than one word"),
        ("*.a.x", "a wildcard"),
        (".a.x", "a wildcard"),
        ("a.*.x", "a wildcard"),
        ("||a.x^", "AdGuard syntax"),
        ("a.x##.banner", "AdGuard syntax"),
        ("/^ad/", "AdGuard syntax"),
        ("address=/a.x/0.0.0.0", "dnsmasq"),
        ("a.x CNAME .", "response policy zone"),
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
    let found = |text: &str| read(text, Format::Auto).summary.refused;
    assert_eq!(found("# list\n\n0.0.0.0 a.x\n0.0.0.0 b.x\nc.x\n"), 0);
    assert_eq!(found("a.x\nb.x\nhttp://c.x\n0.0.0.0 d.x\n"), 1);
    assert_eq!(found("a.x # 1\n"), 0);
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
    assert_eq!(refused(b"{\n\"a\": [\n\"a.x\"\n]\n}\n"), Some(ListRefused::Json));
    assert_eq!(refused(b"a.x\nb.\0x"), Some(ListRefused::Binary(2)));
    assert_eq!(refused(b""), Some(ListRefused::Empty));
    assert_eq!(refused(b"# nothing\n127.0.0.1 localhost\n"), Some(ListRefused::Empty));
    let unreadable = refused("bad!\na^\n".repeat(5).as_bytes().get(5..).expect("long"));
    let why = Refusal::AdGuard.to_string();
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

#[test]
fn a_list_made_dirty_on_purpose_is_read_as_expected() {
    let Some(octets) = test_data::list("made-dirty.hosts.txt.gz") else {
        return;
    };
    let expectation = test_data::list("made-dirty.expect.json.gz").expect("beside its list");
    let expected: serde_json::Value = serde_json::from_slice(&expectation).expect("JSON");
    let texts = |key: &str| -> BTreeSet<String> {
        let items = expected[key].as_array().expect("a list").iter();
        items.map(|item| item.as_str().expect("a text").to_string()).collect()
    };
    let mut wanted = texts("block");
    let rewritten = expected["rewrite_if_trusted_else_block"].as_object().expect("an object");
    wanted.extend(rewritten.keys().cloned());
    for format in [Format::Auto, Format::Hosts] {
        let list = parse(&octets, format).expect("a good list");
        let found: BTreeSet<String> = names(&list).into_iter().collect();
        assert_eq!(found, wanted);
        assert!(found.is_disjoint(&texts("must_not_be_rules")));
        let address = list.summary.samples.iter().find(|sample| sample.text == "192.0.2.77");
        assert_eq!(address.expect("refused").why, Refusal::AddressRule.to_string());
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

proptest! {
    #[test]
    fn no_octets_make_the_reader_fall(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                r"[ \t]*(0\.0\.0\.0|::1|#|!|a\.x)?[ \t]{0,2}[a-z0-9.:/*|#\[\]]{0,20}"
                    .prop_map(String::into_bytes),
            ],
            0..20
        ),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"])
    ) {
        let octets = lines.join(end.as_bytes());
        for format in [Format::Auto, Format::Hosts, Format::Domains] {
            if let Ok(list) = parse(&octets, format) {
                prop_assert!(list.rules.iter().all(|rule| (1..=list.summary.lines).contains(&rule.line)));
                prop_assert!(list.summary.refused + list.summary.boilerplate <= list.summary.lines);
            }
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
