//! From a name to its row: a table of hashes for names, one set of expressions for patterns.
//!
//! Looked up for every query: no allocation once a thread has asked, no lock.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};

use regex::{Regex, RegexSet};

use super::{Row, RowName};
use crate::model::{HashSeed, NameHashes, NameRef};

/// Most characters of a name's presentation form: each octet may become `\DDD`.
const PRESENTATION: usize = 4 * crate::model::MAX_NAME_OCTETS;

/// Rows by name hash and by pattern; a row is its place in the catalogue.
pub(super) struct Index {
    names: HashMap<u64, u32, BuildHasherDefault<Given>>,
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
        Ok(Index { names, any_pattern, patterns })
    }

    /// Returns the row that may have a name with this hash; the caller compares the name.
    pub fn by_hash(&self, hash: u64) -> Option<u32> {
        self.names.get(&hash).copied()
    }

    /// Returns the row of the first pattern that matches the name.
    pub fn by_pattern(&self, name: NameRef<'_>) -> Option<u32> {
        if self.patterns.is_empty() {
            return None;
        }
        let mut buffer = Presentation { octets: [0; PRESENTATION], length: 0 };
        let text = buffer.of(name)?;
        // The set tells in one pass that none matches, which is the usual answer; which one
        // matches it could tell only into memory of its own.
        if !self.any_pattern.is_match(text) {
            return None;
        }
        self.patterns.iter().find(|(regex, _)| regex.is_match(text)).map(|(_, place)| *place)
    }
}

/// A name's presentation form, written without allocation.
struct Presentation {
    octets: [u8; PRESENTATION],
    length: usize,
}

impl Presentation {
    fn of(&mut self, name: NameRef<'_>) -> Option<&str> {
        for (position, label) in name.labels().enumerate() {
            if position > 0 {
                self.push(b".")?;
            }
            if !label.iter().all(|&octet| is_plain(octet)) {
                // Escapes are the business of the name's own display form.
                self.length = 0;
                write!(self, "{name}").ok()?;
                break;
            }
            self.push(label)?;
        }
        std::str::from_utf8(self.octets.get(..self.length)?).ok()
    }

    fn push(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.length + octets.len();
        self.octets.get_mut(self.length..end)?.copy_from_slice(octets);
        self.length = end;
        Some(())
    }
}

impl Write for Presentation {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text.as_bytes()).ok_or(std::fmt::Error)
    }
}

fn is_plain(octet: u8) -> bool {
    octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_')
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
        let mut buffer = Presentation { octets: [0; PRESENTATION], length: 0 };
        buffer.of(name.as_ref()).expect("it fits").to_string()
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
}
