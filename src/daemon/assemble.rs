//! Builds each part from its settings, hands out the handles, and stops in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::reload::Reloader;
use super::{GRACE, StartError, folder};
use crate::clock::Clock;
use crate::config::Config;
use crate::devices::Devices;
use crate::dns_server::{self, Serving};
use crate::http_server;
use crate::lists::Lists;
use crate::policy_file::{self, PolicyFile, Watching};
use crate::query_log::QueryLog;
use crate::resolver::Resolver;
use crate::storage::{Database, STATE_MIGRATIONS, StorageError, hash_seed};
use crate::upstream::Upstreams;

/// A running daemon.
pub struct Daemon {
    runtime: Runtime,
    serving: Arc<Mutex<Option<Serving>>>,
    addresses: Vec<SocketAddr>,
    socket: PathBuf,
    api: http_server::Serving,
    log: QueryLog,
    devices: Devices,
    reloader: Reloader,
    _watching: Option<Watching>,
}

impl Daemon {
    /// Starts everything or nothing: sockets are bound before anything is served.
    pub fn start(config: &Config, clock: Clock) -> Result<Daemon, StartError> {
        let data = config.data_folder();
        folder::prepare(&data)?;
        let bound = dns_server::bind(&config.dns).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            StartError::Listen(lines.join("\n"))
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("deadpixel-main")
            .enable_all()
            .build()
            .map_err(system)?;
        let inside = runtime.enter();

        let state = Arc::new(Database::open(&data.join("state.db"), STATE_MIGRATIONS)?);
        let seed = hash_seed(&state)?;
        let devices = Devices::open(state.clone(), clock.clone())?;
        let seen = devices.clone();
        let log = QueryLog::open(
            &data,
            &config.log,
            clock.clone(),
            Box::new(move |batch| seen.seen(batch)),
        )?;
        let announce = log.clone();
        let (policy, live) = PolicyFile::start(policy_file::Parts {
            folder: data.clone(),
            state,
            devices: devices.clone(),
            lists: Lists::new(&config.lists, data.clone(), seed),
            clock: clock.clone(),
            announce: Box::new(move |legend| announce.announce(legend)),
        })
        .map_err(policy_error)?;
        let upstreams =
            Upstreams::new(&config.upstream, clock.clone()).map_err(StartError::Invalid)?;
        let resolver = Resolver::new(
            &config.resolver,
            devices.clone(),
            live.clone(),
            upstreams.clone(),
            config.upstream.cache_bytes,
            clock.clone(),
        );

        let addresses = bound.addresses();
        let bind_notices = bound.notices().to_vec();
        let serving = bound
            .serve(&config.dns, resolver.clone(), log.clone(), clock.clone())
            .map_err(system)?;
        let serving = Arc::new(Mutex::new(Some(serving)));
        let reloader = Reloader::new(config.clone(), policy.clone());
        let parts = http_server::Parts {
            log: log.clone(),
            devices: devices.clone(),
            policy: policy.clone(),
            live,
            upstreams,
            resolver,
            counts: counts_of(&serving),
            started: clock.now(),
            clock,
            listen: addresses.clone(),
            config: config.file.as_ref().map(|file| file.display().to_string()),
            reload: reload_with(&reloader),
            notices: notices_of(bind_notices, &reloader, &policy),
        };
        let socket = config.socket();
        let api = runtime
            .block_on(http_server::serve_unix(&socket, parts))
            .map_err(|error| StartError::Listen(error.to_string()))?;
        let watching = policy
            .watch()
            .inspect_err(|error| {
                tracing::warn!(
                    "policy.toml is not watched ({error}); after an edit run `deadpixel reload`"
                )
            })
            .ok();
        keep_writing(&runtime, &devices);
        drop(inside);
        Ok(Daemon {
            runtime,
            serving,
            addresses,
            socket,
            api,
            log,
            devices,
            reloader,
            _watching: watching,
        })
    }

    /// Returns the addresses on which DNS is answered, ports filled in.
    pub fn dns_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the local socket of the API.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Closes the doors, lets queries in flight end, writes what was recorded.
    pub fn stop(self) {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            serving.stop(GRACE);
        }
        self.runtime.block_on(self.api.stop());
        self.log.stop();
        if let Err(error) = self.devices.flush() {
            tracing::error!("devices: {error}");
        }
        self.runtime.shutdown_timeout(Duration::from_millis(500));
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }
}

/// Writes what was seen of devices once a second.
fn keep_writing(runtime: &Runtime, devices: &Devices) {
    let devices = devices.clone();
    runtime.spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            second.tick().await;
            let devices = devices.clone();
            let written = tokio::task::spawn_blocking(move || devices.flush()).await;
            if let Ok(Err(error)) = written {
                tracing::warn!("devices cannot be written: {error}");
            }
        }
    });
}

fn counts_of(
    serving: &Arc<Mutex<Option<Serving>>>,
) -> Arc<dyn Fn() -> dns_server::Counts + Send + Sync> {
    let serving = serving.clone();
    Arc::new(move || {
        let serving = serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().map(Serving::counts).unwrap_or_default()
    })
}

fn reload_with(reloader: &Reloader) -> Arc<dyn Fn() -> Result<Vec<String>, String> + Send + Sync> {
    let reloader = reloader.clone();
    Arc::new(move || reloader.reload())
}

fn notices_of(
    bind: Vec<String>,
    reloader: &Reloader,
    policy: &PolicyFile,
) -> Arc<dyn Fn() -> Vec<String> + Send + Sync> {
    let (reloader, policy) = (reloader.clone(), policy.clone());
    Arc::new(move || {
        let mut notices = bind.clone();
        notices.extend(reloader.notice());
        notices.extend(policy.notices());
        notices
    })
}

fn policy_error(error: policy_file::StartError) -> StartError {
    match error {
        policy_file::StartError::Problems(problems) => StartError::Problems(problems),
        policy_file::StartError::Storage(error) => error.into(),
    }
}

fn system(error: std::io::Error) -> StartError {
    StartError::System(error.to_string())
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> StartError {
        StartError::System(error.to_string())
    }
}
