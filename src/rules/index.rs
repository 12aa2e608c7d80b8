//! The table behind a ruleset: hashes to sets, eight a cache line, behind a filter.

use bytes::Bytes;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

/// Octets of a bucket: a cache line.
pub const BUCKET: usize = 64;

/// Places in a bucket.
const PLACES: usize = 8;

/// Hashes a bucket holds on average; two places stay free, so that overflow is seldom.
const MEAN: usize = 6;

/// Marks a free place.
const FREE: u16 = 0;

/// Sends the reader to the spill: set numbers from here on do not fit into a place.
const SPILLED: u16 = u16::MAX;

/// Hashes below which the table is as near as a filter would be.
const UNFILTERED: usize = 512;

/// Octets of a filter's descriptor.
pub const DESCRIPTOR: usize = BinaryFuse8::DESCRIPTOR_LEN;

/// A hash and the number of its set, while the table is built; 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The hash.
    pub hash: u64,
    /// The number.
    pub set: u32,
}

/// Hashes to set numbers from 1. A hash whose bucket is full stands in the next that is not.
///
/// A bucket is one cache line: eight tags of 48 bits, split so that they are compared side by side,
/// and their sets; little-endian, and read where it lies, be that in memory or a mapped file. The
/// filter in front answers for nearly all hashes that are not there, from an eighth of the room.
/// A strange hash that passes it is taken for one of the six or so in its bucket with a chance of
/// 6/2^48, or `n`/2^64 where that is more: some 10^-13 a query.
pub struct Index {
    buckets: Bytes,
    spill: Box<[(u64, u32)]>,
    filter: Option<FuseFilter>,
}

/// A binary fuse filter: no for sure, or perhaps.
struct FuseFilter {
    descriptor: [u8; DESCRIPTOR],
    fingerprints: Bytes,
}

/// Which hashes of a name may be there.
#[derive(Clone, Copy)]
pub struct Sieve(u64);

/// One bucket, where it lies.
#[derive(Clone, Copy)]
struct Bucket<'b>(&'b [u8; BUCKET]);

impl Index {
    /// Builds the table from entries in the order of their hashes, each hash once.
    pub fn build(entries: &[Entry]) -> Index {
        let filter = FuseFilter::build(entries);
        let count = entries.len() / MEAN + 1;
        let mut buckets = aligned(count * BUCKET);
        let start = buckets.len() - count * BUCKET;
        let places = buckets.split_at_mut(start).1.as_chunks_mut::<BUCKET>().0;
        let mut spill = Vec::new();
        for &Entry { hash, set } in entries {
            let number = u16::try_from(set).unwrap_or(SPILLED);
            if number == SPILLED {
                spill.push((hash, set));
            }
            let mut at = home(hash, count);
            while !add(&mut places[at], hash, number) {
                at = next(at, count);
            }
        }
        let buckets = Bytes::from(buckets).slice(start..);
        Index { buckets, spill: spill.into_boxed_slice(), filter }
    }

    /// Takes stored parts over as they lie; `None`: they are not of an index.
    ///
    /// `filter` is the descriptor with the fingerprints behind it, or nothing.
    pub fn from_parts(buckets: Bytes, spill: Box<[(u64, u32)]>, filter: Bytes) -> Option<Index> {
        let whole = !buckets.is_empty() && buckets.len().is_multiple_of(BUCKET);
        let sorted = spill.is_sorted_by(|one, other| one.0 < other.0);
        let filter = if filter.is_empty() { None } else { Some(FuseFilter::from_octets(filter)?) };
        (whole && sorted).then_some(Index { buckets, spill, filter })
    }

    /// Returns the set that stands for a hash.
    pub fn find(&self, hash: u64) -> Option<u32> {
        if self.sieve(&[hash]).has(0) { self.find_passed(hash) } else { None }
    }

    /// Asks the filter about the hashes of a name all at once: none of the looks waits for another.
    pub fn sieve(&self, hashes: &[u64]) -> Sieve {
        self.filter.as_ref().map_or(Sieve(u64::MAX), |filter| filter.sieve(hashes))
    }

    /// Returns the set that stands for a hash that the filter let pass.
    pub fn find_passed(&self, hash: u64) -> Option<u32> {
        let buckets = self.buckets.as_chunks::<BUCKET>().0;
        let mut at = home(hash, buckets.len());
        // Bounded, since a damaged table may have no free place.
        for _ in 0..buckets.len() {
            let bucket = Bucket(buckets.get(at)?);
            match bucket.find(hash) {
                Some(SPILLED) => return self.find_spilled(hash),
                Some(set) => return Some(u32::from(set)),
                None if bucket.has_room() => return None,
                None => at = next(at, buckets.len()),
            }
        }
        None
    }

    /// Returns the buckets.
    pub fn buckets(&self) -> &[u8] {
        &self.buckets
    }

    /// Returns hashes whose set numbers do not fit into a bucket.
    pub fn spill(&self) -> &[(u64, u32)] {
        &self.spill
    }

    /// Returns the filter's descriptor and fingerprints, if there is one.
    pub fn filter(&self) -> Option<(&[u8], &[u8])> {
        self.filter.as_ref().map(|filter| (&filter.descriptor[..], &filter.fingerprints[..]))
    }

    /// Returns resident octets.
    pub fn size(&self) -> usize {
        let filter = self.filter.as_ref().map_or(0, |filter| filter.fingerprints.len());
        self.buckets.len() + size_of_val(&*self.spill) + filter
    }

    fn find_spilled(&self, hash: u64) -> Option<u32> {
        let at = self.spill.binary_search_by_key(&hash, |&(spilled, _)| spilled).ok()?;
        self.spill.get(at).map(|&(_, set)| set)
    }
}

impl Sieve {
    /// Returns whether the hash at `place` may be there; more than a word of them all may.
    pub fn has(self, place: u32) -> bool {
        self.0.checked_shr(place).is_none_or(|rest| rest & 1 != 0)
    }
}

impl FuseFilter {
    /// Builds the filter; without one (it is luck, if nearly certain) every look goes to a bucket.
    fn build(entries: &[Entry]) -> Option<FuseFilter> {
        if entries.len() < UNFILTERED {
            return None;
        }
        let hashes = entries.iter().map(|entry| entry.hash);
        let built = BinaryFuse8::try_from_iterator(hashes).ok()?;
        let mut descriptor = [0; DESCRIPTOR];
        built.dma_copy_descriptor_to(&mut descriptor);
        Some(FuseFilter { descriptor, fingerprints: built.fingerprints.into_vec().into() })
    }

    /// Reads a stored filter; `None`: looks would lead out of its fingerprints.
    fn from_octets(mut octets: Bytes) -> Option<FuseFilter> {
        let descriptor: [u8; DESCRIPTOR] = octets.get(..DESCRIPTOR)?.try_into().ok()?;
        let fingerprints = octets.split_off(DESCRIPTOR);
        let word = |at: usize| {
            let octets = descriptor.get(at..at + 4)?.try_into().ok()?;
            Some(u64::from(u32::from_le_bytes(octets)))
        };
        let (length, mask, count) = (word(8)?, word(12)?, word(16)?);
        let sound = length.is_power_of_two() && mask == length - 1 && count.is_multiple_of(length);
        let room = fingerprints.len().min(u32::MAX as usize) as u64;
        let room = count > 0 && count + 2 * length <= room;
        (sound && room).then_some(FuseFilter { descriptor, fingerprints })
    }

    fn sieve(&self, hashes: &[u64]) -> Sieve {
        let filter = BinaryFuse8Ref::from_dma(&self.descriptor, &self.fingerprints);
        let passed = (0..u64::BITS)
            .zip(hashes)
            .fold(0, |passed, (place, hash)| passed | u64::from(filter.contains(hash)) << place);
        Sieve(passed)
    }
}

impl Bucket<'_> {
    fn find(self, hash: u64) -> Option<u16> {
        let (low, rest) = self.0.as_chunks::<4>().0.split_at(PLACES);
        let (high, sets) = rest.as_flattened().as_chunks::<2>().0.split_at(PLACES);
        let mut hits = 0_u32;
        for place in 0..PLACES {
            let same = (u32::from_le_bytes(low[place]) == hash as u32)
                & (u16::from_le_bytes(high[place]) == (hash >> 32) as u16);
            hits |= u32::from(same & (u16::from_le_bytes(sets[place]) != FREE)) << place;
        }
        let place = hits.trailing_zeros() as usize;
        sets.get(place).map(|set| u16::from_le_bytes(*set))
    }

    /// Places are filled in order, so the last one tells.
    fn has_room(self) -> bool {
        self.0.last_chunk() == Some(&FREE.to_le_bytes())
    }
}

/// Puts a hash into a bucket's first free place, if it has one.
fn add(bucket: &mut [u8; BUCKET], hash: u64, set: u16) -> bool {
    let (low, rest) = bucket.split_at_mut(4 * PLACES);
    let (high, sets) = rest.split_at_mut(2 * PLACES);
    let sets = sets.as_chunks_mut::<2>().0;
    let Some(place) = sets.iter().position(|&taken| taken == FREE.to_le_bytes()) else {
        return false;
    };
    low.as_chunks_mut::<4>().0[place] = (hash as u32).to_le_bytes();
    high.as_chunks_mut::<2>().0[place] = ((hash >> 32) as u16).to_le_bytes();
    sets[place] = set.to_le_bytes();
    true
}

/// Returns zeros, so many more than `octets` that the last `octets` begin with a cache line.
fn aligned(octets: usize) -> Vec<u8> {
    let mut zeros: Vec<u8> = Vec::with_capacity(octets + BUCKET - 1);
    let before = zeros.as_ptr().align_offset(BUCKET).min(BUCKET - 1);
    zeros.resize(before + octets, 0);
    zeros
}

/// The bucket is chosen by the upper bits, the tag is the lower 48.
fn home(hash: u64, buckets: usize) -> usize {
    (((hash >> 32) * buckets as u64) >> 32) as usize
}

fn next(bucket: usize, buckets: usize) -> usize {
    if bucket + 1 == buckets { 0 } else { bucket + 1 }
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

    fn sorted(pairs: impl Iterator<Item = (u64, u32)>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = pairs.map(|(hash, set)| Entry { hash, set }).collect();
        entries.sort_unstable();
        entries.dedup_by_key(|entry| entry.hash);
        entries
    }

    fn index(pairs: &[(u64, u32)]) -> Index {
        Index::build(&sorted(pairs.iter().copied()))
    }

    #[test]
    fn buckets_begin_with_cache_lines() {
        for count in [0, 1, 7, 1000] {
            let pairs: Vec<_> = (0..count).map(|n| (spread(n), 1)).collect();
            let index = index(&pairs);
            assert_eq!(index.buckets().as_ptr().align_offset(BUCKET), 0);
            assert_eq!(index.buckets().len(), (pairs.len() / MEAN + 1) * BUCKET);
        }
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let index = Index::build(&[]);
        assert_eq!((index.find(0), index.find(u64::MAX)), (None, None));
    }

    #[test]
    fn a_hash_of_zeros_is_not_a_free_place() {
        assert_eq!(index(&[(1 << 47, 7)]).find(0), None);
        assert_eq!(index(&[(0, 7)]).find(0), Some(7));
    }

    #[test]
    fn one_crowded_bucket_flows_over_and_around_the_end() {
        let pairs: Vec<_> = (0..60_u32).map(|n| (u64::MAX - u64::from(60 - n), n + 1)).collect();
        let index = index(&pairs);
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
        let index = index(&pairs);
        assert_eq!(index.spill().len(), 3);
        for (hash, set) in pairs {
            assert_eq!(index.find(hash), Some(set));
        }
    }

    #[test]
    fn a_large_table_and_its_filter_stay_under_twelve_octets_a_hash() {
        let entries = sorted((1..100_000).map(|n| (spread(n), 1 + (n % 9) as u32)));
        let index = Index::build(&entries);
        assert!(index.filter().is_some());
        assert!(entries.iter().all(|entry| index.find(entry.hash) == Some(entry.set)));
        assert!((100_000..200_000).all(|n| index.find(spread(n)).is_none()));
        assert!(index.size() < 12 * entries.len(), "{}", index.size());
    }

    #[test]
    fn stored_parts_are_taken_over_if_they_are_sound() {
        let index = Index::build(&sorted((1..2000).map(|n| (spread(n), 100_000))));
        let (descriptor, fingerprints) = index.filter().expect("it is large");
        let filter = Bytes::from([descriptor, fingerprints].concat());
        let buckets = Bytes::copy_from_slice(index.buckets());
        let again = Index::from_parts(buckets.clone(), index.spill().into(), filter.clone());
        let again = again.expect("sound parts");
        assert!((0..4000).all(|n| again.find(spread(n)) == index.find(spread(n))));
        let short = filter.slice(..filter.len() / 2);
        assert!(Index::from_parts(buckets.clone(), Box::default(), short).is_none());
        let cut = buckets.slice(1..);
        assert!(Index::from_parts(cut, Box::default(), Bytes::new()).is_none());
        assert!(Index::from_parts(Bytes::new(), Box::default(), Bytes::new()).is_none());
        for at in 8..DESCRIPTOR {
            let mut odd = filter.to_vec();
            odd[at] ^= 0x80;
            if let Some(odd) = Index::from_parts(buckets.clone(), Box::default(), odd.into()) {
                assert!((4000..8000).all(|n| odd.find(spread(n)).is_none()));
            }
        }
    }

    #[test]
    fn a_table_without_free_place_ends_every_search() {
        let full = Bytes::from(vec![1; 3 * BUCKET]);
        let index = Index::from_parts(full, Box::default(), Bytes::new()).expect("whole");
        assert_eq!(index.find(0), None);
    }

    proptest! {
        #[test]
        fn what_is_put_in_is_found_and_nothing_else(
            numbers in prop::collection::vec((0..512_u64, 1..200_000_u32), 0..300)
        ) {
            // Few upper bits, so that buckets collide; the lower ones keep hashes apart.
            let entries = sorted(numbers.iter().map(|&(n, set)| ((n % 4) << 62 | n, set)));
            let index = Index::build(&entries);
            for n in 0..512_u64 {
                let hash = (n % 4) << 62 | n;
                let known = entries.iter().find(|entry| entry.hash == hash).map(|it| it.set);
                prop_assert_eq!(index.find(hash), known);
            }
        }
    }
}
