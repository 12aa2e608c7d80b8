//! What benchmarks of the policy stand on: a keeper over a folder, and one change timed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpixel::clock::Clock;
use deadpixel::config::Config;
use deadpixel::devices::Devices;
use deadpixel::lists::Lists;
use deadpixel::model::{Action, DeviceId, DomainName, RecordType, Scope, Verdict};
use deadpixel::policy::{InForce, LivePolicy, PolicyTable, Timed};
use deadpixel::policy_file::{self, Change, PolicyFile, Zone};
use deadpixel::rules::Asking;
use deadpixel::storage::{Database, STATE_MIGRATIONS, hash_seed};

/// A policy in force, and its keeper.
pub struct Ground {
    /// The keeper.
    pub file: PolicyFile,
    /// What is in force.
    pub live: LivePolicy,
    /// The numbers of the policy's devices.
    pub ids: Vec<DeviceId>,
    /// The clocks.
    pub clock: Clock,
}

impl Ground {
    /// Puts the text of a policy in force, over the shipped lists.
    pub fn of(folder: &Path, policy: &str) -> Ground {
        std::fs::write(folder.join("policy.toml"), policy).expect("written");
        let clock = Clock::system();
        let (file, live) = start(folder, &clock);
        let standing = file.standing();
        let names = standing.devices.iter().map(|device| &device.name);
        let ids = names.filter_map(|name| file.device_id(name)).collect();
        Ground { file, live, ids, clock }
    }

    /// Changes the first rule, works the new table out and puts it in force; returns the median.
    pub fn change_in_memory(&self, rounds: usize) -> Duration {
        let mut standing = (*self.file.standing()).clone();
        let round = |round: usize| {
            let name = name(&format!("memory{round}.example"));
            standing.rules[0].name = name.clone();
            let begin = Instant::now();
            let old = self.live.load();
            let (timed, previous) = (Timed::default(), Some(&old.policies));
            let policies =
                PolicyTable::compile(&standing, &timed, &self.ids, &old.ruleset, previous);
            self.live.replace(InForce {
                edition: old.edition + 1,
                generation: old.generation,
                ruleset: Arc::clone(&old.ruleset),
                catalogue: Arc::clone(&old.catalogue),
                policies,
                zones: Arc::clone(&old.zones),
                legend: Arc::clone(&old.legend),
            });
            let took = begin.elapsed();
            assert!(self.is_blocked(&name), "round {round}");
            took
        };
        median((0..rounds).map(round).collect())
    }

    /// Adds a rule for the first device: edited, checked, written, in force; returns the median.
    pub fn change_by_file(&self, rounds: usize) -> Duration {
        let scope = Scope::Device(self.file.standing().devices[0].name.clone());
        let round = |round: usize| {
            let name = name(&format!("file{round}.example"));
            let (scope, action) = (scope.clone(), Action::Block);
            let (until, note) = (None, None);
            let rule = Change::AddRule { scope, action, name: name.clone(), until, note };
            let begin = Instant::now();
            self.file.apply(&rule, "bench").unwrap_or_else(|error| panic!("{error}"));
            let took = begin.elapsed();
            assert!(self.is_blocked(&name), "round {round}");
            took
        };
        median((0..rounds).map(round).collect())
    }

    fn is_blocked(&self, name: &DomainName) -> bool {
        let force = self.live.load();
        let bound = force.policies.bound(self.ids[0]);
        let asker = bound.asker([10, 1, 0, 1].into());
        let asking = Asking { name: name.as_ref(), query_type: RecordType::A, asker };
        let hashes = force.hashes(name.as_ref());
        let (decision, _) = force.judge(bound.policy, asking, &hashes, self.clock.now());
        matches!(decision.verdict, Verdict::Block(_))
    }
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

/// Reads a name.
pub fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

/// Returns the one in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
