//! Answers for as long as their TTL, negative ones and failures too; bounded in octets.
//!
//! A table of buckets of eight slots. A lookup reads eight tags and, where one fits, one slot: no
//! lock, no allocation. Writers take a lock among themselves and replace one slot. Each hit warms a
//! slot a little; when octets run out, a hand goes round, cools what is warm and takes what is cold,
//! so that a flood of names asked once pushes out only its own.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};

use crate::model::{Moment, NameRef, RecordType};
use crate::wire::{Question, ResponseCode, StoredAnswer};

/// Slots of a bucket.
const WAYS: usize = 8;
/// Octets that an entry is held to take when the table is laid out.
const USUAL_BYTES: usize = 512;
/// What the allocator and the counts of an `Arc` add to an entry, about.
const OVERHEAD: usize = 96;
/// Longest life in seconds of answers, of negative ones (RFC 2308) and of failures (RFC 9520).
const MAX_POSITIVE: u32 = 86_400;
const MAX_NEGATIVE: u32 = 3_600;
const FAILURE: u32 = 5;
/// The warmest a slot can be.
const HOT: u8 = 3;
/// Counters, so that threads seldom share one.
const COUNTERS: usize = 16;

/// What is to be stored.
pub struct Entry<T> {
    /// The question it answers.
    pub question: Question,
    /// The answer.
    pub answer: Arc<StoredAnswer>,
    /// What the resolver found in it.
    pub attached: T,
    /// Octets that `attached` holds outside itself.
    pub attached_bytes: usize,
}

/// A cached answer with what its reader attached: the inspection of its aliases and addresses.
pub struct Cached<T> {
    /// The answer.
    pub answer: Arc<StoredAnswer>,
    /// When it was stored, on the monotonic clock.
    pub stored: u64,
    /// Until when it counts, on the monotonic clock.
    pub expires: u64,
    /// What the resolver found in it.
    pub attached: T,
    question: Question,
    bytes: usize,
}

/// How full the cache is, and how well it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Answers held.
    pub entries: u64,
    /// Octets held.
    pub bytes: u64,
    /// Lookups that found a fresh answer.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
}

/// What a lookup compares, borrowed from the query.
#[derive(Clone, Copy)]
pub struct CacheKey<'q> {
    /// The name asked for.
    pub name: NameRef<'q>,
    /// The type asked for.
    pub query_type: RecordType,
    /// Whether signatures are wanted.
    pub dnssec_ok: bool,
    /// Whether the client validates by itself.
    pub checking_disabled: bool,
}

/// The cache: read without a lock, written slot by slot.
pub struct Cache<T> {
    buckets: Box<[Bucket<T>]>,
    books: Mutex<Books>,
    budget: usize,
    counters: [Counter; COUNTERS],
}

#[repr(align(64))]
struct Bucket<T> {
    /// A piece of each slot's hash; 0 where the slot is empty.
    tags: [AtomicU32; WAYS],
    warmth: [AtomicU8; WAYS],
    slots: [ArcSwapOption<Cached<T>>; WAYS],
}

/// What writers keep among themselves.
#[derive(Default)]
struct Books {
    bytes: usize,
    entries: u64,
    /// The slot that the hand stands at, counted through all buckets.
    hand: usize,
}

#[derive(Default)]
#[repr(align(64))]
struct Counter {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<T> Cache<T> {
    /// Makes an empty cache of at most `bytes` octets, its table included.
    pub fn new(bytes: usize) -> Cache<T> {
        let fitting = (bytes / (WAYS * USUAL_BYTES)).max(1);
        let count =
            if fitting.is_power_of_two() { fitting } else { fitting.next_power_of_two() / 2 };
        Cache {
            buckets: (0..count).map(|_| Bucket::empty()).collect(),
            books: Mutex::new(Books::default()),
            budget: bytes.saturating_sub(count * size_of::<Bucket<T>>()),
            counters: Default::default(),
        }
    }

    /// Returns a fresh answer. `hash` is that of the whole name, under whatever seed `store` got.
    pub fn find(
        &self,
        hash: u64,
        key: CacheKey<'_>,
        now: Moment,
    ) -> Option<Guard<Option<Arc<Cached<T>>>>> {
        let (bucket, tag) = self.locate(hash, key);
        let counter = &self.counters[(tag >> 1) as usize % COUNTERS];
        for place in bucket.places_of(tag) {
            let slot = bucket.slots[place].load();
            let fresh = |cached: &Arc<Cached<T>>| cached.is_for(key) && cached.is_fresh(now);
            if slot.as_ref().is_some_and(fresh) {
                bucket.warm(place);
                counter.hits.fetch_add(1, Ordering::Relaxed);
                return Some(slot);
            }
        }
        counter.misses.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Stores an answer for as long as it says, within our bounds; does nothing where it may not be.
    pub fn store(&self, hash: u64, entry: Entry<T>, now: Moment) {
        let Some(seconds) = lifetime(&entry.answer) else {
            return;
        };
        let life = u64::from(seconds) * 1_000_000;
        let Entry { question, answer, attached, attached_bytes } = entry;
        let mut cached = Cached {
            answer,
            stored: now.monotonic,
            expires: now.monotonic + life,
            attached,
            question,
            bytes: 0,
        };
        cached.bytes = cached.size(attached_bytes);
        // One answer must not push out a large part of all others.
        if cached.bytes <= self.budget / WAYS {
            self.put(hash, Arc::new(cached), now);
        }
    }

    /// Replaces what is attached to an answer that was inspected again.
    ///
    /// Does nothing if the answer has been replaced meanwhile: the finding is not about that one.
    pub fn reattach(&self, hash: u64, inspected: &Arc<Cached<T>>, attached: T, bytes: usize) {
        let (bucket, tag) = self.locate(hash, inspected.key());
        let mut cached = Cached {
            answer: inspected.answer.clone(),
            stored: inspected.stored,
            expires: inspected.expires,
            attached,
            question: inspected.question.clone(),
            bytes: 0,
        };
        cached.bytes = cached.size(bytes);
        let mut books = self.books();
        let still = bucket.places_of(tag).find(|&place| {
            let slot = bucket.slots[place].load();
            slot.as_ref().is_some_and(|cached| Arc::ptr_eq(cached, inspected))
        });
        if let Some(place) = still {
            books.bytes = books.bytes + cached.bytes - inspected.bytes;
            bucket.slots[place].store(Some(Arc::new(cached)));
        }
    }

    /// Returns figures.
    pub fn figures(&self) -> CacheFigures {
        let books = self.books();
        let sum = |count: fn(&Counter) -> &AtomicU64| {
            self.counters.iter().map(|counter| count(counter).load(Ordering::Relaxed)).sum()
        };
        CacheFigures {
            entries: books.entries,
            bytes: books.bytes as u64,
            hits: sum(|counter| &counter.hits),
            misses: sum(|counter| &counter.misses),
        }
    }

    fn put(&self, hash: u64, cached: Arc<Cached<T>>, now: Moment) {
        let key = cached.key();
        let (bucket, tag) = self.locate(hash, key);
        let mut books = self.books();
        let place = match bucket.place_of(tag, key) {
            Some(place) => place,
            None => {
                let place = bucket.place_for_new(books.hand, now);
                bucket.warmth[place].store(0, Ordering::Relaxed);
                place
            }
        };
        self.clear(&mut books, bucket, place);
        books.bytes += cached.bytes;
        books.entries += 1;
        bucket.slots[place].store(Some(cached.clone()));
        bucket.tags[place].store(tag, Ordering::Relaxed);
        self.make_room(&mut books, now);
    }

    /// Moves the hand on until octets are within bounds.
    fn make_room(&self, books: &mut Books, now: Moment) {
        let slots = self.buckets.len() * WAYS;
        // A slot is cooled at most `HOT` times before it is taken.
        let mut steps = slots * (usize::from(HOT) + 1);
        while books.bytes > self.budget && steps > 0 {
            steps -= 1;
            let (bucket, place) = (&self.buckets[books.hand / WAYS], books.hand % WAYS);
            books.hand = (books.hand + 1) % slots;
            if bucket.tags[place].load(Ordering::Relaxed) == 0 {
                continue;
            }
            let warmth = bucket.warmth[place].load(Ordering::Relaxed);
            if warmth == 0 || bucket.is_stale(place, now) {
                self.clear(books, bucket, place);
            } else {
                bucket.warmth[place].store(warmth - 1, Ordering::Relaxed);
            }
        }
    }

    fn clear(&self, books: &mut Books, bucket: &Bucket<T>, place: usize) {
        bucket.tags[place].store(0, Ordering::Relaxed);
        if let Some(old) = bucket.slots[place].swap(None) {
            books.bytes -= old.bytes;
            books.entries -= 1;
        }
    }

    fn locate(&self, hash: u64, key: CacheKey<'_>) -> (&Bucket<T>, u32) {
        let kind = u64::from(key.query_type.0) << 2
            | u64::from(key.dnssec_ok) << 1
            | u64::from(key.checking_disabled);
        // Spreads types of one name over buckets (the constant is 2^64 by the golden ratio).
        let mixed = (hash ^ kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bucket = &self.buckets[(mixed >> 32) as usize & (self.buckets.len() - 1)];
        (bucket, mixed as u32 | 1)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Bucket<T> {
    fn empty() -> Bucket<T> {
        Bucket {
            tags: Default::default(),
            warmth: Default::default(),
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
        }
    }

    fn places_of(&self, tag: u32) -> impl Iterator<Item = usize> + '_ {
        (0..WAYS).filter(move |&place| self.tags[place].load(Ordering::Relaxed) == tag)
    }

    fn place_of(&self, tag: u32, key: CacheKey<'_>) -> Option<usize> {
        self.places_of(tag).find(|&place| {
            self.slots[place].load().as_ref().is_some_and(|cached| cached.is_for(key))
        })
    }

    /// Returns an empty or stale slot, or else the coldest from `start` on; the others cool by it.
    fn place_for_new(&self, start: usize, now: Moment) -> usize {
        if let Some(free) = (0..WAYS).find(|&place| self.is_stale(place, now)) {
            return free;
        }
        let warmth = |place: usize| self.warmth[place].load(Ordering::Relaxed);
        let turned = (0..WAYS).map(|step| (start + step) % WAYS);
        let coldest = turned.min_by_key(|&place| warmth(place)).unwrap_or(0);
        let least = warmth(coldest);
        for place in 0..WAYS {
            self.warmth[place].store(warmth(place).saturating_sub(least), Ordering::Relaxed);
        }
        coldest
    }

    fn is_stale(&self, place: usize, now: Moment) -> bool {
        self.slots[place].load().as_ref().is_none_or(|cached| !cached.is_fresh(now))
    }

    /// Written only when it changes, so that popular slots stay in every core's cache.
    fn warm(&self, place: usize) {
        let warmth = self.warmth[place].load(Ordering::Relaxed);
        if warmth < HOT {
            self.warmth[place].store(warmth + 1, Ordering::Relaxed);
        }
    }
}

impl<T> Cached<T> {
    /// Returns the question it answers.
    pub fn question(&self) -> &Question {
        &self.question
    }

    fn key(&self) -> CacheKey<'_> {
        CacheKey {
            name: self.question.name.as_ref(),
            query_type: self.question.query_type,
            dnssec_ok: self.question.dnssec_ok,
            checking_disabled: self.question.checking_disabled,
        }
    }

    fn is_for(&self, key: CacheKey<'_>) -> bool {
        self.question.query_type == key.query_type
            && self.question.dnssec_ok == key.dnssec_ok
            && self.question.checking_disabled == key.checking_disabled
            && self.question.name.as_ref() == key.name
    }

    fn is_fresh(&self, now: Moment) -> bool {
        now.monotonic < self.expires
    }

    fn size(&self, attached_bytes: usize) -> usize {
        let name = self.question.name.as_ref().wire().len();
        size_of::<Self>() + self.answer.size() + name + attached_bytes + OVERHEAD
    }
}

/// Returns for how many seconds an answer is kept; `None` where it may not be.
fn lifetime(answer: &StoredAnswer) -> Option<u32> {
    let code = answer.response_code();
    if code != ResponseCode::NOERROR && code != ResponseCode::NXDOMAIN {
        return Some(FAILURE);
    }
    let most = if answer.is_negative() { MAX_NEGATIVE } else { MAX_POSITIVE };
    answer.ttl().map(|ttl| ttl.min(most)).filter(|&ttl| ttl > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DomainName;

    const SECOND: u64 = 1_000_000;

    fn at(monotonic: u64) -> Moment {
        Moment { wall: 0, monotonic }
    }

    fn question(name: &str) -> Question {
        Question {
            name: DomainName::parse(name).expect("a name"),
            query_type: RecordType::A,
            dnssec_ok: false,
            checking_disabled: false,
        }
    }

    /// A reply with these flags, an A record of this TTL if any, and an SOA of this TTL if any.
    fn answer(question: &Question, flags: u16, ttl: Option<u32>, soa: Option<u32>) -> StoredAnswer {
        let mut octets = vec![0, 0];
        octets.extend(flags.to_be_bytes());
        octets.extend([0, 1, 0, u8::from(ttl.is_some()), 0, u8::from(soa.is_some()), 0, 0]);
        octets.extend(question.name.as_ref().wire());
        octets.extend(question.query_type.0.to_be_bytes());
        octets.extend([0, 1]);
        let mut record = |kind: u8, ttl: u32, data: &[u8]| {
            octets.extend([0xc0, 12, 0, kind, 0, 1]);
            octets.extend(ttl.to_be_bytes());
            octets.extend([0, data.len() as u8]);
            octets.extend(data);
        };
        if let Some(ttl) = ttl {
            record(1, ttl, &[192, 0, 2, 1]);
        }
        if let Some(ttl) = soa {
            record(6, ttl, &[&[0; 18][..], &ttl.to_be_bytes()].concat());
        }
        StoredAnswer::take(&octets, question).expect("an answer")
    }

    fn entry(name: &str, attached: u32) -> Entry<u32> {
        let question = question(name);
        let answer = Arc::new(answer(&question, 0x8180, Some(300), None));
        Entry { question, answer, attached, attached_bytes: 0 }
    }

    /// Any hash will do as long as it is the name's own.
    fn hash(name: &str) -> u64 {
        let steps = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
        });
        steps ^ steps >> 29
    }

    fn put(cache: &Cache<u32>, name: &str, now: u64) {
        cache.store(hash(name), entry(name, 7), at(now));
    }

    fn has(cache: &Cache<u32>, name: &str, now: u64) -> bool {
        let question = question(name);
        cache.find(hash(name), key(&question), at(now)).is_some()
    }

    fn key(question: &Question) -> CacheKey<'_> {
        CacheKey {
            name: question.name.as_ref(),
            query_type: question.query_type,
            dnssec_ok: question.dnssec_ok,
            checking_disabled: question.checking_disabled,
        }
    }

    #[test]
    fn an_answer_is_found_by_its_whole_key_until_it_expires() {
        let cache = Cache::new(1 << 20);
        put(&cache, "a.ex", 5);
        let asked = question("a.ex");
        let found = cache.find(hash("a.ex"), key(&asked), at(6)).expect("it is there");
        let cached = found.as_ref().expect("it is there");
        assert_eq!((cached.attached, cached.stored, cached.expires), (7, 5, 5 + 300 * SECOND));
        for other in [
            CacheKey { dnssec_ok: true, ..key(&asked) },
            CacheKey { checking_disabled: true, ..key(&asked) },
            CacheKey { query_type: RecordType::AAAA, ..key(&asked) },
            CacheKey { name: question("b.ex").name.as_ref(), ..key(&asked) },
        ] {
            assert!(cache.find(hash("a.ex"), other, at(6)).is_none());
        }
        assert!(has(&cache, "a.ex", 5 + 300 * SECOND - 1));
        assert!(!has(&cache, "a.ex", 5 + 300 * SECOND));
        let figures = cache.figures();
        assert_eq!((figures.entries, figures.hits, figures.misses), (1, 2, 5));
    }

    #[test]
    fn lives_are_bounded_by_what_the_answer_is() {
        let asked = question("a.ex");
        let life = |flags, ttl, soa| lifetime(&answer(&asked, flags, ttl, soa));
        assert_eq!(life(0x8180, Some(60), None), Some(60));
        assert_eq!(life(0x8180, Some(1_000_000), None), Some(86_400));
        assert_eq!(life(0x8180, Some(0), None), None);
        assert_eq!(life(0x8183, None, Some(60)), Some(60), "NXDOMAIN");
        assert_eq!(life(0x8183, None, Some(1_000_000)), Some(3_600));
        assert_eq!(life(0x8180, None, Some(1_000_000)), Some(3_600), "NODATA");
        assert_eq!(life(0x8180, None, None), None, "nothing says how long");
        assert_eq!(life(0x8182, Some(60), Some(60)), Some(5), "SERVFAIL");
        assert_eq!(life(0x8185, None, None), Some(5), "REFUSED");
    }

    #[test]
    fn a_newer_answer_takes_the_place_of_the_older() {
        let cache = Cache::new(1 << 20);
        put(&cache, "a.ex", 0);
        let once = cache.figures();
        put(&cache, "a.ex", 200 * SECOND);
        assert!(has(&cache, "a.ex", 400 * SECOND));
        assert_eq!(cache.figures().bytes, once.bytes);
        assert_eq!(cache.figures().entries, 1);
    }

    #[test]
    fn a_new_inspection_is_attached_only_to_the_answer_it_is_about() {
        let cache = Cache::new(1 << 20);
        put(&cache, "a.ex", 0);
        let asked = question("a.ex");
        let look = || {
            let found = cache.find(hash("a.ex"), key(&asked), at(1)).expect("it is there");
            Guard::into_inner(found).expect("it is there")
        };
        let first = look();
        cache.reattach(hash("a.ex"), &first, 8, 100);
        let second = look();
        assert_eq!((second.attached, second.expires), (8, first.expires));
        assert_eq!(cache.figures().bytes, (first.bytes + 100) as u64);
        put(&cache, "a.ex", 1);
        cache.reattach(hash("a.ex"), &second, 9, 0);
        assert_eq!(look().attached, 7, "the answer is another one");
    }

    #[test]
    fn octets_stay_within_bounds_whatever_is_stored() {
        let bytes = 256 << 10;
        let cache = Cache::new(bytes);
        for number in 0..20_000 {
            put(&cache, &format!("n{number}.ex"), number);
        }
        let figures = cache.figures();
        let table = cache.buckets.len() * size_of::<Bucket<u32>>();
        assert!(figures.bytes as usize + table <= bytes, "{figures:?}");
        assert!(figures.entries > 100, "{figures:?}");
        let slots = cache.buckets.iter().flat_map(|bucket| &bucket.slots);
        let held: Vec<_> = slots.filter_map(|slot| slot.load_full()).collect();
        assert_eq!(held.len() as u64, figures.entries);
        assert_eq!(held.iter().map(|cached| cached.bytes as u64).sum::<u64>(), figures.bytes);
    }

    /// Returns how many of some popular names outlive a flood of names asked once.
    fn left_after_a_flood(popular: u64, attached_bytes: usize) -> usize {
        let cache = Cache::new(256 << 10);
        let put = |name: &str| {
            let entry = Entry { attached_bytes, ..entry(name, 7) };
            cache.store(hash(name), entry, at(0));
        };
        let popular: Vec<String> = (0..popular).map(|number| format!("p{number}.ex")).collect();
        popular.iter().for_each(|name| put(name));
        for number in 0..10_000 {
            put(&format!("once{number}.ex"));
            if number % 20 == 0 {
                popular.iter().for_each(|name| {
                    has(&cache, name, 1);
                });
            }
        }
        popular.iter().filter(|name| has(&cache, name, 1)).count()
    }

    #[test]
    fn names_asked_once_do_not_push_out_what_is_popular() {
        let (small, large) = (left_after_a_flood(60, 0), left_after_a_flood(20, 4_000));
        assert!(small >= 57, "{small} of 60 where slots are scarce");
        assert!(large >= 19, "{large} of 20 where octets are scarce");
    }

    #[test]
    fn what_has_expired_makes_room_first_however_warm_it_was() {
        let cache = Cache::new(8_000);
        assert_eq!(cache.buckets.len(), 1);
        put(&cache, "old.ex", 0);
        (0..9).for_each(|_| assert!(has(&cache, "old.ex", 1)));
        let fresh: Vec<String> = (1..WAYS).map(|number| format!("n{number}.ex")).collect();
        fresh.iter().for_each(|name| put(&cache, name, 299 * SECOND));
        put(&cache, "new.ex", 301 * SECOND);
        assert!(fresh.iter().all(|name| has(&cache, name, 301 * SECOND)));
        assert!(has(&cache, "new.ex", 301 * SECOND));
    }

    #[test]
    fn a_cache_without_octets_keeps_nothing_and_does_not_panic() {
        for bytes in [0, 1, 300] {
            let cache = Cache::new(bytes);
            put(&cache, "a.ex", 0);
            assert_eq!(cache.figures().entries, 0);
            assert!(!has(&cache, "a.ex", 0));
        }
    }

    #[test]
    fn readers_see_whole_entries_while_writers_replace_them() {
        let cache = Arc::new(Cache::new(64 << 10));
        let names: Vec<String> = (0..200).map(|number| format!("n{number}.ex")).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..50).for_each(|_| names.iter().for_each(|n| put(&cache, n, 0))));
            scope.spawn(|| {
                for name in names.iter().cycle().take(10_000) {
                    let asked = question(name);
                    let found = cache.find(hash(name), key(&asked), at(1));
                    let right = |cached: &Arc<Cached<u32>>| *cached.question() == asked;
                    assert!(found.is_none_or(|slot| slot.as_ref().is_some_and(right)));
                }
            });
        });
    }
}
