//! Lists that are fetched: how that goes, and what becomes of each as it happens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How the fetching of a list goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListUpdateView {
    /// The list.
    pub list: String,
    /// The host that is contacted for it.
    pub host: String,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// When that last went well.
    pub last_success: Option<Timestamp>,
    /// When it is due again; none: at once.
    pub next_due: Option<Timestamp>,
    /// What was wrong the last time.
    pub last_error: Option<String>,
    /// How far it is, if it is being fetched now.
    pub running: Option<ReceivedView>,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedView {
    /// Octets received.
    pub received: u64,
    /// Octets that the server promises, if it does.
    pub expected: Option<u64>,
}

/// Something that happens while lists are fetched: one line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum UpdateEvent {
    /// A host is contacted.
    Started {
        /// The list.
        list: String,
        /// The host.
        host: String,
    },
    /// More of a list came.
    Received {
        /// The list.
        list: String,
        /// How far it is.
        #[serde(flatten)]
        progress: ReceivedView,
    },
    /// A list came, or did not.
    Ended {
        /// The list.
        list: String,
        /// What became of it.
        #[serde(flatten)]
        outcome: UpdateOutcome,
    },
    /// The lists that changed are in force.
    InForce,
    /// They could not be put in force.
    NotInForce {
        /// Why.
        why: String,
    },
}

/// What became of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum UpdateOutcome {
    /// The server has nothing new.
    Unchanged,
    /// A new version is taken in.
    Changed {
        /// Its number.
        version: u32,
        /// Names that came.
        added: u32,
        /// Names that went.
        removed: u32,
        /// The first that came.
        came: Vec<String>,
        /// The first that went.
        went: Vec<String>,
    },
    /// What came is held back; what was in force stays.
    Held {
        /// Why.
        why: String,
    },
    /// Nothing came; what was in force stays.
    Failed {
        /// Why.
        why: String,
    },
}
