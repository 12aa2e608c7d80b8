//! The table by itself: keys, lives, bounds, and what stays.

use super::*;
use crate::model::DomainName;
use crate::wire::StoredAnswer;

const SECOND: u64 = 1_000_000;

pub(super) fn at(monotonic: u64) -> Moment {
    Moment { wall: 0, monotonic }
}

pub(super) fn question(name: &str) -> Question {
    Question {
        name: DomainName::parse(name).expect("a name"),
        query_type: RecordType::A,
        dnssec_ok: false,
        checking_disabled: false,
    }
}

/// A reply with these flags, an A record of this TTL if any, and an SOA of this TTL if any.
pub(super) fn answer(
    question: &Question,
    flags: u16,
    ttl: Option<u32>,
    soa: Option<u32>,
) -> StoredAnswer {
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

pub(super) fn entry(name: &str, attached: u32) -> Entry<u32> {
    let question = question(name);
    let answer = Arc::new(answer(&question, 0x8180, Some(300), None));
    Entry { question, answer, attached, attached_bytes: 0 }
}

/// Any hash will do as long as it is the name's own.
pub(super) fn hash(name: &str) -> u64 {
    let steps = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
    });
    steps ^ steps >> 29
}

pub(super) fn put(cache: &Cache<u32>, name: &str, now: u64) {
    cache.store(hash(name), entry(name, 7), at(now));
}

pub(super) fn has(cache: &Cache<u32>, name: &str, now: u64) -> bool {
    let question = question(name);
    let found = cache.find(hash(name), key(&question), at(now));
    let found = found.as_ref().and_then(|found| found.as_deref());
    cache.count(hash(name), found, at(now));
    found.is_some()
}

pub(super) fn key(question: &Question) -> CacheKey<'_> {
    CacheKey::of(question)
}

#[test]
fn an_answer_is_found_by_its_whole_key_until_it_expires() {
    let cache = Cache::new(1 << 20, true);
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
    assert_eq!((figures.entries, figures.hits, figures.misses), (1, 1, 1));
}

#[test]
fn lives_are_bounded_by_what_the_answer_is() {
    let asked = question("a.ex");
    let stay = |flags, ttl, soa| Stay::of(&answer(&asked, flags, ttl, soa));
    assert_eq!(stay(0x8180, Some(60), None), Stay::Answer(60));
    assert_eq!(stay(0x8180, Some(0), None), Stay::Never);
    assert_eq!(stay(0x8183, None, Some(60)), Stay::Answer(60), "NXDOMAIN");
    assert_eq!(stay(0x8183, None, Some(1_000_000)), Stay::Answer(3_600));
    assert_eq!(stay(0x8180, None, Some(1_000_000)), Stay::Answer(3_600), "NODATA");
    assert_eq!(stay(0x8180, None, None), Stay::Never, "nothing says how long");
    assert_eq!(stay(0x8182, Some(60), Some(60)), Stay::Passing(5), "SERVFAIL");
    assert_eq!(stay(0x8185, None, None), Stay::Passing(5), "REFUSED");
}

#[test]
fn a_newer_answer_takes_the_place_of_the_older() {
    let cache = Cache::new(1 << 20, true);
    put(&cache, "a.ex", 0);
    let once = cache.figures();
    put(&cache, "a.ex", 200 * SECOND);
    assert!(has(&cache, "a.ex", 400 * SECOND));
    assert_eq!(cache.figures().bytes, once.bytes);
    assert_eq!(cache.figures().entries, 1);
}

#[test]
fn a_new_inspection_is_attached_only_to_the_answer_it_is_about() {
    let cache = Cache::new(1 << 20, true);
    put(&cache, "a.ex", 0);
    let asked = question("a.ex");
    let look = || {
        let found = cache.find(hash("a.ex"), key(&asked), at(1)).expect("it is there");
        Guard::into_inner(found).expect("it is there")
    };
    let first = look();
    cache.reattach(hash("a.ex"), &first, (8, 100), at(1));
    let second = look();
    assert_eq!((second.attached, second.expires), (8, first.expires));
    assert_eq!(cache.figures().bytes, (first.bytes() + 100) as u64);
    put(&cache, "a.ex", 1);
    cache.reattach(hash("a.ex"), &second, (9, 0), at(1));
    assert_eq!(look().attached, 7, "the answer is another one");
}

#[test]
fn octets_stay_within_bounds_whatever_is_stored() {
    let bytes = 256 << 10;
    let cache = Cache::new(bytes, true);
    for number in 0..20_000 {
        put(&cache, &format!("n{number}.ex"), number);
        let figures = cache.figures();
        assert!(figures.bytes <= figures.bound, "{figures:?}");
    }
    let figures = cache.figures();
    let table = cache.buckets.len() * size_of::<Bucket<u32>>();
    assert!(figures.bytes as usize + table <= bytes, "{figures:?}");
    assert!(figures.entries > 100, "{figures:?}");
    let slots = cache.buckets.iter().flat_map(|bucket| &bucket.slots);
    let held: Vec<_> = slots.filter_map(|slot| slot.load_full()).collect();
    assert_eq!(held.len() as u64, figures.entries);
    assert_eq!(held.iter().map(|cached| cached.bytes() as u64).sum::<u64>(), figures.bytes);
}

#[test]
fn a_cache_without_octets_keeps_nothing_and_does_not_panic() {
    for bytes in [0, 1, 300] {
        let cache = Cache::new(bytes, true);
        put(&cache, "a.ex", 0);
        assert_eq!(cache.figures().entries, 0);
        assert!(!has(&cache, "a.ex", 0));
    }
}

#[test]
fn readers_see_whole_entries_while_writers_replace_them() {
    let cache = Arc::new(Cache::new(64 << 10, true));
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

/// Stores an answer to a question of this type: its TTL if there is a record, else that of the SOA.
fn put_answer(
    cache: &Cache<u32>,
    asked: &Question,
    parts: (u16, Option<u32>, Option<u32>),
    now: u64,
) {
    let (flags, ttl, soa) = parts;
    let answer = Arc::new(answer(asked, flags, ttl, soa));
    let entry = Entry { question: asked.clone(), answer, attached: 0, attached_bytes: 0 };
    cache.store(hash(&asked.name.to_string()), entry, at(now));
}

fn stale(cache: &Cache<u32>, name: &str, now: u64) -> bool {
    let question = question(name);
    cache.find_stale(hash(name), key(&question), at(now)).is_some()
}

const GOOD: (u16, Option<u32>, Option<u32>) = (0x8180, Some(300), None);
const NOTHING: (u16, Option<u32>, Option<u32>) = (0x8183, None, Some(300));
const FAILED: (u16, Option<u32>, Option<u32>) = (0x8182, None, None);
const DAY: u64 = 86_400 * SECOND;

#[test]
fn what_has_expired_is_found_for_a_day_by_those_who_look_for_it() {
    for parts in [GOOD, NOTHING] {
        let cache = Cache::new(1 << 20, true);
        put_answer(&cache, &question("a.ex"), parts, 0);
        assert!(has(&cache, "a.ex", 299 * SECOND) && !stale(&cache, "a.ex", 299 * SECOND));
        assert!(!has(&cache, "a.ex", 300 * SECOND) && stale(&cache, "a.ex", 300 * SECOND));
        assert!(stale(&cache, "a.ex", 300 * SECOND + DAY - 1));
        assert!(!stale(&cache, "a.ex", 300 * SECOND + DAY));
        let without = Cache::new(1 << 20, false);
        put_answer(&without, &question("a.ex"), parts, 0);
        assert!(!stale(&without, "a.ex", 300 * SECOND), "switched off");
    }
}

#[test]
fn a_failure_leaves_what_can_be_given_instead_and_has_it_given_for_its_time() {
    let cache = Cache::new(1 << 20, true);
    put_answer(&cache, &question("a.ex"), GOOD, 0);
    put_answer(&cache, &question("a.ex"), FAILED, 400 * SECOND);
    assert!(has(&cache, "a.ex", 405 * SECOND - 1) && !has(&cache, "a.ex", 405 * SECOND));
    assert!(stale(&cache, "a.ex", 405 * SECOND), "the answer, not the failure");
    assert_eq!(cache.figures().stale, 1);
    put_answer(&cache, &question("a.ex"), FAILED, 400 * SECOND + DAY);
    let held = cache.peek(hash("a.ex"), key(&question("a.ex"))).expect("the failure");
    assert!(held.answer.is_failure(), "too old to be given");
    assert!(!stale(&cache, "a.ex", 405 * SECOND + DAY), "failures never go out stale");
    put_answer(&cache, &question("a.ex"), GOOD, 406 * SECOND + DAY);
    assert!(has(&cache, "a.ex", 407 * SECOND + DAY), "an answer ends a failure");
}

#[test]
fn a_fresh_answer_is_neither_ended_nor_prolonged_by_a_failure() {
    let cache = Cache::new(1 << 20, true);
    put_answer(&cache, &question("a.ex"), GOOD, 0);
    put_answer(&cache, &question("a.ex"), FAILED, 299 * SECOND);
    assert!(has(&cache, "a.ex", 300 * SECOND - 1) && !has(&cache, "a.ex", 300 * SECOND));
}

#[test]
fn an_answer_that_may_not_be_kept_ends_an_older_one() {
    for parts in [(0x8183, None, None), (0x8180, Some(0), None)] {
        let cache = Cache::new(1 << 20, true);
        put_answer(&cache, &question("a.ex"), GOOD, 0);
        put_answer(&cache, &question("a.ex"), parts, 400 * SECOND);
        assert!(!stale(&cache, "a.ex", 400 * SECOND));
        assert_eq!((cache.figures().entries, cache.figures().bytes), (0, 0));
    }
}

#[test]
fn nothing_stale_goes_out_after_the_name_was_found_not_to_exist() {
    let cache = Cache::new(1 << 20, true);
    let quad_a = Question { query_type: RecordType::AAAA, dnssec_ok: true, ..question("a.ex") };
    put_answer(&cache, &question("a.ex"), GOOD, 10);
    put_answer(&cache, &quad_a, NOTHING, 5);
    assert!(stale(&cache, "a.ex", 400 * SECOND), "it is older");
    put_answer(&cache, &question("a.ex"), FAILED, 400 * SECOND);
    assert!(has(&cache, "a.ex", 401 * SECOND));
    put_answer(&cache, &quad_a, NOTHING, 401 * SECOND);
    assert!(!has(&cache, "a.ex", 402 * SECOND) && !stale(&cache, "a.ex", 402 * SECOND));
    put_answer(&cache, &question("a.ex"), GOOD, 500 * SECOND);
    assert!(stale(&cache, "a.ex", 800 * SECOND), "it came back");
}

#[test]
fn what_is_flushed_is_gone_with_all_below_it_and_the_rest_stays() {
    let cache = Cache::new(1 << 20, true);
    for name in ["ex", "a.ex", "b.a.ex", "xa.ex", "a.net"] {
        put(&cache, name, 0);
    }
    let name = question("a.ex").name;
    assert_eq!(cache.flush(Some(name.as_ref())), 2);
    let left = ["ex", "a.ex", "b.a.ex", "xa.ex", "a.net"].map(|name| has(&cache, name, 1));
    assert_eq!(left, [true, false, false, true, true]);
    assert_eq!(cache.figures().entries, 3);
    assert_eq!((cache.flush(None), cache.flush(None)), (3, 0));
    assert_eq!(cache.figures().bytes, 0);
}

#[test]
fn of_the_same_warmth_what_has_expired_goes_first_and_what_is_of_no_use_before_all() {
    let filled = |old_is_warm: bool| {
        let cache = Cache::new(8_000, true);
        assert_eq!(cache.buckets.len(), 1);
        put(&cache, "old.ex", 0);
        if old_is_warm {
            has(&cache, "old.ex", 1);
        }
        for number in 1..WAYS {
            put(&cache, &format!("n{number}.ex"), 299 * SECOND);
        }
        cache
    };
    let cold = filled(false);
    put(&cold, "new.ex", 301 * SECOND);
    assert!(!stale(&cold, "old.ex", 301 * SECOND));
    assert!((1..WAYS).all(|number| has(&cold, &format!("n{number}.ex"), 301 * SECOND)));
    let warm = filled(true);
    put(&warm, "new.ex", 301 * SECOND);
    assert!(stale(&warm, "old.ex", 301 * SECOND), "it was asked for twice");
    let dead = filled(true);
    (0..9).for_each(|_| assert!(has(&dead, "old.ex", 1)));
    put(&dead, "new.ex", 300 * SECOND + DAY);
    let old = question("old.ex");
    assert!(dead.peek(hash("old.ex"), key(&old)).is_none());
}
