//! The ruleset as a whole: cases, a naive twin, its octets, a real list.

use std::cmp::Reverse;
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;

use super::parse::{Format, parse};
use super::*;
use crate::model::{
    DomainName, HashSeed, ListId, ListKind, ListMask, ListName, NameHashes, NameRef, Prefix,
    RecordType,
};

const SEED: HashSeed = HashSeed([3, 4]);
const POLICY: Answer = Answer::Policy;

fn name(text: &str) -> DomainName {
    DomainName::from_presentation(text).expect("a name")
}

fn info(format: Format) -> ListInfo {
    let name = ListName::parse("some-list").expect("a name");
    ListInfo::new(name, ListKind::Tracking, format)
}

fn shipped() -> ListInfo {
    ListInfo { shipped: true, ..info(Format::Domains) }
}

fn trusted(format: Format) -> ListInfo {
    ListInfo { trusted: true, ..info(format) }
}

/// Reads `text` as a rule: `=x` exactly, `x` and below, `<x` below, `*` all, `1.2.3.0/24` addresses,
/// `/x/` an expression; `-` in front: a hole, `@` an exception, `!` important.
fn rule(text: &str, line: u32) -> Rule {
    let (important, text) = text.strip_prefix('!').map_or((false, text), |text| (true, text));
    let (effect, text) = match (text.strip_prefix('-'), text.strip_prefix('@')) {
        (Some(text), _) => (Effect::Hole, text),
        (None, Some(text)) => (Effect::Allow, text),
        (None, None) => (Effect::Block(POLICY), text),
    };
    let between = |mark| text.strip_prefix(mark)?.strip_suffix(mark);
    let pattern = match text.split_at(1) {
        ("/", _) => regex(between('/').expect("two slashes")),
        ("*", _) => Pattern::Everything,
        ("=", exact) => Pattern::Exact(name(exact)),
        ("<", top) => Pattern::Below(name(top)),
        _ => match text.parse::<Prefix>() {
            Ok(prefix) => Pattern::Address(prefix),
            Err(_) => Pattern::Subtree(name(text)),
        },
    };
    Rule { important, ..Rule::plain(pattern, effect, line) }
}

/// An expression of digits is for addresses too.
fn regex(text: &str) -> Pattern {
    let addresses = text.contains("[0-9.]");
    let (syntax, text) = (TextSyntax::Regex, text.into());
    Pattern::Text(TextPattern { syntax, text, inverted: false, addresses })
}

fn glob(text: &str, addresses: bool) -> Pattern {
    let (syntax, text) = (TextSyntax::Glob, text.into());
    Pattern::Text(TextPattern { syntax, text, inverted: false, addresses })
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    (1..).zip(texts).map(|(line, text)| rule(text, line)).collect()
}

fn of_type(rule: Rule, query_type: RecordType) -> Rule {
    let types = Selection { include: [query_type].into(), ..Selection::default() };
    Rule { condition: Some(Box::new(Condition { types, ..Condition::default() })), ..rule }
}

fn of_client(rule: Rule, prefix: &str) -> Rule {
    let include = [ClientMatch::Address(prefix.parse().expect("a prefix"))].into();
    let clients = Selection { include, ..Selection::default() };
    Rule { condition: Some(Box::new(Condition { clients, ..Condition::default() })), ..rule }
}

fn rewrite(text: &str, rewrite: Rewrite) -> Rule {
    Rule { effect: Effect::Rewrite(rewrite), adguard: true, ..rule(text, 1) }
}

fn alias(target: &str) -> Rewrite {
    Rewrite::Alias(name(target))
}

fn v4(last: u8) -> Record {
    Record::v4([192, 0, 2, last].into())
}

type Lists = Vec<(ListInfo, Vec<Rule>)>;

fn compiled(lists: &[(ListInfo, Vec<Rule>)]) -> Ruleset {
    let inputs: Vec<_> =
        lists.iter().map(|(info, rules)| ListInput { info: info.clone(), rules }).collect();
    compile(&inputs, SEED).expect("few lists")
}

fn shipped_ruleset(lists: &[Vec<Rule>]) -> Ruleset {
    compiled(&lists.iter().map(|rules| (shipped(), rules.clone())).collect::<Vec<_>>())
}

fn find(ruleset: &Ruleset, name: NameRef<'_>) -> Matches {
    ruleset.find(name, &NameHashes::of(name, ruleset.seed()))
}

fn found(ruleset: &Ruleset, text: &str) -> Vec<u8> {
    find(ruleset, name(text).as_ref()).lists().iter().map(|list| list.0).collect()
}

const CLIENT: [u8; 4] = [192, 0, 2, 9];

fn asking(name: NameRef<'_>, query_type: RecordType) -> Asking<'_> {
    let asker = Asker { address: CLIENT.into(), names: &[], tags: &[] };
    Asking { name, query_type, asker }
}

fn all() -> ListMask {
    (0..=u8::MAX).map(ListId).collect()
}

fn judge(lists: &[(ListInfo, Vec<Rule>)], text: &str) -> Judgement {
    judge_within(lists, all(), text)
}

fn judge_within(lists: &[(ListInfo, Vec<Rule>)], mask: ListMask, text: &str) -> Judgement {
    let (ruleset, name) = (compiled(lists), name(text));
    let matches = find(&ruleset, name.as_ref());
    ruleset.judge(&matches, mask, &asking(name.as_ref(), RecordType::A))
}

fn block(list: u8) -> Judgement {
    Judgement::Block(ListId(list), POLICY)
}

fn allow(list: u8) -> Judgement {
    Judgement::Allow(ListId(list))
}

fn rewritten(list: u8, rewritten: Rewritten) -> Judgement {
    Judgement::Rewrite(ListId(list), rewritten)
}

fn records(list: u8, records: Vec<Record>) -> Judgement {
    rewritten(list, Rewritten { records, ..Rewritten::default() })
}

#[test]
fn exact_rules_spare_what_is_below_and_subtrees_end_at_label_borders() {
    let ruleset = shipped_ruleset(&[rules(&["=x.com"]), rules(&["x.com"]), rules(&["<x.com"])]);
    assert_eq!(found(&ruleset, "x.com"), [0, 1]);
    assert_eq!(found(&ruleset, "a.x.com"), [1, 2]);
    for text in ["ax.com", "com", "."] {
        assert!(find(&ruleset, name(text).as_ref()).is_empty(), "{text}");
    }
}

#[test]
fn a_hole_ends_its_own_list_only_and_a_longer_rule_opens_it_again() {
    let ruleset = shipped_ruleset(&[rules(&["x.com", "-a.x.com", "b.a.x.com"]), rules(&["com"])]);
    assert_eq!(found(&ruleset, "x.com"), [0, 1]);
    assert_eq!(found(&ruleset, "a.x.com"), [1]);
    assert_eq!(found(&ruleset, "c.a.x.com"), [1]);
    assert_eq!(found(&ruleset, "d.b.a.x.com"), [0, 1]);
}

#[test]
fn an_exact_hole_spares_one_name_and_holes_alone_are_no_match() {
    let ruleset = shipped_ruleset(&[rules(&["x.com", "-=x.com", "-=a.x.com", "-y.com"])]);
    assert!(found(&ruleset, "x.com").is_empty());
    assert!(found(&ruleset, "a.x.com").is_empty());
    assert_eq!(found(&ruleset, "b.x.com"), [0]);
    assert!(find(&ruleset, name("a.y.com").as_ref()).is_empty());
}

#[test]
fn an_expression_loses_to_the_name_itself_and_beats_its_parents() {
    let ruleset = shipped_ruleset(&[
        rules(&["-=log.x.com", "/^log/"]),
        rules(&["x.com", "-/^log/"]),
        rules(&["-x.com", "/^log/"]),
    ]);
    assert_eq!(found(&ruleset, "log.x.com"), [2]);
    assert_eq!(found(&ruleset, "logs.x.com"), [0, 2]);
    assert_eq!(found(&ruleset, "b.x.com"), [1]);
}

#[test]
fn in_a_shipped_list_the_first_expression_that_matches_speaks() {
    let ruleset =
        shipped_ruleset(&[rules(&["-/^b/", "/x$/", "-/^a/"]), rules(&["-/^b/", "/y$/", "-/^a/"])]);
    assert_eq!(found(&ruleset, "a.x"), [0]);
    assert!(found(&ruleset, "b.x").is_empty());
}

#[test]
fn rules_of_other_lists_add_up_and_class_decides() {
    let list = |texts: &[&str]| vec![(info(Format::Adguard), rules(texts))];
    assert_eq!(judge(&list(&["x.com", "@com"]), "a.x.com"), allow(0));
    assert_eq!(judge(&list(&["com", "@x.com", "!com"]), "x.com"), block(0));
    assert_eq!(judge(&list(&["!x.com", "!@com", "x.com"]), "x.com"), allow(0));
    assert_eq!(judge(&list(&["@x.com"]), "y.com"), Judgement::None);
}

#[test]
fn in_server_lists_the_longest_name_speaks() {
    for format in [Format::Dnsmasq, Format::Unbound] {
        let lists = [(info(format), rules(&["x.com", "@a.x.com", "b.a.x.com"]))];
        assert_eq!(judge(&lists, "a.x.com"), allow(0));
        assert_eq!(judge(&lists, "b.a.x.com"), block(0));
        assert_eq!(judge(&lists, "c.x.com"), block(0));
    }
    let texts = vec![
        Rule::plain(glob("ads.com|", false), Effect::Block(POLICY), 1),
        Rule::plain(glob("y-ads.com|", false), Effect::Allow, 2),
    ];
    let lists = [(info(Format::Dnsmasq), texts)];
    assert_eq!((judge(&lists, "my-ads.com"), judge(&lists, "x-ads.com")), (allow(0), block(0)));
}

#[test]
fn an_exception_of_strangers_does_not_lift_what_a_shipped_list_blocks() {
    let lists =
        [(info(Format::Adguard), rules(&["!@x.com", "@y.com"])), (shipped(), rules(&["x.com"]))];
    assert_eq!(judge(&lists, "x.com"), block(1));
    assert_eq!(judge(&lists, "y.com"), allow(0));
    let without = [ListId(0)].into_iter().collect();
    assert_eq!(judge_within(&lists, without, "x.com"), allow(0));
    let allowlist = ListInfo { allowlist: true, ..info(Format::Domains) };
    let lists = [lists[0].clone(), lists[1].clone(), (allowlist, rules(&["x.com"]))];
    assert_eq!(judge(&lists, "x.com"), allow(2));
}

#[test]
fn an_allowlist_beats_important_blocks_and_rewrites_whatever_its_rules_say() {
    let allowlist = ListInfo { allowlist: true, ..info(Format::Hosts) };
    let redirect = rewrite("=x.com", alias("y.com"));
    let lists = [
        (trusted(Format::Adguard), vec![rule("!x.com", 1), redirect.clone()]),
        (allowlist, vec![redirect]),
    ];
    assert_eq!(judge(&lists, "x.com"), allow(1));
    assert_eq!(judge(&lists, "a.x.com"), block(0));
}

#[test]
fn a_rewrite_beats_exceptions_and_blocks_but_only_of_a_trusted_list() {
    let with = |info| {
        [(info, vec![rule("@x.com", 1), rule("!x.com", 2), rewrite("x.com", alias("y.com"))])]
    };
    let aliased = Rewritten { alias: Some(name("y.com")), ..Rewritten::default() };
    assert_eq!(judge(&with(trusted(Format::Adguard)), "x.com"), rewritten(0, aliased));
    assert_eq!(judge(&with(info(Format::Adguard)), "x.com"), block(0));
    let untrusted = |given| {
        let rules = vec![rewrite("x.com", given), rule("x.com", 2)];
        judge(&[(info(Format::Adguard), rules)], "x.com")
    };
    let blocked = |answer| Judgement::Block(ListId(0), answer);
    assert_eq!(untrusted(Rewrite::Record(v4(1))), blocked(POLICY));
    assert_eq!(untrusted(Rewrite::Code(3)), blocked(Answer::NxDomain));
    assert_eq!(untrusted(Rewrite::Code(0)), blocked(Answer::NoData));
    assert_eq!(untrusted(Rewrite::Code(5)), blocked(Answer::Refused));
    assert_eq!(untrusted(Rewrite::Code(2)), blocked(POLICY));
}

#[test]
fn rewrites_that_match_together_give_a_code_then_an_alias_then_records() {
    let given = |rewrites: Vec<Rewrite>| {
        let rules = rewrites.into_iter().map(|given| rewrite("x.com", given)).collect();
        judge(&[(trusted(Format::Adguard), rules)], "x.com")
    };
    let [one, two] = [1, 2].map(|last| Rewrite::Record(v4(last)));
    let v6 = Rewrite::Record(Record::v6(std::net::Ipv6Addr::LOCALHOST));
    assert_eq!(given(vec![two.clone(), v6.clone(), one.clone()]), records(0, vec![v4(2), v4(1)]));
    assert_eq!(given(vec![v6.clone(), Rewrite::Code(0)]), records(0, vec![]));
    let aliased = Rewritten { alias: Some(name("y.com")), ..Rewritten::default() };
    let told = given(vec![one.clone(), alias("y.com"), alias("z.com")]);
    assert_eq!(told, rewritten(0, aliased));
    let told = given(vec![one.clone(), alias("y.com"), Rewrite::Code(3)]);
    assert_eq!(told, rewritten(0, Rewritten { code: 3, ..Rewritten::default() }));
    assert_eq!(given(vec![alias("x.com")]), Judgement::None);
    assert_eq!(given(vec![alias("x.com"), one]), records(0, vec![v4(1)]));
    let below = Rewritten { alias: Some(name("x.com.y")), ..Rewritten::default() };
    assert_eq!(given(vec![Rewrite::AliasBelow(name("y"))]), rewritten(0, below));
}

#[test]
fn exceptions_take_rewrites_back_and_do_nothing_to_blocks() {
    let given = |cancel: Option<Rewrite>, important: (bool, bool)| {
        let cancel = Rule { effect: Effect::CancelRewrites(cancel), ..rule("x.com", 1) };
        let other = Rule { important: important.1, ..rewrite("x.com", Rewrite::Record(v4(1))) };
        let rules = vec![
            Rule { important: important.0, ..cancel },
            other,
            rewrite("x.com", Rewrite::Record(v4(2))),
            rule("x.com", 4),
        ];
        judge(&[(trusted(Format::Adguard), rules)], "x.com")
    };
    assert_eq!(given(None, (false, false)), block(0));
    assert_eq!(given(None, (false, true)), records(0, vec![v4(1)]));
    assert_eq!(given(None, (true, true)), block(0));
    let first = || Some(Rewrite::Record(v4(1)));
    assert_eq!(given(first(), (false, false)), records(0, vec![v4(2)]));
    assert_eq!(given(first(), (false, true)), records(0, vec![v4(1), v4(2)]));
    assert_eq!(given(Some(alias("x.com")), (true, false)), records(0, vec![v4(1), v4(2)]));
}

#[test]
fn badfilter_cancels_equal_rules_of_all_lists_that_the_device_has() {
    let badfilter = |text| Rule { badfilter: true, ..rule(text, 1) };
    let conditional = of_type(rule("y.com", 2), RecordType::A);
    let lists = [
        (
            info(Format::Adguard),
            vec![rule("x.com", 1), conditional.clone(), rule("/^lo(g|b)s/", 3)],
        ),
        (
            info(Format::Adguard),
            vec![
                badfilter("x.com"),
                Rule { badfilter: true, ..conditional },
                badfilter("/^lo(g|b)s/"),
                badfilter("z.com"),
                rule("z.com", 4),
            ],
        ),
        (shipped(), rules(&["s.com"])),
        (info(Format::Adguard), vec![badfilter("s.com"), badfilter("!x.com"), badfilter("=y.com")]),
    ];
    for text in ["x.com", "y.com", "logs.com", "z.com"] {
        assert_eq!(judge(&lists, text), Judgement::None, "{text}");
    }
    assert_eq!(judge(&lists, "s.com"), block(2));
    let first = [ListId(0), ListId(3)].into_iter().collect();
    for text in ["x.com", "y.com", "logs.com"] {
        assert_eq!(judge_within(&lists, first, text), block(0), "{text}");
    }
}

#[test]
fn of_rules_alike_more_modifiers_then_syntax_then_list_order_are_told() {
    let plain = || (info(Format::Hosts), rules(&["=x.com"]));
    let adguard = Rule { adguard: true, ..rule("x.com", 1) };
    let written = || (info(Format::Adguard), vec![adguard.clone()]);
    let pointed = || (info(Format::Hosts), vec![of_type(rule("x.com", 1), RecordType::A)]);
    assert_eq!(judge(&[plain(), plain()], "x.com"), block(0));
    assert_eq!(judge(&[plain(), written(), written()], "x.com"), block(1));
    assert_eq!(judge(&[plain(), written(), pointed()], "x.com"), block(2));
}

#[test]
fn zones_are_asked_in_their_order_and_the_first_that_fires_decides() {
    let zone = |rules| (trusted(Format::Rpz), rules);
    let lists = [
        zone(rules(&["@=x.com", "<y.com", "-<b.y.com", "-=b.y.com"])),
        zone(vec![rule("=x.com", 1), rewrite("=z.com", alias("t.com")), rule("<y.com", 3)]),
        zone(vec![Rule { effect: Effect::Truncate, ..rule("=z.com", 1) }, rule("=q.com", 2)]),
    ];
    assert_eq!(judge(&lists, "x.com"), allow(0));
    assert_eq!(judge(&lists, "a.y.com"), block(0));
    assert_eq!(judge(&lists, "a.b.y.com"), block(1), "b exists in the first zone");
    let aliased = Rewritten { alias: Some(name("t.com")), ..Rewritten::default() };
    assert_eq!(judge(&lists, "z.com"), rewritten(1, aliased));
    let last = [ListId(2)].into_iter().collect();
    assert_eq!(judge_within(&lists, last, "z.com"), Judgement::Truncate(ListId(2)));
    let with_exception = [lists[2].clone(), (info(Format::Adguard), rules(&["@q.com", "z.com"]))];
    assert_eq!(judge(&with_exception, "q.com"), allow(1));
    assert_eq!(judge(&with_exception, "z.com"), block(1));
}

#[test]
fn a_zones_trigger_by_client_comes_before_names_and_the_longest_prefix_first() {
    let client = |text, prefix| of_client(rule(text, 1), prefix);
    let zone = |rules| (info(Format::Rpz), rules);
    let drop = Effect::Block(Answer::Drop);
    let lists = [zone(vec![
        rule("@=x.com", 1),
        client("*", "192.0.0.0/16"),
        Rule { effect: drop, ..client("*", "192.0.2.0/24") },
        client("*", "198.51.100.0/24"),
    ])];
    for text in ["x.com", "y.com", "."] {
        assert_eq!(judge(&lists, text), Judgement::Block(ListId(0), Answer::Drop), "{text}");
    }
    let elsewhere = [zone(vec![rule("@=x.com", 1), client("*", "198.51.100.0/24")])];
    assert_eq!(judge(&elsewhere, "x.com"), allow(0));
    assert_eq!(judge(&elsewhere, "y.com"), Judgement::None);
}

#[test]
fn rules_for_every_name_stand_behind_all_others() {
    let lists = [(shipped(), rules(&["*", "-x.com"])), (info(Format::Adguard), rules(&["*"]))];
    let ruleset = compiled(&lists);
    assert_eq!(found(&ruleset, "y.com"), [0, 1]);
    assert_eq!(found(&ruleset, "x.com"), [1]);
    assert_eq!(found(&ruleset, "."), [0, 1]);
    let roots = [".", "=.", "<."].map(|text| (info(Format::Adguard), rules(&[text])));
    let ruleset = compiled(&roots);
    assert_eq!(found(&ruleset, "."), [0, 1]);
    assert_eq!(found(&ruleset, "y.com"), [0, 2]);
}

#[test]
fn addresses_are_found_by_prefix_and_by_text() {
    let spared = Rule {
        condition: Some(Box::new(Condition {
            except: [Except::Name(name("x.com"))].into(),
            ..Condition::default()
        })),
        ..rule("192.0.2.1", 1)
    };
    let lists = [
        (info(Format::Domains), rules(&["192.0.2.1", "2001:db8::/32"])),
        (info(Format::Adguard), rules(&["192.0.2.0/24", r"/^198\.51\.[0-9.]*$/", "@192.0.2.7"])),
        (info(Format::Rpz), rules(&["192.0.0.0/16", "@192.0.2.0/28"])),
        (info(Format::Adguard), vec![spared]),
        (info(Format::Adguard), rules(&["*"])),
    ];
    let ruleset = compiled(&lists);
    let text = name("x.com");
    let judged = |address: &str| {
        let matches = ruleset.find_address(address.parse().expect("an address"));
        ruleset.judge(&matches, all(), &asking(text.as_ref(), RecordType::A))
    };
    assert_eq!(judged("192.0.2.1"), allow(2), "the zone's longest prefix is a passthru");
    assert_eq!(judged("192.0.2.7"), allow(1));
    assert_eq!(judged("192.0.2.99"), block(1));
    assert_eq!(judged("192.0.99.1"), block(2));
    assert_eq!(judged("::ffff:192.0.2.99"), block(1));
    assert_eq!(judged("2001:db8:1::"), block(0));
    assert_eq!(judged("198.51.100.1"), block(1));
    assert_eq!(judged("203.0.113.1"), Judgement::None);
    assert_eq!(found(&ruleset, "192.0.2.1"), [0, 1, 2, 4]);
    assert_eq!(found(&ruleset, "198.51.100.1"), [1, 4]);
    assert_eq!(found(&ruleset, "198.51.x.com"), [4], "patterns of addresses mean no other names");
}

#[test]
fn lists_are_holding_where_the_condition_of_a_rule_does() {
    let lists = [
        (info(Format::Adguard), vec![of_type(rule("x.com", 1), RecordType::AAAA)]),
        (info(Format::Adguard), vec![of_type(rule("@x.com", 1), RecordType::A)]),
        (shipped(), vec![of_type(rule("-=x.com", 1), RecordType::A), rule("com", 2)]),
    ];
    let (ruleset, text) = (compiled(&lists), name("x.com"));
    let matches = find(&ruleset, text.as_ref());
    assert_eq!(matches.lists().iter().map(|list| list.0).collect::<Vec<_>>(), [2]);
    let holding = |query_type| {
        let lists = ruleset.holding(&matches, &asking(text.as_ref(), query_type));
        lists.iter().map(|list| list.0).collect::<Vec<_>>()
    };
    assert_eq!(holding(RecordType::AAAA), [0, 2]);
    assert_eq!(holding(RecordType::A), [1]);
    assert_eq!(holding(RecordType::HTTPS), [2]);
}

#[test]
fn many_rules_that_meet_in_one_name_are_all_found() {
    let labels = vec!["a"; 126].join(".");
    let all: Vec<String> = name(&labels).as_ref().walk().map(|it| it.to_string()).collect();
    let lists: Vec<_> =
        all.iter().take(40).map(|text| (info(Format::Adguard), rules(&[text]))).collect();
    let ruleset = compiled(&lists);
    let matches = find(&ruleset, name(&labels).as_ref());
    assert_eq!(matches.lists().iter().count(), 40);
    assert!(matches.size() > 0);
}

#[test]
fn what_is_found_is_small_and_means_nothing_to_another_ruleset() {
    assert!(size_of::<Matches>() <= 96, "{}", size_of::<Matches>());
    let ruleset = compiled(&[(info(Format::Adguard), rules(&["x.com", "@a.x.com"]))]);
    let text = name("a.x.com");
    let matches = find(&ruleset, text.as_ref());
    let other = compiled(&[]);
    let asking = asking(text.as_ref(), RecordType::A);
    assert_eq!(other.judge(&matches, all(), &asking), Judgement::None);
    assert!(other.holding(&matches, &asking).is_empty());
}

/// What is asked about, in the twin's words.
#[derive(Clone, Copy)]
enum About<'n> {
    Name(NameRef<'n>),
    Address(IpAddr),
}

/// When a rule speaks, where the longest decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Client(Reverse<u8>, IpAddr),
    Itself,
    Prefix(Reverse<u8>),
    Text(u32, Reverse<usize>, Box<str>),
    Above(usize),
    Everything,
}

/// The same meaning, written for the eye: each rule tried by itself (`filter-rules.md`, 2.1).
struct Twin<'t> {
    lists: &'t Lists,
    about: About<'t>,
    asking: Asking<'t>,
}

/// A rule that speaks, with its list and its turn.
type Speaking<'t> = (usize, Turn, &'t Rule);

impl<'t> Twin<'t> {
    fn turn(&self, (info, rules): &'t (ListInfo, Vec<Rule>), rule: &Rule) -> Option<Turn> {
        let in_zone = info.format == Format::Rpz;
        let clients = rule.condition.as_ref().map(|condition| &condition.clients.include);
        let client = clients.and_then(|clients| clients.first()).and_then(|client| match client {
            ClientMatch::Address(prefix) => Some(*prefix),
            ClientMatch::Name(_) => None,
        });
        match (self.about, &rule.pattern) {
            (About::Name(_), Pattern::Everything)
                if in_zone && client.is_some() && rule.effect != Effect::Hole =>
            {
                client.map(|prefix| Turn::Client(Reverse(prefix.bits()), prefix.address()))
            }
            (About::Name(name), Pattern::Everything) => {
                Some(if name.is_root() { Turn::Itself } else { Turn::Everything })
            }
            (About::Name(name), Pattern::Exact(own)) => {
                (name == own.as_ref()).then_some(Turn::Itself)
            }
            (About::Name(name), Pattern::Subtree(top) | Pattern::Below(top)) => {
                let depth = name.walk().position(|suffix| suffix == top.as_ref())?;
                let is_below = matches!(rule.pattern, Pattern::Below(_));
                match depth {
                    0 => (!is_below).then_some(Turn::Itself),
                    depth => Some(Turn::Above(depth)),
                }
            }
            (About::Name(name), Pattern::Address(prefix)) => {
                let address = name.to_string().parse().ok()?;
                prefix.contains(address).then_some(Turn::Prefix(Reverse(prefix.bits())))
            }
            (About::Address(address), Pattern::Address(prefix)) => {
                prefix.contains(address).then_some(Turn::Prefix(Reverse(prefix.bits())))
            }
            (About::Name(name), Pattern::Text(pattern)) => {
                self.text(pattern, first_line(info, rules, pattern), &name.to_string())
            }
            (About::Address(address), Pattern::Text(pattern)) => {
                let text = address.to_string();
                let line = first_line(info, rules, pattern);
                self.text(pattern, line, &text).filter(|_| pattern.addresses)
            }
            (About::Address(_), _) => None,
        }
    }

    fn text(&self, pattern: &TextPattern, line: u32, text: &str) -> Option<Turn> {
        let holds = match &*pattern.text {
            "^a" => text.starts_with('a'),
            r"\.b$" => text.ends_with(".b"),
            "^[ab]+$" => text.chars().all(|character| matches!(character, 'a' | 'b')),
            r"^c\.ab" => text.starts_with("c.ab"),
            "a.b|" => text.ends_with("a.b"),
            ".a.b|" => text.ends_with(".a.b"),
            "1.2." => text.parse::<IpAddr>().is_ok() && text.contains("1.2."),
            other => panic!("{other} has no twin"),
        };
        let turn = Turn::Text(line, Reverse(pattern.text.len()), pattern.text.clone());
        (holds != pattern.inverted).then_some(turn)
    }

    /// Returns the rules that speak for lists of a mask; `cancels`: whether rules of other lists cancel.
    fn speaking(&self, mask: ListMask, cancels: bool, conditional: bool) -> Vec<Speaking<'t>> {
        let mut all = Vec::new();
        for (list, (info, rules)) in self.lists.iter().enumerate() {
            if !mask.contains(ListId(list as u8)) {
                continue;
            }
            let mut own: Vec<Speaking<'t>> = Vec::new();
            for rule in rules.iter().filter(|rule| !rule.badfilter) {
                let holds = match &rule.condition {
                    None => true,
                    Some(condition) => conditional && condition.holds(&self.asking),
                };
                let excepts = rule.condition.as_ref().is_some_and(|it| !it.except.is_empty());
                let met = holds && !(excepts && matches!(self.about, About::Address(_)));
                if let Some(turn) = self.turn(&self.lists[list], rule).filter(|_| met)
                    && !self.is_cancelled(list, rule, mask, cancels)
                {
                    own.push((list, turn, rule));
                }
            }
            own.sort_by(|one, other| one.1.cmp(&other.1));
            let by_length = [Format::Dnsmasq, Format::Unbound, Format::Rpz];
            if info.shipped || by_length.contains(&info.format) {
                let first = own.first().map(|(_, turn, _)| turn.clone());
                own.retain(|(_, turn, _)| Some(turn) == first.as_ref());
                if own.iter().any(|(_, _, rule)| rule.effect == Effect::Hole) {
                    own.clear();
                }
            }
            own.retain(|(_, _, rule)| rule.effect != Effect::Hole);
            all.extend(own);
        }
        all
    }

    fn is_cancelled(&self, list: usize, rule: &Rule, mask: ListMask, cancels: bool) -> bool {
        let own = &self.lists[list].0;
        let cancelling = self.lists.iter().enumerate().filter(|(by, (info, _))| {
            let in_force = mask.contains(ListId(*by as u8)) && (cancels || *by == list);
            in_force && (!own.shipped || info.shipped) && !own.allowlist
        });
        let mut cancelling = cancelling.flat_map(|(_, (_, rules))| rules);
        cancelling.any(|by| by.badfilter && by.is_like(rule))
    }

    fn lists(&self, conditional: bool) -> ListMask {
        let speaking = self.speaking(all(), false, conditional);
        speaking.into_iter().map(|(list, ..)| ListId(list as u8)).collect()
    }

    fn judge(&self, mask: ListMask) -> Judgement {
        let info = |list: usize| &self.lists[list].0;
        let mut speaking = self.speaking(mask, true, true);
        let weight = |&(list, _, rule): &Speaking<'t>| {
            (rule.points(), rule.adguard, Reverse(list), self.answer(rule))
        };
        if let Some(best) =
            speaking.iter().filter(|it| info(it.0).allowlist).max_by_key(|it| weight(it))
        {
            return allow(best.0 as u8);
        }
        let is_zone = |list: usize| info(list).format == Format::Rpz;
        let zone = speaking.iter().map(|it| it.0).find(|&list| is_zone(list));
        speaking.retain(|it| !is_zone(it.0) || Some(it.0) == zone);
        let passthru = |it: &Speaking<'t>| is_zone(it.0) && it.2.effect == Effect::Allow;
        if speaking.iter().any(passthru) {
            speaking.retain(|it| !is_zone(it.0) || it.2.effect == Effect::Allow);
        }
        let taken_back = |it: &Speaking<'t>| {
            let Effect::Rewrite(given) = &it.2.effect else { return false };
            speaking.iter().any(|(by, _, rule)| {
                let equal = match &rule.effect {
                    Effect::CancelRewrites(None) => true,
                    Effect::CancelRewrites(Some(wanted)) => wanted == given,
                    _ => false,
                };
                let shipped = info(it.0).shipped && !info(*by).shipped;
                let important = it.2.important && !is_zone(it.0);
                equal && !shipped && !is_zone(*by) && (rule.important || !important)
            })
        };
        let standing: Vec<Speaking<'t>> =
            speaking.iter().filter(|it| !taken_back(it)).cloned().collect();
        if let Some(told) = self.rewrite(&standing) {
            return told;
        }
        let class = |it: &Speaking<'t>| match (&it.2.effect, it.2.important && !is_zone(it.0)) {
            (Effect::Allow, true) => Some(0),
            (Effect::Block(_) | Effect::Rewrite(_), true) => Some(1),
            (Effect::Allow, false) => Some(2),
            (Effect::Block(_), false) => Some(3),
            (Effect::Rewrite(_), false) if !info(it.0).trusted => Some(3),
            (Effect::Truncate, _) => Some(4),
            _ => None,
        };
        let itself = self.asking.name;
        let leads_nowhere = |it: &Speaking<'t>| match &it.2.effect {
            Effect::Rewrite(Rewrite::Alias(target)) => {
                target.as_ref() == itself && info(it.0).trusted
            }
            _ => false,
        };
        let best = |of_shipped: bool| {
            let those = standing.iter().filter(|it| info(it.0).shipped == of_shipped);
            let those = those.filter(|it| !leads_nowhere(it));
            let those = those.filter_map(|it| Some((Reverse(class(it)?), weight(it), it)));
            those.max_by_key(|(class, weight, _)| (*class, *weight))
        };
        let winner = match (best(true), best(false)) {
            (Some(shipped), Some(other)) => {
                let lifts =
                    other.2.2.effect == Effect::Allow && shipped.2.2.effect != Effect::Allow;
                if !lifts && (other.0, other.1) > (shipped.0, shipped.1) { other } else { shipped }
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return Judgement::None,
        };
        let (list, _, rule) = winner.2;
        match &rule.effect {
            Effect::Allow => allow(*list as u8),
            Effect::Truncate => Judgement::Truncate(ListId(*list as u8)),
            _ => Judgement::Block(ListId(*list as u8), self.answer(rule)),
        }
    }

    fn answer(&self, rule: &Rule) -> Answer {
        match &rule.effect {
            Effect::Block(answer) => *answer,
            Effect::Rewrite(Rewrite::Code(3)) => Answer::NxDomain,
            Effect::Rewrite(Rewrite::Code(0)) => Answer::NoData,
            Effect::Rewrite(Rewrite::Code(5)) => Answer::Refused,
            _ => POLICY,
        }
    }

    fn rewrite(&self, standing: &[Speaking<'t>]) -> Option<Judgement> {
        let given: Vec<(usize, &Rewrite)> = standing
            .iter()
            .filter(|it| self.lists[it.0].0.trusted)
            .filter_map(|it| match &it.2.effect {
                Effect::Rewrite(Rewrite::Alias(it)) if it.as_ref() == self.asking.name => None,
                Effect::Rewrite(rewrite) => Some((it.0, rewrite)),
                _ => None,
            })
            .collect();
        let mut codes = given.iter().filter(|it| matches!(it.1, Rewrite::Code(code) if *code != 0));
        if let Some((list, Rewrite::Code(code))) = codes.next() {
            let code = *code;
            return Some(rewritten(*list as u8, Rewritten { code, ..Rewritten::default() }));
        }
        let mut aliases = given.iter().filter(|it| matches!(it.1, Rewrite::Alias(_)));
        if let Some((list, Rewrite::Alias(target))) = aliases.next() {
            let alias = Some(target.clone());
            return Some(rewritten(*list as u8, Rewritten { alias, ..Rewritten::default() }));
        }
        let mut told = None;
        let mut records: Vec<Record> = Vec::new();
        for (list, rewrite) in &given {
            if let Rewrite::Record(record) = rewrite
                && record.record_type == self.asking.query_type
                && !records.contains(record)
            {
                told.get_or_insert(*list);
                records.push(record.clone());
            }
        }
        let list = told.or(given.first().map(|it| it.0))? as u8;
        Some(super::tests::records(list, records))
    }
}

/// Returns where in a shipped list a text stands first: there the order means something.
fn first_line(info: &ListInfo, rules: &[Rule], text: &TextPattern) -> u32 {
    let same = |rule: &&Rule| matches!(&rule.pattern, Pattern::Text(other) if other == text);
    let lines = rules.iter().filter(same).map(|rule| rule.line);
    if info.shipped { lines.min().unwrap_or(0) } else { 0 }
}

/// Lists of all kinds, in an order that mixes them.
fn infos() -> Vec<ListInfo> {
    vec![
        info(Format::Adguard),
        trusted(Format::Rpz),
        shipped(),
        trusted(Format::Adguard),
        info(Format::Dnsmasq),
        info(Format::Rpz),
        ListInfo { allowlist: true, ..info(Format::Adguard) },
        info(Format::Hosts),
    ]
}

/// Few labels, so that names, parents and rules meet often.
fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(select(vec!["a", "b", "c", "ab"]), 1..5)
        .prop_map(|labels| labels.join("."))
}

fn any_text() -> impl Strategy<Value = Pattern> {
    let expressions = select(vec!["^a", r"\.b$", "^[ab]+$", r"^c\.ab"]);
    let expressions = (expressions, any::<bool>()).prop_map(|(text, inverted)| {
        let (syntax, text) = (TextSyntax::Regex, text.into());
        Pattern::Text(TextPattern { syntax, text, inverted, addresses: false })
    });
    let globs = select(vec![("a.b|", false), (".a.b|", false), ("1.2.", true)]);
    prop_oneof![expressions, globs.prop_map(|(text, addresses)| glob(text, addresses))]
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    let prefixes = select(vec!["1.2.3.4", "1.2.3.0/24", "1.2.0.0/16", "2001:db8::/32"]);
    prop_oneof![
        4 => any_name().prop_map(|text| Pattern::Exact(name(&text))),
        4 => any_name().prop_map(|text| Pattern::Subtree(name(&text))),
        2 => any_name().prop_map(|text| Pattern::Below(name(&text))),
        1 => Just(Pattern::Everything),
        2 => prefixes.prop_map(|text| Pattern::Address(text.parse().expect("a prefix"))),
        2 => any_text(),
    ]
}

fn any_rewrite() -> impl Strategy<Value = Rewrite> {
    let v6 = Record::v6(std::net::Ipv6Addr::LOCALHOST);
    let records = select(vec![v4(1), v4(2), v6]).prop_map(Rewrite::Record);
    let aliases = select(vec!["a", "a.b", "y.com"]).prop_map(alias);
    prop_oneof![records, aliases, select(vec![0, 2, 3, 5]).prop_map(Rewrite::Code)]
}

fn any_effect() -> impl Strategy<Value = Effect> {
    let answers = [POLICY, Answer::NxDomain, Answer::NoData, Answer::Refused, Answer::Drop];
    prop_oneof![
        6 => select(answers.to_vec()).prop_map(Effect::Block),
        3 => Just(Effect::Allow),
        2 => Just(Effect::Hole),
        2 => any_rewrite().prop_map(Effect::Rewrite),
        1 => prop::option::of(any_rewrite()).prop_map(Effect::CancelRewrites),
        1 => Just(Effect::Truncate),
    ]
}

fn any_condition() -> impl Strategy<Value = Option<Box<Condition>>> {
    let types = select(vec![RecordType::A, RecordType::AAAA]);
    let clients = select(vec!["192.0.2.0/24", "192.0.0.0/16", "192.0.2.9", "198.51.100.0/24"]);
    let condition = prop_oneof![
        types.prop_map(|it| of_type(rule("x", 1), it).condition),
        clients.prop_map(|it| of_client(rule("x", 1), it).condition),
        any_name().prop_map(|it| {
            let except = [Except::Name(name(&it))].into();
            Some(Box::new(Condition { except, ..Condition::default() }))
        }),
    ];
    prop_oneof![2 => Just(None), 1 => condition]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let marks = (prop::bool::weighted(0.2), prop::bool::weighted(0.1), any::<bool>());
    (any_pattern(), any_effect(), any_condition(), marks).prop_map(
        |(pattern, effect, condition, marks)| {
            let (important, badfilter, adguard) = marks;
            Rule { pattern, effect, important, badfilter, adguard, condition, line: 0 }
        },
    )
}

/// Lists of all kinds; shipped ones have no globs and those for servers no expressions, so that the
/// order of one kind of list means nothing to the other.
fn any_lists() -> impl Strategy<Value = Lists> {
    let lists = prop::collection::vec(prop::collection::vec(any_rule(), 0..8), 8);
    lists.prop_map(|lists| {
        let mut lists: Lists = infos().into_iter().zip(lists).collect();
        for (info, rules) in &mut lists {
            let wanted = if info.shipped { TextSyntax::Regex } else { TextSyntax::Glob };
            let ordered = info.shipped || [Format::Dnsmasq, Format::Rpz].contains(&info.format);
            rules.retain(|rule| match &rule.pattern {
                Pattern::Text(text) => !ordered || text.syntax == wanted,
                _ => true,
            });
            (1..).zip(rules).for_each(|(line, rule)| rule.line = line);
        }
        lists
    })
}

fn any_mask() -> impl Strategy<Value = ListMask> {
    any::<u8>().prop_map(|bits| (0..8).filter(|bit| bits >> bit & 1 != 0).map(ListId).collect())
}

const NAMES: [&str; 4] = ["1.2.3.4", "2001:db8::1", ".", "y.com"];
const ADDRESSES: [&str; 4] = ["1.2.3.4", "1.2.9.9", "2001:db8::1", "9.9.9.9"];

/// Turns a list's lines around.
fn turned(rules: &[Rule], turn: usize) -> Vec<Rule> {
    let mut turned: Vec<_> = rules.iter().rev().cloned().collect();
    let middle = turn % turned.len().max(1);
    turned.rotate_left(middle);
    turned
}

/// A judgement without what the order of lines may change: which of several rewrites comes first.
fn settled(judgement: Judgement) -> Judgement {
    match judgement {
        Judgement::Rewrite(list, rewritten) => {
            let mut records = rewritten.records;
            records.sort_by(|one, other| one.data.cmp(&other.data));
            Judgement::Rewrite(list, Rewritten { records, ..Rewritten::default() })
        }
        other => other,
    }
}

/// What the rules say one by one, as `why` tells it.
fn evaluated(
    lists: &[(ListInfo, Vec<Rule>)],
    covers: impl Fn(&Rule) -> bool,
    mask: ListMask,
    asking: &Asking<'_>,
) -> Judgement {
    let rules = (0..=u8::MAX).map(ListId).zip(lists);
    let rules = rules.flat_map(|(list, (_, rules))| rules.iter().map(move |rule| (list, rule)));
    let covering = rules.filter(|(_, rule)| covers(rule));
    let candidates: Vec<_> = covering.map(|(list, rule)| Candidate { list, rule }).collect();
    let infos: Vec<ListInfo> = lists.iter().map(|(info, _)| info.clone()).collect();
    evaluate(&candidates, &infos, mask, asking).judgement
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_index_agrees_with_its_naive_twin(
        lists in any_lists(),
        mask in any_mask(),
        names in prop::collection::vec(any_name(), 20),
        query_type in select(vec![RecordType::A, RecordType::AAAA]),
    ) {
        let ruleset = compiled(&lists);
        for text in names.iter().map(String::as_str).chain(NAMES) {
            let name = name(text);
            let asking = asking(name.as_ref(), query_type);
            let twin = Twin { lists: &lists, about: About::Name(name.as_ref()), asking };
            let matches = find(&ruleset, name.as_ref());
            prop_assert_eq!(matches.lists(), twin.lists(false), "{}", text);
            prop_assert_eq!(ruleset.holding(&matches, &asking), twin.lists(true), "{}", text);
            prop_assert_eq!(ruleset.judge(&matches, mask, &asking), twin.judge(mask), "{}", text);
            let covers = |rule: &Rule| covers_name(rule, name.as_ref());
            prop_assert_eq!(evaluated(&lists, covers, mask, &asking), twin.judge(mask), "{}", text);
        }
        for text in ADDRESSES {
            let (name, address) = (name("a.b"), text.parse().expect("an address"));
            let asking = asking(name.as_ref(), query_type);
            let twin = Twin { lists: &lists, about: About::Address(address), asking };
            let matches = ruleset.find_address(address);
            prop_assert_eq!(matches.lists(), twin.lists(false), "{}", text);
            prop_assert_eq!(ruleset.judge(&matches, mask, &asking), twin.judge(mask), "{}", text);
            let covers = |rule: &Rule| covers_address(rule, address);
            prop_assert_eq!(evaluated(&lists, covers, mask, &asking), twin.judge(mask), "{}", text);
        }
    }

    #[test]
    fn the_order_of_lines_changes_no_verdict(
        lists in any_lists(),
        mask in any_mask(),
        names in prop::collection::vec(any_name(), 20),
        turn in 0..12_usize,
    ) {
        // Expressions come in shipped lists in an order that their maker means.
        let mut lists = lists;
        for (info, rules) in &mut lists {
            rules.retain(|rule| !info.shipped || !matches!(rule.pattern, Pattern::Text(_)));
        }
        let other: Lists =
            lists.iter().map(|(info, rules)| (info.clone(), turned(rules, turn))).collect();
        let (ruleset, other) = (compiled(&lists), compiled(&other));
        for text in names {
            let name = name(&text);
            let asking = asking(name.as_ref(), RecordType::A);
            let judged = |ruleset: &Ruleset| {
                settled(ruleset.judge(&find(ruleset, name.as_ref()), mask, &asking))
            };
            prop_assert_eq!(judged(&ruleset), judged(&other), "{}", text);
        }
    }

    #[test]
    fn a_ruleset_comes_back_from_its_octets_as_it_was(
        lists in any_lists(),
        names in prop::collection::vec(any_name(), 20),
    ) {
        let mut ruleset = compiled(&lists);
        ruleset.set_notes(bytes::Bytes::from_static(b"notes"));
        let octets = ruleset.to_octets(&[7; 32]);
        let again = Ruleset::from_octets(octets.clone().into(), &[7; 32], SEED).expect("whole");
        prop_assert_eq!(again.lists(), ruleset.lists());
        prop_assert_eq!(again.notes(), ruleset.notes());
        prop_assert_eq!(again.to_octets(&[7; 32]), octets);
        for text in names {
            let name = name(&text);
            let asking = asking(name.as_ref(), RecordType::A);
            let matches = find(&ruleset, name.as_ref());
            prop_assert_eq!(&find(&again, name.as_ref()), &matches);
            let judged = [&ruleset, &again].map(|it| it.judge(&matches, all(), &asking));
            prop_assert_eq!(&judged[0], &judged[1]);
        }
    }
}

#[test]
fn every_name_of_a_real_list_is_found_and_no_other() {
    let Some(octets) = test_data::list("neodev-2026.hosts.txt.gz") else {
        return;
    };
    let list = parse(&octets, Format::Auto).expect("a good list");
    assert_eq!((list.rules.len(), list.summary.refused), (111_532, 0));
    let ruleset = compiled(&[(info(Format::Hosts), list.rules.clone())]);
    for rule in &list.rules {
        let Pattern::Exact(name) = &rule.pattern else { panic!("hosts lines are exact") };
        assert!(!find(&ruleset, name.as_ref()).is_empty(), "{name}");
    }
    for (number, rule) in list.rules.iter().step_by(100).enumerate() {
        let Pattern::Exact(name) = &rule.pattern else { panic!("hosts lines are exact") };
        for text in [format!("not-on-it.{name}"), format!("not-on-it-{number}.example")] {
            assert!(found(&ruleset, &text).is_empty(), "{text}");
        }
    }
    let octets_a_name = ruleset.size() as f64 / list.rules.len() as f64;
    println!("{octets_a_name:.1} octets a name");
    assert!(octets_a_name < 12.0);
}
