//! From a name to its row: a table of hashes for names, one set of expressions for patterns.
//!
//! Looked up for every query: no allocation once a thread has asked, no lock.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};

use regex::bytes::{Regex, RegexSet};
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};

use super::{Row, RowName};
use crate::model::{Grams, HashSeed, MAX_NAME_OCTETS, NameHashes, NameRef, TextRoom};

/// Most characters of a name's presentation form: each octet may become `\DDD`.
const PRESENTATION: usize = 4 * MAX_NAME_OCTETS;

/// Shorter texts are in too many names to tell anything.
const SHORTEST_NEEDED: usize = 4;

/// Rows by name hash and by pattern; a row is its place in the catalogue.
pub(super) struct Index {
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
        Ok(Index { names, needed, any_pattern, patterns })
    }

    /// Returns the row that may have a name with this hash; the caller compares the name.
    pub fn by_hash(&self, hash: u64) -> Option<u32> {
        self.names.get(&hash).copied()
    }

    /// Returns the row of the first pattern that matches the name.
    pub fn by_pattern(&self, name: NameRef<'_>) -> Option<u32> {
        match name.plain_text(&mut TextRoom::default()) {
            Some(text) => self.by_text(text),
            None => self.by_text(Presentation::default().of(name)?),
        }
    }

    fn by_text(&self, text: &[u8]) -> Option<u32> {
        // Both tell in one pass that none matches, which is the usual answer; which one matches
        // the set could tell only into memory of its own.
        let possible = self.needed.as_ref().is_none_or(|needed| needed.may_be_in(text));
        if !possible || !self.any_pattern.is_match(text) {
            return None;
        }
        self.patterns.iter().find(|(regex, _)| regex.is_match(text)).map(|(_, place)| *place)
    }
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

/// The presentation form of a name with octets to be escaped, written without allocation.
struct Presentation {
    octets: [u8; PRESENTATION],
    length: usize,
}

impl Default for Presentation {
    fn default() -> Presentation {
        Presentation { octets: [0; PRESENTATION], length: 0 }
    }
}

impl Presentation {
    fn of(&mut self, name: NameRef<'_>) -> Option<&[u8]> {
        write!(self, "{name}").ok()?;
        self.octets.get(..self.length)
    }
}

impl Write for Presentation {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        let place = self.octets.get_mut(self.length..end).ok_or(std::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
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

    fn presentation(name: &DomainName) -> String {
        let mut buffer = Presentation::default();
        String::from_utf8(buffer.of(name.as_ref()).expect("it fits").to_vec()).expect("ASCII")
    }

    #[test]
    fn the_longest_form_fits() {
        let mut wire = Vec::new();
        for length in [63, 63, 63, 61] {
            wire.push(length);
            wire.extend(vec![0xff; usize::from(length)]);
        }
        wire.push(0);
        let name = DomainName::from_wire(&wire).expect("a name of 255 octets");
        assert_eq!(presentation(&name), name.to_string());
        assert_eq!(presentation(&name).len(), 4 * 250 + 3);
    }

    proptest! {
        #[test]
        fn the_form_is_the_one_that_names_display(
            labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..8)
        ) {
            let mut wire = Vec::new();
            for label in labels {
                wire.push(label.len() as u8);
                wire.extend(label.to_ascii_lowercase());
            }
            wire.push(0);
            let name = DomainName::from_wire(&wire).expect("a name");
            prop_assert_eq!(presentation(&name), name.to_string());
        }
    }

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
