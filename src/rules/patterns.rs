//! The regular expressions of all lists, held against the presentation form of a name.

use std::fmt::Write;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::model::{ListId, ListMask, MAX_NAME_OCTETS, NameRef};

use super::{Effect, Said};

/// Largest compiled expression, in octets.
const EXPRESSION_LIMIT: usize = 1 << 20;

/// Largest automaton of all expressions together; without it each is tried alone.
const SET_LIMIT: usize = 64 << 20;

/// One regular expression of a list.
pub struct PatternRule {
    expression: Regex,
    list: ListId,
    effect: Effect,
    line: u32,
}

/// All regular expressions; one look at `any` tells whether one of them matches.
pub struct Patterns {
    any: Option<RegexSet>,
    rules: Box<[PatternRule]>,
    lists: ListMask,
}

impl PatternRule {
    /// Compiles an expression; the error says what is wrong with it.
    pub fn new(text: &str, list: ListId, effect: Effect, line: u32) -> Result<Self, String> {
        let expression = RegexBuilder::new(text)
            .unicode(false)
            .size_limit(EXPRESSION_LIMIT)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(PatternRule { expression, list, effect, line })
    }

    /// Returns the expression as it was written.
    pub fn text(&self) -> &str {
        self.expression.as_str()
    }

    /// Returns its line in the list.
    pub fn line(&self) -> u32 {
        self.line
    }
}

impl Patterns {
    /// Takes the rules together.
    pub fn build(rules: Vec<PatternRule>) -> Patterns {
        let any = RegexSetBuilder::new(rules.iter().map(PatternRule::text))
            .unicode(false)
            .size_limit(SET_LIMIT)
            .build()
            .ok();
        let lists = rules.iter().map(|rule| rule.list).collect();
        Patterns { any, rules: rules.into_boxed_slice(), lists }
    }

    /// Returns what the expressions of lists that are still `open` say of a name.
    pub fn find(&self, name: NameRef<'_>, decided: ListMask) -> Said {
        let mut said = Said::default();
        if self.lists.difference(decided).is_empty() {
            return said;
        }
        let text = Presentation::of(name);
        if self.any.as_ref().is_some_and(|any| !any.is_match(text.octets())) {
            return said;
        }
        for rule in self.rules.iter().filter(|rule| rule.matches(&text)) {
            // A list's patterns have no order of length: the first that matches speaks.
            if said.block.union(said.hole).contains(rule.list) {
                continue;
            }
            match rule.effect {
                Effect::Block => said.block.insert(rule.list),
                Effect::Hole => said.hole.insert(rule.list),
            }
        }
        said
    }

    /// Returns the expression that speaks for a list on a name.
    pub fn speaker(&self, name: NameRef<'_>, list: ListId) -> Option<&PatternRule> {
        let text = Presentation::of(name);
        self.rules.iter().filter(|rule| rule.list == list).find(|rule| rule.matches(&text))
    }
}

impl PatternRule {
    fn matches(&self, text: &Presentation) -> bool {
        self.expression.is_match(text.octets())
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

    const LISTS: [ListId; 3] = [ListId(0), ListId(1), ListId(2)];

    fn patterns(rules: &[(&str, ListId, Effect)]) -> Patterns {
        let compile = |(line, rule): (usize, &(&str, ListId, Effect))| {
            PatternRule::new(rule.0, rule.1, rule.2, line as u32 + 1).expect("an expression")
        };
        Patterns::build(rules.iter().enumerate().map(compile).collect())
    }

    fn name(text: &str) -> DomainName {
        DomainName::from_presentation(text).expect("a name")
    }

    #[test]
    fn within_a_list_the_first_expression_that_matches_speaks() {
        let patterns = patterns(&[
            ("^b", LISTS[0], Effect::Hole),
            ("x$", LISTS[0], Effect::Block),
            ("^a", LISTS[0], Effect::Hole),
            ("^a", LISTS[1], Effect::Hole),
            ("x$", LISTS[1], Effect::Block),
        ]);
        let said = patterns.find(name("a.x").as_ref(), ListMask::EMPTY);
        assert_eq!(said.block.iter().collect::<Vec<_>>(), [LISTS[0]]);
        assert_eq!(said.hole.iter().collect::<Vec<_>>(), [LISTS[1]]);
        let speaker = patterns.speaker(name("a.x").as_ref(), LISTS[0]).expect("it blocks");
        assert_eq!((speaker.text(), speaker.line()), ("x$", 2));
    }

    #[test]
    fn no_expression_is_tried_when_its_lists_are_decided() {
        let patterns = patterns(&[("", LISTS[2], Effect::Block)]);
        let decided: ListMask = [LISTS[2]].into_iter().collect();
        assert!(patterns.find(name("a.x").as_ref(), decided).block.is_empty());
        assert!(!patterns.find(name("a.x").as_ref(), ListMask::EMPTY).block.is_empty());
    }

    #[test]
    fn strange_octets_meet_expressions_escaped() {
        let patterns = patterns(&[
            (r"^a\.b$", LISTS[0], Effect::Block),
            (r"^a\\\.b$", LISTS[1], Effect::Block),
            (r"^\\000\\255$", LISTS[2], Effect::Block),
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
            let refused = PatternRule::new(text, LISTS[0], Effect::Block, 1).err();
            assert!(refused.is_some_and(|why| !why.is_empty()), "{text}");
        }
    }
}
