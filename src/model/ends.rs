//! A first look at a name, by how it begins and whom it stands below, that rules most patterns out.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, Look};

use super::quick_hash::folded;
use super::{DomainName, HashSeed, NameHashes, NameRef};

/// Octets by which beginnings are told apart.
const FRONT: usize = 4;

/// Bits of each table, as a power of two.
const BITS: u32 = 14;

/// Words of a table.
const WORDS: usize = 1 << (BITS - 6);

/// How the names begin or end that any of some patterns matches.
///
/// Most patterns are of families of names below one domain, and its hash is at hand for each query.
/// Cost: a few instructions for each label of a name.
pub struct Ends {
    seed: HashSeed,
    /// Marks of the domains that names must stand below, and of how they must begin.
    parents: Box<[u64; WORDS]>,
    fronts: Box<[u64; WORDS]>,
}

impl Ends {
    /// Makes a look that rules out every name, until patterns are taken in.
    pub fn new(seed: HashSeed) -> Ends {
        Ends { seed, parents: Box::new([0; WORDS]), fronts: Box::new([0; WORDS]) }
    }

    /// Takes in a regular expression; false if its matches end and begin in too many ways.
    pub fn take_expression(&mut self, expression: &str) -> bool {
        let parser = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression);
        let Ok(hir) = parser else { return false };
        let looks = hir.properties();
        let texts = |kind| texts(&hir, kind).unwrap_or_default();
        looks.look_set_suffix().contains(Look::End) && self.take_ends(&texts(ExtractKind::Suffix))
            || looks.look_set_prefix().contains(Look::Start)
                && self.take_fronts(&texts(ExtractKind::Prefix))
    }

    /// Takes in a pattern whose matches end with one of these texts; false if that tells too little.
    pub fn take_ends(&mut self, texts: &[Vec<u8>]) -> bool {
        let marks: Option<Vec<_>> = texts.iter().map(|text| self.parent(text)).collect();
        set(&mut self.parents, marks)
    }

    /// Takes in a pattern whose matches begin with one of these texts; false if that tells too
    /// little.
    pub fn take_fronts(&mut self, texts: &[Vec<u8>]) -> bool {
        let marks: Option<Vec<_>> = texts.iter().map(|text| front(text)).collect();
        set(&mut self.fronts, marks)
    }

    /// Returns false only if no pattern matches the presentation form of a name with these hashes.
    pub fn may_match(&self, name: NameRef<'_>, hashes: &[u64]) -> bool {
        let has = |table: &[u64; WORDS], mark| table[word(mark)] >> (mark & 63) & 1 != 0;
        hashes.iter().any(|&hash| has(&self.parents, hash))
            || front_of(name).is_some_and(|mark| has(&self.fronts, mark))
            // As text, a label with a dot in it may look like several.
            || name.wire().contains(&b'.')
    }

    /// Returns the mark of the domain that a name must stand below to end so: what stands behind
    /// the text's first dot, if that is more than a top-level domain.
    fn parent(&self, text: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('\\'))?;
        let (_, parent) = text.split_once('.').filter(|(_, parent)| parent.contains('.'))?;
        NameHashes::of(DomainName::parse(parent).ok()?.as_ref(), self.seed).whole()
    }
}

/// Returns all texts that matches begin or end with, as far as they are finitely many.
fn texts(hir: &Hir, kind: ExtractKind) -> Option<Vec<Vec<u8>>> {
    let found = Extractor::new().kind(kind).extract(hir);
    Some(found.literals()?.iter().map(|text| text.as_bytes().to_ascii_lowercase()).collect())
}

/// Returns the mark of a text's first octets, if it has so many and none of them is an escape.
fn front(text: &[u8]) -> Option<u64> {
    text.first_chunk().filter(|front| !front.contains(&b'\\')).map(mark)
}

/// Returns the mark of the first octets of a name's text, if it has so many.
fn front_of(name: NameRef<'_>) -> Option<u64> {
    let (&length, text) = name.wire().split_first()?;
    let mut front = *text.strip_suffix(&[0])?.first_chunk()?;
    let mut dot = usize::from(length);
    while let Some(length) = front.get_mut(dot) {
        dot += 1 + usize::from(std::mem::replace(length, b'.'));
    }
    Some(mark(&front))
}

fn mark(front: &[u8; FRONT]) -> u64 {
    folded(u32::from_le_bytes(*front).into(), 0x9e37_79b9_7f4a_7c15)
}

fn word(mark: u64) -> usize {
    (mark >> 6) as usize % WORDS
}

/// Sets bits; false if there are none.
fn set(table: &mut [u64; WORDS], marks: Option<Vec<u64>>) -> bool {
    let marks = marks.unwrap_or_default();
    marks.iter().for_each(|&mark| table[word(mark)] |= 1 << (mark & 63));
    !marks.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: HashSeed = HashSeed([1, 2]);

    fn may_match(ends: &Ends, name: &str) -> bool {
        let name = DomainName::from_presentation(name).expect("a name");
        ends.may_match(name.as_ref(), &NameHashes::of(name.as_ref(), SEED))
    }

    #[test]
    fn a_name_below_the_domain_of_a_pattern_may_match_and_others_do_not() {
        let mut ends = Ends::new(SEED);
        assert!(!may_match(&ends, "log-1.example.com"));
        assert!(ends.take_expression(r"^log-[a-z0-9]+\.(eu\.)?example\.com$"));
        assert!(ends.take_expression(r"^ads(erve)?r\.brand\.[a-z.]+$"));
        assert!(ends.take_expression(r"^a\.b[0-9]\."));
        assert!(ends.take_ends(&[b"x.example.net".to_vec()]));
        for name in [
            "log-1.example.com",
            "log-1.eu.example.com",
            "adser.brand.de",
            "y.example.net",
            "a.b1.c",
        ] {
            assert!(may_match(&ends, name), "{name}");
        }
        assert!(may_match(&ends, r"x\.example.net"), "as text it ends as one below example.net");
        for name in ["log-1.example.org", "example.co", "ad", "brand.de", "net", "w.net"] {
            assert!(!may_match(&ends, name), "{name}");
        }
    }

    #[test]
    fn a_pattern_that_matches_names_of_any_end_is_not_taken_in() {
        let mut ends = Ends::new(SEED);
        for told in [
            r"^a\\\.bc",
            r"ads\.example\.com",
            r"ads\.com$",
            r"^ad[a-z]*$",
            r"^ads|x\.a\.b$",
            "$",
            "(",
        ] {
            assert!(!ends.take_expression(told), "{told}");
        }
        assert!(!ends.take_ends(&[]) && !ends.take_ends(&[br"a\.b.c".to_vec()]));
        assert!(!ends.take_ends(&[b"x.a.b".to_vec(), b"b".to_vec()]), "not all of them");
        assert!(!may_match(&ends, "x.a.b"), "nothing is left of what was refused");
    }
}
