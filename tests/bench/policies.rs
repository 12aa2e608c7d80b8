//! What devices with policies of their own cost: `cargo bench --bench policies`.
//!
//! Five and five thousand devices, each with a level and a rule of its own, over the shipped lists.
//! Prints the memory of the compiled policies, the time that a name takes to be decided, and how
//! long one changed rule takes to be in force, in memory and through the file. Asserts nothing
//! about time.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpixel::clock::Clock;
use deadpixel::config::Config;
use deadpixel::devices::Devices;
use deadpixel::lists::Lists;
use deadpixel::model::{Action, DeviceId, DomainName, NameHashes, RecordType, Scope, Verdict};
use deadpixel::policy::{InForce, LivePolicy, PolicyTable, Standing, Timed};
use deadpixel::policy_file::{self, Change, PolicyFile, Zone};
use deadpixel::rules::Asking;
use deadpixel::storage::{Database, STATE_MIGRATIONS, hash_seed};

const SIZES: [usize; 2] = [5, 5_000];
const QUERIES: usize = 400_000;
const ROUNDS: usize = 11;
const LEVELS: [&str; 4] = ["off", "basic", "standard", "strict"];

fn main() {
    println!("devices  KiB  octets a device  ns a name  change in memory  change by file");
    for count in SIZES {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("policy.toml"), policy(count)).expect("written");
        let clock = Clock::system();
        let (file, live) = start(folder.path(), &clock);
        let standing = file.standing();
        let names = standing.devices.iter().map(|device| &device.name);
        let ids: Vec<DeviceId> = names.filter_map(|name| file.device_id(name)).collect();
        let memory = memory(&standing, &ids, &live);
        let per_name = per_name(&ids, &live, &clock);
        let in_memory = in_memory(&standing, &ids, &live);
        let by_file = by_file(&standing, &file, &live, ids[0], &clock);
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
fn memory(standing: &Standing, ids: &[DeviceId], live: &LivePolicy) -> usize {
    let held = 20_000 / ids.len();
    let before = resident();
    let tables: Vec<PolicyTable> = (0..held)
        .map(|_| PolicyTable::compile(standing, &Timed::default(), ids, &live.load().ruleset, None))
        .collect();
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
fn per_name(ids: &[DeviceId], live: &LivePolicy, clock: &Clock) -> u128 {
    let force = live.load();
    let texts = ["analytics.tiktok.com", "www.example.org", "site7.example", "cdn.shop.example"];
    let names: Vec<(DomainName, NameHashes)> = texts
        .iter()
        .map(|text| DomainName::parse(text).expect("a name"))
        .map(|name| {
            let hashes = force.hashes(name.as_ref());
            (name, hashes)
        })
        .collect();
    let now = clock.now();
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

fn in_memory(standing: &Standing, ids: &[DeviceId], live: &LivePolicy) -> Duration {
    let mut standing = standing.clone();
    let round = |round: usize| {
        standing.rules[0].name = name(&format!("memory{round}.example"));
        let begin = Instant::now();
        let old = live.load();
        let previous = Some(&old.policies);
        let policies =
            PolicyTable::compile(&standing, &Timed::default(), ids, &old.ruleset, previous);
        live.replace(InForce {
            edition: old.edition + 1,
            generation: old.generation,
            ruleset: Arc::clone(&old.ruleset),
            catalogue: Arc::clone(&old.catalogue),
            policies,
            zones: Arc::clone(&old.zones),
            legend: Arc::clone(&old.legend),
        });
        begin.elapsed()
    };
    median((0..ROUNDS).map(round).collect())
}

fn by_file(
    standing: &Standing,
    file: &PolicyFile,
    live: &LivePolicy,
    device: DeviceId,
    clock: &Clock,
) -> Duration {
    let scope = Scope::Device(standing.devices[0].name.clone());
    let round = |round: usize| {
        let name = name(&format!("file{round}.example"));
        let (scope, action) = (scope.clone(), Action::Block);
        let rule = Change::AddRule { scope, action, name: name.clone(), until: None, note: None };
        let begin = Instant::now();
        file.apply(&rule, "bench").unwrap_or_else(|error| panic!("{error}"));
        let took = begin.elapsed();
        assert!(is_blocked(live, device, &name, clock), "round {round}");
        took
    };
    median((0..ROUNDS).map(round).collect())
}

fn start(folder: &Path, clock: &Clock) -> (PolicyFile, LivePolicy) {
    let config = folder.join("config.toml");
    std::fs::write(&config, "").expect("written");
    let config = Config::load(Some(&config)).unwrap_or_else(|problems| panic!("{problems}"));
    let state = Database::open(&folder.join("state.db"), STATE_MIGRATIONS).expect("state.db");
    let state = Arc::new(state);
    let seed = hash_seed(&state).expect("a seed");
    let devices =
        Devices::open(&Default::default(), state.clone(), clock.clone()).expect("devices");
    PolicyFile::start(policy_file::Parts {
        folder: folder.to_path_buf(),
        lists: Lists::open(&config.lists, folder, state.clone(), seed).expect("a loader"),
        state,
        devices,
        clock: clock.clone(),
        zone: Zone::of(&config.policy).expect("a zone"),
        announce: Box::new(|_| {}),
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

fn is_blocked(live: &LivePolicy, device: DeviceId, name: &DomainName, clock: &Clock) -> bool {
    let force = live.load();
    let bound = force.policies.bound(device);
    let asker = bound.asker([10, 1, 0, 1].into());
    let asking = Asking { name: name.as_ref(), query_type: RecordType::A, asker };
    let hashes = force.hashes(name.as_ref());
    let (decision, _) = force.judge(bound.policy, asking, &hashes, clock.now());
    matches!(decision.verdict, Verdict::Block(_))
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
