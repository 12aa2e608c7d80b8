//! The regular expressions of all lists, held against the presentation form of a name.

use std::collections::HashMap;
use std::fmt::Write;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::model::{ListId, ListMask, MAX_NAME_OCTETS, NameRef};

use super::{Effect, Said};

/// Largest compiled expression, in octets.
const EXPRESSION_LIMIT: usize = 1 << 20;

/// Largest automaton of all expressions together; without it each is tried alone.
const SET_LIMIT: usize = 64 << 20;

/// Expressions of which a search remembers whether they match: more than the lists share.
const REMEMBERED: usize = u64::BITS as usize;

/// What a list makes of an expression.
struct PatternRule {
    /// The place of the expression.
    expression: usize,
    list: ListId,
    effect: Effect,
    line: u32,
}

/// Regular expressions being taken in, list after list; each is compiled once.
#[derive(Default)]
pub struct PatternDrafts {
    places: HashMap<Box<str>, usize>,
    expressions: Vec<Regex>,
    rules: Vec<PatternRule>,
}

/// All regular expressions; one look at `any` tells whether one of them matches.
pub struct Patterns {
    any: Option<RegexSet>,
    expressions: Box<[Regex]>,
    rules: Box<[PatternRule]>,
    lists: ListMask,
}

/// What is known of the first expressions during a search.
#[derive(Default)]
struct Tried {
    known: u64,
    matching: u64,
}

impl PatternDrafts {
    /// Takes an expression of a list in; the error says what is wrong with it.
    pub fn add(
        &mut self,
        text: &str,
        list: ListId,
        effect: Effect,
        line: u32,
    ) -> Result<(), String> {
        let expression = match self.places.get(text) {
            Some(&place) => place,
            None => {
                let mut builder = RegexBuilder::new(text);
                let built = builder.unicode(false).size_limit(EXPRESSION_LIMIT).build();
                self.expressions.push(built.map_err(|error| error.to_string())?);
                self.places.insert(text.into(), self.places.len());
                self.places.len() - 1
            }
        };
        self.rules.push(PatternRule { expression, list, effect, line });
        Ok(())
    }

    /// Takes the expressions together.
    pub fn finish(self) -> Patterns {
        let any = RegexSetBuilder::new(self.expressions.iter().map(Regex::as_str))
            .unicode(false)
            .size_limit(SET_LIMIT)
            .build()
            .ok();
        let lists = self.rules.iter().map(|rule| rule.list).collect();
        let (expressions, rules) = (self.expressions.into(), self.rules.into());
        Patterns { any, expressions, rules, lists }
    }
}

impl Patterns {
    /// Returns what the expressions of lists that are not `decided` say of a name.
    pub fn find(&self, name: NameRef<'_>, decided: ListMask) -> Said {
        let mut said = Said::default();
        if self.lists.difference(decided).is_empty() {
            return said;
        }
        let text = Presentation::of(name);
        if self.any.as_ref().is_some_and(|any| !any.is_match(text.octets())) {
            return said;
        }
        let mut tried = Tried::default();
        for rule in &self.rules {
            // A list's patterns have no order of length: the first that matches speaks.
            let heard = decided.union(said.block).union(said.hole).contains(rule.list);
            if heard || !tried.matches(rule.expression, || self.matches(rule, &text)) {
                continue;
            }
            match &rule.effect {
                Effect::Block(_) => said.block.insert(rule.list),
                Effect::Hole => said.hole.insert(rule.list),
                _ => {}
            }
        }
        said
    }

    /// Returns the expression that speaks for a list on a name, and its line.
    pub fn speaker(&self, name: NameRef<'_>, list: ListId) -> Option<(&str, u32)> {
        let text = Presentation::of(name);
        let mut rules = self.rules.iter().filter(|rule| rule.list == list);
        let rule = rules.find(|rule| self.matches(rule, &text))?;
        Some((self.expressions.get(rule.expression)?.as_str(), rule.line))
    }

    fn matches(&self, rule: &PatternRule, text: &Presentation) -> bool {
        let expression = self.expressions.get(rule.expression);
        expression.is_some_and(|expression| expression.is_match(text.octets()))
    }
}

impl Tried {
    /// Returns whether an expression matches; `tells` is asked once of each that is remembered.
    fn matches(&mut self, expression: usize, tells: impl FnOnce() -> bool) -> bool {
        if expression >= REMEMBERED {
            return tells();
        }
        let place = 1 << expression;
        if self.known & place == 0 {
            self.known |= place;
            self.matching |= if tells() { place } else { 0 };
        }
        self.matching & place != 0
    }
}

/// A name's presentation form on the stack.
struct Presentation {
    octets: [u8; Presentation::LONGEST],
    length: usize,
}

impl Presentation {
    /// Every octet escaped: `\255`.
    const LONGEST: usize = 4 * MAX_NAME_OCTETS;

    fn of(name: NameRef<'_>) -> Presentation {
        let mut text = Presentation { octets: [0; Self::LONGEST], length: 0 };
        let plain = |octet: &u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if !name.is_root() && name.labels().all(|label| label.iter().all(plain)) {
            for (position, label) in name.labels().enumerate() {
                if position > 0 {
                    text.push(b".");
                }
                text.push(label);
            }
        } else {
            write!(text, "{name}").expect("the longest presentation form fits");
        }
        text
    }

    fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn push(&mut self, octets: &[u8]) -> bool {
        let end = self.length + octets.len();
        let Some(place) = self.octets.get_mut(self.length..end) else {
            return false;
        };
        place.copy_from_slice(octets);
        self.length = end;
        true
    }
}

impl Write for Presentation {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.push(text.as_bytes()) { Ok(()) } else { Err(std::fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;
    use crate::rules::Answer;

    const LISTS: [ListId; 3] = [ListId(0), ListId(1), ListId(2)];

    fn patterns(rules: &[(&str, ListId, Effect)]) -> Patterns {
        let mut drafts = PatternDrafts::default();
        for (line, &(text, list, ref effect)) in (1..).zip(rules) {
            drafts.add(text, list, effect.clone(), line).expect("an expression");
        }
        drafts.finish()
    }

    fn name(text: &str) -> DomainName {
        DomainName::from_presentation(text).expect("a name")
    }

    #[test]
    fn within_a_list_the_first_expression_that_matches_speaks() {
        let patterns = patterns(&[
            ("^b", LISTS[0], Effect::Hole),
            ("x$", LISTS[0], Effect::Block(Answer::Policy)),
            ("^a", LISTS[0], Effect::Hole),
            ("^a", LISTS[1], Effect::Hole),
            ("x$", LISTS[1], Effect::Block(Answer::Policy)),
        ]);
        let said = patterns.find(name("a.x").as_ref(), ListMask::EMPTY);
        assert_eq!(said.block.iter().collect::<Vec<_>>(), [LISTS[0]]);
        assert_eq!(said.hole.iter().collect::<Vec<_>>(), [LISTS[1]]);
        let speaker = patterns.speaker(name("a.x").as_ref(), LISTS[0]).expect("it blocks");
        assert_eq!(speaker, ("x$", 2));
        assert_eq!(patterns.expressions.len(), 3, "each is compiled once");
    }

    #[test]
    fn more_expressions_than_are_remembered_all_count() {
        let texts: Vec<String> = (0..REMEMBERED + 9).map(|n| format!("^a{n}$")).collect();
        let rules: Vec<(&str, ListId, Effect)> = LISTS
            .iter()
            .flat_map(|&list| {
                texts.iter().map(move |text| (text.as_str(), list, Effect::Block(Answer::Policy)))
            })
            .collect();
        let patterns = patterns(&rules);
        for n in [0, 1, REMEMBERED - 1, REMEMBERED, REMEMBERED + 8] {
            let said = patterns.find(name(&format!("a{n}")).as_ref(), ListMask::EMPTY);
            assert_eq!(said.block.iter().collect::<Vec<_>>(), LISTS, "{n}");
        }
    }

    #[test]
    fn no_expression_is_tried_when_its_lists_are_decided() {
        let patterns = patterns(&[("", LISTS[2], Effect::Block(Answer::Policy))]);
        let decided: ListMask = [LISTS[2]].into_iter().collect();
        assert!(patterns.find(name("a.x").as_ref(), decided).block.is_empty());
        assert!(!patterns.find(name("a.x").as_ref(), ListMask::EMPTY).block.is_empty());
    }

    #[test]
    fn strange_octets_meet_expressions_escaped() {
        let patterns = patterns(&[
            (r"^a\.b$", LISTS[0], Effect::Block(Answer::Policy)),
            (r"^a\\\.b$", LISTS[1], Effect::Block(Answer::Policy)),
            (r"^\\000\\255$", LISTS[2], Effect::Block(Answer::Policy)),
        ]);
        let matching = |text: &str| {
            let said = patterns.find(name(text).as_ref(), ListMask::EMPTY);
            said.block.iter().collect::<Vec<_>>()
        };
        assert_eq!(matching("a.b"), [LISTS[0]]);
        assert_eq!(matching("a\\.b"), [LISTS[1]]);
        assert_eq!(matching("\\000\\255"), [LISTS[2]]);
    }

    #[test]
    fn the_longest_presentation_form_fits() {
        let label = [&[63_u8][..], &[0xff; 63]].concat();
        let last = [&[61_u8][..], &[0xff; 61], &[0]].concat();
        let wire = [&label[..], &label, &label, &last].concat();
        let longest = DomainName::from_wire(&wire).expect("255 octets");
        assert_eq!(Presentation::of(longest.as_ref()).length, 250 * 4 + 3);
        assert_eq!(Presentation::of(DomainName::root().as_ref()).octets(), b".");
    }

    #[test]
    fn expressions_that_are_wrong_or_too_large_are_told() {
        for text in ["(", "a{1000}{1000}", r"(a)\1"] {
            let refused = PatternDrafts::default()
                .add(text, LISTS[0], Effect::Block(Answer::Policy), 1)
                .err();
            assert!(refused.is_some_and(|why| !why.is_empty()), "{text}");
        }
    }
}
