//! What no list of the owner's may block: public suffixes, essential names, our own.

use std::collections::{HashMap, HashSet};

use psl::{List, Psl, Type};

use super::{OwnList, TextGuard, pattern_text};
use crate::catalogue::Essential;
use crate::model::{DomainName, NameRef, Prefix};
use crate::rules::parse::RefusedLine;
use crate::rules::{Effect, Pattern, Rule};

/// Skipped rules that are kept to be shown.
const SHOWN: usize = 1000;

/// The name under which the program itself can be reached.
const OWN_NAME: &str = "deadpixel.internal";

const WHOLE_TLD: &str = "a whole top-level domain; mark the list `wide = true` if that is meant";

/// Names that no list may block, with the names above them.
pub struct Guard {
    /// Protected names, and whether all below them is protected too.
    names: HashMap<Box<[u8]>, bool>,
    /// Names above protected ones: a rule for all below them would block those.
    parents: HashSet<Box<[u8]>>,
    texts: TextGuard,
}

/// The rules of one list, held against a guard one by one.
pub struct Sieve<'g> {
    guard: &'g Guard,
    wide: bool,
    allowlist: bool,
    skipped: Vec<RefusedLine>,
    unshown: u32,
}

impl Guard {
    /// Protects the essential names, and our own, among them those of the machine.
    pub fn new(essential: &[Essential], machine: &[DomainName]) -> Guard {
        let own = [OWN_NAME, "localhost"].map(|name| DomainName::parse(name).expect("a name"));
        let texts = TextGuard::new(essential.iter().map(|e| &e.name).chain(&own).chain(machine));
        let mut guard = Guard { names: HashMap::new(), parents: HashSet::new(), texts };
        own.iter().for_each(|own| guard.protect(own.as_ref(), true));
        machine.iter().for_each(|name| guard.protect(name.as_ref(), false));
        for essential in essential {
            guard.protect(essential.name.as_ref(), essential.subtree);
        }
        guard
    }

    /// Begins with a list.
    pub fn sieve(&self, list: &OwnList) -> Sieve<'_> {
        let OwnList { wide, allowlist, .. } = *list;
        Sieve { guard: self, wide, allowlist, skipped: Vec::new(), unshown: 0 }
    }

    fn protect(&mut self, name: NameRef<'_>, below: bool) {
        *self.names.entry(name.wire().into()).or_default() |= below;
        self.parents.extend(name.walk().skip(1).map(|parent| parent.wire().into()));
    }

    fn is_protected(&self, name: NameRef<'_>) -> bool {
        self.names.contains_key(name.wire())
            || name.walk().any(|parent| self.names.get(parent.wire()) == Some(&true))
    }
}

impl Sieve<'_> {
    /// Returns whether a rule may be in force; one that may not is noted.
    pub fn passes(&mut self, rule: &Rule) -> bool {
        let Some(why) = self.refusal(rule) else { return true };
        if self.skipped.len() < SHOWN {
            let text = pattern_text(&rule.pattern);
            self.skipped.push(RefusedLine { line: rule.line, text, why: why.into() });
        } else {
            self.unshown += 1;
        }
        false
    }

    /// Returns what is to be shown of the rules that were skipped.
    pub fn finish(mut self) -> Vec<RefusedLine> {
        if self.unshown > 0 {
            let why = format!("and {} more rules like these", self.unshown);
            self.skipped.push(RefusedLine { line: 0, text: String::new(), why });
        }
        self.skipped
    }

    fn refusal(&self, rule: &Rule) -> Option<&'static str> {
        let harmless =
            matches!(rule.effect, Effect::Hole | Effect::Allow | Effect::CancelRewrites(_));
        if harmless || rule.badfilter {
            return None;
        }
        match &rule.pattern {
            Pattern::Exact(name) => self.name_refusal(name.as_ref(), false),
            Pattern::Subtree(name) | Pattern::Below(name) => self.name_refusal(name.as_ref(), true),
            // With a condition it is for some types or devices, which a list may mean.
            Pattern::Everything => rule.condition.is_none().then_some("every name"),
            Pattern::Text(pattern) => self.guard.texts.refusal(pattern, self.allowlist),
            Pattern::Address(prefix) => is_vast(*prefix).then_some("a vast range of addresses"),
        }
    }

    fn name_refusal(&self, name: NameRef<'_>, below: bool) -> Option<&'static str> {
        let is_tld = below && name.labels().count() == 1;
        if name.is_root() {
            return Some("the root: every name stands below it");
        } else if is_public_suffix(name) && !(self.wide && is_tld) {
            return Some("a public suffix: everybody registers names below it");
        } else if is_tld && !self.wide {
            return Some(WHOLE_TLD);
        }
        if self.allowlist {
            return None;
        } else if self.guard.is_protected(name) {
            return Some("an essential name, which no list may block");
        }
        (below && self.guard.parents.contains(name.wire()))
            .then_some("an essential name, which no list may block, stands below it")
    }
}

/// Returns whether a prefix takes in so much of the net that no list can mean it.
fn is_vast(prefix: Prefix) -> bool {
    let is_v4 = prefix.to_string().contains('.');
    prefix.bits() < if is_v4 { 8 } else { 16 }
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
    use crate::lists::Source;
    use crate::model::{ListName, RecordType};
    use crate::rules::{Answer, Condition, Selection};

    fn essential(text: &str, subtree: bool) -> Essential {
        Essential { name: name(text), subtree, purpose: "captive-portal".into(), line: 1 }
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    fn guard() -> Guard {
        let essential = [essential("www.gstatic.com", false), essential("captive.apple.com", true)];
        Guard::new(&essential, &[name("nas"), name("nas.home.arpa")])
    }

    fn list() -> OwnList {
        let name = ListName::parse("mine").expect("a name");
        OwnList::new(name, Source::File("mine".into()))
    }

    fn block(pattern: Pattern) -> Rule {
        Rule::plain(pattern, Effect::Block(Answer::Policy), 3)
    }

    fn refused(rule: &Rule, list: &OwnList) -> Option<String> {
        let guard = guard();
        let mut sieve = guard.sieve(list);
        let passes = sieve.passes(rule);
        let skipped = sieve.finish().pop();
        assert_eq!(skipped.is_none(), passes);
        skipped.map(|skipped| skipped.why)
    }

    /// The reason for which a rule is skipped; `=x` is exactly x, `*.x` all below it.
    fn skipped_of(text: &str, list: &OwnList) -> Option<String> {
        let pattern = match (text.strip_prefix('='), text.strip_prefix("*.")) {
            (Some(exact), _) => Pattern::Exact(name(exact)),
            (_, Some(below)) => Pattern::Below(name(below)),
            _ => Pattern::Subtree(name(text)),
        };
        refused(&block(pattern), list)
    }

    fn skipped(text: &str) -> Option<String> {
        skipped_of(text, &list())
    }

    #[test]
    fn public_suffixes_of_registries_are_skipped() {
        for text in ["=com", "=co.uk", "co.uk", "*.co.uk", "=xn--p1ai", "=anything.ck"] {
            let why = skipped(text).unwrap_or_default();
            assert!(why.starts_with("a public suffix"), "{text}: {why}");
        }
        for text in ["duckdns.org", "=example.co.uk", "github.io", "=some-host"] {
            assert_eq!(skipped(text), None, "{text}");
        }
        assert!(skipped("some-host").is_some_and(|why| why.starts_with("a whole top-level")));
    }

    #[test]
    fn a_wide_list_may_block_top_level_domains_but_none_with_essential_names() {
        let wide = OwnList { wide: true, ..list() };
        for text in ["zip", "*.zip", "some-host"] {
            assert_eq!(skipped_of(text, &wide), None, "{text}");
        }
        for text in ["com", "co.uk", "=zip", "apple.com"] {
            assert!(skipped_of(text, &wide).is_some(), "{text}");
        }
    }

    #[test]
    fn essential_names_are_skipped_and_so_are_their_parents_where_all_below_is_meant() {
        for text in ["=www.gstatic.com", "www.gstatic.com", "=a.captive.apple.com"] {
            let why = skipped(text).unwrap_or_default();
            assert!(why.starts_with("an essential name"), "{text}: {why}");
        }
        for text in ["apple.com", "*.apple.com"] {
            assert!(skipped(text).is_some_and(|why| why.ends_with("stands below it")), "{text}");
        }
        for text in ["=apple.com", "=gstatic.com", "=a.www.gstatic.com", "a.www.gstatic.com"] {
            assert_eq!(skipped(text), None, "{text}");
        }
    }

    #[test]
    fn our_own_names_and_those_of_the_machine_are_skipped() {
        for text in
            ["=deadpixel.internal", "=a.deadpixel.internal", "=localhost", "=a.localhost", "=nas"]
        {
            assert!(skipped(text).is_some(), "{text}");
        }
        assert!(skipped("=nas.home.arpa").is_some() && skipped("home.arpa").is_some());
        assert_eq!(skipped("=other.internal"), None);
    }

    #[test]
    fn whatever_takes_in_every_name_or_a_vast_range_is_skipped() {
        let prefix = |text: &str| Pattern::Address(text.parse().expect("a prefix"));
        let of_type = Condition {
            types: Selection { include: [RecordType::AAAA].into(), exclude: [].into() },
            ..Condition::default()
        };
        let conditional = Rule { condition: Some(Box::new(of_type)), ..block(Pattern::Everything) };
        let root = block(Pattern::Exact(DomainName::root()));
        let below_root = block(Pattern::Below(DomainName::root()));
        for rule in [
            block(Pattern::Everything),
            root,
            below_root,
            block(prefix("0.0.0.0/0")),
            block(prefix("::/3")),
        ] {
            assert!(refused(&rule, &list()).is_some(), "{rule:?}");
            assert!(refused(&rule, &OwnList { wide: true, ..list() }).is_some(), "{rule:?}");
        }
        for harmless in [prefix("10.0.0.0/8"), prefix("192.0.2.1"), prefix("2001:db8::/32")] {
            assert_eq!(refused(&block(harmless), &list()), None);
        }
        assert_eq!(refused(&conditional, &list()), None, "it is for one type");
    }

    #[test]
    fn what_lets_through_or_only_cancels_is_no_danger() {
        let essential = || Pattern::Subtree(name("apple.com"));
        let cancel = Rule { badfilter: true, ..block(essential()) };
        for rule in [Rule::plain(essential(), Effect::Allow, 1), cancel] {
            assert_eq!(refused(&rule, &list()), None);
        }
        let allowlist = OwnList { allowlist: true, ..list() };
        assert_eq!(skipped_of("apple.com", &allowlist), None);
        assert!(skipped_of("com", &allowlist).is_some(), "it would let everything through");
        assert!(refused(&block(Pattern::Everything), &allowlist).is_some());
    }

    #[test]
    fn what_is_skipped_is_shown_up_to_a_bound_and_counted_beyond() {
        let guard = guard();
        let mut sieve = guard.sieve(&list());
        for line in 1..=1005 {
            let name = name(&format!("n{line}.captive.apple.com"));
            assert!(!sieve.passes(&Rule { line, ..block(Pattern::Exact(name)) }));
        }
        let skipped = sieve.finish();
        assert_eq!((skipped[0].line, skipped[0].text.as_str()), (1, "n1.captive.apple.com"));
        assert_eq!(
            (skipped.len(), skipped[1000].why.as_str()),
            (1001, "and 5 more rules like these")
        );
    }
}
