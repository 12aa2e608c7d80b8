//! The keyed hash of a name and of each of its parents, worked out once a query.

use std::ops::Deref;

use super::NameRef;
use super::quick_hash::folded;

/// Most labels that fit into 255 octets.
const MAX_LABELS: usize = 127;

/// Hashes that lie in the value itself: of IPv6 addresses turned into names there are 34.
const HERE: usize = 36;

/// The secret key of the hash: random per installation, so that nobody can craft a collision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashSeed(pub [u64; 2]);

/// Hashes of a name and its parents, the name itself first, the root left out.
///
/// Those of names with more labels than honest ones have are allocated.
#[derive(Clone)]
pub struct NameHashes {
    here: [u64; HERE],
    count: u8,
    /// All of them, if they are more.
    more: Vec<u64>,
}

impl NameHashes {
    /// Hashes `name` label by label from the right, each with the hash of its parent.
    pub fn of(name: NameRef<'_>, seed: HashSeed) -> NameHashes {
        let wire = name.wire();
        let mut hashes = NameHashes { here: [0; HERE], count: 0, more: Vec::new() };
        // At first each place holds where its label begins.
        let (mut count, mut end) = (0, 0);
        while let Some(&length @ 1..) = wire.get(end) {
            match hashes.here.get_mut(count) {
                Some(place) => *place = end as u64,
                None => hashes.spill(end as u64),
            }
            count += 1;
            end += 1 + usize::from(length);
        }
        let places = match hashes.here.get_mut(..count) {
            Some(here) => {
                hashes.count = count as u8;
                here
            }
            None => &mut hashes.more[..],
        };
        let mut parent = 0;
        for place in places.iter_mut().rev() {
            let start = *place as usize;
            parent = label_hash(seed, parent, wire.get(start + 1..end).unwrap_or_default());
            *place = parent;
            end = start;
        }
        hashes
    }

    fn spill(&mut self, place: u64) {
        if self.more.is_empty() {
            self.more.reserve_exact(MAX_LABELS);
            self.more.extend(self.here);
        }
        self.more.push(place);
    }

    /// Returns the hash of the whole name and then of each parent; empty for the root.
    pub fn as_slice(&self) -> &[u64] {
        if self.more.is_empty() { &self.here[..usize::from(self.count)] } else { &self.more }
    }

    /// Returns the key of the whole name in tables; the root's is 0.
    pub fn key(&self) -> u64 {
        self.whole().unwrap_or(0)
    }

    /// Returns the hash of the whole name, or `None` for the root.
    pub fn whole(&self) -> Option<u64> {
        self.as_slice().first().copied()
    }
}

impl Deref for NameHashes {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        self.as_slice()
    }
}

/// Hashes a label behind the hash of its parent: eight octets at a time, by folded products.
///
/// That takes a fifth of the steps of SipHash. Who knew the seed could make names that collide, but
/// neither it nor any hash leaves the program.
fn label_hash(HashSeed([one, two]): HashSeed, parent: u64, label: &[u8]) -> u64 {
    // Seeds of tests are small numbers; a factor must not be.
    let factor = (one ^ 0xa076_1d64_78bd_642f) | 1;
    let mut hash = parent ^ two;
    let (words, rest) = label.as_chunks();
    for word in words {
        hash = folded(hash ^ u64::from_le_bytes(*word), factor);
    }
    let spare = 64 - 8 * rest.len() as u32;
    let rest = match label.last_chunk() {
        // They are the upper octets of the last eight.
        Some(last) => u64::from_le_bytes(*last).checked_shr(spare).unwrap_or(0),
        None => rest.iter().rfold(0, |word, &octet| word << 8 | u64::from(octet)),
    };
    let ended = folded(hash ^ ((label.len() as u64) << 56 | rest), factor);
    folded(ended ^ 0xe703_7ed1_a0b4_28db, factor)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::DomainName;

    const SEED: HashSeed = HashSeed([1, 2]);

    fn hashes(text: &str) -> Vec<u64> {
        let name = DomainName::parse(text).expect("a name");
        NameHashes::of(name.as_ref(), SEED).as_slice().to_vec()
    }

    #[test]
    fn parents_hash_the_same_whatever_stands_below() {
        assert_eq!(hashes("a.example.com")[1..], hashes("example.com")[..]);
        assert_ne!(hashes("ab.c")[0], hashes("a.bc")[0]);
    }

    #[test]
    fn the_root_and_the_longest_name_are_hashed() {
        assert!(NameHashes::of(DomainName::root().as_ref(), SEED).as_slice().is_empty());
        let deepest = vec!["a"; 126].join(".") + ".b";
        assert_eq!(hashes(&deepest).len(), 127);
        let hashes = hashes(&vec!["a"; 40].join("."));
        assert_eq!(hashes[40 - HERE..], self::hashes(&vec!["a"; HERE].join("."))[..]);
    }

    #[test]
    fn another_seed_gives_other_hashes() {
        let name = DomainName::parse("example.com").expect("a name");
        let other = NameHashes::of(name.as_ref(), HashSeed([3, 4]));
        assert_ne!(other.whole(), NameHashes::of(name.as_ref(), SEED).whole());
    }

    #[test]
    fn names_that_differ_little_have_hashes_that_differ_in_all_parts() {
        for seed in [HashSeed([0, 0]), SEED, HashSeed([u64::MAX, 0x9e37_79b9_7f4a_7c15])] {
            let names = (0..100_000).map(|number| format!("ad{number}.example.com"));
            let hashes: Vec<u64> = names
                .map(|name| DomainName::parse(&name).expect("a name"))
                .filter_map(|name| NameHashes::of(name.as_ref(), seed).whole())
                .collect();
            // Of random numbers about one pair has the same 32 bits.
            for shift in [0, 16, 32] {
                let parts: HashSet<u32> = hashes.iter().map(|it| (it >> shift) as u32).collect();
                assert!(parts.len() > 100_000 - 20, "{:?}, {shift}: {}", seed.0, parts.len());
            }
        }
    }

    proptest! {
        #[test]
        fn other_labels_or_parents_have_other_hashes(
            seed in any::<[u64; 2]>(),
            parents in any::<[u64; 2]>(),
            labels in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..64)),
        ) {
            let [one, two] = labels;
            let seed = HashSeed(seed);
            let same = (parents[0], &one) == (parents[1], &two);
            let hashes = (label_hash(seed, parents[0], &one), label_hash(seed, parents[1], &two));
            prop_assert_eq!(same, hashes.0 == hashes.1);
            let turned: Vec<u8> = one.iter().rev().copied().collect();
            let told = label_hash(seed, parents[0], &turned);
            prop_assert_eq!(turned == one, told == hashes.0);
        }
    }
}
