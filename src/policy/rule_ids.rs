//! The numbers of own rules: the same for the same rule, whatever else the policy holds.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{OwnRule, action_word, scope_words};
use crate::model::RuleId;

/// The numbers of the rules of one policy.
#[derive(Debug, Default)]
pub(super) struct RuleIds(HashMap<String, RuleId>);

impl RuleIds {
    /// Numbers rules and returns their texts by number.
    pub(super) fn of<'r>(
        rules: impl Iterator<Item = &'r OwnRule>,
    ) -> (RuleIds, HashMap<RuleId, String>) {
        // Sorted, so that of two rules with one hash the same one always moves on.
        let keyed: BTreeMap<String, &OwnRule> = rules.map(|rule| (key(rule), rule)).collect();
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
    pub(super) fn find(&self, rule: &OwnRule) -> Option<RuleId> {
        self.0.get(&key(rule)).copied()
    }
}

fn key(rule: &OwnRule) -> String {
    let (kind, scope) = scope_words(&rule.scope);
    format!("{kind}\n{scope}\n{}\n{}", action_word(rule.action), rule.name)
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
    use crate::model::{Action, DeviceName, DomainName, GroupName, Scope};

    fn rule(scope: Scope, action: Action, name: &str) -> OwnRule {
        let name = DomainName::parse(name).expect("a name");
        OwnRule { scope, action, name, until: None, note: None }
    }

    #[test]
    fn a_rule_keeps_its_number_whatever_stands_beside_it() {
        let one = rule(Scope::Everyone, Action::Allow, "x.com");
        let (alone, _) = RuleIds::of([&one].into_iter());
        let others: Vec<OwnRule> = (0..500)
            .map(|n| rule(Scope::Everyone, Action::Block, &format!("n{n}.com")))
            .chain([one.clone()])
            .collect();
        let (among, texts) = RuleIds::of(others.iter());
        assert_eq!(alone.find(&one), among.find(&one));
        assert_eq!(texts.len(), 501);
        assert_eq!(texts[&among.find(&one).expect("numbered")], "allow x.com for everyone");
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
        let (ids, texts) = RuleIds::of(rules.iter());
        assert_eq!(texts.len(), 4);
        assert_eq!(ids.find(&rules[3]), ids.find(&rules[4]));
        assert_eq!(texts[&ids.find(&rules[2]).expect("numbered")], "allow x.com for group Kids");
    }
}
