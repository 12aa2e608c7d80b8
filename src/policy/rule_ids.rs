//! The numbers of own rules: the same for the same rule, whatever else the policy holds.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
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

/// The numbers of the rules of one policy.
#[derive(Debug, Default)]
pub(super) struct RuleIds(HashMap<String, RuleId>);

impl RuleIds {
    /// Numbers rules and returns their texts by number.
    pub(super) fn of<'r>(
        rules: impl Iterator<Item = AnyRule<'r>>,
    ) -> (RuleIds, HashMap<RuleId, String>) {
        // Sorted, so that of two rules with one hash the same one always moves on.
        let keyed: BTreeMap<String, AnyRule<'_>> = rules.map(|rule| (key(rule), rule)).collect();
        let mut texts: HashMap<RuleId, String> = HashMap::with_capacity(keyed.len());
        let mut ids = HashMap::with_capacity(keyed.len());
        for (key, rule) in keyed {
            let mut id = RuleId(hash(&key));
            while texts.contains_key(&id) {
                id = RuleId(id.0.wrapping_add(1));
            }
            texts.insert(id, rule.text());
            ids.insert(key, id);
        }
        (RuleIds(ids), texts)
    }

    /// Returns the number of a rule that was among those numbered.
    pub(super) fn find(&self, rule: AnyRule<'_>) -> Option<RuleId> {
        self.0.get(&key(rule)).copied()
    }
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
    let (scope, word, text): (_, _, &dyn Display) = match rule {
        AnyRule::Plain(rule) => (&rule.scope, action_word(rule.action), &rule.name),
        AnyRule::Written(rule) => (&rule.scope, syntax_word(rule.syntax), &rule.text),
    };
    let (kind, name) = scope_words(scope);
    format!("{kind}\n{name}\n{word}\n{text}")
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

fn hash(key: &str) -> u32 {
    // No secret key: nobody gains by a collision among the owner's own rules.
    let mut hasher = SipHasher13::new();
    hasher.write(key.as_bytes());
    (hasher.finish() >> 32) as u32
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

    #[test]
    fn a_rule_keeps_its_number_whatever_stands_beside_it() {
        let one = rule(Scope::Everyone, Action::Allow, "x.com");
        let (alone, _) = RuleIds::of([AnyRule::Plain(&one)].into_iter());
        let others: Vec<OwnRule> = (0..500)
            .map(|n| rule(Scope::Everyone, Action::Block, &format!("n{n}.com")))
            .chain([one.clone()])
            .collect();
        let (among, texts) = RuleIds::of(others.iter().map(AnyRule::Plain));
        let one = AnyRule::Plain(&one);
        assert_eq!(alone.find(one), among.find(one));
        assert_eq!(texts.len(), 501);
        assert_eq!(texts[&among.find(one).expect("numbered")], "allow x.com for everyone");
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
        let (ids, texts) = RuleIds::of(rules.iter().map(AnyRule::Plain));
        let find = |place: usize| ids.find(AnyRule::Plain(&rules[place]));
        assert_eq!(texts.len(), 4);
        assert_eq!(find(3), find(4));
        assert_eq!(texts[&find(2).expect("numbered")], "allow x.com for group Kids");
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
        let all = || rules.iter().map(AnyRule::Written).chain([AnyRule::Plain(&plain)]);
        let (ids, texts) = RuleIds::of(all());
        assert_eq!(texts.len(), 5);
        let (alone, _) = RuleIds::of(rules[2..3].iter().map(AnyRule::Written));
        let third = AnyRule::Written(&rules[2]);
        assert_eq!(ids.find(third), alone.find(third));
        assert_eq!(texts[&ids.find(third).expect("numbered")], "block exactly x.com for everyone");
    }
}
