//! Counts over a span, and whom they are about.

use serde::{Deserialize, Serialize};

/// Raw queries over a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryTally {
    /// All of them.
    pub queries: u64,
    /// Those that were blocked.
    pub blocked: u64,
    /// Those that failed.
    pub failed: u64,
    /// Devices that asked.
    pub devices: u64,
}

/// Attempts over a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Companies that are known.
    pub companies: u64,
    /// Devices.
    pub devices: u64,
    /// All attempts.
    pub attempts: u64,
    /// Those that were blocked.
    pub blocked: u64,
    /// Those that got through.
    pub allowed: u64,
    /// Those without an answer.
    pub failed: u64,
    /// Those at names whose company nobody knows.
    pub unattributed: u64,
}

/// A company in few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyBrief {
    /// Its short name in commands.
    pub slug: String,
    /// The name people know.
    pub name: String,
    /// The name of the company it belongs to.
    pub parent: Option<String>,
}
