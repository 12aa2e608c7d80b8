//! The parts behind a door, put together as the daemon does it.

use std::path::Path;
use std::sync::Arc;

use deadpixel::clock::Clock;
use deadpixel::config::Config;
use deadpixel::devices::Devices;
use deadpixel::discovery::Discovery;
use deadpixel::lists::Lists;
use deadpixel::policy_file::{self, PolicyFile, Zone};
use deadpixel::query_log::{QueryLog, Recorder};
use deadpixel::resolver::{Handles, Resolver};
use deadpixel::storage::{Database, STATE_MIGRATIONS, hash_seed};
use deadpixel::upstream::Upstreams;
use tokio::runtime::Runtime;

/// The parts behind a door.
pub struct House {
    /// The line.
    pub resolver: Resolver,
    /// The log.
    pub log: QueryLog,
    /// Its end for the thread that answers.
    pub recorder: Recorder,
    /// The clocks.
    pub clock: Clock,
    /// The last reply.
    pub out: Vec<u8>,
    /// Where what takes time is waited for.
    pub runtime: Runtime,
    _policy: PolicyFile,
}

impl House {
    /// Puts the parts together by the text of a config.toml, over a data folder, which may hold a
    /// policy and its lists.
    pub fn new(data: &Path, config: &str) -> House {
        let runtime = Runtime::new().expect("a runtime");
        let inside = runtime.enter();
        let file = data.join("config.toml");
        std::fs::write(&file, config).expect("written");
        let config = Config::load(Some(&file)).unwrap_or_else(|problems| panic!("{problems}"));
        let clock = Clock::system();
        let state = Database::open(&data.join("state.db"), STATE_MIGRATIONS).expect("state.db");
        let state = Arc::new(state);
        let seed = hash_seed(&state).expect("a seed");
        let devices =
            Devices::open(&config.devices, state.clone(), clock.clone()).expect("devices");
        let log = QueryLog::open(data, &config.log, clock.clone(), Box::new(|_| {}));
        let log = log.expect("log.db");
        let announce = log.clone();
        let (policy, live) = PolicyFile::start(policy_file::Parts {
            folder: data.to_path_buf(),
            lists: Lists::open(&config.lists, data, state.clone(), seed).expect("a loader"),
            state,
            devices: devices.clone(),
            clock: clock.clone(),
            zone: Zone::of(&config.policy).expect("a zone"),
            announce: Box::new(move |legend| announce.announce(legend)),
        })
        .unwrap_or_else(|error| panic!("{error}"));
        let upstreams = Upstreams::new(&config.upstream, clock.clone()).expect("upstreams");
        let handles = Handles {
            devices,
            discovery: Discovery::blind(),
            live,
            upstreams,
            clock: clock.clone(),
        };
        let resolver = Resolver::new(&config.resolver, &config.upstream, handles);
        let recorder = log.recorder();
        drop(inside);
        let out = Vec::with_capacity(1_232);
        House { resolver, log, recorder, clock, out, runtime, _policy: policy }
    }
}
