//! The numbers of own rules: the same for the same rule, whatever else the policy holds.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write};
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{OwnRule, Syntax, WrittenRule, action_word, scope_words};
use crate::model::{Action, RuleId};

/// An own rule, however it is written.
#[derive(Clone, Copy)]
pub(super) enum AnyRule<'r> {
    /// A name and all below it.
    Plain(&'r OwnRule),
    /// Anything else.
    Written(&'r WrittenRule),
}

/// Numbers the rules of one policy, in their order, and returns their texts by number.
pub(super) fn number(rules: &[AnyRule<'_>]) -> (Vec<RuleId>, HashMap<RuleId, String>) {
    let ids: Vec<RuleId> = rules.iter().map(|rule| RuleId(hash(*rule))).collect();
    let mut first: HashMap<RuleId, AnyRule<'_>> = HashMap::with_capacity(rules.len());
    let alike = ids.iter().zip(rules).all(|(&id, &rule)| match first.entry(id) {
        Entry::Occupied(known) => key(*known.get()) == key(rule),
        Entry::Vacant(free) => {
            free.insert(rule);
            true
        }
    });
    let ids = if alike { ids } else { apart(rules) };
    let mut texts = HashMap::with_capacity(first.len());
    for (&id, rule) in ids.iter().zip(rules) {
        texts.entry(id).or_insert_with(|| rule.text());
    }
    (ids, texts)
}

/// Numbers rules of which different ones have one hash.
fn apart(rules: &[AnyRule<'_>]) -> Vec<RuleId> {
    let keys: Vec<String> = rules.iter().map(|rule| key(*rule)).collect();
    // Sorted, so that of two rules with one hash the same one always moves on.
    let keyed: BTreeMap<&str, AnyRule<'_>> =
        keys.iter().map(String::as_str).zip(rules.iter().copied()).collect();
    let mut taken = HashSet::with_capacity(rules.len());
    let mut ids = HashMap::with_capacity(rules.len());
    for (key, rule) in keyed {
        let mut id = RuleId(hash(rule));
        while !taken.insert(id) {
            id = RuleId(id.0.wrapping_add(1));
        }
        ids.insert(key, id);
    }
    keys.iter().filter_map(|key| ids.get(key.as_str()).copied()).collect()
}

impl AnyRule<'_> {
    fn text(self) -> String {
        match self {
            AnyRule::Plain(rule) => rule.text(),
            AnyRule::Written(rule) => rule.text(),
        }
    }
}

fn key(rule: AnyRule<'_>) -> String {
    let mut key = String::new();
    // A string takes all that is written to it.
    let _ = write_key(rule, &mut key);
    key
}

fn write_key(rule: AnyRule<'_>, out: &mut impl Write) -> fmt::Result {
    let (scope, word, text): (_, _, &dyn fmt::Display) = match rule {
        AnyRule::Plain(rule) => (&rule.scope, action_word(rule.action), &rule.name),
        AnyRule::Written(rule) => (&rule.scope, syntax_word(rule.syntax), &rule.text),
    };
    let (kind, name) = scope_words(scope);
    write!(out, "{kind}\n{name}\n{word}\n{text}")
}

fn syntax_word(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Adguard => "adguard",
        Syntax::Regex(Action::Allow) => "allow regex",
        Syntax::Regex(Action::Block) => "block regex",
        Syntax::Exact(Action::Allow) => "allow exact",
        Syntax::Exact(Action::Block) => "block exact",
    }
}

/// A hasher that takes text in pieces.
struct Pieces(SipHasher13);

impl Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

fn hash(rule: AnyRule<'_>) -> u32 {
    // No secret key: nobody gains by a collision among the owner's own rules.
    let mut pieces = Pieces(SipHasher13::new());
    let _ = write_key(rule, &mut pieces);
    (pieces.0.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::model::{DeviceName, DomainName, GroupName, Scope};

    fn rule(scope: Scope, action: Action, name: &str) -> OwnRule {
        let name = DomainName::parse(name).expect("a name");
        OwnRule { scope, action, name, until: None, note: None }
    }

    fn numbers(rules: &[OwnRule]) -> (Vec<RuleId>, HashMap<RuleId, String>) {
        number(&rules.iter().map(AnyRule::Plain).collect::<Vec<_>>())
    }

    #[test]
    fn a_rule_keeps_its_number_whatever_stands_beside_it() {
        let one = rule(Scope::Everyone, Action::Allow, "x.com");
        let (alone, _) = numbers(std::slice::from_ref(&one));
        let others: Vec<OwnRule> = (0..500)
            .map(|n| rule(Scope::Everyone, Action::Block, &format!("n{n}.com")))
            .chain([one])
            .collect();
        let (among, texts) = numbers(&others);
        assert_eq!(alone[0], among[500]);
        assert_eq!(texts.len(), 501);
        assert_eq!(texts[&alone[0]], "allow x.com for everyone");
    }

    #[test]
    fn a_number_is_the_same_in_every_version_of_the_program() {
        let (ids, _) = numbers(&[rule(Scope::Everyone, Action::Allow, "x.com")]);
        let mut hasher = SipHasher13::new();
        hasher.write(b"everyone\n\nallow\nx.com");
        assert_eq!(ids[0], RuleId((hasher.finish() >> 32) as u32));
    }

    #[test]
    fn scope_action_and_name_tell_rules_apart_and_the_end_does_not() {
        let device = Scope::Device(DeviceName::parse("Kids").expect("a name"));
        let group = Scope::Group(GroupName::parse("Kids").expect("a name"));
        let rules = [
            rule(device.clone(), Action::Allow, "x.com"),
            rule(device, Action::Block, "x.com"),
            rule(group, Action::Allow, "x.com"),
            OwnRule { until: Some(9), ..rule(Scope::Everyone, Action::Allow, "x.com") },
            rule(Scope::Everyone, Action::Allow, "x.com"),
        ];
        let (ids, texts) = numbers(&rules);
        assert_eq!(texts.len(), 4);
        assert_eq!(ids[3], ids[4]);
        assert_eq!(texts[&ids[2]], "allow x.com for group Kids");
        let any: Vec<AnyRule<'_>> = rules.iter().map(AnyRule::Plain).collect();
        assert_eq!(apart(&any), ids, "the long way round");
    }

    #[test]
    fn a_written_rule_has_a_number_by_its_syntax_and_text() {
        let written = |syntax, text: &str| WrittenRule {
            scope: Scope::Everyone,
            syntax,
            text: text.into(),
            rules: Arc::new([]),
            until: None,
            note: None,
        };
        let plain = rule(Scope::Everyone, Action::Allow, "x.com");
        let rules = [
            written(Syntax::Adguard, "x.com"),
            written(Syntax::Exact(Action::Allow), "x.com"),
            written(Syntax::Exact(Action::Block), "x.com"),
            written(Syntax::Regex(Action::Block), "x.com"),
        ];
        let all = rules.iter().map(AnyRule::Written).chain([AnyRule::Plain(&plain)]);
        let (ids, texts) = number(&all.collect::<Vec<_>>());
        assert_eq!(texts.len(), 5);
        let (alone, _) = number(&[AnyRule::Written(&rules[2])]);
        assert_eq!(ids[2], alone[0]);
        assert_eq!(texts[&ids[2]], "block exactly x.com for everyone");
    }
}
