//! What stays when more is asked for than fits.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use super::tests::{at, entry, has, hash};
use super::*;

/// A generator of numbers that are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Looks a name up and stores it where it is not there, as the resolver does.
fn ask(cache: &Cache<u32>, name: &str) -> bool {
    let found = has(cache, name, 1);
    if !found {
        cache.store(hash(name), entry(name, 7), at(1));
    }
    found
}

/// Returns the share of popular names that outlive a scan of ten times the capacity, asked by
/// nobody meanwhile; `fill` is the part of the capacity that they take.
fn left_after_a_scan(fill: f64) -> f64 {
    let cache = Cache::new(1 << 20, true);
    let mut number = 0;
    while cache.figures().evictions == 0 {
        ask(&cache, &format!("fill{number}.ex"));
        number += 1;
    }
    let capacity = cache.figures().entries;
    cache.flush(None);
    let popular = (capacity as f64 * fill) as u64;
    let popular: Vec<String> = (0..popular).map(|number| format!("p{number}.ex")).collect();
    for _ in 0..3 {
        popular.iter().for_each(|name| {
            ask(&cache, name);
        });
    }
    let before = popular.iter().filter(|name| has(&cache, name, 1)).count();
    for number in 0..10 * capacity {
        ask(&cache, &format!("once{number}.ex"));
    }
    let left = popular.iter().filter(|name| has(&cache, name, 1)).count();
    left as f64 / before as f64
}

#[test]
fn a_scan_of_ten_times_the_capacity_leaves_what_is_popular() {
    let (half, most) = (left_after_a_scan(0.5), left_after_a_scan(0.8));
    println!("left of popular names: {half:.3} where they fill half, {most:.3} where 80%");
    assert!(half > 0.97, "{half}");
    assert!(most > 0.85, "{most}");
}

/// Returns how many of some popular names outlive a flood of names asked once.
fn left_after_a_flood(popular: u64, attached_bytes: usize) -> usize {
    let cache = Cache::new(256 << 10, true);
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
fn one_large_flood_does_not_take_what_holds_most_octets() {
    let cache = Cache::new(1 << 20, true);
    let large = |name: &str| {
        let entry = Entry { attached_bytes: 6_000, ..entry(name, 7) };
        cache.store(hash(name), entry, at(0));
    };
    let popular: Vec<String> = (0..60).map(|number| format!("p{number}.ex")).collect();
    for _ in 0..2 {
        popular.iter().for_each(|name| large(name));
    }
    (0..20_000).for_each(|number| large(&format!("once{number}.ex")));
    let left = popular.iter().filter(|name| has(&cache, name, 1)).count();
    assert!(left >= 56, "{left} of 60");
}

/// The least recently used of `capacity` names goes.
struct IdealLru {
    capacity: usize,
    turn: u64,
    turns: HashMap<usize, u64>,
    names: BTreeMap<u64, usize>,
}

impl IdealLru {
    fn new(capacity: usize) -> IdealLru {
        IdealLru { capacity, turn: 0, turns: HashMap::new(), names: BTreeMap::new() }
    }

    fn ask(&mut self, name: usize) -> bool {
        self.turn += 1;
        let before = self.turns.insert(name, self.turn);
        self.names.insert(self.turn, name);
        if let Some(before) = before {
            self.names.remove(&before);
        } else if self.turns.len() > self.capacity
            && let Some((_, oldest)) = self.names.pop_first()
        {
            self.turns.remove(&oldest);
        }
        before.is_some()
    }
}

fn popular_names() -> Option<Vec<String>> {
    let folder = std::env::var_os("DEADPIXEL_TEST_DATA")?;
    let path = std::path::Path::new(&folder).join("popularity/tranco-top100k-2026.txt.gz");
    let packed = std::fs::read(path).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).ok()?;
    let names = text.lines().filter(|line| !line.starts_with('#'));
    let names = names.map(|line| line.rsplit([',', '\t']).next().unwrap_or(line).to_string());
    Some(names.filter(|name| crate::model::DomainName::parse(name).is_ok()).collect())
}

#[test]
fn real_names_asked_by_their_popularity_are_found_more_often_than_by_an_ideal_lru() {
    let Some(names) = popular_names() else {
        println!("skipped: the list of popular names is not below DEADPIXEL_TEST_DATA");
        return;
    };
    // By Zipf's law the name of rank r is asked for in proportion to 1/r.
    let mut sums = Vec::with_capacity(names.len());
    let mut sum = 0.0;
    for rank in 1..=names.len() {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    for bytes in [256 << 10, 1 << 20] {
        let cache = Cache::new(bytes, true);
        let mut numbers = Numbers(7);
        let mut draw = || {
            let drawn = (numbers.next() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            sums.partition_point(|&sum| sum < drawn).min(names.len() - 1)
        };
        (0..30_000).for_each(|_| {
            ask(&cache, &names[draw()]);
        });
        // The twin gets as many entries as the cache holds when it is full.
        let mut lru = IdealLru::new(cache.figures().entries as usize);
        (0..20_000).for_each(|_| {
            lru.ask(draw());
        });
        let (mut ours, mut theirs) = (0, 0);
        for _ in 0..50_000 {
            let place = draw();
            ours += u32::from(ask(&cache, &names[place]));
            theirs += u32::from(lru.ask(place));
        }
        let share = |hits: u32| f64::from(hits) / 50_000.0;
        let (ours, theirs) = (share(ours), share(theirs));
        println!("{bytes} octets: {ours:.4} found, an ideal LRU {theirs:.4}");
        assert!(ours > theirs + 0.01, "{ours} against {theirs}");
    }
}
