//! The table behind a ruleset: hashes to sets, eight a cache line.

/// Places in a bucket.
const PLACES: usize = 8;

/// Hashes a bucket holds on average; two places stay free, so that overflow is seldom.
const MEAN: usize = 6;

/// Marks a free place.
const FREE: u16 = 0;

/// Sends the reader to the spill: set numbers from here on do not fit into a place.
const SPILLED: u16 = u16::MAX;

/// One cache line: tags of 48 bits, split so that they are compared side by side, and their sets.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
struct Bucket {
    low: [u32; PLACES],
    high: [u16; PLACES],
    sets: [u16; PLACES],
}

/// Hashes to set numbers from 1. A hash whose bucket is full stands in the next that is not.
///
/// A strange hash is taken for one of the six or so in its bucket with a chance of 6/2^48, or
/// `n`/2^64 where that is more: some 10^-13 a query.
pub struct Index {
    buckets: Box<[Bucket]>,
    spill: Box<[(u64, u32)]>,
}

impl Index {
    /// Builds the table from pairs in the order of their hashes, each hash once.
    pub fn build(pairs: &[(u64, u32)]) -> Index {
        let mut buckets = vec![Bucket::default(); pairs.len() / MEAN + 1].into_boxed_slice();
        let mut spill = Vec::new();
        for &(hash, set) in pairs {
            let number = u16::try_from(set).unwrap_or(SPILLED);
            if number == SPILLED {
                spill.push((hash, set));
            }
            let mut at = home(hash, buckets.len());
            while !buckets[at].add(hash, number) {
                at = next(at, buckets.len());
            }
        }
        Index { buckets, spill: spill.into_boxed_slice() }
    }

    /// Returns the set that stands for a hash.
    pub fn find(&self, hash: u64) -> Option<u32> {
        let mut at = home(hash, self.buckets.len());
        loop {
            let bucket = &self.buckets[at];
            match bucket.find(hash) {
                Some(SPILLED) => return self.find_spilled(hash),
                Some(set) => return Some(u32::from(set)),
                None if bucket.has_room() => return None,
                None => at = next(at, self.buckets.len()),
            }
        }
    }

    /// Returns resident octets.
    pub fn size(&self) -> usize {
        size_of_val(&*self.buckets) + size_of_val(&*self.spill)
    }

    fn find_spilled(&self, hash: u64) -> Option<u32> {
        let at = self.spill.binary_search_by_key(&hash, |&(spilled, _)| spilled).ok()?;
        self.spill.get(at).map(|&(_, set)| set)
    }
}

impl Bucket {
    fn add(&mut self, hash: u64, set: u16) -> bool {
        let Some(place) = self.sets.iter().position(|&taken| taken == FREE) else {
            return false;
        };
        self.low[place] = low(hash);
        self.high[place] = high(hash);
        self.sets[place] = set;
        true
    }

    fn find(&self, hash: u64) -> Option<u16> {
        let mut hits = 0_u32;
        for place in 0..PLACES {
            let same = (self.low[place] == low(hash)) & (self.high[place] == high(hash));
            hits |= u32::from(same & (self.sets[place] != FREE)) << place;
        }
        (hits != 0).then(|| self.sets[hits.trailing_zeros() as usize])
    }

    /// Places are filled in order, so the last one tells.
    fn has_room(&self) -> bool {
        self.sets[PLACES - 1] == FREE
    }
}

/// The bucket is chosen by the upper bits, the tag is the lower 48.
fn home(hash: u64, buckets: usize) -> usize {
    (((hash >> 32) * buckets as u64) >> 32) as usize
}

fn next(bucket: usize, buckets: usize) -> usize {
    if bucket + 1 == buckets { 0 } else { bucket + 1 }
}

fn low(hash: u64) -> u32 {
    hash as u32
}

fn high(hash: u64) -> u16 {
    (hash >> 32) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Spreads small numbers over all 64 bits (a step of splitmix64).
    fn spread(number: u64) -> u64 {
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 31)
    }

    fn sorted(mut pairs: Vec<(u64, u32)>) -> Vec<(u64, u32)> {
        pairs.sort_unstable();
        pairs.dedup_by_key(|pair| pair.0);
        pairs
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
        assert_eq!(align_of::<Bucket>(), 64);
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let index = Index::build(&[]);
        assert_eq!((index.find(0), index.find(u64::MAX)), (None, None));
    }

    #[test]
    fn a_hash_of_zeros_is_not_a_free_place() {
        assert_eq!(Index::build(&[(1 << 47, 7)]).find(0), None);
        assert_eq!(Index::build(&[(0, 7)]).find(0), Some(7));
    }

    #[test]
    fn one_crowded_bucket_flows_over_and_around_the_end() {
        let pairs: Vec<_> = (0..60_u32).map(|n| (u64::MAX - u64::from(60 - n), n + 1)).collect();
        let index = Index::build(&pairs);
        for &(hash, set) in &pairs {
            assert_eq!(index.find(hash), Some(set));
        }
        assert_eq!(index.find(u64::MAX), None);
        assert_eq!(index.find(u64::MAX - 61), None);
    }

    #[test]
    fn set_numbers_beyond_a_place_are_spilled() {
        let numbers = [1, 65_534, 65_535, 65_536, 1_000_000];
        let pairs: Vec<_> = (0..5_u64).map(|n| (n << 60 | n, numbers[n as usize])).collect();
        let index = Index::build(&pairs);
        assert_eq!(index.spill.len(), 3);
        for (hash, set) in pairs {
            assert_eq!(index.find(hash), Some(set));
        }
    }

    #[test]
    fn a_large_table_stays_under_eleven_octets_a_hash() {
        let pairs = sorted((1..100_000).map(|n| (spread(n), 1 + (n % 9) as u32)).collect());
        let index = Index::build(&pairs);
        assert!(pairs.iter().all(|&(hash, set)| index.find(hash) == Some(set)));
        assert!((100_000..200_000).all(|n| index.find(spread(n)).is_none()));
        assert!(index.size() < 11 * pairs.len(), "{}", index.size());
    }

    proptest! {
        #[test]
        fn what_is_put_in_is_found_and_nothing_else(
            numbers in prop::collection::vec((0..512_u64, 1..200_000_u32), 0..300)
        ) {
            // Few upper bits, so that buckets collide; the lower ones keep hashes apart.
            let pairs = sorted(
                numbers.iter().map(|&(n, set)| ((n % 4) << 62 | n, set)).collect()
            );
            let index = Index::build(&pairs);
            for n in 0..512_u64 {
                let hash = (n % 4) << 62 | n;
                let known = pairs.iter().find(|pair| pair.0 == hash).map(|pair| pair.1);
                prop_assert_eq!(index.find(hash), known);
            }
        }
    }
}
