//! What no list of the owner's may block: public suffixes, essential names, our own.

use std::collections::{HashMap, HashSet};

use psl::{List, Psl, Type};

use crate::catalogue::Essential;
use crate::model::{DomainName, NameRef};
use crate::rules::parse::RefusedLine;
use crate::rules::{Effect, Pattern, Rule};

/// Skipped rules that are kept to be shown.
const SHOWN: usize = 1000;

/// The name under which the program itself can be reached.
const OWN_NAME: &str = "deadpixel.internal";

/// Names that no list may block, with the names above them.
pub struct Guard {
    /// Protected names, and whether all below them is protected too.
    names: HashMap<Box<[u8]>, bool>,
    /// Names above protected ones: a rule for all below them would block those.
    parents: HashSet<Box<[u8]>>,
}

impl Guard {
    /// Protects the essential names, and our own.
    pub fn new(essential: &[Essential]) -> Guard {
        let own = DomainName::parse(OWN_NAME).expect("our own name is one");
        let localhost = DomainName::parse("localhost").expect("a name");
        let mut guard = Guard { names: HashMap::new(), parents: HashSet::new() };
        guard.protect(own.as_ref(), true);
        guard.protect(localhost.as_ref(), true);
        for essential in essential {
            guard.protect(essential.name.as_ref(), essential.subtree);
        }
        guard
    }

    /// Takes out the rules that would block what is protected; returns what is to be shown of them.
    pub fn sift(&self, rules: &mut Vec<Rule>) -> Vec<RefusedLine> {
        let mut skipped = Vec::new();
        let mut unshown = 0_u32;
        rules.retain(|rule| {
            let Some((name, why)) = self.refusal(rule) else {
                return true;
            };
            if skipped.len() < SHOWN {
                skipped.push(RefusedLine { line: rule.line, text: name.to_string(), why });
            } else {
                unshown += 1;
            }
            false
        });
        if unshown > 0 {
            let why = format!("and {unshown} more rules like these");
            skipped.push(RefusedLine { line: 0, text: String::new(), why });
        }
        skipped
    }

    fn protect(&mut self, name: NameRef<'_>, below: bool) {
        *self.names.entry(name.wire().into()).or_default() |= below;
        self.parents.extend(name.walk().skip(1).map(|parent| parent.wire().into()));
    }

    /// Returns the name that a rule would block though no list may, and why.
    pub fn refusal<'r>(&self, rule: &'r Rule) -> Option<(NameRef<'r>, String)> {
        let (name, below) = match (&rule.pattern, &rule.effect) {
            (_, Effect::Hole | Effect::Allow | Effect::CancelRewrites(_)) => return None,
            (Pattern::Exact(name), _) => (name.as_ref(), false),
            (Pattern::Subtree(name) | Pattern::Below(name), _) => (name.as_ref(), true),
            _ => return None,
        };
        let why = if is_public_suffix(name) {
            "a public suffix: everybody registers names below it"
        } else if below && name.labels().count() < 2 {
            "a whole top-level domain"
        } else if self.is_protected(name) {
            "an essential name, which no list may block"
        } else if below && self.parents.contains(name.wire()) {
            "an essential name, which no list may block, stands below it"
        } else {
            return None;
        };
        Some((name, why.into()))
    }

    fn is_protected(&self, name: NameRef<'_>) -> bool {
        self.names.contains_key(name.wire())
            || name.walk().any(|parent| self.names.get(parent.wire()) == Some(&true))
    }
}

/// Only suffixes of registries count: at `duckdns.org` one owner stands for all names below.
fn is_public_suffix(name: NameRef<'_>) -> bool {
    let labels: Vec<&[u8]> = name.labels().collect();
    let suffix = List.find(labels.iter().rev().copied());
    // The wire form has one octet for each dot, one in front and the root.
    suffix.typ == Some(Type::Icann) && suffix.len + 2 == name.wire().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Answer;

    fn essential(text: &str, subtree: bool) -> Essential {
        let name = DomainName::parse(text).expect("a name");
        Essential { name, subtree, purpose: "captive-portal".into(), line: 1 }
    }

    fn guard() -> Guard {
        Guard::new(&[essential("www.gstatic.com", false), essential("captive.apple.com", true)])
    }

    /// The reason for which a rule is skipped; `=x` is exactly x.
    fn skipped(text: &str) -> Option<String> {
        let name = |text: &str| DomainName::parse(text).expect("a name");
        let pattern = match text.strip_prefix('=') {
            Some(exact) => Pattern::Exact(name(exact)),
            None => Pattern::Subtree(name(text)),
        };
        let mut rules = vec![Rule::plain(pattern, Effect::Block(Answer::Policy), 3)];
        let skipped = guard().sift(&mut rules).pop();
        assert_eq!(skipped.is_some(), rules.is_empty());
        skipped.map(|skipped| skipped.why)
    }

    #[test]
    fn public_suffixes_of_registries_are_skipped() {
        for text in ["=com", "=co.uk", "co.uk", "=xn--p1ai", "=anything.ck"] {
            let why = skipped(text).unwrap_or_default();
            assert!(why.starts_with("a public suffix"), "{text}: {why}");
        }
        for text in ["duckdns.org", "=example.co.uk", "github.io", "=nas-at-home"] {
            assert_eq!(skipped(text), None, "{text}");
        }
        assert_eq!(skipped("nas-at-home").as_deref(), Some("a whole top-level domain"));
    }

    #[test]
    fn essential_names_are_skipped_and_so_are_their_parents_where_all_below_is_meant() {
        for text in ["=www.gstatic.com", "www.gstatic.com", "=a.captive.apple.com"] {
            let why = skipped(text).unwrap_or_default();
            assert!(why.starts_with("an essential name"), "{text}: {why}");
        }
        assert!(skipped("apple.com").is_some_and(|why| why.ends_with("stands below it")));
        for text in ["=apple.com", "=gstatic.com", "=a.www.gstatic.com", "a.www.gstatic.com"] {
            assert_eq!(skipped(text), None, "{text}");
        }
    }

    #[test]
    fn our_own_name_and_the_machine_itself_are_skipped() {
        for text in ["=deadpixel.internal", "=a.deadpixel.internal", "=localhost", "=a.localhost"] {
            assert!(skipped(text).is_some(), "{text}");
        }
        assert_eq!(skipped("=other.internal"), None);
    }

    #[test]
    fn what_is_skipped_is_shown_up_to_a_bound_and_counted_beyond() {
        let rule = |line| {
            let name = DomainName::parse(&format!("n{line}.captive.apple.com")).expect("a name");
            Rule::plain(Pattern::Exact(name), Effect::Block(Answer::Policy), line)
        };
        let mut rules: Vec<Rule> = (1..=1005).map(rule).collect();
        let skipped = guard().sift(&mut rules);
        assert!(rules.is_empty());
        assert_eq!((skipped[0].line, skipped[0].text.as_str()), (1, "n1.captive.apple.com"));
        assert_eq!(
            (skipped.len(), skipped[1000].why.as_str()),
            (1001, "and 5 more rules like these")
        );
    }
}
