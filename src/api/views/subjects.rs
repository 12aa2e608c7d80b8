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

/// A list or a ban, on or off for a device, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The list's name, or the company's slug.
    pub name: String,
    /// On or off.
    pub on: bool,
    /// Whether only the rules whose absence breaks nothing count.
    pub part: bool,
    /// What says so: `level strict`, `group Kids`, `everyone`.
    pub from: String,
}

/// Everything about one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetails {
    /// The device.
    pub device: DeviceView,
    /// Its addresses and prefixes in the policy.
    pub configured: Vec<String>,
    /// What its level comes from: the device, a group, everyone, or the program.
    pub level_from: String,
    /// What its log detail comes from.
    pub log_from: String,
    /// Lists that bind it, and those that something takes out.
    pub lists: Vec<Bound>,
    /// Companies whose ban binds it, by slug, and those whose ban is lifted.
    pub bans: Vec<Bound>,
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
    /// What the names tried most are for; of a company nobody asked for, most of its names.
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
