//! The doors for DNS: sockets in, replies out; bind, serve, stop.

mod settings;

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Clock;
use crate::query_log::QueryLog;
use crate::resolver::Resolver;

pub use settings::Settings;

/// Sockets that are bound and not yet served.
pub struct Bound {}

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

/// Counts since the start, for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Queries answered over UDP.
    pub udp: u64,
    /// Queries answered over TCP.
    pub tcp: u64,
    /// Queries from addresses that are not served.
    pub refused_clients: u64,
    /// Packets that could not be read.
    pub malformed: u64,
    /// Queries shed because too many were in flight.
    pub shed: u64,
    /// Connections refused or closed because there were too many.
    pub connections_refused: u64,
    /// Connections open now.
    pub connections: u64,
}

/// The doors, open.
pub struct Serving {}

/// Binds every address, or none. Port 0 takes a free one, the same for UDP and TCP.
pub fn bind(settings: &Settings) -> Result<Bound, Vec<BindError>> {
    let _ = settings;
    todo!()
}

impl Bound {
    /// Returns the addresses that were bound, ports filled in.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        todo!()
    }

    /// Starts the workers: one thread each, with its own runtime and its own sockets.
    pub fn serve(
        self,
        settings: &Settings,
        resolver: Resolver,
        log: QueryLog,
        clock: Clock,
    ) -> std::io::Result<Serving> {
        let _ = (settings, resolver, log, clock);
        todo!()
    }
}

impl Serving {
    /// Returns counts.
    pub fn counts(&self) -> Counts {
        todo!()
    }

    /// Closes the doors and gives queries in flight `grace` to end.
    pub fn stop(self, grace: Duration) {
        let _ = grace;
        todo!()
    }
}
