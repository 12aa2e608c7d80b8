//! The section `[dns]` of config.toml.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Listen;
use crate::model::Prefix;

/// Most worker threads.
const MAX_WORKERS: usize = 256;
/// Longest idle time of a connection, in seconds.
const MAX_IDLE: u64 = 3_600;
/// Highest limit of queries a second, and of those at once; more is as good as none.
const MAX_RATE: u32 = 100_000;
const MAX_BURST: u32 = 1_000_000;

/// Where DNS is served, to whom, and how much at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Addresses and sockets, UDP and TCP alike.
    pub listen: Vec<Listen>,
    /// Prefixes served beside those that always are: `203.0.113.0/24`.
    pub serve_also: Vec<String>,
    /// Worker threads; 0 is one a core.
    pub workers: usize,
    /// Whether datagrams are received and sent in batches, where the system can.
    pub batched: bool,
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
    /// Queries a second of one client; 0 sets no limit.
    pub rate_limit: u32,
    /// Queries of one client at once.
    pub rate_burst: u32,
    /// Whether clients in local networks are limited too.
    pub rate_limit_local: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: vec![
                SocketAddr::from(([127, 0, 0, 1], 5335)).into(),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5335)).into(),
            ],
            serve_also: Vec::new(),
            workers: 0,
            batched: true,
            tcp_connections: 1_000,
            tcp_connections_per_client: 50,
            in_flight: 4_000,
            in_flight_per_client: 500,
            tcp_idle_seconds: 10,
            rate_limit: 1_000,
            rate_burst: 5_000,
            rate_limit_local: true,
        }
    }
}

impl Settings {
    /// Checks what the types cannot; tells every problem, one a line.
    pub fn check(&self) -> Result<(), String> {
        let mut wrong: Vec<String> = self.prefixes().err().unwrap_or_default();
        if self.listen.is_empty() {
            wrong.push("`listen` is empty; give an address such as 127.0.0.1:5335".into());
        }
        wrong.extend(self.listen.iter().filter_map(|listen| self.clash(listen)));
        let limits = [
            ("tcp_connections", self.tcp_connections),
            ("tcp_connections_per_client", self.tcp_connections_per_client),
            ("in_flight", self.in_flight),
            ("in_flight_per_client", self.in_flight_per_client),
        ];
        let zero = limits.iter().filter(|(_, limit)| *limit == 0);
        wrong.extend(zero.map(|(key, _)| format!("`{key}` is 0: nobody would be served")));
        if !(1..=MAX_IDLE).contains(&self.tcp_idle_seconds) {
            wrong.push(format!("`tcp_idle_seconds` is from 1 to {MAX_IDLE}"));
        }
        if self.rate_limit > MAX_RATE {
            wrong.push(format!("`rate_limit` is at most {MAX_RATE}; 0 sets no limit"));
        }
        if !(1..=MAX_BURST).contains(&self.rate_burst) {
            wrong.push(format!("`rate_burst` is from 1 to {MAX_BURST}"));
        }
        if self.workers > MAX_WORKERS {
            wrong.push(format!("`workers` is at most {MAX_WORKERS}; 0 takes one a core"));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// Returns what is wrong with an address whose port is open at every address already.
    fn clash(&self, listen: &Listen) -> Option<String> {
        let port = match listen {
            Listen::Address(address) => address.port(),
            Listen::OnInterface { port, .. } => *port,
            Listen::Any(_) | Listen::Inherited => return None,
        };
        let any = Listen::Any(port);
        let clashes = port != 0 && self.listen.contains(&any);
        clashes.then(|| format!("`listen`: {any} means {listen} too; take one of the two out"))
    }

    /// Returns the prefixes of `serve_also`, or what is wrong with each that is none.
    pub(super) fn prefixes(&self) -> Result<Vec<Prefix>, Vec<String>> {
        let read: Vec<Result<Prefix, String>> =
            self.serve_also.iter().map(|text| text.parse()).collect();
        let wrong: Vec<String> = read
            .iter()
            .filter_map(|prefix| Some(format!("`serve_also`: {}", prefix.as_ref().err()?)))
            .collect();
        if wrong.is_empty() { Ok(read.into_iter().flatten().collect()) } else { Err(wrong) }
    }

    /// Returns how many worker threads to start.
    pub(super) fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
            workers => workers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right() {
        assert_eq!(Settings::default().check(), Ok(()));
        assert!(Settings::default().worker_count() >= 1);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let settings = Settings {
            listen: Vec::new(),
            serve_also: vec!["203.0.113.0/24".into(), "203.0.113.0/33".into(), "lan".into()],
            workers: 1_000,
            tcp_connections: 0,
            in_flight: 0,
            tcp_idle_seconds: 0,
            rate_limit: 100_001,
            rate_burst: 0,
            ..Settings::default()
        };
        let told = settings.check().expect_err("nine problems");
        assert_eq!(told.lines().count(), 9, "{told}");
        assert!(told.contains("203.0.113.0/33") && !told.contains("203.0.113.0/24"), "{told}");
    }

    #[test]
    fn an_address_that_any_means_too_is_told() {
        let listen = ["any:53", "127.0.0.1:53", "127.0.0.1:5335", "systemd"];
        let listen = listen.map(|text| text.parse().expect("an entry")).to_vec();
        let told = Settings { listen, ..Settings::default() }.check().expect_err("one clash");
        assert_eq!(told, "`listen`: any:53 means 127.0.0.1:53 too; take one of the two out");
    }
}
