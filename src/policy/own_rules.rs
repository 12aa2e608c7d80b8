//! Own rules of one scope: a small layer that changes without touching the lists.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::{AnyRule, Decision, Member, OwnRule, Sought, Subject, WrittenRules};
use crate::model::{Action, DomainName, HashSeed, NameHashes, Reason, RuleId, Scope, Verdict};

/// Rules of one scope.
#[derive(Debug, Default)]
pub struct OwnRules {
    /// By the keyed hash of their names.
    names: HashMap<u64, Both, BuildHasherDefault<Spread>>,
    /// What `names` was made of.
    plain: Vec<Plain>,
    /// In AdGuard or Pi-hole syntax.
    written: Option<Arc<WrittenRules>>,
}

/// The rules of all scopes that have any.
pub type Scopes = HashMap<Scope, Arc<OwnRules>>;

/// A rule for a name and all below it.
#[derive(Debug, PartialEq, Eq)]
struct Plain {
    id: RuleId,
    name: DomainName,
    action: Action,
    until: Option<i64>,
}

/// The rules of a scope, being put together.
#[derive(Default)]
struct Draft<'r> {
    plain: Vec<(&'r OwnRule, RuleId)>,
    written: Vec<Member>,
}

/// The rules of one name.
#[derive(Debug, Default)]
struct Both {
    allow: Option<Standing>,
    block: Option<Standing>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    rule: RuleId,
    /// Seconds since 1970; `i64::MAX`: it has no end.
    until: i64,
}

impl OwnRules {
    /// Puts the rules of each scope together; those that stand in `previous` alike, made under the
    /// same seed, are taken from there.
    pub(super) fn of_scopes<'r>(
        rules: impl Iterator<Item = (AnyRule<'r>, RuleId)>,
        seed: HashSeed,
        previous: &Scopes,
    ) -> Scopes {
        let mut drafts: HashMap<&Scope, Draft<'_>> = HashMap::new();
        for (rule, id) in rules {
            match rule {
                AnyRule::Plain(rule) => {
                    drafts.entry(&rule.scope).or_default().plain.push((rule, id));
                }
                AnyRule::Written(rule) => {
                    drafts.entry(&rule.scope).or_default().written.push(Member::of(rule, id));
                }
            }
        }
        let made = drafts.into_iter().map(|(scope, draft)| {
            (scope.clone(), OwnRules::of_scope(draft, seed, previous.get(scope)))
        });
        made.collect()
    }

    fn of_scope(
        draft: Draft<'_>,
        seed: HashSeed,
        previous: Option<&Arc<OwnRules>>,
    ) -> Arc<OwnRules> {
        let written = previous.and_then(|previous| previous.written.as_ref());
        let same_names = previous.filter(|previous| previous.has(&draft.plain));
        let written = match written.filter(|written| written.has(&draft.written)) {
            Some(written) => Some(Arc::clone(written)),
            None if draft.written.is_empty() => None,
            None => Some(Arc::new(WrittenRules::compile(draft.written, seed))),
        };
        if let Some(same) = same_names
            && same.written.as_ref().map(Arc::as_ptr) == written.as_ref().map(Arc::as_ptr)
        {
            return Arc::clone(same);
        }
        let mut own = OwnRules { written, ..OwnRules::default() };
        for (rule, id) in draft.plain {
            let (name, action, until) = (rule.name.clone(), rule.action, rule.until);
            if let Some(hash) = NameHashes::of(name.as_ref(), seed).whole() {
                own.insert(hash, action, id, until);
            }
            own.plain.push(Plain { id, name, action, until });
        }
        Arc::new(own)
    }

    fn has(&self, rules: &[(&OwnRule, RuleId)]) -> bool {
        let same = |(plain, (rule, id)): (&Plain, &(&OwnRule, RuleId))| {
            plain.id == *id
                && plain.until == rule.until
                && plain.action == rule.action
                && plain.name == rule.name
        };
        self.plain.len() == rules.len() && self.plain.iter().zip(rules).all(same)
    }

    /// Decides on a name or address: rules for names and all below first, then written ones.
    pub fn decide(&self, subject: &Subject<'_>, unix_seconds: i64) -> Option<Decision> {
        let plain = match subject.sought {
            Sought::Name(hashes) => self.find(hashes, unix_seconds),
            Sought::Address(_) => None,
        };
        let plain = plain.map(|(action, rule)| {
            let reason = Reason::Rule(rule);
            Decision::from(match action {
                Action::Allow => Verdict::Allow(reason),
                Action::Block => Verdict::Block(reason),
            })
        });
        plain.or_else(|| self.written.as_ref()?.decide(subject, unix_seconds))
    }

    /// Returns what the rule with the longest name says, allow on a tie; ended ones do not count.
    fn find(&self, hashes: &[u64], unix_seconds: i64) -> Option<(Action, RuleId)> {
        let lasting = |rule: Option<Standing>| rule.filter(|rule| unix_seconds < rule.until);
        hashes.iter().find_map(|hash| {
            let both = self.names.get(hash)?;
            let allow = lasting(both.allow).map(|rule| (Action::Allow, rule.rule));
            allow.or_else(|| lasting(both.block).map(|rule| (Action::Block, rule.rule)))
        })
    }

    /// Adds a rule for the name of this hash; of two alike the one that lasts longer stays.
    pub(super) fn insert(&mut self, hash: u64, action: Action, rule: RuleId, until: Option<i64>) {
        let both = self.names.entry(hash).or_default();
        let slot = match action {
            Action::Allow => &mut both.allow,
            Action::Block => &mut both.block,
        };
        let until = until.unwrap_or(i64::MAX);
        if slot.is_none_or(|old| old.until < until) {
            *slot = Some(Standing { rule, until });
        }
    }
}

/// 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hasher for keys that are hashes already, or small numbers of ours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(SPREAD);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write_u32(&mut self, number: u32) {
        // Fibonacci hashing: the table looks at the highest bits, which small numbers leave zero.
        self.0 = u64::from(number).wrapping_mul(SPREAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DomainName, HashSeed};

    fn hashes(name: &str) -> NameHashes {
        NameHashes::of(DomainName::parse(name).expect("a name").as_ref(), HashSeed([1, 2]))
    }

    fn whole(name: &str) -> u64 {
        hashes(name).whole().expect("not the root")
    }

    #[test]
    fn of_two_rules_alike_the_longer_lasting_one_counts() {
        for ends in [[Some(5), None], [None, Some(5)]] {
            let mut rules = OwnRules::default();
            for until in ends {
                rules.insert(whole("x.com"), Action::Block, RuleId(1), until);
            }
            assert_eq!(rules.find(&hashes("x.com"), 9), Some((Action::Block, RuleId(1))));
        }
    }

    #[test]
    fn an_ended_allow_uncovers_the_block_of_the_same_name() {
        let mut rules = OwnRules::default();
        rules.insert(whole("x.com"), Action::Allow, RuleId(1), Some(5));
        rules.insert(whole("x.com"), Action::Block, RuleId(2), None);
        assert_eq!(rules.find(&hashes("a.x.com"), 4), Some((Action::Allow, RuleId(1))));
        assert_eq!(rules.find(&hashes("a.x.com"), 5), Some((Action::Block, RuleId(2))));
    }

    #[test]
    fn small_numbers_are_spread_over_the_highest_bits() {
        let top = |number: u32| {
            let mut spread = Spread::default();
            spread.write_u32(number);
            spread.finish() >> 57
        };
        let distinct: std::collections::HashSet<u64> = (0..128).map(top).collect();
        assert!(distinct.len() > 100, "{}", distinct.len());
    }
}
