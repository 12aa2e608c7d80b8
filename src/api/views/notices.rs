//! What a person should know, as the API shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeView {
    /// Its number.
    pub id: u64,
    /// What it is about: `new-device`, `first-contact`, `fell-silent`.
    pub kind: String,
    /// Of whom or what: `device 12`, `router fe80::1`.
    pub subject: String,
    /// The device's number, if it is one.
    pub device_id: Option<u32>,
    /// It in one line.
    pub headline: String,
    /// What was seen.
    pub words: String,
    /// Companies or names that were seen, if any.
    pub items: Vec<String>,
    /// What to do.
    pub remedy: String,
    /// When it was raised.
    pub raised: Timestamp,
    /// When it was seen last.
    pub latest: Timestamp,
    /// How often it was seen.
    pub count: u64,
    /// When it was dismissed.
    pub dismissed: Option<Timestamp>,
    /// Whether it was dismissed for good.
    pub always: bool,
}

/// How many notices were dismissed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dismissed {
    /// How many.
    pub dismissed: u64,
}
