//! One screen of how the daemon fares.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ListBrief, ListUpdateView, NoticeView, PauseView, QueryTally, Tally};
use crate::model::Level;

/// How the daemon fares, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// All is well.
    Healthy,
    /// It answers, but something needs a person.
    Degraded,
    /// Everyone is paused.
    Paused,
    /// Everyone's level is off.
    Off,
}

/// One screen of how the daemon fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The state.
    pub health: Health,
    /// The state as one sentence.
    pub summary: String,
    /// The program's version.
    pub version: String,
    /// Since when it runs.
    pub started: Timestamp,
    /// The configuration it runs with.
    pub config: String,
    /// Where DNS is answered.
    pub listening: Vec<String>,
    /// Queries of the last 24 hours.
    pub queries: QueryTally,
    /// Attempts of the last 24 hours.
    pub attempts: Tally,
    /// Everyone's level.
    pub level: Level,
    /// Whether lists were switched by hand beside it.
    pub custom: bool,
    /// Pauses that have not ended.
    pub pauses: Vec<PauseView>,
    /// Lists, bans left out.
    pub lists: Vec<ListBrief>,
    /// Lists that are fetched, with the hosts that are contacted for them.
    pub fetching: Vec<ListUpdateView>,
    /// The edition of the catalogue of companies.
    pub catalogue: String,
    /// How many companies it knows.
    pub companies: usize,
    /// The zone of schedules.
    pub time_zone: String,
    /// Where that zone comes from.
    pub time_zone_from: String,
    /// The revision of the policy in force.
    pub revision: String,
    /// Where queries are forwarded.
    pub upstreams: Vec<UpstreamView>,
    /// Answers in the cache.
    pub cache_entries: u64,
    /// Octets of the cache.
    pub cache_bytes: u64,
    /// Lookups that found a fresh answer.
    pub cache_hits: u64,
    /// Lookups that did not.
    pub cache_misses: u64,
    /// The query log.
    pub log: LogState,
    /// What came in since the start.
    pub counts: Counts,
    /// Ways of telling devices apart that do not work here, each with what is used instead.
    #[serde(default)]
    pub unseen: Vec<String>,
    /// What needs a person now.
    pub notices: Vec<String>,
    /// How many notices are open.
    pub open_notices: usize,
    /// The latest of them.
    pub latest_notices: Vec<NoticeView>,
}

/// One upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamView {
    /// Its address as configured.
    pub name: String,
    /// Whether it is used now.
    pub up: bool,
    /// Questions sent.
    pub asked: u64,
    /// Questions without a usable answer.
    pub failed: u64,
    /// Smoothed time of an answer.
    pub latency_micros: Option<u64>,
    /// The last error, if it fails now.
    pub last_error: Option<String>,
    /// The zone it serves; none for all names.
    pub zone: Option<String>,
    /// How it is spoken to: `udp`, `tcp`, `tls`, `https`.
    #[serde(default)]
    pub transport: String,
    /// Questions with a usable answer.
    #[serde(default)]
    pub answered: u64,
    /// Of those that failed, the ones that got no reply in time.
    #[serde(default)]
    pub timeouts: u64,
    /// Questions asked again over TCP, because the reply over UDP was cut or cannot be believed.
    #[serde(default)]
    pub moved_to_tcp: u64,
    /// Time within which half of the recent answers came.
    #[serde(default)]
    pub p50_micros: Option<u64>,
    /// Time within which 95 of 100 recent answers came.
    #[serde(default)]
    pub p95_micros: Option<u64>,
}

/// How the query log fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    /// Events stored.
    pub events: u64,
    /// Octets of the file.
    pub bytes: u64,
    /// Events lost since the start.
    pub lost: u64,
    /// What is wrong with writing now.
    pub error: Option<String>,
}

/// What came in at the doors since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Replies over UDP, refusals and errors included.
    pub udp: u64,
    /// Replies over TCP.
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
    /// Of the replies, those that the kernel or the client did not take.
    pub unsent: u64,
    /// Queries put under the device that a forwarder named.
    pub claims_taken: u64,
    /// Queries and connections that claimed to be another's without being a forwarder's.
    pub claims_ignored: u64,
    /// The last of those.
    pub last_ignored_claim: Option<IgnoredClaim>,
    /// Errors of the sockets for datagrams, after each of which a worker paused for 10 ms.
    pub socket_errors: u64,
    /// Queries over their client's limit that were sent to TCP.
    #[serde(default)]
    pub rate_truncated: u64,
    /// Queries over their client's limit that were refused.
    #[serde(default)]
    pub rate_refused: u64,
    /// The client that was limited last.
    #[serde(default)]
    pub last_limited: Option<LimitedClient>,
    /// Datagrams that the kernel dropped before they were read.
    #[serde(default)]
    pub kernel_drops: u64,
}

/// A claim that did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IgnoredClaim {
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub client: IpAddr,
}

/// A client that asked more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LimitedClient {
    /// When it last did.
    pub at: Timestamp,
    /// Its address.
    pub client: IpAddr,
}
