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

/// Everything below `tracker.net` is on the list and a tracking name.
fn inspect(answer: &StoredAnswer, forwarded: bool) -> Option<Inspection> {
    Inspection::of(answer, 5, forwarded, |target| {
        let tracking = target.is_subdomain_of(name("tracker.net").as_ref());
        (tracking.then_some(TRACKER).into_iter().collect(), tracking)
    })
}

fn addresses(list: &[&str]) -> Inspection {
    let records = list.iter().map(|text| address("www.site.com.", text)).collect();
    inspect(&answer(Type::A, records, &[]), false).expect("an inspection")
}

fn decision(verdict: Verdict) -> Decision {
    Decision { verdict, lifted: false, own: false }
}

fn by_list(_: NameRef<'_>, lists: ListMask) -> Decision {
    let blocked = lists.contains(TRACKER);
    decision(if blocked { Verdict::Block(Reason::List(TRACKER)) } else { Verdict::None })
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
    let names: Vec<String> = found.targets().iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["cdn.shared.org", "x.tracker.net"]);
    assert_eq!(found.judge(by_list).block, Some((1, Reason::List(TRACKER))));
    assert_eq!(found.first_tracking(), Some(1));
    assert_eq!((found.generation(), found.leads_inside()), (5, false));
}

#[test]
fn a_blocked_alias_without_an_address_is_found_too() {
    let records = vec![alias("www.site.com.", "x.tracker.net.")];
    let found = inspect(&answer(Type::AAAA, records, &[]), false).expect("an inspection");
    assert_eq!(found.judge(by_list).block, Some((0, Reason::List(TRACKER))));
}

#[test]
fn service_targets_are_targets_and_their_owner_is_not() {
    let records = vec![
        service("www.site.com.", ".", "198.51.100.1"),
        service("www.site.com.", "svc.tracker.net.", "198.51.100.2"),
    ];
    let found = inspect(&answer(Type::HTTPS, records, &[]), false).expect("an inspection");
    assert_eq!(found.targets().len(), 1);
    assert_eq!(found.judge(by_list).block, Some((0, Reason::List(TRACKER))));
}

#[test]
fn an_own_allow_ends_the_checks_and_a_lists_allow_does_not() {
    let allow_cdn = |own: bool| {
        move |target: NameRef<'_>, lists: ListMask| {
            if target.is_subdomain_of(name("shared.org").as_ref()) {
                Decision { own, ..decision(Verdict::Allow(OWN_BLOCK)) }
            } else {
                by_list(target, lists)
            }
        }
    };
    assert_eq!(chain().judge(allow_cdn(true)), Ruling::default());
    assert!(chain().judge(allow_cdn(false)).block.is_some());
}

#[test]
fn a_lifted_block_is_noted_and_a_later_one_still_stands() {
    let paused =
        |target: NameRef<'_>, lists: ListMask| Decision { lifted: true, ..by_list(target, lists) };
    let ruling = chain().judge(paused);
    assert_eq!(ruling, Ruling { block: None, lifted: Some((1, Reason::List(TRACKER))) });
    let own_block_behind = |target: NameRef<'_>, _: ListMask| Decision {
        lifted: target.is_subdomain_of(name("shared.org").as_ref()),
        ..decision(Verdict::Block(OWN_BLOCK))
    };
    let ruling = chain().judge(own_block_behind);
    assert_eq!(ruling, Ruling { block: Some((1, OWN_BLOCK)), lifted: Some((0, OWN_BLOCK)) });
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
    assert_eq!(services(64).expect("an inspection").targets().len(), 64);
    assert!(services(65).is_none());
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
    assert_eq!(chained(16).expect("an inspection").targets().len(), 16);
    assert!(chained(17).is_none());
}
