//! What a reader may ask for: the parameters of `GET` requests.

use serde::{Deserialize, Serialize};

use crate::model::Outcome;

/// Parameters of [`super::paths::WHO`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhoParams {
    /// Only this device.
    pub device: Option<String>,
}

/// Parameters of [`super::paths::NOTICES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoticeParams {
    /// Those that were dismissed too.
    pub all: Option<bool>,
}

/// Parameters of [`super::paths::QUERIES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogParams {
    /// At most this many events.
    pub limit: Option<usize>,
    /// Events older than this cursor, newest first.
    pub before: Option<String>,
    /// Events later than this cursor, oldest first.
    pub after: Option<String>,
    /// Of this device.
    pub device: Option<String>,
    /// Of this company; `unattributed` for none.
    pub company: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Only tracking names.
    pub tracking: Option<bool>,
    /// Whose name or alias has this text in it.
    pub text: Option<String>,
    /// Of the last so many seconds.
    pub seconds: Option<u64>,
}

/// Parameters of [`super::paths::WHY`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhyParams {
    /// The name.
    pub name: String,
    /// The device; none for a device without a policy of its own.
    pub device: Option<String>,
    /// The type asked for; `A` if left out.
    #[serde(rename = "type")]
    pub query_type: Option<String>,
}

/// Parameters of `DELETE` on [`super::paths::DEVICE`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForgetParams {
    /// Whether its past is erased too.
    pub history: bool,
    /// Its number: if another device is found by then, none is forgotten.
    pub number: Option<u32>,
}

/// Parameters of [`super::paths::POLICY_HISTORY`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryParams {
    /// At most so many of the latest changes.
    pub limit: Option<usize>,
}

/// Parameters of [`super::paths::POLICY_DIFF`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffParams {
    /// The older revision, or the beginning of its hash; left out: the one before that in force.
    pub from: Option<String>,
    /// The newer one; left out: the one in force.
    pub to: Option<String>,
}
