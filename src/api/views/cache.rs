//! The cache of upstreams' answers.

use serde::{Deserialize, Serialize};

/// How full the cache is, and how well it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheView {
    /// Answers held, expired ones among them.
    pub entries: u64,
    /// Those that have expired, kept for when no upstream answers.
    pub expired: u64,
    /// Octets held.
    pub bytes: u64,
    /// Octets that may be held.
    pub bound: u64,
    /// Lookups since the start that found a fresh answer.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Expired answers given, since no upstream answered in time.
    pub stale: u64,
    /// Answers pushed out for others.
    pub evictions: u64,
}

/// Answers were removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheFlushed {
    /// The name; all below it was meant too. None: every name.
    pub name: Option<String>,
    /// How many answers that were.
    pub removed: u64,
}
