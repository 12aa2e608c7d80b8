//! What devices with policies of their own cost: `cargo bench --bench policies`.
//!
//! Five and five thousand devices, each with a level and a rule of its own, over the shipped lists.
//! Prints the memory of the compiled policies, the time that a name takes to be decided, and how
//! long one changed rule takes to be in force, in memory and through the file. Asserts nothing
//! about time.

mod ground;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use deadpixel::model::{DomainName, NameHashes, RecordType};
use deadpixel::policy::{PolicyTable, Timed};
use deadpixel::rules::Asking;

use ground::{Ground, median, name};

const SIZES: [usize; 2] = [5, 5_000];
const QUERIES: usize = 400_000;
const ROUNDS: usize = 11;
const LEVELS: [&str; 4] = ["off", "basic", "standard", "strict"];

fn main() {
    println!("devices  KiB  octets a device  ns a name  change in memory  change by file");
    for count in SIZES {
        let folder = tempfile::tempdir().expect("a folder");
        let ground = Ground::of(folder.path(), &policy(count));
        let (memory, per_name) = (memory(&ground), per_name(&ground));
        let in_memory = ground.change_in_memory(ROUNDS);
        let by_file = ground.change_by_file(ROUNDS);
        println!(
            "{count:>7} {:>4} {:>16} {per_name:>10} {in_memory:>17.1?} {by_file:>15.1?}",
            memory / 1024,
            memory / count,
        );
    }
}

/// Each device has a level by its number and blocks a site of its own.
fn policy(count: usize) -> String {
    let device = |n: usize| {
        let (a, b) = (n / 250, n % 250 + 1);
        let level = LEVELS[n % LEVELS.len()];
        format!(
            "[[device]]\nname = \"Device {n}\"\naddresses = [\"10.1.{a}.{b}\"]\n\
             level = \"{level}\"\n\n[[rule]]\naction = \"block\"\nname = \"site{n}.example\"\n\
             device = \"Device {n}\"\n\n"
        )
    };
    (0..count).map(device).collect()
}

/// Returns octets of one compiled table: many are held, so that pages tell.
fn memory(ground: &Ground) -> usize {
    let held = 20_000 / ground.ids.len();
    let (standing, timed) = (ground.file.standing(), Timed::default());
    let ruleset = Arc::clone(&ground.live.load().ruleset);
    let table = |_| PolicyTable::compile(&standing, &timed, &ground.ids, &ruleset, None);
    let before = resident();
    let tables: Vec<PolicyTable> = (0..held).map(table).collect();
    let grown = resident().saturating_sub(before);
    black_box(&tables);
    grown / held
}

/// Returns octets of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    let kib: usize = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("KiB");
    kib * 1024
}

/// Returns nanoseconds to find a device's policy and decide a name, every device in turn.
fn per_name(ground: &Ground) -> u128 {
    let (force, ids) = (ground.live.load(), &ground.ids);
    let texts = ["analytics.tiktok.com", "www.example.org", "site7.example", "cdn.shop.example"];
    let names: Vec<(DomainName, NameHashes)> = texts
        .iter()
        .map(|text| name(text))
        .map(|name| {
            let hashes = force.hashes(name.as_ref());
            (name, hashes)
        })
        .collect();
    let now = ground.clock.now();
    let round = || {
        let begin = Instant::now();
        for query in 0..QUERIES {
            // A stride that is prime to both sizes, so that neighbours in memory are not neighbours.
            let bound = force.policies.bound(ids[query * 1_237 % ids.len()]);
            let (name, hashes) = &names[query % names.len()];
            let asker = bound.asker([10, 1, 0, 1].into());
            let asking = Asking { name: name.as_ref(), query_type: RecordType::A, asker };
            let _ = black_box(force.judge(bound.policy, asking, hashes, now));
        }
        begin.elapsed()
    };
    median((0..ROUNDS).map(|_| round()).collect()).as_nanos() / QUERIES as u128
}
