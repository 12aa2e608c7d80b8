//! Who tried to track whom, and the query log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CompanyBrief, DeviceBrief, Tally};
use crate::model::{Outcome, RecordType};

/// Who tried to track whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The one device it is about, if it is.
    pub device: Option<DeviceBrief>,
    /// That device's last query.
    pub last_query: Option<Timestamp>,
    /// All in all.
    pub total: Tally,
    /// By device and company, most attempts first.
    pub rows: Vec<WhoRow>,
    /// Rows left out because there are too many; those with the fewest attempts.
    pub more: usize,
    /// Times in which queries could not be recorded.
    pub gaps: Vec<Gap>,
}

/// Attempts of one device and company.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoRow {
    /// The device's number.
    pub device_id: u32,
    /// The device's name.
    pub device: String,
    /// The company; none: Unattributed.
    pub company: Option<CompanyBrief>,
    /// What the name of it that was tried most is for, if the catalogue says.
    pub purpose: Option<String>,
    /// Attempts.
    pub attempts: u64,
    /// Those that were blocked.
    pub blocked: u64,
    /// Those that got through.
    pub allowed: u64,
    /// Those without an answer.
    pub failed: u64,
    /// Queries, as they came.
    pub queries: u64,
    /// The latest.
    pub last: Timestamp,
    /// Why the latest that got through did.
    pub got_through: Option<String>,
}

/// A time in which queries could not be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// How many.
    pub lost: u64,
}

/// A page of the query log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Newest first; oldest first where `after` was asked for.
    pub entries: Vec<LogEntry>,
    /// What to give as `before` for older events; none at the end.
    pub older: Option<String>,
    /// What to give as `after` for later events.
    pub newer: String,
    /// Times in which queries could not be recorded.
    pub gaps: Vec<Gap>,
}

/// One query and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its place in the log.
    pub cursor: String,
    /// When it came in.
    pub time: Timestamp,
    /// The device's number.
    pub device_id: u32,
    /// The device's name, or the address that asked.
    pub device: String,
    /// The address that asked.
    pub client: String,
    /// The name asked for; empty where only its count is kept.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub query_type: RecordType,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it would have been blocked but for a pause or the level.
    pub would_block: bool,
    /// What decided.
    pub reason: Option<String>,
    /// All lists that matched.
    pub lists: Vec<String>,
    /// The alias through which a rule matched.
    pub alias: Option<String>,
    /// Who runs the name.
    pub company: Option<CompanyBrief>,
    /// Whether it is a tracking name.
    pub tracking: bool,
    /// Whether it opened an attempt.
    pub attempt: bool,
    /// Who answered.
    pub answered_by: String,
    /// The response code sent.
    pub response_code: String,
    /// Microseconds to the answer.
    pub duration_micros: u32,
}
