//! Cases of `filter-rules.md`, sections 2.1, 9 and 11, judged rule by rule.

use super::*;
use crate::model::{ListKind, ListName, RecordType};
use crate::rules::{Asker, ClientMatch, Selection};

/// Lists in their order: two in AdGuard's syntax, an allowlist, a trusted one, a shipped one, two zones.
const LISTS: [(&str, Format); 7] = [
    ("one", Format::Adguard),
    ("two", Format::Adguard),
    ("good", Format::Domains),
    ("trusted", Format::Adguard),
    ("shipped", Format::Domains),
    ("zone-1", Format::Rpz),
    ("zone-2", Format::Rpz),
];
const BLOCK: Effect = Effect::Block(Answer::Policy);

fn lists() -> Vec<ListInfo> {
    let info = |(name, format): (&str, Format)| {
        let list = ListName::parse(name).expect("a name");
        let info = ListInfo::new(list, ListKind::Other, format);
        let (shipped, trusted) = (name == "shipped", name == "trusted" || name == "zone-2");
        ListInfo { shipped, trusted, allowlist: name == "good", ..info }
    };
    LISTS.into_iter().map(info).collect()
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

/// Reads `=x` as exactly x, `*.x` as below, `/x/` as an expression, `x` as x and below.
fn pattern(text: &str) -> Pattern {
    if let Some(expression) = text.strip_prefix('/').and_then(|it| it.strip_suffix('/')) {
        return Pattern::regex(expression);
    }
    match (text.strip_prefix('='), text.strip_prefix("*.")) {
        _ if text == "*" => Pattern::Everything,
        (Some(exact), _) => Pattern::Exact(name(exact)),
        (_, Some(top)) => Pattern::Below(name(top)),
        _ => Pattern::Subtree(name(text)),
    }
}

fn rule(text: &str, effect: Effect) -> Rule {
    Rule { adguard: true, ..Rule::plain(pattern(text), effect, 1) }
}

fn important(rule: Rule) -> Rule {
    Rule { important: true, ..rule }
}

fn cancelling(rule: Rule) -> Rule {
    Rule { badfilter: true, ..rule }
}

fn of_type(rule: Rule, record_type: RecordType) -> Rule {
    let types = Selection { include: [record_type].into(), ..Selection::default() };
    Rule { condition: Some(Box::new(Condition { types, ..Condition::default() })), ..rule }
}

fn for_client(rule: Rule, prefix: &str) -> Rule {
    let client = ClientMatch::Address(prefix.parse().expect("a prefix"));
    let clients = Selection { include: [client].into(), ..Selection::default() };
    Rule { condition: Some(Box::new(Condition { clients, ..Condition::default() })), ..rule }
}

fn alias(target: &str) -> Effect {
    Effect::Rewrite(Rewrite::Alias(name(target)))
}

fn record(last: u8) -> Effect {
    Effect::Rewrite(Rewrite::Record(Record::v4([192, 0, 2, last].into())))
}

/// Judges those of the rules, each in a list, that cover a name when A is asked by 10.0.0.1.
fn judged(rules: &[(&str, Rule)], text: &str) -> (Judgement, Vec<Fate>) {
    let place = |list: &str| LISTS.iter().position(|(name, _)| *name == list).expect("a list");
    let asked = name(text);
    let candidates: Vec<Candidate<'_>> = rules
        .iter()
        .filter(|(_, rule)| covers_name(rule, asked.as_ref()))
        .map(|(list, rule)| Candidate { list: ListId(place(list) as u8), rule })
        .collect();
    let asker = Asker { address: [10, 0, 0, 1].into(), names: &[], tags: &[] };
    let asking = Asking { name: asked.as_ref(), query_type: RecordType::A, asker };
    let mask: ListMask = (0..7).map(ListId).collect();
    let evaluation = evaluate(&candidates, &lists(), mask, &asking);
    (evaluation.judgement, evaluation.fates)
}

fn says(rules: &[(&str, Rule)], text: &str) -> Judgement {
    judged(rules, text).0
}

fn blocked(list: u8) -> Judgement {
    Judgement::Block(ListId(list), Answer::Policy)
}

fn answered(list: u8, records: &[u8]) -> Judgement {
    let records = records.iter().map(|&last| Record::v4([192, 0, 2, last].into())).collect();
    Judgement::Rewrite(ListId(list), Rewritten { records, ..Rewritten::default() })
}

#[test]
fn the_order_of_kinds_is_as_the_rules_say() {
    let allow = || Effect::Allow;
    // Each stands above all that follow it.
    let ladder = [
        ("good", rule("x.com", BLOCK), Judgement::Allow(ListId(2))),
        ("trusted", rule("x.com", record(1)), answered(3, &[1])),
        ("one", important(rule("x.com", allow())), Judgement::Allow(ListId(0))),
        ("one", important(rule("x.com", BLOCK)), blocked(0)),
        ("two", rule("x.com", allow()), Judgement::Allow(ListId(1))),
        (
            "zone-1",
            rule("=x.com", Effect::Block(Answer::Drop)),
            Judgement::Block(ListId(5), Answer::Drop),
        ),
    ];
    for first in 0..ladder.len() {
        let rules: Vec<_> =
            ladder[first..].iter().rev().map(|(list, rule, _)| (*list, rule.clone())).collect();
        assert_eq!(says(&rules, "x.com"), ladder[first].2, "{:?}", ladder[first].1);
    }
}

#[test]
fn among_equals_the_more_restricted_rule_is_told_then_the_list_then_the_line() {
    let later = Rule { line: 9, ..rule("x.com", BLOCK) };
    let hosts = Rule { adguard: false, ..rule("=x.com", BLOCK) };
    let typed = of_type(rule("x.com", BLOCK), RecordType::A);
    let rules = [("one", hosts), ("two", typed), ("one", later), ("one", rule("/x/", BLOCK))];
    let (judgement, fates) = judged(&rules, "x.com");
    assert_eq!(judgement, blocked(1));
    let points = Fate::LostTo(1, Because::Points);
    assert_eq!(fates, [points, Fate::Decided, points, points]);
    let rules = [rules[0].clone(), rules[2].clone(), rules[3].clone()];
    let (_, fates) = judged(&rules, "x.com");
    let lost = |because| Fate::LostTo(2, because);
    assert_eq!(fates, [lost(Because::Syntax), lost(Because::Line), Fate::Decided]);
}

#[test]
fn badfilter_cancels_its_like_in_any_subscribed_list_and_nothing_else() {
    let cancel = cancelling(rule("x.com", BLOCK));
    let rules = [("two", cancel.clone()), ("one", rule("x.com", BLOCK))];
    let (judgement, fates) = judged(&rules, "a.x.com");
    assert_eq!(judgement, Judgement::None);
    assert_eq!(fates, [Fate::Cancels, Fate::CancelledBy(0)]);
    let spared = [
        ("one", important(rule("x.com", BLOCK)), blocked(0)),
        ("one", of_type(rule("x.com", BLOCK), RecordType::A), blocked(0)),
        ("one", rule("=x.com", BLOCK), blocked(0)),
        ("shipped", rule("x.com", BLOCK), blocked(4)),
        ("good", rule("x.com", BLOCK), Judgement::Allow(ListId(2))),
    ];
    for (list, rule, expected) in spared {
        let rules = [("two", cancel.clone()), (list, rule)];
        assert_eq!(says(&rules, "x.com"), expected, "{rules:?}");
    }
}

#[test]
fn strangers_exceptions_leave_shipped_blocks_alone() {
    for allow in [rule("x.com", Effect::Allow), important(rule("x.com", Effect::Allow))] {
        let rules = [("one", allow.clone()), ("two", rule("x.com", BLOCK))];
        assert_eq!(says(&rules, "x.com"), Judgement::Allow(ListId(0)));
        let rules = [("one", allow), ("shipped", rule("x.com", BLOCK))];
        let (judgement, fates) = judged(&rules, "x.com");
        assert_eq!(judgement, blocked(4));
        assert_eq!(fates, [Fate::LostTo(1, Because::Shipped), Fate::Decided]);
    }
}

#[test]
fn the_closest_rule_speaks_where_the_longest_decides() {
    let rules = [
        ("shipped", rule("x.com", BLOCK)),
        ("shipped", rule("a.x.com", Effect::Hole)),
        ("shipped", rule("b.a.x.com", BLOCK)),
    ];
    assert_eq!(says(&rules, "x.com"), blocked(4));
    let (judgement, fates) = judged(&rules, "c.a.x.com");
    assert_eq!(judgement, Judgement::None);
    assert_eq!(fates, [Fate::OutspokenBy(1), Fate::EndsList]);
    assert_eq!(says(&rules, "c.b.a.x.com"), blocked(4));
    let elsewhere = [("one", rule("x.com", BLOCK)), ("one", rule("a.x.com", Effect::Allow))];
    assert_eq!(says(&elsewhere, "b.a.x.com"), Judgement::Allow(ListId(0)));
}

#[test]
fn the_first_zone_in_which_a_trigger_fires_decides_and_devices_come_before_names() {
    let refuse = Effect::Block(Answer::Refused);
    let rules = [
        ("zone-2", rule("=x.com", BLOCK)),
        ("zone-1", rule("*.com", Effect::Allow)),
        ("zone-1", for_client(rule("*", refuse), "10.0.0.0/8")),
        ("zone-1", for_client(rule("*", BLOCK), "10.0.0.0/7")),
    ];
    let (judgement, fates) = judged(&rules, "x.com");
    assert_eq!(judgement, Judgement::Block(ListId(5), Answer::Refused));
    let spoken = Fate::OutspokenBy(2);
    assert_eq!(fates, [Fate::AfterZone(2), spoken, Fate::Decided, spoken]);
    let (judgement, fates) = judged(&rules[..2], "x.com");
    assert_eq!(judgement, Judgement::Allow(ListId(5)));
    assert_eq!(fates, [Fate::AfterZone(1), Fate::Decided]);
}

#[test]
fn rewrites_of_strangers_block_and_keep_their_code() {
    let code = |code| Effect::Rewrite(Rewrite::Code(code));
    let cases = [
        (record(1), Answer::Policy),
        (alias("y.com"), Answer::Policy),
        (code(0), Answer::NoData),
        (code(2), Answer::Policy),
        (code(3), Answer::NxDomain),
        (code(5), Answer::Refused),
    ];
    for (effect, answer) in cases {
        let rules = [("one", rule("x.com", effect))];
        assert_eq!(says(&rules, "x.com"), Judgement::Block(ListId(0), answer));
    }
    let excepted = [("one", rule("x.com", record(1))), ("one", rule("x.com", Effect::Allow))];
    assert_eq!(says(&excepted, "x.com"), Judgement::Allow(ListId(0)));
}

#[test]
fn a_code_beats_an_alias_and_an_alias_beats_records() {
    let code = ("trusted", rule("x.com", Effect::Rewrite(Rewrite::Code(3))));
    let to = ("trusted", rule("x.com", alias("y.com")));
    let (first, second) =
        (("trusted", rule("x.com", record(1))), ("trusted", rule("*.com", record(2))));
    let rules = [first.clone(), second, first, to, code];
    let of = |rewritten| Judgement::Rewrite(ListId(3), rewritten);
    let all = of(Rewritten { code: 3, ..Rewritten::default() });
    assert_eq!(says(&rules, "x.com"), all);
    let aliased = of(Rewritten { alias: Some(name("y.com")), ..Rewritten::default() });
    assert_eq!(says(&rules[..4], "x.com"), aliased);
    assert_eq!(says(&rules[..3], "x.com"), answered(3, &[1, 2]), "each once, in their order");
    let v6 = Effect::Rewrite(Rewrite::Record(Record::v6(std::net::Ipv6Addr::LOCALHOST)));
    assert_eq!(says(&[("trusted", rule("x.com", v6))], "x.com"), answered(3, &[]));
}

#[test]
fn an_alias_for_the_name_itself_is_no_rewrite() {
    let rules = [("trusted", rule("x.com", alias("x.com"))), ("one", rule("x.com", BLOCK))];
    let (judgement, fates) = judged(&rules, "x.com");
    assert_eq!(judgement, blocked(0));
    assert_eq!(fates, [Fate::PointsNowhere, Fate::Decided]);
    let long = vec!["a".repeat(60); 4].join(".");
    let below = Effect::Rewrite(Rewrite::AliasBelow(name(&long)));
    let rules = [("trusted", rule("x.com", below.clone()))];
    let target = Some(name(&format!("x.com.{long}")));
    let expected = Rewritten { alias: target, ..Rewritten::default() };
    assert_eq!(judged(&rules, "x.com").0, Judgement::Rewrite(ListId(3), expected));
    assert_eq!(judged(&rules, "much-too-long.x.com").0, Judgement::None);
}

#[test]
fn exceptions_take_back_all_rewrites_or_those_equal_to_theirs() {
    let cancel = |value| rule("x.com", Effect::CancelRewrites(value));
    let rewrite = |last| ("trusted", rule("x.com", record(last)));
    let kept = ("trusted", important(rule("x.com", record(9))));
    let same = Some(Rewrite::Record(Record { ttl: Some(5), ..Record::v4([192, 0, 2, 1].into()) }));
    let cases = [
        (cancel(None), answered(3, &[9])),
        (important(cancel(None)), blocked(0)),
        (cancel(same.clone()), answered(3, &[2, 9])),
        (cancel(Some(Rewrite::Code(3))), answered(3, &[1, 2, 9])),
    ];
    for (exception, expected) in cases {
        let block = ("one", rule("x.com", BLOCK));
        let rules = [rewrite(1), rewrite(2), kept.clone(), ("one", exception.clone()), block];
        assert_eq!(says(&rules, "x.com"), expected, "{exception:?}");
    }
}

#[test]
fn conditions_that_do_not_hold_are_told() {
    let except = [crate::rules::Except::Name(name("a.x.com"))].into();
    let spare = Condition { except, ..Condition::default() };
    let spare = Rule { condition: Some(Box::new(spare)), ..rule("x.com", BLOCK) };
    let tags = Selection { include: ["user_child".into()].into(), ..Selection::default() };
    let tag = Condition { tags, ..Condition::default() };
    let tagged = Rule { condition: Some(Box::new(tag)), ..rule("x.com", BLOCK) };
    let rules = [
        ("one", spare),
        ("one", of_type(rule("x.com", BLOCK), RecordType::AAAA)),
        ("one", for_client(rule("x.com", BLOCK), "10.0.0.2")),
        ("one", tagged),
    ];
    let (judgement, fates) = judged(&rules, "a.x.com");
    assert_eq!(judgement, Judgement::None);
    let parts = [Part::Except, Part::Type, Part::Client, Part::Tag];
    assert_eq!(fates, parts.map(Fate::Unmet));
}

#[test]
fn lists_outside_the_policy_say_nothing_and_cancel_nothing() {
    let rules = [cancelling(rule("x.com", BLOCK)), rule("x.com", BLOCK)];
    let candidates: Vec<_> = [1, 0]
        .into_iter()
        .zip(&rules)
        .map(|(id, rule)| Candidate { list: ListId(id), rule })
        .collect();
    let asked = name("x.com");
    let asker = Asker { address: [10, 0, 0, 1].into(), names: &[], tags: &[] };
    let asking = Asking { name: asked.as_ref(), query_type: RecordType::A, asker };
    let first = [ListId(0)].into_iter().collect();
    let evaluation = evaluate(&candidates, &lists(), first, &asking);
    assert_eq!(evaluation.judgement, blocked(0));
    assert_eq!(evaluation.fates, [Fate::NotInPolicy, Fate::Decided]);
    let nowhere = evaluate(&candidates, &[], first, &asking);
    assert_eq!(nowhere.fates, [Fate::NotInPolicy; 2]);
}

#[test]
fn globs_stand_where_their_marks_say() {
    let text = |text: &str| {
        let (inverted, addresses, text) = (false, true, text.into());
        let pattern = TextPattern { syntax: TextSyntax::Glob, text, inverted, addresses };
        Rule::plain(Pattern::Text(pattern), BLOCK, 1)
    };
    let cases = [
        ("||ads.", "ads.x.com", true),
        ("||ads.", "a.ads.x.com", true),
        ("||ads.", "bads.x.com", false),
        ("|ads.", "a.ads.x.com", false),
        ("-ad-", "x-ad-y.com", true),
        (".x.com^", "a.x.com", true),
        (".x.com^", "x.com", false),
        (".x.com^", "a.x.com.evil.org", false),
        ("exam*.com", "onemoreexamsite.com", true),
        ("||ad*.x.com^", "adv.a.b.x.com", true),
        ("ads|", "x.ads", true),
        ("ads|", "ads.x", false),
        ("||*.x^", "a.x", true),
        ("||x^*", "a.x", true),
    ];
    for (pattern, asked, expected) in cases {
        assert_eq!(
            covers_name(&text(pattern), name(asked).as_ref()),
            expected,
            "{pattern} {asked}"
        );
    }
    let v4 = |text: &str| text.parse().expect("an address");
    assert!(covers_address(&text("||1.2.3."), v4("1.2.3.4")));
    assert!(!covers_address(&text("|1.2.3."), v4("11.2.3.4")));
}

#[test]
fn addresses_are_covered_by_prefixes_and_names_that_look_like_them_too() {
    let block = |prefix: &str| {
        let prefix = prefix.parse().expect("a prefix");
        Rule::plain(Pattern::Address(prefix), BLOCK, 1)
    };
    let v6 = "::ffff:192.0.2.7".parse().expect("an address");
    assert!(covers_address(&block("192.0.2.0/24"), v6));
    assert!(!covers_address(&block("192.0.2.8"), v6));
    assert!(!covers_address(&rule("x.com", BLOCK), v6));
    let asked = DomainName::from_presentation("192.0.2.7").expect("a name");
    assert!(covers_name(&block("192.0.2.7"), asked.as_ref()));
}
