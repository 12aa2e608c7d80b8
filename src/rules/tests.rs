//! The ruleset as a whole: cases, a naive twin, a real list.

use proptest::prelude::*;

use super::parse::{Format, parse};
use super::*;
use crate::model::{
    DomainName, HashSeed, ListId, ListKind, ListMask, ListName, NameHashes, NameRef,
};

const SEED: HashSeed = HashSeed([3, 4]);

fn name(text: &str) -> DomainName {
    DomainName::from_presentation(text).expect("a name")
}

/// Reads `text` as a rule: `=x` exactly, `x` and below, `/x/` an expression; `-` in front: a hole.
fn rule(text: &str, line: u32) -> Rule {
    let (effect, text) = match text.strip_prefix('-') {
        Some(rest) => (Effect::Hole, rest),
        None => (Effect::Block(Answer::Policy), text),
    };
    let expression = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
    let pattern = match (expression, text.strip_prefix('=')) {
        (Some(expression), _) => Pattern::regex(expression),
        (None, Some(exact)) => Pattern::Exact(name(exact)),
        (None, None) => Pattern::Subtree(name(text)),
    };
    Rule::plain(pattern, effect, line)
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    (1..).zip(texts).map(|(line, text)| rule(text, line)).collect()
}

fn ruleset(lists: &[Vec<Rule>]) -> Ruleset {
    let name = ListName::parse("some-list").expect("a name");
    let info = ListInfo::new(name, ListKind::Tracking, Format::Domains);
    let inputs: Vec<_> =
        lists.iter().map(|rules| ListInput { info: info.clone(), rules }).collect();
    compile(&inputs, SEED).expect("few lists")
}

fn found(ruleset: &Ruleset, text: &str) -> Vec<u8> {
    let name = name(text);
    let hashes = NameHashes::of(name.as_ref(), ruleset.seed());
    ruleset.find(name.as_ref(), &hashes).lists.iter().map(|list| list.0).collect()
}

#[test]
fn exact_rules_spare_what_is_below_and_subtrees_end_at_label_borders() {
    let ruleset = ruleset(&[rules(&["=x.com"]), rules(&["x.com"])]);
    assert_eq!(found(&ruleset, "x.com"), [0, 1]);
    assert_eq!(found(&ruleset, "a.x.com"), [1]);
    assert!(found(&ruleset, "ax.com").is_empty());
    assert!(found(&ruleset, "com").is_empty());
    assert!(found(&ruleset, ".").is_empty());
}

#[test]
fn a_hole_ends_its_own_list_only_and_a_longer_rule_opens_it_again() {
    let ruleset = ruleset(&[rules(&["x.com", "-a.x.com", "b.a.x.com"]), rules(&["com"])]);
    assert_eq!(found(&ruleset, "x.com"), [0, 1]);
    assert_eq!(found(&ruleset, "a.x.com"), [1]);
    assert_eq!(found(&ruleset, "c.a.x.com"), [1]);
    assert_eq!(found(&ruleset, "d.b.a.x.com"), [0, 1]);
}

#[test]
fn an_exact_hole_spares_one_name() {
    let ruleset = ruleset(&[rules(&["x.com", "-=x.com", "-=a.x.com"])]);
    assert!(found(&ruleset, "x.com").is_empty());
    assert!(found(&ruleset, "a.x.com").is_empty());
    assert_eq!(found(&ruleset, "b.a.x.com"), [0]);
}

#[test]
fn an_expression_loses_to_the_name_itself_and_beats_its_parents() {
    let ruleset = ruleset(&[
        rules(&["-=log.x.com", "/^log/"]),
        rules(&["x.com", "-/^log/"]),
        rules(&["-x.com", "/^log/"]),
    ]);
    assert_eq!(found(&ruleset, "log.x.com"), [2]);
    assert_eq!(found(&ruleset, "logs.x.com"), [0, 2]);
    assert_eq!(found(&ruleset, "b.x.com"), [1]);
}

#[test]
fn each_match_is_explained_by_the_rule_that_speaks() {
    let lists = [
        rules(&["com", "x.com", "x.com"]),
        rules(&["x.com", "=a.x.com"]),
        rules(&["y.com", r"/^a\./"]),
        rules(&["x.com", "-a.x.com"]),
    ];
    let told: Vec<_> = ruleset(&lists)
        .explain(name("a.x.com").as_ref())
        .into_iter()
        .map(|told| (told.list.0, told.rule, told.line))
        .collect();
    let expected = [
        (0, "x.com and below".to_string(), Some(2)),
        (1, "exactly a.x.com".to_string(), Some(2)),
        (2, r"^a\.".to_string(), Some(2)),
    ];
    assert_eq!(told, expected);
}

/// The same meaning, written for the eye: each list by itself, each rule tried.
fn naive(lists: &[Vec<Rule>], name: NameRef<'_>) -> ListMask {
    let matches = |rules: &Vec<Rule>| naive_list(rules, name);
    (0..=u8::MAX).zip(lists).filter(|(_, rules)| matches(rules)).map(|(id, _)| ListId(id)).collect()
}

fn naive_list(rules: &[Rule], name: NameRef<'_>) -> bool {
    let text = name.to_string();
    let at = |suffix: NameRef<'_>, rule: &Rule| match &rule.pattern {
        Pattern::Exact(exact) => exact.as_ref() == suffix && suffix == name,
        Pattern::Subtree(top) => top.as_ref() == suffix,
        _ => false,
    };
    let expression = |rule: &Rule| match &rule.pattern {
        Pattern::Text(expression) => naive_expression(&expression.text, &text),
        _ => false,
    };
    for (depth, suffix) in name.walk().enumerate() {
        let here: Vec<_> = rules.iter().filter(|rule| at(suffix, rule)).collect();
        if !here.is_empty() {
            return here.iter().all(|rule| rule.effect == Effect::Block(Answer::Policy));
        }
        if let Some(first) = rules.iter().find(|rule| depth == 0 && expression(rule)) {
            return first.effect == Effect::Block(Answer::Policy);
        }
    }
    false
}

fn is_hole_by_expression(rule: &Rule) -> bool {
    matches!((&rule.pattern, &rule.effect), (Pattern::Text(_), Effect::Hole))
}

/// The expressions of `any_rule`, without an engine.
fn naive_expression(expression: &str, text: &str) -> bool {
    match expression {
        "^a" => text.starts_with('a'),
        r"\.b$" => text.ends_with(".b"),
        "^[ab]+$" => text.chars().all(|character| matches!(character, 'a' | 'b')),
        r"^c\.a" => text.starts_with("c.a"),
        other => panic!("{other} has no twin"),
    }
}

/// Few labels, so that names, parents and rules meet often.
fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "ab"]), 1..5)
        .prop_map(|labels| labels.join("."))
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let expressions = prop::sample::select(vec!["/^a/", r"/\.b$/", "/^[ab]+$/", r"/^c\.a/"]);
    let text = prop_oneof![
        4 => any_name(),
        3 => any_name().prop_map(|name| format!("={name}")),
        1 => expressions.prop_map(str::to_string),
    ];
    (text, any::<bool>(), 1..100_u32).prop_map(|(text, hole, line)| {
        let text = if hole { format!("-{text}") } else { text };
        rule(&text, line)
    })
}

fn any_lists() -> impl Strategy<Value = Vec<Vec<Rule>>> {
    prop::collection::vec(prop::collection::vec(any_rule(), 0..12), 0..6)
}

proptest! {
    #[test]
    fn the_index_agrees_with_its_naive_twin(
        lists in any_lists(),
        names in prop::collection::vec(any_name(), 40)
    ) {
        let ruleset = ruleset(&lists);
        for text in names {
            let name = name(&text);
            let hashes = NameHashes::of(name.as_ref(), SEED);
            let found = ruleset.find(name.as_ref(), &hashes).lists();
            prop_assert_eq!(found, naive(&lists, name.as_ref()), "{}", text);
            let explained: ListMask =
                ruleset.explain(name.as_ref()).into_iter().map(|told| told.list).collect();
            prop_assert_eq!(explained, found);
        }
    }

    #[test]
    fn the_order_of_lines_changes_no_verdict(
        lists in any_lists(),
        names in prop::collection::vec(any_name(), 40),
        turn in 0..12_usize
    ) {
        // Holes by expression come from shipped lists only, in an order that their maker means.
        let mut lists = lists;
        lists.iter_mut().for_each(|rules| rules.retain(|rule| !is_hole_by_expression(rule)));
        let turned: Vec<_> = lists
            .iter()
            .map(|rules| {
                let mut turned: Vec<_> = rules.iter().rev().cloned().collect();
                let middle = turn % turned.len().max(1);
                turned.rotate_left(middle);
                turned
            })
            .collect();
        let (ruleset, turned) = (ruleset(&lists), ruleset(&turned));
        for text in names {
            prop_assert_eq!(found(&ruleset, &text), found(&turned, &text));
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
    let ruleset = ruleset(std::slice::from_ref(&list.rules));
    for rule in &list.rules {
        let Pattern::Exact(name) = &rule.pattern else { panic!("hosts lines are exact") };
        let hashes = NameHashes::of(name.as_ref(), SEED);
        assert!(!ruleset.find(name.as_ref(), &hashes).is_empty(), "{name}");
    }
    for (number, rule) in list.rules.iter().step_by(100).enumerate() {
        let Pattern::Exact(name) = &rule.pattern else { panic!("hosts lines are exact") };
        for text in [format!("not-on-it.{name}"), format!("not-on-it-{number}.example")] {
            assert!(found(&ruleset, &text).is_empty(), "{text}");
        }
    }
    let last = list.rules.last().expect("many rules");
    let Pattern::Exact(name) = &last.pattern else { panic!("hosts lines are exact") };
    assert_eq!(ruleset.explain(name.as_ref())[0].line, Some(last.line));
    let octets_a_name = ruleset.size() as f64 / list.rules.len() as f64;
    println!("{octets_a_name:.1} octets a name");
    assert!(octets_a_name < 20.0);
}
