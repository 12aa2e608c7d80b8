//! Inspection of answers as upstreams give them.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message as Reply, MessageType, OpCode, Query as Asking};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::svcb::{IpHint, SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, HTTPS};
use hickory_proto::rr::{Name, RData, Record, RecordType as Type};

use super::*;
use crate::model::{ListId, RecordType, RuleId};
use crate::wire::Question;

const TRACKER: ListId = ListId(1);
const OWN_BLOCK: Reason = Reason::Rule(RuleId(7));

fn hickory(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn alias(owner: &str, target: &str) -> Record {
    Record::from_rdata(hickory(owner), 60, RData::CNAME(CNAME(hickory(target))))
}

fn address(owner: &str, address: &str) -> Record {
    let data = match address.parse().expect("an address") {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(hickory(owner), 60, data)
}

fn service(owner: &str, target: &str, hint: &str) -> Record {
    let hint = SvcParamValue::Ipv4Hint(IpHint(vec![A(hint.parse().expect("an address"))]));
    let data = SVCB::new(1, hickory(target), vec![(SvcParamKey::Ipv4Hint, hint)]);
    Record::from_rdata(hickory(owner), 60, RData::HTTPS(HTTPS(data)))
}

fn answer(query_type: Type, records: Vec<Record>, errors: &[u16]) -> StoredAnswer {
    let mut reply = Reply::new(1, MessageType::Response, OpCode::Query);
    reply.add_query(Asking::query(hickory("www.site.com."), query_type));
    reply.answers = records;
    if let Some(&code) = errors.first() {
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(15, code.to_be_bytes().to_vec()));
        reply.set_edns(edns);
    }
    let question = Question {
        name: name("www.site.com"),
        query_type: RecordType(query_type.into()),
        dnssec_ok: false,
        checking_disabled: false,
    };
    StoredAnswer::take(&reply.to_vec().expect("a message"), &question).expect("an answer")
}

/// Everything below `tracker.net` is a tracking name.
fn inspect(answer: &StoredAnswer, forwarded: bool) -> Option<Inspection> {
    Inspection::of(answer, (5, NameFacts::default()), forwarded, |lead| Known {
        tracking: is_tracker(lead),
        ..Known::default()
    })
}

fn is_tracker(lead: &Lead) -> bool {
    below(lead, "tracker.net")
}

fn below(lead: &Lead, above: &str) -> bool {
    match lead {
        Lead::Name(target) => target.as_ref().is_subdomain_of(name(above).as_ref()),
        Lead::Address(_) => false,
    }
}

fn addresses(list: &[&str]) -> Inspection {
    let records = list.iter().map(|text| address("www.site.com.", text)).collect();
    inspect(&answer(Type::A, records, &[]), false).expect("an inspection")
}

fn by_list(element: &Element) -> Decision {
    let blocked = is_tracker(&element.lead);
    if blocked { Verdict::Block(Reason::List(TRACKER)).into() } else { Verdict::None.into() }
}

fn by_tracker(place: usize) -> Option<(usize, Reason, Answer)> {
    Some((place, Reason::List(TRACKER), Answer::Policy))
}

fn chain() -> Inspection {
    let records = vec![
        alias("www.site.com.", "CDN.shared.org."),
        alias("cdn.shared.org.", "x.tracker.net."),
        address("x.tracker.net.", "198.51.100.7"),
    ];
    inspect(&answer(Type::A, records, &[]), false).expect("an inspection")
}

#[test]
fn alias_of_a_tracker_is_blocked() {
    let found = chain();
    let leads: Vec<&Lead> = found.elements().iter().map(|element| &element.lead).collect();
    let address = Lead::Address("198.51.100.7".parse().expect("an address"));
    let names = ["cdn.shared.org", "x.tracker.net"].map(|text| Lead::Name(name(text)));
    assert_eq!(leads, [&names[0], &names[1], &address]);
    let types: Vec<RecordType> = found.elements().iter().map(|e| e.record_type).collect();
    assert_eq!(types, [RecordType::CNAME, RecordType::CNAME, RecordType::A]);
    assert_eq!(found.judge(by_list).block, by_tracker(1));
    assert_eq!(found.first_tracking(), Some(1));
    assert_eq!((found.generation(), found.leads_inside()), (5, false));
}

#[test]
fn a_blocked_alias_without_an_address_is_found_too() {
    let records = vec![alias("www.site.com.", "x.tracker.net.")];
    let found = inspect(&answer(Type::AAAA, records, &[]), false).expect("an inspection");
    assert_eq!(found.judge(by_list).block, by_tracker(0));
}

#[test]
fn service_targets_are_targets_and_their_owner_is_not() {
    let records = vec![
        service("www.site.com.", ".", "198.51.100.1"),
        service("www.site.com.", "svc.tracker.net.", "198.51.100.2"),
    ];
    let found = inspect(&answer(Type::HTTPS, records, &[]), false).expect("an inspection");
    assert_eq!(found.elements().len(), 3);
    assert!(found.elements().iter().all(|element| element.record_type == RecordType::HTTPS));
    assert_eq!(found.judge(by_list).block, by_tracker(1));
}

#[test]
fn an_own_allow_ends_the_checks_and_a_lists_allow_does_not() {
    let allow_cdn = |own: bool| {
        move |element: &Element| {
            if below(&element.lead, "shared.org") {
                Decision { own, ..Verdict::Allow(OWN_BLOCK).into() }
            } else {
                by_list(element)
            }
        }
    };
    assert_eq!(chain().judge(allow_cdn(true)), Ruling::default());
    assert!(chain().judge(allow_cdn(false)).block.is_some());
}

#[test]
fn an_address_is_blocked_with_its_rules_answer_and_an_allowed_one_skipped() {
    let found = addresses(&["198.51.100.1", "198.51.100.2", "198.51.100.3"]);
    let is = |element: &Element, last: u8| {
        element.lead == Lead::Address([198, 51, 100, last].into())
            && element.record_type == RecordType::A
    };
    let decide = |element: &Element| match element {
        element if is(element, 1) => Decision { own: true, ..Verdict::Allow(OWN_BLOCK).into() },
        element if is(element, 2) => Verdict::Rewrite(OWN_BLOCK).into(),
        _ => Decision { answer: Answer::Drop, ..Verdict::Block(OWN_BLOCK).into() },
    };
    assert_eq!(found.judge(decide).block, Some((2, OWN_BLOCK, Answer::Drop)));
}

#[test]
fn mapped_addresses_count_as_what_they_map_and_hints_by_the_type_of_their_record() {
    let records = vec![address("www.site.com.", "::ffff:198.51.100.9")];
    let found = inspect(&answer(Type::AAAA, records, &[]), false).expect("an inspection");
    assert_eq!(found.elements()[0].lead, Lead::Address([198, 51, 100, 9].into()));
    assert_eq!(found.elements()[0].record_type, RecordType::AAAA);
    let records = vec![service("www.site.com.", ".", "198.51.100.9")];
    let found = inspect(&answer(Type::HTTPS, records, &[]), false).expect("an inspection");
    assert_eq!(found.elements()[0].lead, Lead::Address([198, 51, 100, 9].into()));
    assert_eq!(found.elements()[0].record_type, RecordType::HTTPS);
}

#[test]
fn a_lifted_block_is_noted_and_a_later_one_still_stands() {
    let paused = |element: &Element| Decision { lifted: true, ..by_list(element) };
    let ruling = chain().judge(paused);
    assert_eq!((ruling.block, ruling.lifted), (None, Some((1, Reason::List(TRACKER)))));
    let own_block_behind = |element: &Element| Decision {
        lifted: below(&element.lead, "shared.org"),
        ..Verdict::Block(OWN_BLOCK).into()
    };
    let ruling = chain().judge(own_block_behind);
    assert_eq!(ruling.block, Some((1, OWN_BLOCK, Answer::Policy)));
    assert_eq!(ruling.lifted, Some((0, OWN_BLOCK)));
}

#[test]
fn public_names_may_not_lead_inside() {
    for inside in [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "0.1.2.3",
        "::1",
        "fd00::1",
        "fc00::1",
        "fe80::1",
        "::ffff:192.168.1.1",
    ] {
        assert!(addresses(&["198.51.100.1", inside]).leads_inside(), "{inside}");
    }
    for outside in ["198.51.100.1", "172.32.0.1", "100.64.0.1", "2001:db8::1", "0.0.0.0", "::"] {
        assert!(!addresses(&[outside]).leads_inside(), "{outside}");
    }
}

#[test]
fn hints_count_and_forwarded_zones_may_lead_inside() {
    let records = vec![service("www.site.com.", ".", "192.168.1.1")];
    let hinted = answer(Type::HTTPS, records, &[]);
    assert!(inspect(&hinted, false).expect("an inspection").leads_inside());
    let forwarded = inspect(&hinted, true).expect("an inspection");
    assert!(forwarded.forwarded() && !forwarded.leads_inside());
}

#[test]
fn what_the_upstream_blocked_is_known() {
    assert!(addresses(&["0.0.0.0"]).blocked_upstream());
    assert!(addresses(&["::"]).blocked_upstream());
    assert!(!addresses(&["198.51.100.1"]).blocked_upstream());
    let said = |code| inspect(&answer(Type::A, Vec::new(), &[code]), false).expect("inspected");
    assert!(said(15).blocked_upstream() && said(17).blocked_upstream());
    assert!(!said(22).blocked_upstream());
}

#[test]
fn an_answer_that_leads_everywhere_is_refused_whole() {
    let services = |count: usize| {
        let records = (0..count)
            .map(|n| service("www.site.com.", &format!("t{n}.site.com."), "198.51.100.1"))
            .collect();
        inspect(&answer(Type::HTTPS, records, &[]), false)
    };
    assert_eq!(services(64).expect("an inspection").elements().len(), 65, "and one hint");
    assert!(services(65).is_none());
    let addresses = |count: u32| {
        let one = |n: u32| address("www.site.com.", &Ipv4Addr::from(0xc633_6400 + n).to_string());
        inspect(&answer(Type::A, (0..count).map(one).collect(), &[]), false)
    };
    assert_eq!(addresses(256).expect("an inspection").elements().len(), 256);
    assert!(addresses(257).is_none());
}

#[test]
fn sixteen_aliases_are_followed_and_seventeen_are_refused() {
    let chained = |count: usize| {
        let owner =
            |n: usize| if n == 0 { "www.site.com.".into() } else { format!("n{n}.site.com.") };
        let mut records: Vec<Record> =
            (0..count).map(|n| alias(&owner(n), &owner(n + 1))).collect();
        records.push(address(&owner(count), "198.51.100.1"));
        inspect(&answer(Type::A, records, &[]), false)
    };
    assert_eq!(chained(16).expect("an inspection").elements().len(), 17, "and an address");
    assert!(chained(17).is_none());
}
