//! Builds each part from its settings, hands out the handles, and stops in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::reload::Reloader;
use super::{GRACE, Inbox, ListUpdates, StartError, UpdateParts, WatchedParts, Watchers, folder};
use crate::background::stand_back;
use crate::clock::Clock;
use crate::config::Config;
use crate::devices::Devices;
use crate::discovery::{self, Discovery};
use crate::dns_server::{self, Behind, Bound, Serving};
use crate::http_server::{self, UnixDoor};
use crate::lists::Lists;
use crate::lists::fetch::{Fetcher, Trust};
use crate::notices::Notices;
use crate::policy::LivePolicy;
use crate::policy_file::{self, PolicyFile, Watching, Zone};
use crate::query_log::{QueryLog, Told};
use crate::resolver::{Handles, Resolver};
use crate::storage::{Database, STATE_MIGRATIONS, StorageError, hash_seed};
use crate::upstream::Upstreams;

/// Threads of the main runtime, and the name of those that it starts for jobs.
const MAIN_THREADS: usize = 2;
const JOBS: &str = "deadpixel-jobs";

/// A running daemon.
pub struct Daemon {
    runtime: Runtime,
    doors: Doors,
    api: (oneshot::Sender<()>, JoinHandle<std::io::Result<()>>),
    addresses: Vec<SocketAddr>,
    socket: PathBuf,
    log: QueryLog,
    devices: Devices,
    watchers: Watchers,
    reloader: Reloader,
    watching: Option<Watching>,
}

/// The DNS doors; empty once they are closed.
type Doors = Arc<Mutex<Option<Serving>>>;

/// The parts behind the doors.
struct Parts {
    config: Config,
    clock: Clock,
    state: Arc<Database>,
    devices: Devices,
    discovery: Discovery,
    inbox: Inbox,
    log: QueryLog,
    policy: PolicyFile,
    live: LivePolicy,
    upstreams: Upstreams,
    resolver: Resolver,
    updates: ListUpdates,
}

impl Daemon {
    /// Starts everything or nothing: sockets are bound before anything is served.
    pub fn start(config: &Config, clock: Clock) -> Result<Daemon, StartError> {
        let data = config.data_folder();
        folder::prepare(&data)?;
        let bound = bind(config)?;
        let socket = config.socket();
        let local_door = http_server::bind_unix(&socket)
            .map_err(|error| StartError::Unusable(error.to_string()))?;
        let runtime = main_runtime()?;
        let parts = {
            let _inside = runtime.enter();
            Parts::assemble(config.clone(), &data, clock)?
        };
        let addresses = bound.addresses();
        let serving = bound.serve(&config.dns, parts.behind_the_doors()).map_err(failed)?;
        let doors: Doors = Arc::new(Mutex::new(Some(serving)));
        let reloader = Reloader::new(config.clone(), parts.policy.clone());
        let watchers = watchers(&parts, &addresses)?;
        let http = http_parts(&parts, &doors, &reloader, (&addresses, &watchers));
        let api = serve_api(&runtime, local_door, http);
        keep_writing(&runtime, &parts.devices);
        watchers.keep_looking(&runtime);
        follow_schedules(&runtime, &parts.policy);

        Ok(Daemon {
            watching: watch(&parts.policy),
            runtime,
            doors,
            api,
            addresses,
            socket,
            log: parts.log,
            devices: parts.devices,
            watchers,
            reloader,
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
        drop(self.watching);
        let end = Instant::now() + GRACE;
        let (stop, served) = self.api;
        // An API that has ended by itself needs no telling.
        let _ = stop.send(());
        let serving = self.doors.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            serving.stop(GRACE);
        }
        let closed = self.runtime.block_on(async { timeout_at(end, served).await });
        if let Ok(Ok(Err(error))) = closed {
            tracing::warn!("{}: {error}", self.socket.display());
        }
        self.log.stop();
        if let Err(error) = self.watchers.look_and_write() {
            tracing::error!("notices: {error}");
        }
        if let Err(error) = self.devices.flush() {
            tracing::error!("devices: {error}");
        }
        self.runtime.shutdown_timeout(Duration::from_millis(500));
    }

    pub(super) fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }
}

impl Parts {
    fn assemble(config: Config, data: &Path, clock: Clock) -> Result<Parts, StartError> {
        let state = Arc::new(Database::open(&data.join("state.db"), STATE_MIGRATIONS)?);
        let seed = hash_seed(&state)?;
        let devices = Devices::open(&config.devices, state.clone(), clock.clone())?;
        let seen = devices.clone();
        let inbox = Inbox::default();
        let for_watchers = inbox.clone();
        let told = Box::new(move |told: &Told| {
            let batch = told.seen.iter().map(|seen| (seen.binding, seen.latest, seen.queries));
            seen.seen(&batch.collect::<Vec<_>>());
            for_watchers.take(told);
        });
        let log = QueryLog::open(data, &config.log, clock.clone(), told)?;
        let announce = log.clone();
        let lists = Lists::open(&config.lists, data, state.clone(), seed)?;
        let store = lists.store();
        let (policy, live) = PolicyFile::start(policy_file::Parts {
            folder: data.to_path_buf(),
            state: state.clone(),
            devices: devices.clone(),
            lists,
            clock: clock.clone(),
            zone: Zone::of(&config.policy).map_err(|(why, _)| StartError::Unusable(why))?,
            announce: Box::new(move |legend| announce.announce(legend)),
        })
        .map_err(policy_error)?;
        let upstreams =
            Upstreams::new(&config.upstream, clock.clone()).map_err(StartError::Unusable)?;
        let discovery = Discovery::start(
            &config.discovery,
            discovery::Parts { devices: devices.clone(), clock: clock.clone() },
        );
        let handles = Handles {
            devices: devices.clone(),
            discovery: discovery.clone(),
            live: live.clone(),
            upstreams: upstreams.clone(),
            clock: clock.clone(),
        };
        let resolver = Resolver::new(&config.resolver, &config.upstream, handles);
        let trust = Trust::with_own(config.lists.ca.as_deref()).map_err(StartError::Unusable)?;
        let fetcher = Fetcher::new(upstreams.clone(), &trust).map_err(StartError::Failed)?;
        let (for_updates, clocks) = (policy.clone(), clock.clone());
        let updates = UpdateParts { policy: for_updates, store, fetcher, clock: clocks };
        let updates = ListUpdates::spawn(updates);
        Ok(Parts {
            config,
            clock,
            state,
            devices,
            discovery,
            inbox,
            log,
            policy,
            live,
            upstreams,
            resolver,
            updates,
        })
    }
}

impl Parts {
    fn behind_the_doors(&self) -> Behind {
        Behind {
            resolver: self.resolver.clone(),
            log: self.log.clone(),
            clock: self.clock.clone(),
            own: self.discovery.own_addresses(),
        }
    }
}

fn bind(config: &Config) -> Result<Bound, StartError> {
    dns_server::bind(&config.dns).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        StartError::Unusable(lines.join("\n"))
    })
}

fn main_runtime() -> Result<Runtime, StartError> {
    let started = AtomicUsize::new(0);
    // Its own threads come first. Behind them come those for jobs: lists compiled, files written,
    // the log searched. No query waits for one.
    let name = move || match started.fetch_add(1, Ordering::Relaxed) {
        0..MAIN_THREADS => "deadpixel-main".to_owned(),
        _ => JOBS.to_owned(),
    };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(MAIN_THREADS)
        .thread_name_fn(name)
        .on_thread_start(|| {
            if std::thread::current().name() == Some(JOBS) {
                stand_back();
            }
        })
        .enable_all()
        .build()
        .map_err(failed)
}

fn serve_api(
    runtime: &Runtime,
    door: UnixDoor,
    parts: http_server::Parts,
) -> (oneshot::Sender<()>, JoinHandle<std::io::Result<()>>) {
    let (stop, stopped) = oneshot::channel();
    let told = async {
        // A daemon that is gone without a word ends its API too.
        let _ = stopped.await;
    };
    (stop, runtime.spawn(door.serve(http_server::router(parts), told)))
}

fn watch(policy: &PolicyFile) -> Option<Watching> {
    let watching = policy.watch();
    watching
        .inspect_err(|error| {
            tracing::warn!(
                "policy.toml is not watched ({error}): run `deadpixel reload` after edits"
            );
        })
        .ok()
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

/// Looks once a second whether schedules began or ended: a clock that jumps is followed as soon.
fn follow_schedules(runtime: &Runtime, policy: &PolicyFile) {
    let policy = policy.clone();
    runtime.spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            second.tick().await;
            let policy = policy.clone();
            let ticked = tokio::task::spawn_blocking(move || policy.tick()).await;
            if let Ok(true) = ticked {
                tracing::info!("schedules began or ended: the policy for now is in force");
            }
        }
    });
}

fn http_parts(
    parts: &Parts,
    doors: &Doors,
    reloader: &Reloader,
    (addresses, watchers): (&[SocketAddr], &Watchers),
) -> http_server::Parts {
    let file = parts.config.file.as_ref();
    let for_counts = doors.clone();
    let for_reload = reloader.clone();
    let (doors, damaged) = (doors.clone(), damage(&parts.state));
    let for_notices = reloader.clone();
    http_server::Parts {
        log: parts.log.clone(),
        devices: parts.devices.clone(),
        discovery: parts.discovery.clone(),
        policy: parts.policy.clone(),
        live: parts.live.clone(),
        upstreams: parts.upstreams.clone(),
        resolver: parts.resolver.clone(),
        counts: Arc::new(move || {
            let doors = for_counts.lock().unwrap_or_else(PoisonError::into_inner);
            doors.as_ref().map(Serving::counts).unwrap_or_default()
        }),
        started: parts.clock.now(),
        clock: parts.clock.clone(),
        listening: addresses.to_vec(),
        config: file.map_or("defaults".into(), |file| file.display().to_string()),
        updates: list_updates(&parts.updates),
        reload: Arc::new(move || for_reload.reload()),
        notices: Arc::new(move || {
            let doors = doors.lock().unwrap_or_else(PoisonError::into_inner);
            let mut notices = doors.as_ref().map(Serving::notices).unwrap_or_default();
            notices.extend(damaged.clone());
            notices.extend(for_notices.notice());
            notices
        }),
        news: news(watchers),
    }
}

/// Makes those ready who watch for what a person should know.
fn watchers(parts: &Parts, addresses: &[SocketAddr]) -> Result<Watchers, StartError> {
    let notices = Notices::open(parts.state.clone(), parts.clock.clone())?;
    Ok(Watchers::new(WatchedParts {
        inbox: parts.inbox.clone(),
        notices,
        devices: parts.devices.clone(),
        discovery: parts.discovery.clone(),
        log: parts.log.clone(),
        policy: parts.policy.clone(),
        listening: addresses.to_vec(),
        clock: parts.clock.clone(),
    })?)
}

fn news(watchers: &Watchers) -> http_server::News {
    let to_look = watchers.clone();
    http_server::News { notices: watchers.notices(), look: Arc::new(move || to_look.look_now()) }
}

fn list_updates(updates: &ListUpdates) -> http_server::ListUpdates {
    let (for_views, to_update) = (updates.clone(), updates.clone());
    http_server::ListUpdates {
        views: Arc::new(move || for_views.views()),
        update: Arc::new(move |names| to_update.update(names)),
    }
}

/// Returns what a person should know of the database.
fn damage(state: &Database) -> Option<String> {
    state.damaged().map(|aside| {
        format!("state.db was damaged: it lies in {}, and a new one was begun", aside.display())
    })
}

fn policy_error(error: policy_file::StartError) -> StartError {
    match error {
        policy_file::StartError::Problems(problems) => StartError::Problems(problems),
        policy_file::StartError::Storage(error) => error.into(),
    }
}

fn failed(error: std::io::Error) -> StartError {
    StartError::Failed(error.to_string())
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> StartError {
        StartError::Failed(error.to_string())
    }
}
