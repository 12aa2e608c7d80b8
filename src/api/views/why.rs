//! Why a name is blocked or not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CompanyBrief, DeviceBrief, LogEntry};
use crate::model::{Level, ListKind, Outcome, RecordType, Tier};

/// Why a name is blocked or not, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub query_type: RecordType,
    /// The device; none: one without a policy of its own.
    pub device: Option<DeviceBrief>,
    /// What would become of a query.
    pub outcome: Outcome,
    /// Whether it would be blocked but for a pause or the level.
    pub would_block: bool,
    /// Until when the device is paused.
    pub paused_until: Option<Timestamp>,
    /// The level in force.
    pub level: Level,
    /// The alias through which a rule matches, as last seen.
    pub alias: Option<WhyAlias>,
    /// What decides.
    pub decided_by: Option<DecidedBy>,
    /// Own rules for the name that bind the device, narrow scopes first.
    pub own: Vec<OwnMatch>,
    /// All rules of all lists that match.
    pub lists: Vec<ListMatch>,
    /// Who runs the name, or the alias.
    pub company: Option<CompanyRow>,
    /// Whether it is a tracking name.
    pub tracking: bool,
    /// The answer a query would get.
    pub answer: Expected,
    /// The last time it was asked for.
    pub last: Option<LogEntry>,
    /// The revision of the policy.
    pub revision: String,
}

/// An alias as the log last saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyAlias {
    /// The name it leads to.
    pub target: String,
    /// When it did.
    pub seen: Timestamp,
}

/// What decides on a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DecidedBy {
    /// A rule of one's own.
    Rule {
        /// The rule as people read it.
        text: String,
    },
    /// A company ban.
    Ban {
        /// The ban's list.
        list: String,
        /// The row of it.
        rule: Option<String>,
        /// Its line.
        line: Option<u32>,
    },
    /// A list.
    List {
        /// The list.
        list: String,
        /// The version of it; none: it is shipped.
        version: Option<u32>,
        /// The rule of it.
        rule: Option<String>,
        /// Its line.
        line: Option<u32>,
    },
    /// A name that tells devices to use the network's resolver.
    Canary,
    /// Only listed names are answered, and nothing allows this one.
    NotListed,
}

/// One rule of a list that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListMatch {
    /// The list.
    pub list: String,
    /// What it is about.
    pub kind: ListKind,
    /// The version of the list; none: it is shipped.
    pub version: Option<u32>,
    /// The rule.
    pub rule: String,
    /// Its line.
    pub line: Option<u32>,
    /// What it would do: block, allow, rewrite, truncate, hole, cancel.
    pub verdict: String,
    /// Whether the list binds this device.
    pub binds: bool,
    /// Why it decides, or does not.
    pub why: String,
}

/// One own rule that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnMatch {
    /// The rule as people read it.
    pub rule: String,
    /// Why it decides, or does not.
    pub why: String,
}

/// A company with the row of the catalogue that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyRow {
    /// The company.
    pub company: CompanyBrief,
    /// What the name is for.
    pub purpose: String,
    /// What it does, as far as policies act on it.
    pub tier: Tier,
    /// What breaks if it is blocked.
    pub breakage: String,
    /// Who says so.
    pub evidence: String,
}

/// The answer a query would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Expected {
    /// The sinkhole's.
    Sinkhole {
        /// What it says: `0.0.0.0`, `NXDOMAIN`.
        data: String,
        /// Seconds it may be kept.
        ttl: u32,
    },
    /// A rule's, which rewrites it.
    Rewrite {
        /// Its response code.
        rcode: String,
        /// Its records: `A 192.0.2.1`, `CNAME other.example` and what that leads to.
        records: Vec<String>,
    },
    /// An upstream's over TCP; over UDP it is truncated.
    Truncated,
    /// One of ours.
    Local,
    /// An upstream's or the cache's.
    Upstream,
}
