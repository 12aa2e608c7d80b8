//! The doors for DNS: sockets in, replies out; bind, serve, stop.

mod counters;
mod listen;
mod port_holder;
mod proxy_header;
mod settings;

mod rate;

mod admission;
mod sockets;

mod drops;
mod inherited;

mod doors;

mod handler;
mod keeper;

mod stream;
#[cfg(target_os = "linux")]
mod udp;
mod udp_portable;

mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::discovery::OwnAddress;
use crate::query_log::QueryLog;
use crate::resolver::Resolver;

use admission::{Admission, Allotment, Bounds};
use counters::Counters;
use doors::Opened;
use drops::Drops;
use keeper::{Held, Keeper, Told};
use rate::Rates;
use stream::Stop;
use worker::{Change, Worker};

pub use crate::api::Counts;
pub use listen::Listen;
pub use proxy_header::{Opening, ProxyHeader, read_opening};
pub use settings::Settings;

/// Sockets that are bound and not yet served.
pub struct Bound {
    opened: Opened,
}

/// What is behind the doors.
pub struct Behind {
    /// The resolver.
    pub resolver: Resolver,
    /// The query log.
    pub log: QueryLog,
    /// The clock.
    pub clock: Clock,
    /// The addresses of this machine, which wildcards follow.
    pub own: watch::Receiver<Arc<[OwnAddress]>>,
}

/// Changes that may wait for a worker.
const WAITING_CHANGES: usize = 64;

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{door}: {why}")]
pub struct BindError {
    /// The address and the transport, or the entry of `listen`.
    pub door: String,
    /// What is wrong, who holds the port if that can be known, and the mend.
    pub why: String,
}

/// The doors, open; dropping it closes them without grace.
pub struct Serving {
    counters: Vec<Arc<Counters>>,
    connections: Arc<Allotment>,
    drops: Arc<Drops>,
    notices: Vec<String>,
    told: Told,
    stop: watch::Sender<Option<Duration>>,
    threads: Vec<JoinHandle<()>>,
}

/// Binds every address, or none. Port 0 takes a free one, the same for UDP and TCP.
///
/// A wildcard is bound as the addresses that interfaces have now, each on its own; once it is
/// served, those that come and go are followed.
pub fn bind(settings: &Settings) -> Result<Bound, Vec<BindError>> {
    Ok(Bound { opened: doors::open(settings, &OwnAddress::read())? })
}

impl Bound {
    /// Returns the addresses that were bound, as configured, ports filled in.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.opened.addresses.clone()
    }

    /// Starts the workers: one thread each, with its own runtime and its own sockets; and the one
    /// that follows our addresses.
    pub fn serve(self, settings: &Settings, behind: Behind) -> io::Result<Serving> {
        let Opened { workers, plan, held, refused, drops, notices, passing, .. } = self.opened;
        let bounds = Arc::new(bounds(settings, &behind.own.borrow())?);
        let (stop, stopped) = watch::channel(None);
        let held = Held::new(held, &refused);
        let told = Told::new([passing, held.notices()].concat().into());
        let mut serving = Serving {
            counters: Vec::new(),
            connections: Arc::clone(&bounds.connections),
            drops: Arc::clone(&drops),
            notices,
            told: Arc::clone(&told),
            stop,
            threads: Vec::new(),
        };
        let mut changes = Vec::new();
        for (number, doors) in workers.into_iter().enumerate() {
            let counters = Arc::new(Counters::default());
            serving.counters.push(Arc::clone(&counters));
            let (change, changed) = mpsc::channel(WAITING_CHANGES);
            changes.push(change);
            let worker = Worker {
                number,
                resolver: behind.resolver.clone(),
                log: behind.log.clone(),
                clock: behind.clock.clone(),
                bounds: Arc::clone(&bounds),
                counters,
                idle: Duration::from_secs(settings.tcp_idle_seconds),
                batched: settings.batched,
                stop: stopped.clone(),
            };
            serving.threads.push(worker::start(worker, doors, changed)?);
        }
        let (own, admission, workers) = (behind.own, Arc::clone(&bounds.admission), changes);
        let keeper = Keeper { plan, own, admission, workers, held, drops, told, stop: stopped };
        serving.threads.push(keeper.start()?);
        Ok(serving)
    }
}

fn bounds(settings: &Settings, own: &[OwnAddress]) -> io::Result<Bounds> {
    let also = settings
        .prefixes()
        .map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong.join("\n")))?;
    Ok(Bounds {
        admission: Arc::new(Admission::new(also, own)),
        rates: Arc::new(Rates::new(settings)),
        in_flight: Allotment::new(settings.in_flight, settings.in_flight_per_client),
        connections: Allotment::new(settings.tcp_connections, settings.tcp_connections_per_client),
    })
}

impl Serving {
    /// Returns counts.
    pub fn counts(&self) -> Counts {
        let mut total = Counts { connections: self.connections.held() as u64, ..Counts::default() };
        self.counters.iter().for_each(|counters| counters.add_to(&mut total));
        total.kernel_drops = self.drops.total();
        total
    }

    /// Returns what a person should know now: a small buffer, an address that is not there or that
    /// another program holds.
    pub fn notices(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.notices.iter().chain(told.iter()).cloned().collect()
    }

    /// Closes the doors, gives queries in flight `grace` to end, and waits for the threads.
    pub fn stop(self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a DNS worker had ended by a defect");
            }
        }
    }
}
