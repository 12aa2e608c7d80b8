//! The doors for DNS: sockets in, replies out; bind, serve, stop.

mod counters;
mod interfaces;
mod port_holder;
mod proxy_header;
mod settings;

mod rate;

mod admission;
mod sockets;

mod handler;

mod stream;
#[cfg(target_os = "linux")]
mod udp;
mod udp_portable;

mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::query_log::QueryLog;
use crate::resolver::Resolver;

use admission::{Admission, Allotment, Bounds};
use counters::Counters;
use rate::Rates;
use sockets::Doors;
use worker::Worker;

pub use crate::api::Counts;
pub use proxy_header::{Opening, ProxyHeader, read_opening};
pub use settings::Settings;

/// Sockets that are bound and not yet served.
pub struct Bound {
    doors: Doors,
}

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{address} ({transport}): {why}")]
pub struct BindError {
    /// The address of config.toml.
    pub address: SocketAddr,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// What is wrong, who holds the port if that can be known, and the mend.
    pub why: String,
}

/// The doors, open; dropping it closes them without grace.
pub struct Serving {
    counters: Vec<Arc<Counters>>,
    connections: Arc<Allotment>,
    stop: watch::Sender<Option<Duration>>,
    threads: Vec<JoinHandle<()>>,
}

/// Binds every address, or none. Port 0 takes a free one, the same for UDP and TCP.
///
/// A wildcard is bound as the addresses that interfaces have now; those that come later are served
/// after a restart.
pub fn bind(settings: &Settings) -> Result<Bound, Vec<BindError>> {
    Ok(Bound { doors: sockets::open(settings)? })
}

impl Bound {
    /// Returns the addresses that were bound, as configured, ports filled in.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.addresses.clone()
    }

    /// Returns what a person should know of them: a small buffer, an address that is not there.
    pub fn notices(&self) -> &[String] {
        &self.doors.notices
    }

    /// Starts the workers: one thread each, with its own runtime and its own sockets.
    pub fn serve(
        self,
        settings: &Settings,
        resolver: Resolver,
        log: QueryLog,
        clock: Clock,
    ) -> io::Result<Serving> {
        let bounds = Arc::new(bounds(settings)?);
        let (stop, stopped) = watch::channel(None);
        let mut serving = Serving {
            counters: Vec::new(),
            connections: Arc::clone(&bounds.connections),
            stop,
            threads: Vec::new(),
        };
        for (number, doors) in self.doors.workers.into_iter().enumerate() {
            let counters = Arc::new(Counters::default());
            serving.counters.push(Arc::clone(&counters));
            let worker = Worker {
                number,
                resolver: resolver.clone(),
                log: log.clone(),
                clock: clock.clone(),
                bounds: Arc::clone(&bounds),
                counters,
                idle: Duration::from_secs(settings.tcp_idle_seconds),
                batched: settings.batched,
                stop: stopped.clone(),
            };
            serving.threads.push(worker::start(worker, doors)?);
        }
        Ok(serving)
    }
}

fn bounds(settings: &Settings) -> io::Result<Bounds> {
    let also = settings
        .prefixes()
        .map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong.join("\n")))?;
    let interfaces = interfaces::read().unwrap_or_default();
    Ok(Bounds {
        admission: Arc::new(Admission::new(also, &interfaces)),
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
        total
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
