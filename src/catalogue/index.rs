//! From a name to its row: a table of hashes for names, one set of expressions for patterns.
//!
//! Looked up for every query: no allocation once a thread has asked, no lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use regex::bytes::{Regex, RegexSet};

use super::{Row, RowName};
use crate::model::{Ends, HashSeed, NameHashes, NameText};

/// Bits of the marks of all hashes, as a power of two: of fifteen names that have no row, one is
/// looked for all the same.
const MARK_BITS: u32 = 16;

/// Rows by name hash and by pattern; a row is its place in the catalogue.
pub(super) struct Index {
    /// A bit for the lower bits of each hash: few enough to stay near, unlike the table behind.
    marks: Box<[u64; 1 << (MARK_BITS - 6)]>,
    names: HashMap<u64, u32, BuildHasherDefault<Given>>,
    /// Rules most names out, if all patterns say enough of how they begin or end.
    ends: Option<Ends>,
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
        let mut ends = Ends::new(seed);
        let all = patterns.iter().all(|(regex, _)| ends.take_expression(regex.as_str()));
        let mut marks = Box::new([0; _]);
        for &hash in names.keys() {
            let (word, bit) = mark(hash);
            marks[word] |= 1 << bit;
        }
        Ok(Index { marks, names, ends: all.then_some(ends), any_pattern, patterns })
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
    pub fn by_text(&self, name: &NameText<'_>, hashes: &[u64]) -> Option<u32> {
        let possible = self.ends.as_ref().is_none_or(|ends| ends.may_match(name.name(), hashes));
        if possible { name.read(|text| self.match_text(text)) } else { None }
    }

    fn match_text(&self, text: &[u8]) -> Option<u32> {
        // It tells in one pass that none matches; which one matches it could tell only into memory
        // of its own.
        if !self.any_pattern.is_match(text) {
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
    use crate::model::DomainName;

    #[test]
    fn what_a_shipped_pattern_matches_is_not_ruled_out() {
        let seed = HashSeed([7, 11]);
        let catalogue = super::super::Catalogue::shipped(seed);
        assert!(catalogue.index.ends.is_some());
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for (pattern, _) in &catalogue.index.patterns {
            let body = pattern.as_str().trim_start_matches('^').trim_end_matches('$');
            let texts = prop::string::string_regex(body).expect("it can be made up");
            let holds = |text: String| {
                let name = DomainName::parse(&text).expect("a name");
                let hashes = NameHashes::of(name.as_ref(), seed);
                let found = catalogue.index.by_text(&NameText::of(name.as_ref()), &hashes);
                prop_assert!(found.is_some(), "{text}");
                Ok(())
            };
            runner
                .run(&texts, holds)
                .unwrap_or_else(|error| panic!("{}: {error}", pattern.as_str()));
        }
    }
}
