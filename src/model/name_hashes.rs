//! The keyed hash of a name and of each of its parents, worked out once a query.

use std::ops::Deref;

use super::NameRef;

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

/// SipHash-1-3 over whole words: the inputs are short, and what a hasher of any input keeps between
/// pieces would cost more than its rounds.
struct Sip([u64; 4]);

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

/// Hashes the parent's hash and the label, as one text.
fn label_hash(seed: HashSeed, parent: u64, label: &[u8]) -> u64 {
    let mut sip = Sip::new(seed);
    sip.take(parent);
    let (words, rest) = label.as_chunks();
    words.iter().for_each(|word| sip.take(u64::from_le_bytes(*word)));
    let spare = 64 - 8 * rest.len() as u32;
    let rest = match label.last_chunk() {
        // They are the upper octets of the last eight.
        Some(last) => u64::from_le_bytes(*last).checked_shr(spare).unwrap_or(0),
        None => rest.iter().rfold(0, |word, &octet| word << 8 | u64::from(octet)),
    };
    sip.take(((size_of::<u64>() + label.len()) as u64) << 56 | rest);
    sip.finish()
}

impl Sip {
    fn new(HashSeed([one, two]): HashSeed) -> Sip {
        Sip([
            one ^ 0x736f_6d65_7073_6575,
            two ^ 0x646f_7261_6e64_6f6d,
            one ^ 0x6c79_6765_6e65_7261,
            two ^ 0x7465_6462_7974_6573,
        ])
    }

    fn take(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        (0..3).for_each(|_| self.round());
        self.0.into_iter().fold(0, |all, word| all ^ word)
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        d = d.rotate_left(21) ^ a;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

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

    proptest! {
        #[test]
        fn the_hash_is_siphash_1_3(
            seed in any::<[u64; 2]>(),
            parent in any::<u64>(),
            label in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut twin = SipHasher13::new_with_keys(seed[0], seed[1]);
            twin.write_u64(parent);
            twin.write(&label);
            prop_assert_eq!(label_hash(HashSeed(seed), parent, &label), twin.finish());
        }
    }
}
