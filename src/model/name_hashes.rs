//! The keyed hash of a name and of each of its parents, worked out once a query.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::NameRef;

/// Most labels that fit into 255 octets.
const MAX_LABELS: usize = 127;

/// The secret key of the hash: random per installation, so that nobody can craft a collision.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashSeed(pub [u64; 2]);

/// Hashes of a name and its parents, the name itself first, the root left out.
#[derive(Clone, Copy)]
pub struct NameHashes {
    hashes: [u64; MAX_LABELS],
    count: u8,
}

impl NameHashes {
    /// Hashes `name` label by label from the right, each with the hash of its parent.
    pub fn of(name: NameRef<'_>, seed: HashSeed) -> NameHashes {
        let mut starts = [0_u8; MAX_LABELS];
        let mut count = 0;
        for (slot, suffix) in starts.iter_mut().zip(name.walk()) {
            let start = name.wire().len() - suffix.wire().len();
            *slot = u8::try_from(start).expect("a name has at most 255 octets");
            count += 1;
        }
        let mut hashes = [0; MAX_LABELS];
        let mut parent = 0;
        for position in (0..count).rev() {
            let start = usize::from(starts[position]);
            let length = usize::from(name.wire()[start]);
            parent = label_hash(seed, parent, &name.wire()[start + 1..=start + length]);
            hashes[position] = parent;
        }
        NameHashes { hashes, count: count as u8 }
    }

    /// Returns the hash of the whole name and then of each parent; empty for the root.
    pub fn as_slice(&self) -> &[u64] {
        &self.hashes[..usize::from(self.count)]
    }

    /// Returns the hash of the whole name, or `None` for the root.
    pub fn whole(&self) -> Option<u64> {
        self.as_slice().first().copied()
    }
}

fn label_hash(seed: HashSeed, parent: u64, label: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed.0[0], seed.0[1]);
    hasher.write_u64(parent);
    hasher.write(label);
    hasher.finish()
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn another_seed_gives_other_hashes() {
        let name = DomainName::parse("example.com").expect("a name");
        let other = NameHashes::of(name.as_ref(), HashSeed([3, 4]));
        assert_ne!(other.whole(), NameHashes::of(name.as_ref(), SEED).whole());
    }
}
