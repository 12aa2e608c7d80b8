//! What the log is asked, and what it answers.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{BindingId, DeviceId, Outcome, RecordType};

/// The company of a filter that wants tracking names without a known one.
pub const UNATTRIBUTED: &str = "unattributed";

/// Stands for the company in totals of devices of which only counts are kept.
pub const COUNTS_ONLY: &str = "(counts only)";

/// Stands for the name of events that came in a flood of names too many to keep.
pub const MANY_NAMES: &str = "(many names)";

/// Which events are wanted. Empty means all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Of these devices.
    pub devices: Vec<DeviceId>,
    /// Of this company, by slug; `unattributed` for tracking names of none.
    pub company: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Whose name or alias has this text in it, whatever the case.
    pub text: Option<String>,
    /// Only tracking names.
    pub tracking: bool,
    /// Not before, microseconds since 1970.
    pub from: Option<i64>,
    /// Before, microseconds since 1970.
    pub until: Option<i64>,
}

/// A place in the log; later events compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// Microseconds since 1970.
    pub at: i64,
    /// The device.
    pub device: DeviceId,
}

/// One event as it is stored, numbers turned into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub cursor: Cursor,
    /// The binding it was made under.
    pub binding: BindingId,
    /// The address that asked.
    pub client: String,
    /// The name asked for, in presentation form; its registrable domain where `random` is set.
    pub name: String,
    /// Whether the name came in a flood of new names, of which only the domain is kept.
    pub random: bool,
    /// The type asked for.
    pub query_type: RecordType,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether rules would have blocked it, but a pause or the level lifted them.
    pub would_block: bool,
    /// The rule, ban or list that decided, as text: `list trackers`, `ban ban-tiktok`, `rule block x for TV`, `canary`, `not listed`.
    pub reason: Option<String>,
    /// All lists that matched.
    pub lists: Vec<String>,
    /// The alias through which a rule matched.
    pub alias: Option<String>,
    /// The company's slug.
    pub company: Option<String>,
    /// Whether it is a tracking name.
    pub tracking: bool,
    /// Whether it opened an attempt.
    pub attempt: bool,
    /// Who answered: `sinkhole`, `local`, `cache`, `upstream 0`, `nobody`.
    pub answered_by: String,
    /// The response code sent.
    pub response_code: u16,
    /// Microseconds to the answer.
    pub duration: u32,
}

/// A time in which events were lost, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first that was lost, microseconds since 1970.
    pub from: i64,
    /// The last that was lost, microseconds since 1970.
    pub until: i64,
    /// Events that could not be recorded.
    pub lost: u64,
}

/// Tallies of one device and company over a span; tracking names only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// The device.
    pub device: DeviceId,
    /// The company's slug; `None`: no known company; [`COUNTS_ONLY`]: not kept.
    pub company: Option<String>,
    /// Attempts, by outcome.
    pub attempts: u64,
    /// Attempts that were blocked.
    pub blocked: u64,
    /// Attempts that got through.
    pub allowed: u64,
    /// Attempts without an answer.
    pub failed: u64,
    /// Queries for tracking names.
    pub queries: u64,
    /// The latest, microseconds since 1970.
    pub last: i64,
}

impl Total {
    /// Adds the total of another part of the same device.
    pub fn add_up(&mut self, other: &Total) {
        self.attempts += other.attempts;
        self.blocked += other.blocked;
        self.allowed += other.allowed;
        self.failed += other.failed;
        self.queries += other.queries;
        self.last = self.last.max(other.last);
    }
}

/// Of one device's tracking names of one company, the one with the most attempts over a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopName {
    /// The device.
    pub device: DeviceId,
    /// The company's slug.
    pub company: String,
    /// The name.
    pub name: String,
    /// An alias that it was judged by, if it ever was.
    pub alias: Option<String>,
    /// Its attempts.
    pub attempts: u64,
}

/// Queries of one device over a span, tracking or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryCount {
    /// All queries.
    pub queries: u64,
    /// Those that were blocked.
    pub blocked: u64,
    /// Those that failed.
    pub failed: u64,
}

/// How the log fares, for `status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogFigures {
    /// Events stored.
    pub events: u64,
    /// Octets of the file.
    pub bytes: u64,
    /// Events lost since the start, all of them in gaps.
    pub lost: u64,
    /// What is wrong with writing now, if anything.
    pub error: Option<String>,
    /// Where a damaged log was put, if one was found since the start.
    pub set_aside: Option<PathBuf>,
}

impl Gap {
    /// Returns one gap that holds both.
    pub(super) fn join(self, other: Gap) -> Gap {
        Gap {
            from: self.from.min(other.from),
            until: self.until.max(other.until),
            lost: self.lost + other.lost,
        }
    }
}
