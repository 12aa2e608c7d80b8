//! Devices and companies.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CompanyBrief, QueryTally, RuleView, SwitchView, Tally, WhoRow};
use crate::model::{DeviceKind, Grade, GroupName, HardwareAddress, Level, LogDetail, Scope};

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
    /// The name that hints suggest, where it is called otherwise.
    pub proposed_name: Option<String>,
    /// What it is, if anybody knows.
    pub kind: Option<DeviceKind>,
    /// Who says so: `person`, `lease`, `mdns`, `reverse-name`, `maker`.
    pub kind_from: Option<String>,
    /// How well it is known now.
    pub grade: Option<Grade>,
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
    /// Its hardware addresses, seen or in the policy.
    pub hardware: Vec<HardwareView>,
    /// Who made its network card.
    pub maker: Option<String>,
    /// What it calls itself, and what others call it.
    pub names: Vec<HeardName>,
    /// Which addresses were its own when, the latest first.
    pub bindings: Vec<BindingView>,
    /// Earlier bindings that are left out.
    pub more_bindings: u64,
    /// Devices that may be the same one.
    pub may_be: Vec<LikenessView>,
    /// Whether only names are answered that something allows.
    pub only_listed: bool,
    /// What says so.
    pub only_listed_from: String,
    /// Its schedules, narrow scope first.
    pub schedules: Vec<ScheduleView>,
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

/// A hardware address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareView {
    /// The address.
    pub address: HardwareAddress,
    /// Whether the device made it up.
    pub random: bool,
    /// Whether policy.toml has it.
    pub configured: bool,
}

/// A name of a device as it was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardName {
    /// The name, untrusted.
    pub name: String,
    /// Where it was heard: `lease`, `mdns`, `reverse-name`.
    pub from: String,
}

/// One stretch of time in which an address was a device's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingView {
    /// The address or prefix.
    pub address: String,
    /// How well it is known.
    pub grade: Grade,
    /// By what.
    pub evidence: String,
    /// From when.
    pub from: Timestamp,
    /// Until when; none: it is in force.
    pub until: Option<Timestamp>,
}

/// A schedule that binds a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// Whom it is for.
    pub scope: Scope,
    /// Whether it counts now.
    pub on: bool,
    /// When that changes.
    pub next_change: Option<Timestamp>,
}

/// Two devices that look like one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikenessView {
    /// The number of the one seen first.
    pub first: u32,
    /// Its name.
    pub first_name: String,
    /// The number of the one seen later.
    pub second: u32,
    /// Its name.
    pub second_name: String,
    /// When the first one was seen last.
    pub left: Timestamp,
    /// When the second one was seen first.
    pub came: Timestamp,
    /// Why they may be one, in words.
    pub reasons: Vec<String>,
}

/// Two devices that were put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesMerged {
    /// The name of both now.
    pub name: String,
    /// What they were called.
    pub from: [String; 2],
    /// What an entry of policy.toml set that is gone: `level strict`, `2 rules`.
    pub dropped: Vec<String>,
    /// The revision of the policy now.
    pub revision: String,
}

/// A device that something was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSplit {
    /// The device.
    pub name: String,
    /// What is no longer its own.
    pub part: String,
    /// The name of what was split off, if it has one.
    pub own_name: Option<String>,
    /// The revision of the policy now.
    pub revision: String,
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
