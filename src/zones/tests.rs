//! Zones, asked as clients ask.

use std::path::PathBuf;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Asked};
use hickory_proto::rr::{Name, RecordType as Type};

use super::*;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn local(text: &str, addresses: &[&str]) -> LocalName {
    let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
    let (text, wildcard) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
    LocalName { name: name(text), wildcard, addresses, alias: None }
}

fn alias(text: &str, target: &str) -> LocalName {
    LocalName { alias: Some(name(target)), ..local(text, &[]) }
}

fn zones(names: Vec<LocalName>) -> Zones {
    Zones::build(&LocalNames { names, zone_files: Vec::new() }).expect("zones")
}

fn packet(text: &str, query_type: Type, edns: bool) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Asked::query(Name::from_ascii(text).expect("a name"), query_type));
    if edns {
        message.set_edns(Edns::new());
    }
    message.to_vec().expect("a message")
}

fn octets(zones: &Zones, packet: &[u8], at: &str, limit: usize) -> Vec<u8> {
    let query = Query::parse(packet).expect("a query");
    let mut out = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(zones.answer(&query, at.parse().expect("an address"), limit, &mut out));
    out
}

/// Returns code, answer data and whether there is an SOA, as `NoError [192.0.2.1] false`.
fn ask(zones: &Zones, text: &str, query_type: Type) -> String {
    let out = octets(zones, &packet(text, query_type, false), "192.168.1.2", 512);
    let reply = Message::from_vec(&out).expect("a well-formed reply");
    assert!(reply.metadata.authoritative && !reply.metadata.authentic_data, "{text}");
    let data: Vec<String> = reply.answers.iter().map(|record| record.data.to_string()).collect();
    let soa = reply.authorities.iter().any(|record| record.record_type() == Type::SOA);
    format!("{:?} [{}] {soa}", reply.metadata.response_code, data.join(" "))
}

#[test]
fn special_names_are_answered_here() {
    let zones = zones(Vec::new());
    let table = [
        ("localhost.", Type::A, "NoError [127.0.0.1] false"),
        ("LOCALHOST.", Type::AAAA, "NoError [::1] false"),
        ("a.b.localhost.", Type::A, "NoError [127.0.0.1] false"),
        ("localhost.", Type::MX, "NoError [] true"),
        ("a.localhost.", Type::HTTPS, "NoError [] true"),
        ("1.0.0.127.in-addr.arpa.", Type::PTR, "NoError [localhost.] false"),
        ("x.invalid.", Type::A, "NXDomain [] true"),
        ("facebookcorewwwi.onion.", Type::A, "NXDomain [] true"),
        ("home.arpa.", Type::A, "NoError [] true"),
        ("tv.home.arpa.", Type::A, "NXDomain [] true"),
        ("printer.local.", Type::AAAA, "NXDomain [] true"),
        ("_dns.resolver.arpa.", Type::SVCB, "NoError [] true"),
        ("x.resolver.arpa.", Type::A, "NoError [] true"),
        ("1.1.168.192.in-addr.arpa.", Type::PTR, "NXDomain [] true"),
        ("1.0.31.172.in-addr.arpa.", Type::PTR, "NXDomain [] true"),
        ("1.0.64.100.in-addr.arpa.", Type::PTR, "NXDomain [] true"),
        ("1.d.f.ip6.arpa.", Type::PTR, "NXDomain [] true"),
        ("router.", Type::A, "NXDomain [] true"),
        ("wpad.box.", Type::A, "NXDomain [] true"),
    ];
    for (text, query_type, expected) in table {
        assert_eq!(ask(&zones, text, query_type), expected, "{text} {query_type}");
    }
}

#[test]
fn our_name_is_the_address_that_was_asked() {
    let zones = zones(Vec::new());
    let ask_at = |query_type, at: &str| {
        let out = octets(&zones, &packet("deadpixel.internal.", query_type, false), at, 512);
        let reply = Message::from_vec(&out).expect("a well-formed reply");
        reply.answers.iter().map(|record| record.data.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ask_at(Type::A, "127.0.0.1"), ["127.0.0.1"]);
    assert_eq!(ask_at(Type::A, "::ffff:192.168.1.2"), ["192.168.1.2"]);
    assert_eq!(ask_at(Type::AAAA, "fd00::2"), ["fd00::2"]);
    assert!(ask_at(Type::AAAA, "192.168.1.2").is_empty());
    assert!(ask_at(Type::A, "0.0.0.0").is_empty());
    assert_eq!(ask(&zones, "deadpixel.internal.", Type::HTTPS), "NoError [] true");
    assert_eq!(ask(&zones, "x.deadpixel.internal.", Type::A), "NXDomain [] true");
}

#[test]
fn names_of_the_policy_are_answered_by_family_wildcard_and_alias() {
    let zones = zones(vec![
        local("tv.home.arpa", &["192.168.1.5", "fd00::5"]),
        local("printer.example.com", &["192.168.1.6"]),
        local("*.dev.example.com", &["192.168.1.7", "192.168.1.8"]),
        local("db.dev.example.com", &["fd00::9"]),
        local("nas", &["192.168.1.9"]),
        alias("telly.home.arpa", "tv.home.arpa"),
        alias("screen.example.net", "telly.home.arpa"),
        alias("dns.example.net", "deadpixel.internal"),
        alias("*.lost.example.net", "gone.home.arpa"),
    ]);
    let table = [
        ("tv.home.arpa.", Type::A, "NoError [192.168.1.5] false"),
        ("tv.home.arpa.", Type::AAAA, "NoError [fd00::5] false"),
        ("tv.home.arpa.", Type::TXT, "NoError [] true"),
        ("x.tv.home.arpa.", Type::A, "NXDomain [] true"),
        ("printer.example.com.", Type::AAAA, "NoError [] true"),
        ("a.b.dev.example.com.", Type::A, "NoError [192.168.1.7 192.168.1.8] false"),
        ("db.dev.example.com.", Type::A, "NoError [] true"),
        ("db.dev.example.com.", Type::AAAA, "NoError [fd00::9] false"),
        ("nas.", Type::A, "NoError [192.168.1.9] false"),
        (
            "screen.example.net.",
            Type::A,
            "NoError [telly.home.arpa. tv.home.arpa. 192.168.1.5] false",
        ),
        ("screen.example.net.", Type::CNAME, "NoError [telly.home.arpa.] false"),
        ("screen.example.net.", Type::MX, "NoError [telly.home.arpa. tv.home.arpa.] true"),
        ("dns.example.net.", Type::A, "NoError [deadpixel.internal. 192.168.1.2] false"),
        ("x.lost.example.net.", Type::A, "NXDomain [gone.home.arpa.] true"),
        ("5.1.168.192.in-addr.arpa.", Type::PTR, "NoError [tv.home.arpa.] false"),
    ];
    for (text, query_type, expected) in table {
        assert_eq!(ask(&zones, text, query_type), expected, "{text} {query_type}");
    }
}

#[test]
fn only_the_names_given_are_ours() {
    let zones = zones(vec![
        local("printer.example.com", &["192.168.1.6"]),
        local("*.dev.example.com", &["192.168.1.7"]),
    ]);
    let ours = |text: &str| zones.is_ours(name(text).as_ref());
    for text in ["printer.example.com", "x.dev.example.com", "tv.home.arpa", "wpad", "wpad.lan"] {
        assert!(ours(text), "{text}");
    }
    for text in [
        "example.com",
        "www.example.com",
        "x.printer.example.com",
        "dev.example.com",
        "8.8.8.8.in-addr.arpa",
        "wpad.corp.example.com",
        "mywpad.example.com",
        "com",
    ] {
        assert!(!ours(text), "{text}");
    }
}

#[test]
fn only_what_forward_can_never_map_is_always_ours() {
    let zones = zones(vec![local("tv.home.arpa", &["192.168.1.5"])]);
    let always = |text: &str| zones.is_always_ours(name(text).as_ref());
    for text in ["a.localhost", "invalid", "x.onion", "_dns.resolver.arpa", "tv.home.arpa"] {
        assert!(always(text), "{text}");
    }
    for text in ["x.home.arpa", "1.168.192.in-addr.arpa", "internal", "wpad.lan", "example.com"] {
        assert!(!always(text), "{text}");
    }
}

#[test]
fn one_label_is_a_host_unless_it_is_a_top_level_domain() {
    let bare = |text: &str, query_type| Zones::is_bare_host(name(text).as_ref(), query_type);
    assert!(bare("router", RecordType::A) && bare("router", RecordType::HTTPS));
    assert!(!bare("router", RecordType::DS), "a validator must reach new top-level domains");
    assert!(!bare("com", RecordType::A));
    assert!(!bare("router.lan", RecordType::A));
    assert!(!Zones::is_bare_host(DomainName::root().as_ref(), RecordType::A));
}

#[test]
fn a_reply_echoes_the_letters_and_has_edns_only_if_asked() {
    let zones = zones(vec![local("tv.home.arpa", &["192.168.1.5"])]);
    let with = octets(&zones, &packet("Tv.hOme.aRpa.", Type::A, true), "127.0.0.1", 1232);
    let reply = Message::from_vec(&with).expect("a well-formed reply");
    assert_eq!(reply.queries[0].name().to_ascii(), "Tv.hOme.aRpa.");
    assert_eq!((reply.metadata.id, reply.edns.is_some()), (7, true));
    let without = octets(&zones, &packet("tv.home.arpa.", Type::A, false), "127.0.0.1", 512);
    assert!(Message::from_vec(&without).expect("a well-formed reply").edns.is_none());
}

#[test]
fn a_reply_that_does_not_fit_is_truncated() {
    let many: Vec<String> = (1..=100).map(|last| format!("192.168.9.{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let zones = zones(vec![local("big.home.arpa", &many)]);
    let query = packet("big.home.arpa.", Type::A, true);
    let datagram = octets(&zones, &query, "127.0.0.1", 512);
    assert!(datagram.len() <= 512);
    assert!(Message::from_vec(&datagram).expect("a reply").metadata.truncation);
    let stream = octets(&zones, &query, "127.0.0.1", 65_535);
    assert_eq!(Message::from_vec(&stream).expect("a reply").answers.len(), 100);
}

#[test]
fn zone_files_answer_and_yield_to_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lan.zone");
    let text = "$TTL 300\n@ SOA ns admin 1 3600 900 604800 60\n@ NS ns\nns A 192.0.2.1\n\
                * TXT \"any\"\n_ldap._tcp SRV 0 0 389 ns\nmail MX 10 ns\n";
    std::fs::write(&path, text).expect("written");
    let names = vec![local("tv.lan", &["192.168.1.5"])];
    let local = LocalNames { names, zone_files: vec![(name("lan"), path)] };
    let zones = Zones::build(&local).expect("zones");
    let table = [
        ("ns.lan.", Type::A, "NoError [192.0.2.1] false"),
        ("ns.lan.", Type::TXT, "NoError [] true"),
        ("x.lan.", Type::TXT, "NoError [any] false"),
        ("x.lan.", Type::A, "NoError [] true"),
        ("_tcp.lan.", Type::TXT, "NoError [] true"),
        ("x._tcp.lan.", Type::TXT, "NXDomain [] true"),
        ("_ldap._tcp.lan.", Type::SRV, "NoError [0 0 389 ns.lan.] false"),
        ("tv.lan.", Type::A, "NoError [192.168.1.5] false"),
        ("lan.", Type::NS, "NoError [ns.lan.] false"),
    ];
    for (text, query_type, expected) in table {
        assert_eq!(ask(&zones, text, query_type), expected, "{text} {query_type}");
    }
    assert!(zones.is_always_ours(name("x.lan").as_ref()));
}

#[test]
fn what_cannot_be_right_is_told_all_at_once() {
    let names = vec![
        alias("a.example.com", "www.example.org"),
        local("x.localhost", &["192.168.1.1"]),
        LocalName { alias: Some(name("localhost")), ..local("b.example.com", &["192.168.1.1"]) },
    ];
    let files = vec![(name("onion"), PathBuf::from("x")), (name("lan"), PathBuf::from("/none"))];
    let problems = Zones::build(&LocalNames { names, zone_files: files }).err().expect("problems");
    let all = problems.join("\n");
    assert!(all.contains("a.example.com is an alias of www.example.org"), "{all}");
    assert!(all.contains("x.localhost is answered by the program itself"), "{all}");
    assert!(all.contains("onion cannot have a zone file"), "{all}");
    assert!(all.contains("/none: "), "{all}");
    assert!(all.contains("b.example.com has both addresses and an alias"), "{all}");
}

#[test]
fn a_loop_of_aliases_ends() {
    let zones = zones(vec![
        alias("a.example.com", "b.example.net"),
        alias("b.example.net", "a.example.com"),
    ]);
    let out = octets(&zones, &packet("a.example.com.", Type::A, false), "127.0.0.1", 512);
    assert_eq!(Message::from_vec(&out).expect("a reply").answers.len(), 2);
}
