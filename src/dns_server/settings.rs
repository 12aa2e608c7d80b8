//! The section `[dns]` of config.toml.

use std::net::SocketAddr;

use serde::Deserialize;

/// Where DNS is served, to whom, and how much at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Addresses, UDP and TCP alike.
    pub listen: Vec<SocketAddr>,
    /// Prefixes served beside those that always are: `203.0.113.0/24`.
    pub serve_also: Vec<String>,
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// TCP connections in all.
    pub tcp_connections: usize,
    /// TCP connections of one client.
    pub tcp_connections_per_client: usize,
    /// Queries that wait for an upstream, in all.
    pub in_flight: usize,
    /// Queries that wait for an upstream, of one client.
    pub in_flight_per_client: usize,
    /// Seconds without a query after which a TCP connection is closed.
    pub tcp_idle_seconds: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: vec![
                SocketAddr::from(([127, 0, 0, 1], 5335)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5335)),
            ],
            serve_also: Vec::new(),
            workers: 0,
            tcp_connections: 1_000,
            tcp_connections_per_client: 50,
            in_flight: 4_000,
            in_flight_per_client: 500,
            tcp_idle_seconds: 10,
        }
    }
}
