//! The policy's past and what a file would change: revisions, differences, ways back, plans.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// When.
    pub time: Timestamp,
    /// Who made it: `cli uid 0`, `api`, `editor`.
    pub actor: String,
    /// What it was.
    pub what: String,
    /// The revision of policy.toml that it made; none for pauses and rules with an end.
    pub revision: Option<String>,
    /// The end of what it began.
    pub until: Option<Timestamp>,
    /// Whether its revision is the one in force.
    pub in_force: bool,
}

/// A revision of policy.toml.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionView {
    /// The hash of the text.
    pub revision: String,
    /// When it was made.
    pub time: Timestamp,
    /// Who made it.
    pub actor: String,
    /// What it was made for.
    pub what: String,
}

/// What differs between two revisions, or a revision and a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// The older revision.
    pub from: RevisionView,
    /// The newer one; none: a file.
    pub to: Option<RevisionView>,
    /// The file.
    pub file: Option<String>,
    /// Lines that came.
    pub added: u64,
    /// Lines that went.
    pub removed: u64,
    /// The hunks of a unified diff.
    pub text: String,
}

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUndone {
    /// The revision whose text is in force again.
    pub back_to: RevisionView,
    /// The changes that are no longer in force, the latest first.
    pub taken_back: Vec<RevisionView>,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is answered as it is.
    Allowed,
    /// It is blocked.
    Blocked,
    /// A rule answers it.
    Rewritten,
    /// Its answer is truncated over UDP.
    Truncated,
    /// It is one of our own names.
    Local,
}

/// A name that a device asked for and that a policy would judge otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The number that the log has it under.
    pub device_id: u32,
    /// The device, or its number where it is no longer known.
    pub device: String,
    /// Whether the device is still known.
    pub known: bool,
    /// The name.
    pub name: String,
    /// What becomes of it under the policy in force.
    pub now: Fate,
    /// What would become of it.
    pub then: Fate,
    /// By which rule or list.
    pub why: String,
    /// Queries in the span.
    pub queries: u64,
}

/// What would change if a file were the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyPlan {
    /// The file.
    pub file: String,
    /// The beginning of the span that was looked at.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Pairs of device and name that were judged.
    pub pairs: u64,
    /// Of these, pairs that would no longer get through.
    pub blocked: u64,
    /// Pairs that would get through.
    pub allowed: u64,
    /// Pairs that would be answered otherwise.
    pub other: u64,
    /// The changes with the most queries, these first.
    pub changes: Vec<PlannedChange>,
    /// Changes with fewer queries that are left out.
    pub more: u64,
    /// What could not be told.
    pub untold: Vec<String>,
}
