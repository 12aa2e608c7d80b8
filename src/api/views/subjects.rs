//! Devices and companies.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CompanyBrief, QueryTally, RuleView, SwitchView, Tally, WhoRow};
use crate::model::{GroupName, Level, LogDetail};

/// A device in few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceBrief {
    /// Its stable number.
    pub id: u32,
    /// Its name, or its address while nobody named it.
    pub name: String,
    /// Its addresses now.
    pub addresses: Vec<IpAddr>,
    /// Its level.
    pub level: Level,
    /// Whether lists were switched by hand beside it.
    pub custom: bool,
}

/// A device and what it did in the last 24 hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The device.
    #[serde(flatten)]
    pub brief: DeviceBrief,
    /// Whether the policy names it.
    pub named: bool,
    /// Its groups, the first one strongest.
    pub groups: Vec<GroupName>,
    /// What is recorded of it.
    pub log: LogDetail,
    /// Until when it is paused.
    pub paused_until: Option<Timestamp>,
    /// Its first query.
    pub first_seen: Option<Timestamp>,
    /// Its latest query.
    pub last_seen: Option<Timestamp>,
    /// Its queries.
    pub queries: QueryTally,
    /// Its attempts.
    pub attempts: Tally,
    /// Companies with the most attempts.
    pub top_companies: Vec<CompanyBrief>,
}

/// Everything about one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetails {
    /// The device.
    pub device: DeviceView,
    /// Its addresses and prefixes in the policy.
    pub configured: Vec<String>,
    /// Lists that bind it.
    pub lists: Vec<String>,
    /// Companies banned for it, by slug.
    pub bans: Vec<String>,
    /// Own rules that bind it, the strongest scope first.
    pub rules: Vec<RuleView>,
    /// Companies it was tracked by.
    pub companies: Vec<WhoRow>,
}

/// A company and what it did in the last 24 hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyView {
    /// The company; none: Unattributed.
    pub company: Option<CompanyBrief>,
    /// The country of its head office.
    pub country: Option<String>,
    /// Its own web site.
    pub website: Option<String>,
    /// What most of its names are for.
    pub purpose: Option<String>,
    /// Names and patterns of it in the catalogue.
    pub names: u64,
    /// Its attempts.
    pub attempts: Tally,
    /// The latest.
    pub last: Option<Timestamp>,
    /// Whether everything it runs can be blocked.
    pub can_ban: bool,
    /// Where its ban is on or lifted.
    pub switches: Vec<SwitchView>,
}
