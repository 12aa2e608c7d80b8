//! The form of `policy.toml`, table by table, before it is checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A text with its place.
pub(super) type Text = Spanned<String>;

/// A value of any type with its place; its type is checked where it is used.
pub(super) type Any = Spanned<toml::Value>;

/// `[everyone]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PartForm {
    pub level: Option<Text>,
    pub lists: BTreeMap<Text, Any>,
    pub companies: BTreeMap<Text, Any>,
    pub log: Option<Text>,
    pub only_listed: Option<bool>,
}

/// `[level.standard]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DifferenceForm {
    pub add: Vec<Text>,
    pub remove: Vec<Text>,
}

/// `[blocking]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BlockingForm {
    pub mode: Option<Text>,
    pub addresses: Option<Spanned<Vec<Text>>>,
    pub ttl: Option<Spanned<u32>>,
}

/// `[[group]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupForm {
    pub name: Text,
    pub level: Option<Text>,
    #[serde(default)]
    pub lists: BTreeMap<Text, Any>,
    #[serde(default)]
    pub companies: BTreeMap<Text, Any>,
    pub log: Option<Text>,
    pub only_listed: Option<bool>,
}

/// `[[device]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceForm {
    pub name: Text,
    pub hardware: Option<Spanned<Vec<Text>>>,
    pub addresses: Option<Spanned<Vec<Text>>>,
    pub kind: Option<Text>,
    #[serde(default)]
    pub groups: Vec<Text>,
    #[serde(default)]
    pub tags: Vec<Text>,
    pub level: Option<Text>,
    #[serde(default)]
    pub lists: BTreeMap<Text, Any>,
    #[serde(default)]
    pub companies: BTreeMap<Text, Any>,
    pub log: Option<Text>,
    pub only_listed: Option<bool>,
}

/// `[unknown]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UnknownForm {
    pub groups: Vec<Text>,
}

/// `[[schedule]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleForm {
    pub name: Text,
    pub days: Option<Any>,
    pub times: Option<Spanned<Vec<Text>>>,
    pub device: Option<Text>,
    pub group: Option<Text>,
    pub level: Option<Text>,
    #[serde(default)]
    pub lists: BTreeMap<Text, Any>,
    #[serde(default)]
    pub companies: BTreeMap<Text, Any>,
    pub log: Option<Text>,
    pub only_listed: Option<bool>,
}

/// `[[rule]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleForm {
    pub action: Option<Text>,
    pub name: Option<Text>,
    pub adguard: Option<Text>,
    pub regex: Option<Text>,
    pub exact: Option<Text>,
    pub device: Option<Text>,
    pub group: Option<Text>,
    pub note: Option<Text>,
    pub until: Option<Any>,
}

/// `[[list]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListForm {
    pub name: Text,
    pub file: Option<Text>,
    pub address: Option<Text>,
    pub local: Option<Spanned<bool>>,
    pub every: Option<Text>,
    pub kind: Option<Text>,
    pub format: Option<Text>,
    #[serde(default)]
    pub cover_subdomains: bool,
    #[serde(default)]
    pub strip_browser_modifiers: bool,
    #[serde(default)]
    pub trusted: bool,
    #[serde(default)]
    pub allowlist: bool,
    #[serde(default)]
    pub wide: bool,
    pub zone: Option<Text>,
    pub categories: Option<Spanned<Vec<Text>>>,
}

/// `[[local]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocalForm {
    pub name: Text,
    #[serde(default)]
    pub addresses: Vec<Text>,
    pub alias: Option<Text>,
}

/// `[[zone]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneForm {
    pub name: Text,
    pub file: Text,
}
