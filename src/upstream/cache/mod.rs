//! Answers for as long as their TTL, negative ones and failures too; bounded in octets.
//!
//! A table of buckets of eight slots. A lookup reads eight tags and, where one fits, one slot: no
//! lock, no allocation. Writers of the same part of the table take a lock among themselves and
//! replace one slot. What was asked for once goes before what was asked for again: a flood of names
//! asked once pushes out only its own, however long it lasts. Each further hit warms a slot a
//! little; where nothing was asked for only once, a hand goes round, cools what is warm and takes
//! what is coldest.
//!
//! What has expired stays for a day, for when nobody has a newer answer (RFC 8767).

mod bucket;
mod cached;
#[cfg(test)]
mod popularity_tests;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::Guard;

use crate::model::{Moment, NameRef, RecordType};
use crate::wire::Question;

use bucket::{Bucket, WAYS, Worth};
use cached::Stay;

pub use cached::{CacheKey, Cached, Entry};

/// Octets that an entry is held to take when the table is laid out.
const USUAL_BYTES: usize = 512;
/// Parts of the table, each with its own lock for writers, and the least buckets of one.
const MAX_PARTS: usize = 16;
const LEAST_BUCKETS: usize = 64;
/// Entries that are looked through for one that was asked for once: in a flood this keeps about a
/// tenth of the room for what is new.
const WINDOW: usize = 64;
/// Counters, so that threads seldom share one.
const COUNTERS: usize = 16;
/// The types by which a name is found not to exist.
const USUAL_TYPES: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::HTTPS];

/// How full the cache is, and how well it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    /// Answers held.
    pub entries: u64,
    /// Octets held.
    pub bytes: u64,
    /// Octets that may be held.
    pub bound: u64,
    /// Lookups that found a fresh answer.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Answers given although they had expired.
    pub stale: u64,
    /// Answers that could have been of use, pushed out for others.
    pub evictions: u64,
}

/// The cache: read without a lock, written slot by slot.
pub struct Cache<T> {
    buckets: Box<[Bucket<T>]>,
    /// Of equal parts of the buckets, in their order.
    books: Box<[Mutex<Books>]>,
    /// Octets that each part may hold.
    budget: usize,
    /// Whether what has expired is kept for when upstreams fail.
    serve_stale: bool,
    counters: [Counter; COUNTERS],
}

/// What the writers of one part keep among themselves.
#[derive(Default)]
struct Books {
    bytes: usize,
    entries: u64,
    evictions: u64,
    /// The bucket of the part that the hand stands at.
    hand: usize,
}

#[derive(Default)]
#[repr(align(64))]
struct Counter {
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
}

impl<T> Cache<T> {
    /// Makes an empty cache of at most `bytes` octets, its table included.
    pub fn new(bytes: usize, serve_stale: bool) -> Cache<T> {
        let fitting = (bytes / (WAYS * USUAL_BYTES)).max(1);
        let count =
            if fitting.is_power_of_two() { fitting } else { fitting.next_power_of_two() / 2 };
        let parts = (count / LEAST_BUCKETS).clamp(1, MAX_PARTS);
        Cache {
            buckets: (0..count).map(|_| Bucket::empty()).collect(),
            books: (0..parts).map(|_| Mutex::default()).collect(),
            budget: bytes.saturating_sub(count * size_of::<Bucket<T>>()) / parts,
            serve_stale,
            counters: Default::default(),
        }
    }

    /// Counts that an answer was wanted, and whether there was one.
    pub fn count(&self, hash: u64, found: Option<&Cached<T>>, now: Moment) {
        let counter = self.counter(hash);
        let count = match found {
            Some(cached) if cached.is_fresh(now) => &counter.hits,
            Some(_) => &counter.stale,
            None => &counter.misses,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns an answer that is fresh, or given for want of one.
    ///
    /// `hash` is that of the whole name, under whatever seed `store` got.
    pub fn find(
        &self,
        hash: u64,
        key: CacheKey<'_>,
        now: Moment,
    ) -> Option<Guard<Option<Arc<Cached<T>>>>> {
        let (number, tag) = self.locate(hash, key);
        let bucket = &self.buckets[number];
        let usable = |cached: &Arc<Cached<T>>| {
            cached.is_for(key)
                && (cached.is_fresh(now) || cached.is_held(now) && !self.is_denied(hash, cached))
        };
        for place in bucket.places_of(tag) {
            let slot = bucket.slots[place].load();
            if slot.as_ref().is_some_and(usable) {
                bucket.warm(place);
                return Some(slot);
            }
        }
        None
    }

    /// Returns an answer that has expired and may be given where nobody has a newer one.
    pub fn find_stale(&self, hash: u64, key: CacheKey<'_>, now: Moment) -> Option<Arc<Cached<T>>> {
        let cached = self.peek(hash, key)?;
        (cached.is_stale(now) && !self.is_denied(hash, &cached)).then_some(cached)
    }

    /// Counts an answer that was given although it had expired, having been looked up in vain.
    pub fn count_stale(&self, hash: u64) {
        self.counter(hash).stale.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns what is held for a question, of use or not; counts nothing.
    pub fn peek(&self, hash: u64, key: CacheKey<'_>) -> Option<Arc<Cached<T>>> {
        let (number, tag) = self.locate(hash, key);
        let bucket = &self.buckets[number];
        bucket.slots[bucket.place_of(tag, key)?].load_full().filter(|cached| cached.is_for(key))
    }

    /// Stores an answer for as long as it says, within our bounds.
    ///
    /// A failure does not take the place of what can be given instead; an answer that may not be
    /// kept still ends an older one.
    pub fn store(&self, hash: u64, entry: Entry<T>, now: Moment) {
        let (seconds, stale) = match Stay::of(&entry.answer) {
            Stay::Answer(seconds) => (seconds, self.serve_stale),
            Stay::Passing(_) if self.hold(hash, &entry.question, now) => return,
            Stay::Passing(seconds) => (seconds, false),
            Stay::Never => return self.remove(hash, CacheKey::of(&entry.question)),
        };
        self.put(hash, entry.kept(now, seconds, stale), now);
    }

    /// Stores an answer for so many seconds, whatever it says.
    pub fn store_for(&self, hash: u64, entry: Entry<T>, seconds: u32, now: Moment) {
        self.put(hash, entry.kept(now, seconds, false), now);
    }

    /// Replaces what is attached to an answer that was inspected again.
    ///
    /// Does nothing if the answer has been replaced meanwhile: the finding is not about that one.
    pub fn reattach(
        &self,
        hash: u64,
        inspected: &Arc<Cached<T>>,
        (attached, attached_bytes): (T, usize),
        now: Moment,
    ) {
        let (number, tag) = self.locate(hash, inspected.key());
        let bucket = &self.buckets[number];
        let cached = inspected.with(attached, attached_bytes);
        let (part, mut books) = self.books_of(number);
        let still = bucket.places_of(tag).find(|&place| {
            let slot = bucket.slots[place].load();
            slot.as_ref().is_some_and(|cached| Arc::ptr_eq(cached, inspected))
        });
        if let Some(place) = still {
            books.bytes = books.bytes + cached.bytes() - inspected.bytes();
            bucket.slots[place].store(Some(Arc::new(cached)));
            self.make_room(&mut books, part, (number, place), now);
        }
    }

    /// Removes every answer about a name and all below it, or about any; returns how many.
    pub fn flush(&self, name: Option<NameRef<'_>>) -> u64 {
        let mut removed = 0;
        for number in 0..self.buckets.len() {
            let bucket = &self.buckets[number];
            let (_, mut books) = self.books_of(number);
            for place in 0..WAYS {
                let slot = bucket.slots[place].load();
                let meant = slot.as_ref().is_some_and(|cached| {
                    name.is_none_or(|name| cached.key().name.is_subdomain_of(name))
                });
                if meant {
                    clear(&mut books, bucket, place);
                    removed += 1;
                }
            }
        }
        removed
    }

    /// Returns figures.
    pub fn figures(&self) -> CacheFigures {
        let sum = |count: fn(&Counter) -> &AtomicU64| {
            self.counters.iter().map(|counter| count(counter).load(Ordering::Relaxed)).sum()
        };
        let mut figures = CacheFigures {
            bound: (self.budget * self.books.len()) as u64,
            hits: sum(|counter| &counter.hits),
            misses: sum(|counter| &counter.misses),
            stale: sum(|counter| &counter.stale),
            ..CacheFigures::default()
        };
        for books in &self.books {
            let books = books.lock().unwrap_or_else(PoisonError::into_inner);
            figures.entries += books.entries;
            figures.bytes += books.bytes as u64;
            figures.evictions += books.evictions;
        }
        figures
    }

    /// Returns how many of the answers held have expired. Looks at each of them.
    pub fn count_expired(&self, now: Moment) -> u64 {
        let slots = self.buckets.iter().flat_map(|bucket| &bucket.slots);
        let expired =
            slots.filter(|slot| slot.load().as_ref().is_some_and(|cached| !cached.is_fresh(now)));
        expired.count() as u64
    }

    /// Returns whether the name of an answer was found not to exist after it was stored, by a
    /// question about another type. Asked only where the answer has expired.
    fn is_denied(&self, hash: u64, stale: &Cached<T>) -> bool {
        let newer = |key: CacheKey<'_>| {
            let (number, tag) = self.locate(hash, key);
            let bucket = &self.buckets[number];
            bucket.places_of(tag).any(|place| {
                let slot = bucket.slots[place].load();
                let denies = |other: &Arc<Cached<T>>| {
                    other.is_for(key) && other.denies() && other.stored > stale.stored
                };
                slot.as_ref().is_some_and(denies)
            })
        };
        !stale.denies()
            && USUAL_TYPES.into_iter().any(|query_type| {
                let flags = [(false, false), (true, false), (false, true), (true, true)];
                flags.into_iter().any(|(dnssec_ok, checking_disabled)| {
                    newer(CacheKey { query_type, dnssec_ok, checking_disabled, ..stale.key() })
                })
            })
    }

    /// Has an answer that can be given instead of a failure found for some seconds.
    ///
    /// Returns whether there is one.
    fn hold(&self, hash: u64, question: &Question, now: Moment) -> bool {
        let cached = self.peek(hash, CacheKey::of(question));
        let usable = cached.filter(|cached| !cached.is_dead(now) && !cached.answer.is_failure());
        if let Some(cached) = &usable
            && !cached.is_fresh(now)
        {
            cached.hold(now);
        }
        usable.is_some()
    }

    fn put(&self, hash: u64, cached: Cached<T>, now: Moment) {
        let key = cached.key();
        // One answer must not push out a large part of all others.
        if cached.bytes() > self.budget / WAYS {
            return self.remove(hash, key);
        }
        let (number, tag) = self.locate(hash, key);
        let bucket = &self.buckets[number];
        let (part, mut books) = self.books_of(number);
        let place = match bucket.place_of(tag, key) {
            Some(place) => {
                // It was asked for again.
                bucket.warm(place);
                place
            }
            None => {
                let place = bucket.place_for_new(books.hand, now);
                books.evictions += u64::from(is_useful(bucket, place, now));
                place
            }
        };
        clear(&mut books, bucket, place);
        books.bytes += cached.bytes();
        books.entries += 1;
        bucket.slots[place].store(Some(Arc::new(cached)));
        bucket.tags[place].store(tag, Ordering::Relaxed);
        self.make_room(&mut books, part, (number, place), now);
    }

    fn remove(&self, hash: u64, key: CacheKey<'_>) {
        let (number, tag) = self.locate(hash, key);
        let bucket = &self.buckets[number];
        let (_, mut books) = self.books_of(number);
        if let Some(place) = bucket.place_of(tag, key) {
            clear(&mut books, bucket, place);
        }
    }

    /// Takes slots until octets are within bounds, never the one that was just written.
    fn make_room(&self, books: &mut Books, part: usize, written: (usize, usize), now: Moment) {
        while books.bytes > self.budget {
            let Some((number, place)) = self.next_to_go(books, part, written, now) else {
                return;
            };
            let bucket = &self.buckets[number];
            books.evictions += u64::from(is_useful(bucket, place, now));
            clear(books, bucket, place);
        }
    }

    /// Moves the hand on to the next slot to take: the first entry that was asked for once, else of
    /// those looked through the coldest, while the rest cools.
    fn next_to_go(
        &self,
        books: &mut Books,
        part: usize,
        written: (usize, usize),
        now: Moment,
    ) -> Option<(usize, usize)> {
        let size = self.buckets.len() / self.books.len();
        let bucket_at = |hand: usize| part * size + hand % size;
        let but = |number| (number == written.0).then_some(written.1);
        let mut coldest: Option<(Worth, (usize, usize))> = None;
        let (start, mut steps, mut seen) = (books.hand, 0, 0);
        while steps < size && seen < WINDOW {
            let number = bucket_at(start + steps);
            steps += 1;
            books.hand = (start + steps) % size;
            let bucket = &self.buckets[number];
            let Some((worth, place)) = bucket.least(but(number), now) else { continue };
            if worth.is_little() {
                return Some((number, place));
            }
            seen += bucket.used();
            if coldest.is_none_or(|(least, _)| worth < least) {
                coldest = Some((worth, (number, place)));
            }
        }
        for step in 0..steps {
            (0..WAYS).for_each(|place| self.buckets[bucket_at(start + step)].cool(place, 1));
        }
        coldest.map(|(_, slot)| slot)
    }

    /// Returns the number of the bucket that a question's answer is in, and its tag there.
    fn locate(&self, hash: u64, key: CacheKey<'_>) -> (usize, u32) {
        let kind = u64::from(key.query_type.0) << 2
            | u64::from(key.dnssec_ok) << 1
            | u64::from(key.checking_disabled);
        // Spreads types of one name over buckets (the constant is 2^64 by the golden ratio).
        let mixed = (hash ^ kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 32) as usize & (self.buckets.len() - 1), mixed as u32 | 1)
    }

    /// Locks the part of a bucket; returns its number too.
    fn books_of(&self, bucket: usize) -> (usize, MutexGuard<'_, Books>) {
        let part = bucket / (self.buckets.len() / self.books.len());
        (part, self.books[part].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn counter(&self, hash: u64) -> &Counter {
        &self.counters[(hash >> 8) as usize % COUNTERS]
    }
}

/// Returns whether a slot holds what could still be given.
fn is_useful<T>(bucket: &Bucket<T>, place: usize, now: Moment) -> bool {
    bucket.slots[place].load().as_ref().is_some_and(|cached| !cached.is_dead(now))
}

fn clear<T>(books: &mut Books, bucket: &Bucket<T>, place: usize) {
    bucket.tags[place].store(0, Ordering::Relaxed);
    if let Some(old) = bucket.slots[place].swap(None) {
        books.bytes -= old.bytes();
        books.entries -= 1;
    }
}
