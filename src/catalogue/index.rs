//! From a name to its row: a table of hashes for names, one set of expressions for patterns.
//!
//! Looked up for every query: no allocation once a thread has asked, no lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use regex::bytes::{Regex, RegexSet};
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};

use super::{Row, RowName};
use crate::model::{Grams, HashSeed, NameHashes};

/// Shorter texts are in too many names to tell anything.
const SHORTEST_NEEDED: usize = 4;

/// Bits of the marks of all hashes, as a power of two: of fifteen names that have no row, one is
/// looked for all the same.
const MARK_BITS: u32 = 16;

/// Rows by name hash and by pattern; a row is its place in the catalogue.
pub(super) struct Index {
    /// A bit for the lower bits of each hash: few enough to stay near, unlike the table behind.
    marks: Box<[u64; 1 << (MARK_BITS - 6)]>,
    names: HashMap<u64, u32, BuildHasherDefault<Given>>,
    needed: Option<Grams>,
    any_pattern: RegexSet,
    patterns: Vec<(Regex, u32)>,
}

impl Index {
    /// Indexes the rows; where two patterns match, the first speaks.
    pub fn new(rows: &[(RowName, Row)], seed: HashSeed) -> Result<Index, regex::Error> {
        let mut names = HashMap::default();
        let mut patterns = Vec::new();
        for ((name, _), place) in rows.iter().zip(0..) {
            match name {
                RowName::Domain(name) => {
                    let whole = NameHashes::of(name.as_ref(), seed).whole();
                    names.extend(whole.map(|hash| (hash, place)));
                }
                RowName::Pattern(text) => patterns.push((Regex::new(text)?, place)),
            }
        }
        let any_pattern = RegexSet::new(patterns.iter().map(|(regex, _)| regex.as_str()))?;
        let needed = needed(patterns.iter().map(|(regex, _)| regex.as_str()));
        let mut marks = Box::new([0; _]);
        for &hash in names.keys() {
            let (word, bit) = mark(hash);
            marks[word] |= 1 << bit;
        }
        Ok(Index { marks, names, needed, any_pattern, patterns })
    }

    /// Returns the row that may have a name with this hash; the caller compares the name.
    pub fn by_hash(&self, hash: u64) -> Option<u32> {
        let (word, bit) = mark(hash);
        if self.marks[word] >> bit & 1 == 0 {
            return None;
        }
        self.names.get(&hash).copied()
    }

    /// Returns the row of the first pattern that matches the name.
    pub fn by_text(&self, text: &[u8]) -> Option<u32> {
        // Both tell in one pass that none matches, which is the usual answer; which one matches
        // the set could tell only into memory of its own.
        let possible = self.needed.as_ref().is_none_or(|needed| needed.may_be_in(text));
        if !possible || !self.any_pattern.is_match(text) {
            return None;
        }
        self.patterns.iter().find(|(regex, _)| regex.is_match(text)).map(|(_, place)| *place)
    }
}

/// Returns the word of a hash's mark, and its bit there.
fn mark(hash: u64) -> (usize, u32) {
    let low = hash as usize & ((1 << MARK_BITS) - 1);
    (low >> 6, hash as u32 & 63)
}

/// Returns the texts of which a name needs one to match any pattern: how each begins or ends.
fn needed<'p>(patterns: impl Iterator<Item = &'p str>) -> Option<Grams> {
    let mut texts = Vec::new();
    for pattern in patterns {
        let parsed = regex_syntax::parse(pattern).ok()?;
        let ends = [ExtractKind::Prefix, ExtractKind::Suffix]
            .map(|kind| Extractor::new().kind(kind).extract(&parsed));
        let of_length = |ends: &Seq| ends.min_literal_len().filter(|_| ends.is_finite());
        let best = ends.iter().max_by_key(|ends| of_length(ends))?;
        of_length(best).filter(|&length| length >= SHORTEST_NEEDED)?;
        texts.extend(best.literals()?.iter().map(|text| text.as_bytes().to_vec()));
    }
    Grams::of(texts.iter().map(Vec::as_slice))
}

/// A hasher for keys that are hashes already.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(octet);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_shipped_pattern_matches_has_a_text_that_is_needed() {
        let catalogue = super::super::Catalogue::shipped(HashSeed([7, 11]));
        assert!(catalogue.index.needed.is_some());
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for (pattern, _) in &catalogue.index.patterns {
            let body = pattern.as_str().trim_start_matches('^').trim_end_matches('$');
            let texts = prop::string::string_regex(body).expect("it can be made up");
            let holds = |text: String| {
                prop_assert!(catalogue.index.by_text(text.as_bytes()).is_some(), "{text}");
                Ok(())
            };
            runner
                .run(&texts, holds)
                .unwrap_or_else(|error| panic!("{}: {error}", pattern.as_str()));
        }
    }
}
