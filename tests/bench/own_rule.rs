//! From one changed own rule to its being in force: `cargo bench --bench own_rule`.
//!
//! A policy of 100 devices and 1,000 own rules, a tenth of them by exact name, over the
//! shipped lists. Once in memory (the new table worked out and put in force), once through the file
//! (edited, checked, written, put in force). Prints medians; asserts nothing about time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpixel::clock::Clock;
use deadpixel::config::Config;
use deadpixel::devices::Devices;
use deadpixel::lists::Lists;
use deadpixel::model::{Action, DeviceId, DeviceName, DomainName, Scope, Verdict};
use deadpixel::policy::{InForce, LivePolicy, PolicyTable, Timed};
use deadpixel::policy_file::{self, Change, PolicyFile, Zone};
use deadpixel::rules::Asking;
use deadpixel::storage::{Database, STATE_MIGRATIONS, hash_seed};

const DEVICES: usize = 100;
const RULES: usize = 1_000;
const ROUNDS: usize = 101;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("policy.toml"), policy()).expect("written");
    let clock = Clock::system();
    let (file, live) = start(folder.path(), &clock);
    let standing = file.standing();
    let names: Vec<&DeviceName> = standing.devices.iter().map(|device| &device.name).collect();
    let ids: Vec<DeviceId> = names.iter().filter_map(|name| file.device_id(name)).collect();
    println!(
        "{} devices, {} own rules by name, {} written",
        ids.len(),
        standing.rules.len(),
        standing.written.len()
    );

    let mut standing = (*standing).clone();
    let memory = (0..ROUNDS).map(|round| {
        standing.rules[0].name = changed(round);
        let begin = Instant::now();
        let old = live.load();
        let policies = PolicyTable::compile(
            &standing,
            &Timed::default(),
            &ids,
            &old.ruleset,
            Some(&old.policies),
        );
        let next = InForce {
            edition: old.edition + 1,
            generation: old.generation,
            ruleset: Arc::clone(&old.ruleset),
            catalogue: Arc::clone(&old.catalogue),
            policies,
            zones: Arc::clone(&old.zones),
            legend: Arc::clone(&old.legend),
        };
        live.replace(next);
        let took = begin.elapsed();
        assert!(is_blocked(&live, ids[0], &changed(round), &clock), "round {round}");
        took
    });
    println!("in memory, median of {ROUNDS}: {:?}", median(memory.collect()));

    let scope = Scope::Device(names[0].clone());
    let through = (0..ROUNDS).map(|round| {
        let name = DomainName::parse(&format!("file{round}.example")).expect("a name");
        let (scope, action) = (scope.clone(), Action::Block);
        let rule = Change::AddRule { scope, action, name: name.clone(), until: None, note: None };
        let begin = Instant::now();
        file.apply(&rule, "bench").unwrap_or_else(|error| panic!("{error}"));
        let took = begin.elapsed();
        assert!(is_blocked(&live, ids[0], &name, &clock), "round {round}");
        took
    });
    println!("through the file, median of {ROUNDS}: {:?}", median(through.collect()));
}

/// Rules for devices in turn, nine of ten by name.
fn policy() -> String {
    let device = |n: usize| {
        let (a, b) = (n / 250, n % 250 + 1);
        format!("[[device]]\nname = \"Device {n}\"\naddresses = [\"10.1.{a}.{b}\"]\n\n")
    };
    let rule = |n: usize| {
        let what = match n % 10 {
            9 => format!("exact = \"only.site{n}.example\""),
            _ => format!("name = \"site{n}.example\""),
        };
        format!("[[rule]]\naction = \"block\"\n{what}\ndevice = \"Device {}\"\n\n", n % DEVICES)
    };
    (0..DEVICES).map(device).chain((0..RULES).map(rule)).collect()
}

fn start(folder: &std::path::Path, clock: &Clock) -> (PolicyFile, LivePolicy) {
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

fn changed(round: usize) -> DomainName {
    DomainName::parse(&format!("memory{round}.example")).expect("a name")
}

fn is_blocked(live: &LivePolicy, device: DeviceId, name: &DomainName, clock: &Clock) -> bool {
    let force = live.load();
    let bound = force.policies.bound(device);
    let asking = Asking {
        name: name.as_ref(),
        query_type: deadpixel::model::RecordType::A,
        asker: bound.asker([10, 1, 0, 1].into()),
    };
    let hashes = force.hashes(name.as_ref());
    let (decision, _) = force.judge(bound.policy, asking, &hashes, clock.now());
    matches!(decision.verdict, Verdict::Block(_))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
