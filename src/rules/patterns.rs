//! The text patterns of all lists, held against the text of a name or address.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::model::{Ends, Grams, HashSeed, NameRef};

use super::{Few, Glob, TextPattern, TextSyntax, required_literals};

/// Largest compiled expression, in octets.
const EXPRESSION_LIMIT: usize = 1 << 20;

/// Largest automaton of all expressions without a literal together; else each is tried alone.
const SET_LIMIT: usize = 64 << 20;

/// Shortest text that the prefilter looks for.
const SHORTEST_LITERAL: usize = 3;

/// Octets of texts up to which the prefilter is a full automaton: the fastest, and the largest.
const FULL_AUTOMATON: usize = 32 << 10;

/// A pattern that can be held against a text.
#[derive(Clone, Debug)]
pub struct Matcher {
    engine: Engine,
    inverted: bool,
    addresses: bool,
}

#[derive(Clone, Debug)]
enum Engine {
    Glob(Glob),
    Regex(Regex),
}

/// A pattern, and the set of rules that have it.
#[derive(Clone, Debug)]
pub struct PatternPlace {
    /// As it is written.
    pub text: TextPattern,
    /// Ready to be held against texts.
    pub matcher: Matcher,
    /// The number of its set.
    pub set: u32,
}

/// All text patterns, in the order of the walk.
///
/// Those that need some text of three octets or more are tried only if one look over the name
/// finds such a text; of the others the expressions are first tried all at once.
/// Cost: a few instructions an octet for most names that no pattern's text is found in.
#[derive(Default)]
pub struct Patterns {
    placed: Box<[PatternPlace]>,
    /// Rules out nearly all names, if all patterns say enough of how these begin or end.
    ends: Option<Ends>,
    guard: Option<Guard>,
    /// Whether any of `expressions` matches.
    any: Option<RegexSet>,
    expressions: Box<[u32]>,
    /// Without literal, and no plain expressions.
    loose: Box<[u32]>,
    any_for_addresses: bool,
}

/// One look for all texts; `owners` are the patterns that each found text may belong to.
struct Guard {
    /// Rules out most names at a fraction of the cost.
    grams: Option<Grams>,
    texts: AhoCorasick,
    owners: Box<[Box<[u32]>]>,
}

/// What a search is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A name.
    Name,
    /// An address in an answer.
    Address,
}

impl Matcher {
    /// Compiles a pattern; the error says what is wrong with it.
    pub fn new(pattern: &TextPattern) -> Result<Matcher, String> {
        let engine = match pattern.syntax {
            TextSyntax::Glob => Engine::Glob(Glob::new(&pattern.text)),
            TextSyntax::Regex => Engine::Regex(expression(&pattern.text)?),
        };
        Ok(Matcher { engine, inverted: pattern.inverted, addresses: pattern.addresses })
    }

    fn matches(&self, text: &[u8], subject: Subject) -> bool {
        let is_meant = subject == Subject::Name || self.addresses;
        let holds = || match &self.engine {
            Engine::Glob(glob) => glob.matches(text),
            Engine::Regex(regex) => regex.is_match(text),
        };
        is_meant && holds() != self.inverted
    }

    /// Tells how what it matches begins or ends; false if that is in too many ways.
    fn tell_ends(&self, ends: &mut Ends) -> bool {
        if self.inverted {
            return false;
        }
        match &self.engine {
            Engine::Glob(glob) => glob.tell_ends(ends),
            Engine::Regex(regex) => ends.take_expression(regex.as_str()),
        }
    }

    /// Returns texts of which each match holds one, if all are long enough to be looked for.
    fn literals(&self) -> Option<Vec<Box<[u8]>>> {
        if self.inverted {
            return None;
        }
        let literals: Vec<Box<[u8]>> = match &self.engine {
            Engine::Glob(glob) => vec![glob.literal().into()],
            Engine::Regex(regex) => required_literals(regex.as_str())?
                .into_iter()
                .map(|l| l.as_bytes().into())
                .collect(),
        };
        let long = literals.iter().all(|literal| literal.len() >= SHORTEST_LITERAL);
        (long && !literals.is_empty()).then_some(literals)
    }
}

fn expression(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    let built = builder.unicode(false).size_limit(EXPRESSION_LIMIT).build();
    built.map_err(|error| error.to_string())
}

impl Patterns {
    /// Takes patterns together; their order is that of the walk. Names come hashed by `seed`.
    pub fn new(placed: Vec<PatternPlace>, seed: HashSeed) -> Patterns {
        let mut owners: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
        let (mut expressions, mut loose) = (Vec::new(), Vec::new());
        let mut ends = Ends::new(seed);
        let told = placed.iter().all(|pattern| pattern.matcher.tell_ends(&mut ends));
        for (number, pattern) in (0..).zip(&placed) {
            let is_expression = matches!(pattern.matcher.engine, Engine::Regex(_));
            match pattern.matcher.literals() {
                Some(literals) => {
                    for literal in literals {
                        owners.entry(literal).or_default().push(number);
                    }
                }
                None if is_expression && !pattern.matcher.inverted => expressions.push(number),
                None => loose.push(number),
            }
        }
        Patterns {
            ends: told.then_some(ends),
            guard: Guard::new(owners),
            any: any_of(&placed, &expressions),
            expressions: expressions.into(),
            loose: loose.into(),
            any_for_addresses: placed.iter().any(|pattern| pattern.matcher.addresses),
            placed: placed.into(),
        }
    }

    /// Returns the patterns.
    pub fn placed(&self) -> &[PatternPlace] {
        &self.placed
    }

    /// Returns whether there is none to look at.
    pub fn has_none_for(&self, subject: Subject) -> bool {
        self.placed.is_empty() || subject == Subject::Address && !self.any_for_addresses
    }

    /// Returns false only if none matches the name with these hashes.
    pub fn may_match(&self, name: NameRef<'_>, hashes: &[u64]) -> bool {
        self.ends.as_ref().is_none_or(|ends| ends.may_match(name, hashes))
    }

    /// Returns the numbers of the patterns that match, in their order.
    pub fn find(&self, text: &[u8], subject: Subject) -> Few {
        let mut found = Few::default();
        let mut try_one = |number: u32| {
            let pattern = self.placed.get(number as usize);
            let known = found.as_slice().contains(&number);
            if !known && pattern.is_some_and(|it| it.matcher.matches(text, subject)) {
                found.push(number);
            }
        };
        // A look for any of them is much cheaper than one for all, and the usual answer is no.
        if let Some(guard) = self.guard.as_ref().filter(|guard| guard.may_be_in(text)) {
            for hit in guard.texts.find_overlapping_iter(text) {
                let owners = guard.owners.get(hit.pattern().as_usize());
                owners.into_iter().flatten().copied().for_each(&mut try_one);
            }
        }
        if self.any.as_ref().is_none_or(|any| any.is_match(text)) {
            self.expressions.iter().copied().for_each(&mut try_one);
        }
        self.loose.iter().copied().for_each(&mut try_one);
        found.sort();
        found
    }

    /// Returns how many are regular expressions.
    pub fn expressions(&self) -> usize {
        let is_expression = |it: &&PatternPlace| matches!(it.matcher.engine, Engine::Regex(_));
        self.placed.iter().filter(is_expression).count()
    }
}

impl Guard {
    fn new(owners: HashMap<Box<[u8]>, Vec<u32>>) -> Option<Guard> {
        let mut owners: Vec<(Box<[u8]>, Vec<u32>)> = owners.into_iter().collect();
        owners.sort_unstable();
        let octets: usize = owners.iter().map(|(text, _)| text.len()).sum();
        let full = (octets <= FULL_AUTOMATON).then_some(AhoCorasickKind::DFA);
        let texts = owners.iter().map(|(text, _)| &**text);
        let grams = Grams::of(texts.clone());
        let texts = AhoCorasickBuilder::new().prefilter(false).kind(full).build(texts).ok();
        let owners = owners.into_iter().map(|(_, numbers)| numbers.into()).collect();
        texts.filter(|texts| texts.patterns_len() > 0).map(|texts| Guard { grams, texts, owners })
    }

    fn may_be_in(&self, text: &[u8]) -> bool {
        self.grams.as_ref().is_none_or(|grams| grams.may_be_in(text)) && self.texts.is_match(text)
    }
}

fn any_of(placed: &[PatternPlace], numbers: &[u32]) -> Option<RegexSet> {
    // Without expressions there is nothing to try, and a look at the name would tell just that.
    if numbers.is_empty() {
        return None;
    }
    let texts = numbers.iter().filter_map(|&number| placed.get(number as usize));
    RegexSetBuilder::new(texts.map(|pattern| &*pattern.text.text))
        .unicode(false)
        .size_limit(SET_LIMIT)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::model::{DomainName, NameHashes, NameText, Presentation};

    const SEED: HashSeed = HashSeed([1, 2]);

    fn pattern(text: &str) -> TextPattern {
        let regex = text.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
        let syntax = if regex.is_some() { TextSyntax::Regex } else { TextSyntax::Glob };
        let text = regex.unwrap_or(text).into();
        TextPattern { syntax, text, inverted: false, addresses: false }
    }

    fn patterns(texts: Vec<TextPattern>) -> Patterns {
        let place = |(set, text): (u32, TextPattern)| {
            let matcher = Matcher::new(&text).expect("a pattern");
            PatternPlace { text, matcher, set }
        };
        Patterns::new((0..).zip(texts).map(place).collect(), SEED)
    }

    fn found(patterns: &Patterns, text: &str) -> Vec<u32> {
        let name = DomainName::from_presentation(text).expect("a name");
        let find = |text: &[u8]| patterns.find(text, Subject::Name).as_slice().to_vec();
        let found = NameText::of(name.as_ref()).read(find);
        let hashes = NameHashes::of(name.as_ref(), SEED);
        assert!(found.is_empty() || patterns.may_match(name.as_ref(), &hashes), "{text}");
        found
    }

    #[test]
    fn every_way_to_search_finds_its_patterns_in_order() {
        let texts = ["/^a.$/", "-ads.", "/track|pixel/", "b*", "/adserv/", "/b$/"];
        let patterns = patterns(texts.map(pattern).into());
        assert_eq!(found(&patterns, "x-ads.pixel.track.adserver"), [1, 2, 4]);
        assert_eq!(found(&patterns, "ab"), [0, 3, 5]);
        assert!(found(&patterns, "x.com").is_empty());
        assert_eq!(patterns.expressions(), 4);
    }

    #[test]
    fn more_patterns_than_lie_in_the_answer_itself_are_found() {
        let texts: Vec<TextPattern> = (0..40).map(|n| pattern(&format!("/needle|{n}x/"))).collect();
        let patterns = patterns(texts);
        assert_eq!(found(&patterns, "a.needle"), (0..40).collect::<Vec<_>>());
        assert_eq!(found(&patterns, "39x"), [9, 39]);
    }

    #[test]
    fn an_inverted_pattern_means_what_does_not_hold_it() {
        let inverted = TextPattern { inverted: true, ..pattern("/good/") };
        let patterns = patterns(vec![inverted]);
        assert_eq!(found(&patterns, "bad.com"), [0]);
        assert!(found(&patterns, "good.com").is_empty());
    }

    #[test]
    fn patterns_of_addresses_meet_addresses_and_names() {
        let of_addresses = |text| TextPattern { addresses: true, ..pattern(text) };
        let patterns = patterns(vec![
            of_addresses("/^10[.]1[.][0-9.]*$/"),
            of_addresses(r"/^10\.1\./"),
            pattern("10.1.2"),
            of_addresses("|10.1"),
        ]);
        let address: IpAddr = "10.1.2.3".parse().expect("an address");
        let of_address = patterns.find(Presentation::of(address).octets(), Subject::Address);
        assert_eq!(of_address.as_slice(), [0, 1, 3]);
        assert_eq!(found(&patterns, "10.1.2.3"), [0, 1, 2, 3]);
        assert_eq!(found(&patterns, "10.1.2.example.com"), [1, 2, 3]);
        assert!(!patterns.has_none_for(Subject::Address));
    }

    #[test]
    fn strange_octets_meet_expressions_escaped() {
        let patterns =
            patterns([r"/^a\.b$/", r"/^a\\\.b$/", r"/^\\000\\255$/"].map(pattern).into());
        assert_eq!(found(&patterns, "a.b"), [0]);
        assert_eq!(found(&patterns, "a\\.b"), [1]);
        assert_eq!(found(&patterns, "\\000\\255"), [2]);
    }

    #[test]
    fn expressions_that_are_wrong_or_too_large_are_told() {
        for text in ["/(/", "/a{1000}{1000}/", r"/(a)\1/"] {
            let refused = Matcher::new(&pattern(text)).err();
            assert!(refused.is_some_and(|why| !why.is_empty()), "{text}");
        }
    }
}
